#!/usr/bin/env python3
"""How long `prepare` and `seal` take, each from its start to its end: seal.py DIRECTORY-OF-PROGRAMS, as root.

Each run has a network namespace of its own, as in a pod. The agent is `true`, its settings are those of `bottle render`
for kind claude, the home is empty or has what the run before left. Prints Markdown rows.
"""

import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 30


def main(programs: pathlib.Path) -> None:
    root = pathlib.Path(tempfile.mkdtemp(prefix="seal-"))
    try:
        measure(programs, root)
    finally:
        shutil.rmtree(root)


def fragments() -> list:
    servers = {f"s{number}": {"type": "http", "url": f"http://cred-proxy:9099/mcp/s{number}/"} for number in range(10)}
    servers["db"] = {"type": "stdio", "command": "db", "env": {"URL": "${SECRET:DB}"}}
    return [
        {"path": ".claude.json", "format": "json", "merge": {"mcpServers": servers, "hasCompletedOnboarding": True}, "entries": ["mcpServers"]},
        {"path": ".claude/settings.json", "format": "json", "merge": {"permissions": {"allow": ["mcp__supervise"]}}},
    ]


def measure(programs: pathlib.Path, root: pathlib.Path) -> None:
    root.chmod(0o755)
    config, secrets, out, home, image = (root / name for name in ("config", "secrets", "out", "home", "image"))
    for directory in (config, secrets, out, home, image):
        directory.mkdir()
    (secrets / "DB").write_text("hunter2")
    instructions = {"start": ["true"], "home": str(home), "imageHome": str(image), "sidecars": [], "wall": ["192.0.2.1:443"], "fragments": fragments(), "maxRestarts": 3}
    (config / "seal.json").write_text(json.dumps(instructions))
    prepare = [programs / "supervise", "prepare", "--config", config, "--secrets", secrets, "--out", out, "--supervise-program", programs / "supervise",
               "--seal-program", programs / "seal", "--api-host", "10.96.0.1", "--termination-log", root / "log"]
    # What the pod's group is for.
    share = ["chown", "-R", "1000:1000", out, home]
    seal = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", out / "seal", "--instructions", out / "seal.json", "--termination-log", root / "log"]
    # A way out to be closed.
    inside = "ip link set lo up; ip link add p type veth peer q; ip addr add 198.18.0.1/24 dev p; ip link set p up; ip link set q up; "
    inside += 'ip route add default via 198.18.0.2; python3 -c "$0" "$@"'
    clock = """
import subprocess, sys, time
for command in ' '.join(sys.argv[1:]).split(' -- '):
    began = time.perf_counter()
    done = subprocess.run(command.split(), capture_output=True, text=True)
    print((time.perf_counter() - began) * 1000)
    if done.returncode: sys.exit(command + ': ' + done.stderr)
"""
    rows: list[list[float]] = [[], [], [], []]
    for _ in range(ROUNDS):
        shutil.rmtree(home)
        home.mkdir()
        words = [*prepare, "--", *share, "--", *seal, "--", *seal]
        command = ["unshare", "--net", "bash", "-c", inside, clock, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode:
            sys.exit(done.stderr)
        for row, text in zip(rows, done.stdout.split()):
            row.append(float(text))
    print("| | p50 ms | max ms |\n| --- | --- | --- |")
    rows.pop(1)
    for name, row in zip(("prepare: lock, secrets, seal shared", "seal, first start", "seal, further start"), rows):
        print(f"| {name} | {statistics.median(row):.1f} | {max(row):.1f} |")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
