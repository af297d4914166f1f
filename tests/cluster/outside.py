"""The servers of the made-up internet: HTTP on 80, HTTPS on 443, TCP echo on 7, UDP echo on 7 and 53.
All of them on 203.0.113.10, .11, .12 and on 2001:db8:113::10, ::11, ::12.

GET /            hello from <Host>
GET /bytes?n=N   N bytes
GET /ticks       a line each second, for ever
GET /headers     the request's headers, as they arrived
POST /count      the number of bytes in the body, sent with a length or in chunks

model.example.com stands in for a model (tests/agents/model.py), git.example.com has a repository (git_server.py).
"""

import http.server
import os
import socket
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "agents"))
import git_server  # noqa: E402
import model  # noqa: E402

BLOCK = b"x" * 65536


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "outside"

    def do_GET(self):
        if self.headers.get("Host") == git_server.HOST:
            git_server.serve(self)
            return
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/":
            self.answer(f"hello from {self.headers.get('Host', 'nobody')}\n".encode())
        elif url.path == "/bytes":
            self.send_bytes(int(urllib.parse.parse_qs(url.query).get("n", ["0"])[0]))
        elif url.path == "/ticks":
            self.send_ticks()
        elif url.path == "/headers":
            self.answer("".join(f"{name}: {value}\n" for name, value in self.headers.items()).encode())
        else:
            self.answer(b"no such page\n", 404)

    def do_POST(self):
        if self.headers.get("Host") == git_server.HOST:
            git_server.serve(self)
            return
        if self.headers.get("Host") == "model.example.com":
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not model.serve(self, self.path, raw):
                self.answer(b"no such page\n", 404)
            return
        count = sum(self.body_parts())
        if urllib.parse.urlsplit(self.path).path == "/count":
            self.answer(f"{count}\n".encode())
        else:
            self.answer(b"no such page\n", 404)

    do_PUT = do_POST

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_bytes(self, left):
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(left))
        self.end_headers()
        while left > 0:
            self.wfile.write(BLOCK[:left])
            left -= min(left, len(BLOCK))

    def send_ticks(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        number = 0
        while True:
            line = f"tick {number}\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
            number += 1
            time.sleep(1)

    def body_parts(self):
        """The sizes of the body's parts, as they are read."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield len(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length", 0))
        while left > 0 and (part := self.rfile.read(min(left, len(BLOCK)))):
            yield len(part)
            left -= len(part)

    def log_message(self, form, *values):
        print(f"{self.client_address[0]} {self.headers.get('Host') if hasattr(self, 'headers') else '-'} {form % values}", flush=True)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6  # which also takes IPv4 unless told otherwise
    request_queue_size = 256

    def __init__(self, port, handler=Handler, context=None):
        self.context = context
        super().__init__(("::", port), handler)

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)  # without HTTPServer's look-up of its own name

    def finish_request(self, request, client_address):
        # The handshake belongs to the connection's own thread: one that never speaks must not hold up the others.
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)
        if self.context:
            request.close()

    def handle_error(self, request, client_address):
        print(f"{client_address[0]} {sys.exc_info()[1]!r}", flush=True)


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while part := self.request.recv(65536):
            self.request.sendall(part)


class Datagrams(socketserver.ThreadingUDPServer):
    address_family = socket.AF_INET6


class DatagramEcho(socketserver.BaseRequestHandler):
    def handle(self):
        data, server = self.request
        server.sendto(data, self.client_address)


def main():
    certificate, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # One for each address: an answer must come from the address that was asked.
    addresses = [network + last for network in ("::ffff:203.0.113.", "2001:db8:113::") for last in ("10", "11", "12")]
    datagrams = [Datagrams((address, port), DatagramEcho) for address in addresses for port in (7, 53)]
    for server in Server(80), Server(443, context=context), Server(7, Echo), *datagrams:
        threading.Thread(target=server.serve_forever).start()


main()
