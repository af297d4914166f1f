"""Bottles of one machine: start, approval, `bottle get`, size; beside what each stands on. local.py BIN_DIR [ROUNDS]

DOCKER_HOST and BOT_BOTTLE_DOCKER_GATEWAY (tests/docker/up): with the runtime docker, too. SRT: the program of
Anthropic's sandbox-runtime, where that shall stand beside. Prints Markdown for docs/benchmarks.md.
"""

import asyncio
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
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


# Requests one after the other over one kept connection for some seconds, by the proxy that the environment names.
CLIENT = r"""
import base64, http.client, os, sys, time, urllib.parse
url, seconds = sys.argv[1], float(sys.argv[2])
target, proxy = urllib.parse.urlsplit(url), os.environ.get("http_proxy") or os.environ.get("HTTP_PROXY")
way = urllib.parse.urlsplit(proxy) if proxy else target
headers = {"Host": target.netloc}
if proxy and way.username:
    headers["Proxy-Authorization"] = "Basic " + base64.b64encode(urllib.parse.unquote(f"{way.username}:{way.password}").encode()).decode()
connection = http.client.HTTPConnection(way.hostname, way.port)
def get():
    connection.request("GET", url if proxy else "/", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, (answer.status, body)
get()
count, until = 0, time.monotonic() + seconds
while time.monotonic() < until:
    get()
    count += 1
print(round(count / seconds))
"""


class Page(asyncio.Protocol):
    """A page of two bytes for every request."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if data.endswith(b"\r\n\r\n"):
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def serve(ready: queue.Queue) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Page, "127.0.0.1", 0)
        ready.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def rates(place: Path) -> None:
    """Requests a second from inside; the host's name leads to this machine for both."""
    ready = queue.Queue()
    threading.Thread(target=serve, args=(ready,), daemon=True).start()
    port = ready.get()
    # Each has a directory of its own: a bottle's agent is another user.
    work, other = place / "rates", place / "rates-srt"
    for directory in (work, other):
        directory.mkdir()
        (directory / "client.py").write_text(CLIENT)
    os.chown(work, 1000, 1000)
    host = f"bench.example.com:{port}"
    inside = ["/usr/bin/python3", "client.py", f"http://{host}/", "2"]
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    env |= {"HOME": str(place), "BOTTLE_STATE_DIR": str(place / "state"), "BOTTLE_LOCAL": "1"}
    rows = {
        "without a proxy": [*inside[:2], f"http://127.0.0.1:{port}/", "2"],
        "`bottle run`, sandbox": [BOTTLE, "run", f"--allow={host}", "--allow-internal=127.0.0.1/32", f"--resolve=bench.example.com=127.0.0.1:{port}", "--", *inside],
    }
    if os.environ.get("SRT"):
        settings = place / "srt.json"
        network = {"allowedDomains": ["bench.example.com", f"127.0.0.1:{port}"], "deniedDomains": []}
        settings.write_text(json.dumps({"network": network, "filesystem": {"denyRead": [], "allowWrite": ["."], "denyWrite": []}}))
        # It resolves by this machine's own means: a hosts file for this process alone.
        hosts = place / "hosts"
        hosts.write_text(Path("/etc/hosts").read_text() + "127.0.0.1 bench.example.com\n")
        mounted = f"mount --bind {hosts} /etc/hosts && exec {os.environ['SRT']} --settings {settings} {' '.join(inside)}"
        rows["sandbox-runtime (`srt`)"] = ["unshare", "--mount", "sh", "-c", mounted]
    print("\n| requests a second, one connection | p50 |\n| --- | --- |")
    found = {what: [] for what in rows}
    for _ in range(5):
        for what, command in rows.items():
            done = subprocess.run(command, env=env, cwd=other if "srt" in what else work, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done
            found[what].append(int(done.stdout.split()[-1]))
    for what, per_second in found.items():
        print(f"| {what} | {statistics.median(per_second):.0f} |", flush=True)


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
        rows.append(("sandbox-runtime (`srt`)", [os.environ["SRT"], "sh", "-c", "echo up"]))
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
    # Its agent's uid; in the sandbox it is whoever started it.
    if runtime == "docker":
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
    rates(place)
    print("\n| approval and look, ms | p50 | p95 |\n| --- | --- | --- |")
    approvals(place, "sandbox")
    if DOCKER:
        approvals(place, "docker")
for program in ("bottle", "supervise", "seal"):
    print(f"\n`{program}`: {(BIN / program).stat().st_size / 1e6:.1f} MB")
