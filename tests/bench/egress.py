"""Measures egress beside squid, tinyproxy and Envoy, interleaved, and prints Markdown. Needs a network of its own
(tests/bench/run egress makes it), BIN_DIR with `supervise` and examples/load; peers that are missing are left out."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(os.environ.get("ROUNDS", "5"))
BIN = pathlib.Path(os.environ["BIN_DIR"])
LOAD = str(BIN / "examples/load")
WORK = pathlib.Path(tempfile.mkdtemp(prefix="egress-bench-"))
WORK.chmod(0o755)
os.environ["LOAD_CERTIFICATE"] = str(WORK / "certificate")
TICK = os.sysconf("SC_CLK_TCK")


def names(count):
    return "up.example\nup.example:9000\n" + "".join(f"host-{n}.example\n" for n in range(count - 1))


class Config:
    """A mounted ConfigMap: the files in a directory of their own, a link swapped."""

    def __init__(self, allowlist):
        self.at, self.state, self.version = WORK / "config", WORK / "state", 0
        for path in (self.at, self.state):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
        self.put(allowlist)
        for name in ("allowlist", "egress.json", "routes.json", "Dockerfile", "hash"):
            (self.at / name).symlink_to(f"..data/{name}")

    def put(self, allowlist):
        """Makes it visible; the moment."""
        self.version += 1
        files = self.at / f"..{self.version}"
        files.mkdir()
        (files / "allowlist").write_text(allowlist)
        (files / "egress.json").write_text('{"allowInternal": ["127.0.0.0/8"]}')
        (files / "routes.json").write_text('{"routes": []}')
        (files / "Dockerfile").write_text("")
        (files / "hash").write_text(f"v{self.version}")
        (self.at / "..new").symlink_to(f"..{self.version}")
        moment = time.perf_counter()
        os.rename(self.at / "..new", self.at / "..data")
        return moment

    def enforced(self, moment):
        """Milliseconds since then until the proxy says so."""
        said = self.state / "egress.hash"
        while not said.exists() or said.read_text().strip() != f"v{self.version}":
            time.sleep(0.0002)
        return (time.perf_counter() - moment) * 1000


class Proxy:
    def __init__(self, name, port, command, environment=None):
        self.name, self.port = name, port
        self.log = open(WORK / f"{name}.log", "w")
        self.child = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, env=environment or os.environ)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss(self):
        for line in pathlib.Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(3)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Nothing:
    name, address = "none", "none"

    def cpu(self):
        return 0


def ours(allowlist, port=8888):
    config = Config(allowlist)
    proxy = Proxy("egress", port, [str(BIN / "supervise"), "egress", "--config", str(config.at), "--state",
                                   str(config.state), "--port", str(port), "--resolve", "up.example=127.0.0.1"],
                  {**os.environ, "RUST_LOG": "warn"})
    config.enforced(0)
    time.sleep(0.2)
    return proxy, config


def squid():
    (WORK / "squid.conf").write_text(f"""
http_port 127.0.0.1:3128
acl listed dstdomain up.example
http_access allow listed
http_access deny all
cache deny all
cache_mem 8 MB
access_log none
cache_log /dev/null
cache_store_log none
pid_filename none
hosts_file /etc/hosts
max_filedescriptors 8192
shutdown_lifetime 0 seconds
coredump_dir {WORK}
""")
    return Proxy("squid", 3128, [shutil.which("squid"), "-N", "-f", str(WORK / "squid.conf")])


def tinyproxy():
    (WORK / "filter").write_text("^up\\.example$\n")
    (WORK / "tinyproxy.conf").write_text(f"""
Port 8890
Listen 127.0.0.1
Allow 127.0.0.1
MaxClients 2000
Timeout 600
LogLevel Critical
Filter "{WORK}/filter"
FilterDefaultDeny Yes
FilterType ere
ConnectPort 443
ConnectPort 9000
""")
    return Proxy("tinyproxy", 8890, [shutil.which("tinyproxy"), "-d", "-c", str(WORK / "tinyproxy.conf")])


def envoy(program):
    def host(name, domain, port, match, extra=None):
        return {"name": name, "domains": [domain],
                "routes": [{"match": match, "route": {"cluster": f"up{port}", "timeout": "0s", **(extra or {})}}]}

    connect = {"upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "egress", "upgrade_configs": [{"upgrade_type": "CONNECT"}],
        "http_filters": [{"name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": [
            host("tls", "up.example:443", 443, {"connect_matcher": {}}, connect),
            host("bulk", "up.example:9000", 9000, {"connect_matcher": {}}, connect),
            host("plain", "up.example", 80, {"prefix": "/"}),
            {"name": "other", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "direct_response": {"status": 403, "body": {"inline_string": "no"}}}]},
        ]},
    }

    def address(port):
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    cluster = [{"name": f"up{port}", "type": "STATIC", "connect_timeout": "5s", "load_assignment": {
        "cluster_name": f"up{port}", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]}}
        for port in (80, 443, 9000)]
    (WORK / "envoy.json").write_text(json.dumps({"static_resources": {
        "listeners": [{"address": address(8891), "filter_chains": [{"filters": [
            {"name": "http", "typed_config": manager}]}]}], "clusters": cluster}}))
    return Proxy("envoy", 8891, [program, "-c", str(WORK / "envoy.json"), "--concurrency", "1", "-l", "error",
                                 "--disable-hot-restart"])


def load(mode, proxy, *arguments):
    ended = subprocess.run([LOAD, mode, proxy.address, *map(str, arguments)], capture_output=True, text=True)
    if ended.returncode:
        print(f"{mode} through {proxy.name} failed: {ended.stderr[-300:]}", file=sys.stderr)
        return {}
    return json.loads(ended.stdout)


MODES = [("tunnels", 8, 2), ("setup", 400), ("bulk", 1, 1024), ("bulk", 8, 1024), ("plain", 64, 2), ("refuse", 16, 1)]


def beside_peers():
    """{(mode, proxy): [{figure: value}]}"""
    proxies = [Nothing(), ours(names(10))[0]]
    if shutil.which("squid"):
        proxies.append(squid())
    if shutil.which("tinyproxy"):
        proxies.append(tinyproxy())
    if program := os.environ.get("ENVOY") or shutil.which("envoy"):
        proxies.append(envoy(program))
    time.sleep(3)
    found = {}
    for turn in range(ROUNDS):
        for mode in MODES:
            # Another one begins each time.
            for proxy in proxies[turn % len(proxies):] + proxies[:turn % len(proxies)]:
                if proxy.name == "none" and mode[0] == "refuse":
                    continue
                before = proxy.cpu()
                got = load(mode[0], proxy, *mode[1:])
                got["cpu"] = proxy.cpu() - before
                found.setdefault((mode, proxy.name), []).append(got)
    order = [proxy.name for proxy in proxies]
    for proxy in proxies[1:]:
        proxy.stop()
    return found, order


def median(rows, figure):
    values = [figure(row) for row in rows if row.get("rate") or row.get("p50")]
    return statistics.median(values) if values else float("nan")


def table(found, order):
    def line(what, mode, figure, form):
        cells = []
        for name in order:
            rows = found.get((mode, name))
            cells.append(form.format(median(rows, figure)) if rows else "")
        print(f"| {what} | " + " | ".join(cells) + " |")

    print("| | " + " | ".join("no proxy" if name == "none" else name for name in order) + " |")
    print("| --- |" + " --- |" * len(order))
    tunnels, setup, one, eight, plain, refuse = MODES
    line("tunnels/s, TLS and one GET, 8 clients", tunnels, lambda row: row["rate"], "{:.0f}")
    line("CPU a tunnel, µs", tunnels, lambda row: row["cpu"] / max(row["done"], 1) * 1e6, "{:.0f}")
    line("of them failed", tunnels, lambda row: row["failed"], "{:.0f}")
    line("CONNECT set-up p50, µs", setup, lambda row: row["p50"], "{:.0f}")
    line("CONNECT set-up p99, µs", setup, lambda row: row["p99"], "{:.0f}")
    line("1 GiB in one tunnel, MiB/s", one, lambda row: row["rate"], "{:.0f}")
    line("CPU s a GiB", one, lambda row: row["cpu"], "{:.2f}")
    line("1 GiB in eight tunnels, MiB/s", eight, lambda row: row["rate"], "{:.0f}")
    line("CPU s a GiB", eight, lambda row: row["cpu"], "{:.2f}")
    line("plain GET/s, 64 kept connections", plain, lambda row: row["rate"], "{:.0f}")
    line("refusals/s, 16 clients", refuse, lambda row: row["rate"], "{:.0f}")
    line("CPU a refusal, µs", refuse, lambda row: row["cpu"] / max(row["done"], 1) * 1e6, "{:.1f}")


def alone():
    print("\n| egress alone | |\n| --- | --- |")
    cost = {10: [], 1000: [], 10000: []}
    for _ in range(ROUNDS):
        for count, costs in cost.items():
            proxy, _ = ours(names(count))
            before, got = proxy.cpu(), load("refuse", proxy, 16, 1)
            costs.append((proxy.cpu() - before) / got["done"] * 1e6)
            proxy.stop()
    print("| CPU a refusal with 10, 1,000, 10,000 names, µs | "
          + ", ".join(f"{statistics.median(costs):.1f}" for costs in cost.values()) + " |")

    proxy, config = ours(names(10))
    print(f"| RSS at rest, 10 names | {proxy.rss():.1f} MiB |")
    proxy.stop()
    proxy, config = ours(names(10000))
    print(f"| RSS at rest, 10,000 names | {proxy.rss():.1f} MiB |")
    took = [config.enforced(config.put(names(10000 + turn % 2))) for turn in range(50)]
    print(f"| change of 10,000 names, visible to enforced, p50, max of 50 | "
          f"{statistics.median(took):.1f}, {max(took):.1f} ms |")
    without = names(10000).replace("up.example\n", "", 1)
    closed, last = 0, []
    for _ in range(ROUNDS):
        held = subprocess.Popen([LOAD, "hold", proxy.address, "100"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True)
        held.stdout.readline()
        held.stdin.write("go\n")
        held.stdin.flush()
        config.put(without)
        got = json.loads(held.stdout.readline())
        closed += got["closed"]
        last.append(got["ms"])
        config.enforced(config.put(names(10000)))
    print(f"| tunnels to a removed host, closed of held; the last one, p50 | {closed} of {100 * ROUNDS}; "
          f"{statistics.median(last):.1f} ms |")
    busy = [subprocess.Popen([LOAD, mode, proxy.address, "4", "40"], stdout=subprocess.PIPE, text=True)
            for mode in ("plain", "tunnels")]
    begin, reloads = time.perf_counter(), 0
    while reloads < 1000 and time.perf_counter() - begin < 38:
        config.enforced(config.put(names(10000 + reloads % 2)))
        shutil.rmtree(config.at / f"..{config.version - 1}")
        reloads += 1
    got = [json.loads(one.communicate()[0]) for one in busy]
    print(f"| {reloads} reloads of 10,000 names under load: requests, failed | {sum(one['done'] for one in got)}, "
          f"{sum(one['failed'] for one in got)} |")
    proxy.stop()
    proxy, config = ours(names(10))
    held = subprocess.Popen([LOAD, "hold", proxy.address, "1000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)
    held.stdout.readline()
    print(f"| RSS with 1,000 tunnels | {proxy.rss():.1f} MiB |")
    held.kill()
    proxy.stop()


def main():
    (WORK / "hosts").write_text("127.0.0.1 localhost up.example\n")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", str(WORK / "hosts"), "/etc/hosts"], check=True)
    server = subprocess.Popen([LOAD, "serve"], stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    try:
        found, order = beside_peers()
        table(found, order)
        alone()
    finally:
        server.kill()
        shutil.rmtree(WORK, ignore_errors=True)


main()
