#!/usr/bin/env python3
"""Measures bottles on a running test cluster and prints Markdown rows: start, approve, replace, scale, class.

    tests/bench/run start|approve|replace  on a cluster with a node and the operator (BOT_BOTTLE_CLUSTER)
    tests/bench/run scale|class            on an API server with fake nodes, started here
"""

import base64
import concurrent.futures
import json
import os
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

GROUP = "/apis/bot-bottle.dev/v1alpha1"


class Api:
    """The API server, without a kubectl process for each request."""

    def __init__(self, kubeconfig: str) -> None:
        view = subprocess.check_output(["kubectl", "--kubeconfig", kubeconfig, "config", "view", "--raw", "--minify", "--flatten", "-o", "json"])
        config = json.loads(view)
        self.server = config["clusters"][0]["cluster"]["server"]
        user = config["users"][0]["user"]
        self.context = ssl.create_default_context(cadata=base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
            pair.flush()
            self.context.load_cert_chain(pair.name)

    def open(self, method: str, path: str, body=None, kind: str = "application/json", timeout: float = 60):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, {"Content-Type": kind}, method=method)
        return urllib.request.urlopen(request, context=self.context, timeout=timeout)

    def call(self, method: str, path: str, body=None, kind: str = "application/json"):
        with self.open(method, path, body, kind) as answer:
            return json.load(answer)


def bottle(name: str, command: list[str], image: str = "bot-bottle/agent-example:dev") -> dict:
    return {
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "Bottle",
        "metadata": {"name": name},
        "spec": {"agent": {"kind": "claude", "image": image, "command": command}, "allowlist": ["api.example.com"], "workspace": {"acceptLoss": True}},
    }


def quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def first_line(api: Api, namespace: str, pod: str, container: str) -> float:
    while True:
        try:
            with api.open("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}") as answer:
                for line in answer.read().decode().splitlines():
                    if line.startswith("first "):
                        return float(line.split()[1])
        except urllib.error.HTTPError:
            pass
        time.sleep(0.05)


def start(api: Api, rounds: int = 10) -> None:
    namespace = f"bench-{os.getpid()}"
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    command = ["sh", "-c", "date '+first %s.%N'; sleep 1000"]
    bare, sealed = [], []
    for number in range(rounds):
        began = time.time()
        api.call("POST", f"/api/v1/namespaces/{namespace}/pods", {
            "metadata": {"name": f"bare-{number}"},
            "spec": {"containers": [{"name": "agent", "image": "bot-bottle/agent-example:dev", "imagePullPolicy": "IfNotPresent", "command": command}]},
        })
        bare.append(first_line(api, namespace, f"bare-{number}", "agent") - began)
        began = time.time()
        api.call("POST", f"{GROUP}/namespaces/{namespace}/bottles", bottle(f"b{number}", command))
        sealed.append(first_line(api, namespace, f"b{number}-bottle", "agent") - began)
    over = [b - a for a, b in zip(bare, sealed)]
    print("| | p50 s | min s | max s |\n| --- | --- | --- | --- |")
    for name, values in (("bare pod, create to first line", bare), ("bottle, create to the agent's first line", sealed), ("bottle over bare pod, in pairs", over)):
        print(f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")
    api.call("DELETE", f"/api/v1/namespaces/{namespace}")


LIVES = "date '+first %s.%N'; trap 'date \"+last %s.%N\"; exit 0' TERM; sleep 1000 & wait"


def lines(api: Api, namespace: str, pod: str, found: list[str]) -> None:
    """The agent's lines up to its end."""
    with api.open("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log?container=agent&follow=true", timeout=120) as answer:
        found.extend(line.decode() for line in answer)


def replace(api: Api, rounds: int = 10) -> None:
    """The agent's image changed in place (the other tag is there: see run), and whole pods replaced by an approval."""
    namespace = f"bench-{os.getpid()}"
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    image = "bot-bottle/agent-example"
    demo = bottle("demo", ["sh", "-c", LIVES], f"{image}:dev")
    demo["spec"]["rollout"] = "Roll"
    api.call("POST", f"{GROUP}/namespaces/{namespace}/bottles", demo)
    path, pod = f"{GROUP}/namespaces/{namespace}", f"/api/v1/namespaces/{namespace}/pods/demo-bottle"
    first_line(api, namespace, "demo-bottle", "agent")

    def gap(change) -> tuple[float, float]:
        """Seconds from the old agent's last line, and from the change, to the new one's first."""
        was, found = first_line(api, namespace, "demo-bottle", "agent"), []
        # Its trap is set right after its first line.
        time.sleep(1)
        follower = threading.Thread(target=lines, args=(api, namespace, "demo-bottle", found))
        follower.start()
        time.sleep(0.5)
        began = time.time()
        change()
        follower.join()
        last = next(float(line.split()[1]) for line in found if line.startswith("last "))
        while (now := first_line(api, namespace, "demo-bottle", "agent")) == was:
            time.sleep(0.05)
        time.sleep(2)
        return now - last, now - began

    def merge(object_path: str, spec: dict) -> None:
        api.call("PATCH", object_path, {"spec": spec}, "application/merge-patch+json")

    def approve_one(number: int) -> None:
        uid = api.call("GET", f"{path}/bottles/demo")["metadata"]["uid"]
        base = api.call("GET", f"/api/v1/namespaces/{namespace}/configmaps/demo-bottle")["data"]["allowlist"]
        name = f"demo-{number:012x}"
        api.call("POST", f"{path}/proposals", {
            "apiVersion": "bot-bottle.dev/v1alpha1", "kind": "Proposal", "metadata": {"name": name},
            "spec": {"bottle": "demo", "bottleUID": uid, "tool": "pipelock-block", "baseFile": base, "justification": name,
                     "proposedFile": f"{base}h{number}.example.com\n"},
        })
        while api.call("GET", f"{path}/proposals/{name}").get("status", {}).get("phase") != "Pending":
            time.sleep(0.05)
        merge(f"{path}/proposals/{name}", {"decision": "Approved"})

    tags = [f"{image}:next", f"{image}:dev"]
    in_place = [gap(lambda: merge(f"{path}/bottles/demo", {"agent": {"image": tags[number % 2]}})) for number in range(rounds)]
    uid = api.call("GET", pod)["metadata"]["uid"]
    rolled = [gap(lambda: approve_one(number)) for number in range(rounds)]
    assert api.call("GET", pod)["metadata"]["uid"] != uid
    print("| | p50 s | min s | max s |\n| --- | --- | --- | --- |")
    for name, gaps in (("image changed in place", in_place), ("`rollout: Roll`", rolled)):
        for since, values in (("old agent's last line", [one[0] for one in gaps]), ("change sent", [one[1] for one in gaps])):
            print(f"| {name}: {since} to the new agent's first line | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")
    api.call("DELETE", f"/api/v1/namespaces/{namespace}")


THINKING = 1.5

CALLS = '''
import json, sys, threading, time, urllib.request
base = open("/etc/claude-bottle/current-config/allowlist").read()
for number in range(int(sys.argv[1])):
    host = f"h{number}.example.com"
    file = open("/etc/claude-bottle/current-config/allowlist").read() + host + "\\n"
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "pipelock-block", "_meta": {"progressToken": 1}, "arguments": {"allowlist": file, "justification": host}}}
    request = urllib.request.Request("http://supervise:9100/", json.dumps(body).encode(), {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"})
    text = urllib.request.urlopen(request, timeout=60).read().decode()
    print("answered", host, time.time(), "approved" in text, flush=True)
'''


def approve(api: Api, rounds: int = 50) -> None:
    namespace = f"bench-{os.getpid()}"
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    api.call("POST", f"{GROUP}/namespaces/{namespace}/bottles", bottle("demo", ["sleep", "infinity"]))
    while True:
        status = api.call("GET", f"{GROUP}/namespaces/{namespace}/bottles/demo").get("status", {})
        if any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", [])):
            break
        time.sleep(0.2)
    decided: dict[str, float] = {}

    def review() -> None:
        done = set()
        while len(done) < rounds:
            for one in api.call("GET", f"{GROUP}/namespaces/{namespace}/proposals")["items"]:
                name = one["metadata"]["name"]
                if name not in done and one.get("status", {}).get("phase") == "Pending":
                    done.add(name)
                    # A person needs a moment; a decision at once would fall into the clean-up after the one before.
                    time.sleep(THINKING)
                    decided[one["spec"]["justification"]] = time.time()
                    api.call("PATCH", f"{GROUP}/namespaces/{namespace}/proposals/{name}", {"spec": {"decision": "Approved"}}, "application/merge-patch+json")
            time.sleep(0.05)

    reviewer = threading.Thread(target=review, daemon=True)
    reviewer.start()
    output = subprocess.check_output(["kubectl", "-n", namespace, "exec", "-i", "demo-bottle", "-c", "agent", "--", "python3", "-", str(rounds)], input=CALLS.encode()).decode()
    took = []
    for line in output.splitlines():
        _, host, at, good = line.split()
        assert good == "True", line
        took.append(float(at) - decided[host])
    print("| | p50 s | p99 s | max s | approvals |\n| --- | --- | --- | --- | --- |")
    print(f"| decision sent to call answered | {statistics.median(took):.2f} | {quantile(took, 0.99):.2f} | {max(took):.2f} | {len(took)} |")
    api.call("DELETE", f"/api/v1/namespaces/{namespace}")


WRITES = ("POST", "PUT", "PATCH", "APPLY", "DELETE")


def writes(api: Api) -> dict[tuple[str, str, str], float]:
    found: dict[tuple[str, str, str], float] = {}
    with api.open("GET", "/metrics") as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("apiserver_request_total{"):
                labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
                if labels["verb"] in WRITES and labels["code"].startswith("2"):
                    key = (labels["resource"], labels["subresource"], labels["verb"])
                    found[key] = found.get(key, 0) + float(line.rsplit(" ", 1)[1])
    return found


def used(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MiB of a process."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    ticks = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    resident = next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
    return ticks, resident / 1024


def scale(api: Api, pid: int, count: int = 1000, rest: int = 60) -> None:
    """`pid` is the operator. The pods are run by kwok: fake nodes, real API server."""
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": "bench"}})
    api.call("POST", f"{GROUP}/namespaces/bench/bottles", bottle("warm", ["x"]))
    time.sleep(5)
    before, (cpu_before, _) = writes(api), used(pid)
    running: dict[str, float] = {}

    def watch() -> None:
        with api.open("GET", f"{GROUP}/namespaces/bench/bottles?watch=true", timeout=900) as stream:
            for line in stream:
                one = json.loads(line)["object"]
                if one.get("status", {}).get("phase") == "Running":
                    running.setdefault(one["metadata"]["name"], time.time())

    threading.Thread(target=watch, daemon=True).start()
    created: dict[str, float] = {}

    def create(number: int) -> None:
        name = f"b{number}"
        created[name] = time.time()
        api.call("POST", f"{GROUP}/namespaces/bench/bottles", bottle(name, ["x"]))

    began = time.time()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(count)))
    while sum(name in created for name in running) < count:
        if time.time() - began > 600:
            sys.exit(f"only {len(running)} of {count} run after 600 s")
        time.sleep(0.2)
    total = max(running[name] for name in created) - began
    took = [running[name] - created[name] for name in created]
    time.sleep(10)
    after, (cpu_after, resident) = writes(api), used(pid)
    ours = {key: after[key] - before.get(key, 0) for key in after if key[0] in ("bottles", "proposals", "configmaps", "pods", "events", "serviceaccounts", "rolebindings", "networkpolicies")}
    # A pod's status and binding, and its events, are the kubelet's and the scheduler's; each Bottle's creation is ours here.
    kubelets = {("pods", "status"), ("pods", "binding"), ("events", "")}
    mine = {key: value for key, value in ours.items() if (key[0], key[1]) not in kubelets and key != ("bottles", "", "POST") and value > 0}
    print("| | |\n| --- | --- |")
    print(f"| bottles | {count} at once |\n| rate | {count / total:.0f}/s |")
    print(f"| create to Running p50, p99 | {statistics.median(took):.1f} s, {quantile(took, 0.99):.1f} s |")
    print(f"| writes per bottle | {sum(mine.values()) / count:.2f}: " + ", ".join(f"{'/'.join(part for part in key if part)} {value / count:.2f}" for key, value in sorted(mine.items())) + " |")
    print(f"| operator CPU, RSS | {cpu_after - cpu_before:.1f} s, {resident:.0f} MiB |")
    before, (cpu_before, _) = writes(api), used(pid)
    time.sleep(rest)
    after, (cpu_after, resident) = writes(api), used(pid)
    idle = {key: after[key] - before.get(key, 0) for key in after if key[0] in ("bottles", "proposals", "configmaps", "pods", "events") and after[key] != before.get(key, 0)}
    print(f"| at rest for {rest} s | {sum(idle.values()):.0f} writes {idle or ''}, {(cpu_after - cpu_before) * 1000 / rest:.1f} ms CPU a second, {resident:.0f} MiB |")


class Counted:
    """Writes of the operator, and how long it took, from a change of the class to its status."""

    def __init__(self, api: Api, pid: int, count: int) -> None:
        self.api, self.pid, self.count = api, pid, count

    def change(self, what: str, spec: dict) -> None:
        before, (cpu_before, _), began = writes(self.api), used(self.pid), time.time()
        path = f"{GROUP}/bottleclasses/bench"
        generation = self.api.call("PATCH", path, {"spec": spec}, "application/merge-patch+json")["metadata"]["generation"]
        most = 0
        while True:
            status = self.api.call("GET", path).get("status", {})
            most = max(most, status.get("rolling", 0))
            if status.get("observedGeneration") == generation and status.get("updated") == self.count:
                break
            if time.time() - began > 900:
                sys.exit(f"{what}: {status} after 900 s")
            time.sleep(0.5)
        took = time.time() - began
        # Touches of the pods are repeated for some seconds, since nobody here enforces anything.
        time.sleep(15)
        after, (cpu_after, _) = writes(self.api), used(self.pid)
        kinds = ("bottles", "configmaps", "pods")
        mine = {key: after[key] - before.get(key, 0) for key in after if key[0] in kinds and key[1] != "binding"}
        # kwok, in the place of the kubelet, writes a pod's status and ends it.
        mine = {key: value for key, value in mine.items() if value > 0 and key != ("pods", "status", "PATCH")}
        each = ", ".join(f"{'/'.join(part for part in key if part)} {value / self.count:.2f}" for key, value in sorted(mine.items()))
        print(f"| {what} | {took:.0f} s | {sum(mine.values()) / self.count:.2f}: {each} | {most} | {cpu_after - cpu_before:.1f} s |", flush=True)


def change_class(api: Api, pid: int, count: int = 1000) -> None:
    """`pid` is the operator; the pods are run by kwok."""
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": "bench"}})
    spec = {"agent": {"kind": "claude", "image": "bot-bottle/agent-example:dev", "command": ["x"]}}
    api.call("POST", f"{GROUP}/bottleclasses", {"apiVersion": "bot-bottle.dev/v1alpha1", "kind": "BottleClass", "metadata": {"name": "bench"}, "spec": spec})

    def create(number: int) -> None:
        one = {"apiVersion": "bot-bottle.dev/v1alpha1", "kind": "Bottle", "metadata": {"name": f"b{number}"}, "spec": {"class": "bench"}}
        api.call("POST", f"{GROUP}/namespaces/bench/bottles", one)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(count)))
    began = time.time()
    while True:
        items = api.call("GET", f"{GROUP}/namespaces/bench/bottles")["items"]
        if sum(one.get("status", {}).get("phase") == "Running" for one in items) == count:
            break
        if time.time() - began > 600:
            sys.exit("the bottles do not run after 600 s")
        time.sleep(2)
    time.sleep(10)
    counted = Counted(api, pid, count)
    print(f"| change of a class with {count} bottles | until all have it | writes per bottle | most at a time | operator CPU |\n| --- | --- | --- | --- | --- |")
    counted.change("how long questions wait", {"proposals": {"pendingTTL": "24h"}})
    counted.change("a host more", {"allowlist": ["api.example.com"]})
    counted.change("an MCP server more, which restarts agents", {"mcpServers": {"tracker": {"url": "https://tracker.example.com/"}}})


if __name__ == "__main__":
    server = Api(os.environ["KUBECONFIG"])
    if sys.argv[1] == "start":
        start(server)
    elif sys.argv[1] == "approve":
        approve(server)
    elif sys.argv[1] == "replace":
        replace(server)
    elif sys.argv[1] == "scale":
        scale(server, int(sys.argv[2]))
    elif sys.argv[1] == "class":
        change_class(server, int(sys.argv[2]), int(os.environ.get("BOTTLES", "1000")))
    else:
        sys.exit(__doc__)
