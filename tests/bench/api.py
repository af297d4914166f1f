"""The API server for the measurements, and what they all put there."""

import base64
import http.client
import json
import ssl
import subprocess
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request

GROUP = "/apis/bot-bottle.dev/v1alpha1"


class Api:
    """The API server, without a kubectl process for each request, over one kept connection of each thread."""

    def __init__(self, kubeconfig: str) -> None:
        view = subprocess.check_output(["kubectl", "--kubeconfig", kubeconfig, "config", "view", "--raw", "--minify", "--flatten", "-o", "json"])
        config = json.loads(view)
        self.server = config["clusters"][0]["cluster"]["server"]
        self.kept = threading.local()
        user = config["users"][0]["user"]
        self.context = ssl.create_default_context(cadata=base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
            pair.flush()
            self.context.load_cert_chain(pair.name)

    def open(self, method: str, path: str, body=None, kind: str = "application/json", timeout: float = 60):
        """An answer that is read as it comes."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, {"Content-Type": kind}, method=method)
        return urllib.request.urlopen(request, context=self.context, timeout=timeout)

    def call(self, method: str, path: str, body=None, kind: str = "application/json"):
        """An answer as an object."""
        if not hasattr(self.kept, "connection"):
            self.kept.connection = http.client.HTTPSConnection(urllib.parse.urlsplit(self.server).netloc, context=self.context, timeout=60)
        was_kept = self.kept.connection.sock is not None
        try:
            self.kept.connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": kind})
            answer = self.kept.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.kept.connection.close()
            # The API server closes what was idle for 90 s, and has read nothing then.
            if was_kept and isinstance(error, (http.client.RemoteDisconnected, BrokenPipeError)):
                return self.call(method, path, body, kind)
            raise
        if answer.status >= 300:
            raise urllib.error.HTTPError(path, answer.status, text.decode(errors="replace"), answer.headers, None)
        return json.loads(text)


def bottle(name: str, command: list[str], image: str = "bot-bottle/agent-example:dev") -> dict:
    return {
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "Bottle",
        "metadata": {"name": name},
        "spec": {"agent": {"kind": "claude", "image": image, "command": command}, "allowlist": ["api.example.com"], "workspace": {"acceptLoss": True}},
    }


def quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]
