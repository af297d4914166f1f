"""Bottles of one machine: start, approval, `bottle get`, size; beside what each stands on. local.py BIN_DIR [ROUNDS]

DOCKER_HOST and BOT_BOTTLE_DOCKER_GATEWAY (tests/docker/up): with the runtime docker, too. SRT: the program of
Anthropic's sandbox-runtime, where that shall stand beside. Prints Markdown for docs/benchmarks.md.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(sys.argv[1])
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
BOTTLE = str(BIN / "bottle")
IMAGE, OWN = "bot-bottle/agent-example:dev", "bot-bottle/supervise:dev"
DOCKER = "DOCKER_HOST" in os.environ

# Calls until it is decided, and writes when the answer came, by the clock that every process of this machine shares.
AGENT = r"""
import json, time, urllib.request, os
n = 0
while True:
    name = f"/bottle/workspace/ask-{n}"
    if not os.path.exists(name):
        time.sleep(0.005)
        continue
    host = open(name).read()
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "pipelock-block",
        "arguments": {"allowlist": host, "justification": f"round {n}"}}}).encode()
    request = urllib.request.Request("http://supervise:9100/", body, {"content-type": "application/json", "accept": "application/json"})
    text = urllib.request.urlopen(request).read().decode()
    with open(name + ".part", "w") as out:
        out.write(f"{time.monotonic()} {text}")
    os.rename(name + ".part", name + ".out")
    n += 1
"""


def first_line(command: list[str], **options) -> float:
    """Seconds until a program's first line; it is waited for afterwards."""
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **options) as child:
        line = child.stdout.readline()
        seconds = time.monotonic() - began
        child.stdout.read()
    assert b"up" in line, (command, line)
    return seconds


def row(what: str, seconds: list[float]) -> float:
    p50 = statistics.median(seconds)
    worst = sorted(seconds)[max(0, round(len(seconds) * 0.95) - 1)]
    print(f"| {what} | {p50 * 1000:.0f} | {worst * 1000:.0f} |", flush=True)
    return p50


def starts(place: Path) -> None:
    work = place / "work"
    work.mkdir()
    os.chown(work, 1000, 1000)
    env = dict(os.environ, HOME=str(place), BOTTLE_STATE_DIR=str(place / "state"), BOTTLE_LOCAL="1", BOTTLE_SUPERVISE_IMAGE=OWN)
    rows = [
        ("a process", ["sh", "-c", "echo up"]),
        ("bubblewrap alone", ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "sh", "-c", "echo up"]),
        ("`bottle run`, sandbox", [BOTTLE, "run", "--", "sh", "-c", "echo up"]),
    ]
    if os.environ.get("SRT"):
        rows.append(("sandbox-runtime (`srt`)", [os.environ["SRT"], "sh -c 'echo up'"]))
    if DOCKER:
        rows += [
            ("a container (`docker run --rm`)", ["docker", "run", "--rm", IMAGE, "sh", "-c", "echo up"]),
            ("`bottle run`, docker", [BOTTLE, "run", "--runtime=docker", f"--image={IMAGE}", "--", "sh", "-c", "echo up"]),
        ]
    print("\n| start to the first line, ms | p50 | p95 |\n| --- | --- | --- |")
    for what, command in rows:
        first_line(command, env=env, cwd=work)
        row(what, [first_line(command, env=env, cwd=work) for _ in range(ROUNDS)])


def approvals(place: Path, runtime: str) -> None:
    work = place / f"approvals-{runtime}"
    work.mkdir()
    os.chown(work, 1000, 1000)
    state = ["--local", "-n", "bench", "--state", str(place / f"state-{runtime}")]
    (place / "agent.yaml").write_text(json.dumps({
        "apiVersion": "bot-bottle.dev/v1alpha1", "kind": "Bottle", "metadata": {"name": "bench"},
        "spec": {"agent": {"kind": "custom", "image": IMAGE, "command": ["/usr/bin/python3", "-c", AGENT]}, "allowlist": ["api.example.com"]},
    }))
    flags = ["--runtime=docker", f"--supervise-image={OWN}"] if runtime == "docker" else ["--host-programs"]
    subprocess.run([BOTTLE, "apply", *state, "-f", str(place / "agent.yaml"), f"--workspace={work}", *flags], check=True, stdout=subprocess.DEVNULL)
    times, verbs = [], []
    try:
        for n in range(ROUNDS):
            (work / f"ask-{n}.draft").write_text("".join(f"h{i}.example.com\n" for i in range(n + 1)) + "api.example.com\n")
            (work / f"ask-{n}.draft").rename(work / f"ask-{n}")
            name = None
            while not name:
                told = subprocess.run([BOTTLE, "proposals", *state, "--pending", "-o", "name"], capture_output=True, text=True, check=True)
                name = told.stdout.strip().rpartition("/")[2]
            time.sleep(0.05)
            began = time.monotonic()
            subprocess.run([BOTTLE, "approve", name, *state], check=True, stdout=subprocess.DEVNULL)
            verbs.append(time.monotonic() - began)
            out = work / f"ask-{n}.out"
            while not out.exists():
                time.sleep(0.001)
            at, _, text = out.read_text().partition(" ")
            assert "status: approved" in text, text
            times.append(float(at) - began)
        row(f"`bottle approve` begins to the agent's answer, {runtime}", times)
        row(f"`bottle approve` itself, {runtime}", verbs)
        seconds = []
        for _ in range(ROUNDS):
            began = time.monotonic()
            subprocess.run([BOTTLE, "get", *state], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.monotonic() - began)
        row(f"`bottle get`, {runtime}", seconds)
    finally:
        subprocess.run([BOTTLE, "delete", "bench", *state], stdout=subprocess.DEVNULL)


with tempfile.TemporaryDirectory() as directory:
    os.chmod(directory, 0o755)
    place = Path(directory)
    starts(place)
    print("\n| approval and look, ms | p50 | p95 |\n| --- | --- | --- |")
    approvals(place, "sandbox")
    if DOCKER:
        approvals(place, "docker")
for program in ("bottle", "supervise", "seal"):
    print(f"\n`{program}`: {(BIN / program).stat().st_size / 1e6:.1f} MB")
