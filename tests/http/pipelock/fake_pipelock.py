#!/usr/bin/env python3
"""Not pipelock: a proxy that behaves as docs/pipelock.md says that pipelock does, where our side depends on it.

`run --config FILE`. Reads the file at its start, and again when a file of that name is written or renamed into place.
A key that it doesn't know, or an empty list, is an error: at the start it ends, later it keeps what it has. Tunnels
stay open when their host is removed. Every listed name leads to FAKE_UPSTREAM, a port on the loopback; names under
.invalid don't exist. While the file FAKE_DEAF exists it notices no change.
"""
import json
import os
import select
import socket
import sys
import threading
import time

KEYS = {"version", "mode", "api_allowlist", "fetch_proxy", "forward_proxy", "logging", "sentry", "metrics_listen"}


def read(path):
    with open(path) as file:
        config = json.load(file)
    if set(config) - KEYS or config["mode"] != "strict" or not config["api_allowlist"]:
        raise ValueError("invalid config")
    return config


def mark(path):
    stat = os.stat(path)
    return stat.st_ino, stat.st_mtime_ns


class Proxy:
    def __init__(self, path):
        self.path, self.seen = path, mark(path)
        self.config = read(path)

    def follow(self):
        parent = os.getppid()
        while True:
            time.sleep(0.02)
            # In a container it would end with the first process.
            if os.getppid() != parent:
                os._exit(1)
            if os.path.exists(os.environ["FAKE_DEAF"]):
                continue
            try:
                now = mark(self.path)
                if now != self.seen:
                    self.seen, self.config = now, read(self.path)
            except (OSError, ValueError, KeyError) as error:
                print("keeping the old config:", error, flush=True)

    def lists(self, host):
        for entry in self.config["api_allowlist"]:
            if entry == host or (entry.startswith("*.") and (host == entry[2:] or host.endswith(entry[1:]))):
                return True
        return False

    def serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            read_now = client.recv(4096)
            if not read_now:
                return
            head += read_now
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        answer = lambda status, body: client.sendall(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        if target == "/health":
            return answer(200, "ok")
        host = target.removeprefix("http://").split("/")[0].split(":")[0]
        if not self.lists(host):
            return answer(403, "" if method == "CONNECT" else f"blocked: domain not in allowlist: {host}")
        if host.endswith(".invalid"):
            return answer(403, "blocked: DNS resolution failed")
        if method != "CONNECT":
            return answer(502, "the fake has tunnels only")
        upstream = socket.create_connection(("127.0.0.1", int(os.environ["FAKE_UPSTREAM"])))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        pair = {client: upstream, upstream: client}
        while True:
            for ready in select.select(list(pair), [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                pair[ready].sendall(data)

    def handle(self, client):
        with client:
            try:
                self.serve(client)
            except OSError:
                pass


def main():
    assert sys.argv[1:3] == ["run", "--config"], sys.argv
    proxy = Proxy(sys.argv[3])
    host, port = proxy.config["fetch_proxy"]["listen"].rsplit(":", 1)
    threading.Thread(target=proxy.follow, daemon=True).start()
    listener = socket.create_server((host, int(port)))
    while True:
        client, _ = listener.accept()
        threading.Thread(target=proxy.handle, args=(client,), daemon=True).start()


main()
