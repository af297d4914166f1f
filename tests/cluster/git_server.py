"""A private repository, served by git's own http-backend: https://git.example.com/private.git, Basic, user and password
below. It has the branch main with one file, the tag v1 one commit before it, and takes pushes."""

import base64
import os
import subprocess
import tempfile
import threading

HOST = "git.example.com"
CREDENTIALS = "rosa:real-token-4711"
BACKEND = "/usr/lib/git-core/git-http-backend"
LOCK = threading.Lock()
ROOT = []


def root():
    """The directory of repositories, made at the first request."""
    with LOCK:
        if not ROOT:
            place = tempfile.mkdtemp(prefix="git-")
            work = os.path.join(place, "work")
            bare = os.path.join(place, "repositories", "private.git")

            def git(*words):
                settings = ["-c", "user.name=rosa", "-c", "user.email=rosa@example.com", "-c", "init.defaultBranch=main", "-c", "safe.directory=*"]
                subprocess.run(["git", *settings, *words], check=True, stdout=subprocess.DEVNULL)

            git("init", "--quiet", work)
            for content in ["one", "two"]:
                with open(os.path.join(work, "file"), "w", encoding="ascii") as file:
                    file.write(content + "\n")
                git("-C", work, "add", "file")
                git("-C", work, "commit", "--quiet", "--message", content)
                if content == "one":
                    git("-C", work, "tag", "v1")
            git("clone", "--quiet", "--bare", work, bare)
            git("-C", bare, "config", "http.receivepack", "true")
            ROOT.append(os.path.dirname(bare))
    return ROOT[0]


def body(handler):
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    parts = []
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    while handler.rfile.readline().strip():
        pass
    return b"".join(parts)


def serve(handler):
    """Answers one request."""
    sent = body(handler) if handler.command == "POST" else b""
    expected = "Basic " + base64.b64encode(CREDENTIALS.encode()).decode()
    if handler.headers.get("Authorization") != expected:
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="git"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    path, _, query = handler.path.partition("?")
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "GIT_PROJECT_ROOT": root(),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
        "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(sent)),
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REMOTE_USER": "rosa",
        "REMOTE_ADDR": handler.client_address[0],
        "REQUEST_METHOD": handler.command,
    }
    done = subprocess.run([BACKEND], env=environment, input=sent, stdout=subprocess.PIPE, check=False)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
    status = next((value for name, value in headers if name == "Status"), "200 OK" if head else "500 Error")
    handler.send_response(int(status.split()[0]))
    for name, value in headers:
        if name != "Status":
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
