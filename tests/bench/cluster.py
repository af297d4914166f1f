#!/usr/bin/env python3
"""Measures bottles on a running test cluster with a node and the operator, and prints Markdown rows.

    tests/bench/run start|approve|replace|memory
"""

import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.error

from api import GROUP, Api, bottle, quantile


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
    """The agent's image changed in place (the other tags are there: see run), and whole pods replaced by an approval."""
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

    # A tag of its own each time: the kubelet pauses before it starts the same container again and again.
    in_place = [gap(lambda: merge(f"{path}/bottles/demo", {"agent": {"image": f"{image}:next-{number}"}})) for number in range(rounds)]
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


# A bottle asks at most thirty times an hour.
ASKED = 25


def approve(api: Api, bottles: int = 2) -> None:
    namespace = f"bench-{os.getpid()}"
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    took = [one for number in range(bottles) for one in approved(api, namespace, f"demo{number}")]
    print("| | p50 s | p99 s | max s | approvals |\n| --- | --- | --- | --- | --- |")
    print(f"| decision sent to call answered | {statistics.median(took):.2f} | {quantile(took, 0.99):.2f} | {max(took):.2f} | {len(took)} |")
    api.call("DELETE", f"/api/v1/namespaces/{namespace}")


def approved(api: Api, namespace: str, name: str) -> list[float]:
    """Seconds from decision to answer, of a new bottle's questions."""
    api.call("POST", f"{GROUP}/namespaces/{namespace}/bottles", bottle(name, ["sleep", "infinity"]))
    while True:
        status = api.call("GET", f"{GROUP}/namespaces/{namespace}/bottles/{name}").get("status", {})
        if any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", [])):
            break
        time.sleep(0.2)
    decided: dict[str, float] = {}

    def review() -> None:
        done = set()
        while len(done) < ASKED:
            for one in api.call("GET", f"{GROUP}/namespaces/{namespace}/proposals")["items"]:
                proposal = one["metadata"]["name"]
                if one["spec"]["bottle"] == name and proposal not in done and one.get("status", {}).get("phase") == "Pending":
                    done.add(proposal)
                    # A person needs a moment; a decision at once would fall into the clean-up after the one before.
                    time.sleep(THINKING)
                    decided[one["spec"]["justification"]] = time.time()
                    api.call("PATCH", f"{GROUP}/namespaces/{namespace}/proposals/{proposal}", {"spec": {"decision": "Approved"}}, "application/merge-patch+json")
            time.sleep(0.05)

    reviewer = threading.Thread(target=review, daemon=True)
    reviewer.start()
    output = subprocess.check_output(["kubectl", "-n", namespace, "exec", "-i", f"{name}-bottle", "-c", "agent", "--", "python3", "-", str(ASKED)], input=CALLS.encode()).decode()
    took = []
    for line in output.splitlines():
        _, host, at, good = line.split()
        assert good == "True", line
        took.append(float(at) - decided[host])
    return took


def memory(api: Api, count: int = 10) -> None:
    """What the kubelet counts for the sidecars of bottles at rest."""
    namespace = f"bench-{os.getpid()}"
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    for number in range(count):
        api.call("POST", f"{GROUP}/namespaces/{namespace}/bottles", bottle(f"b{number}", ["sleep", "infinity"]))
    while not all(one.get("status", {}).get("phase") == "Running" for one in api.call("GET", f"{GROUP}/namespaces/{namespace}/bottles")["items"]):
        time.sleep(1)
    # The kubelet counts each ten seconds or so.
    time.sleep(40)
    node = api.call("GET", f"/api/v1/namespaces/{namespace}/pods")["items"][0]["spec"]["nodeName"]
    found: dict[str, list[tuple[float, float]]] = {}
    for pod in api.call("GET", f"/api/v1/nodes/{node}/proxy/stats/summary")["pods"]:
        if pod["podRef"]["namespace"] != namespace:
            continue
        sidecars = [one for one in pod["containers"] if one["name"] != "agent"]
        for name, containers in [*((one["name"], [one]) for one in sidecars), ("together", sidecars)]:
            of = lambda part: sum(one["memory"][part] for one in containers) / 2**20
            found.setdefault(name, []).append((of("rssBytes"), of("workingSetBytes")))
    print("| sidecar | own memory, MiB | working set p50, max, MiB |\n| --- | --- | --- |")
    for name, values in found.items():
        sets = [both[1] for both in values]
        print(f"| {name} | {statistics.median(both[0] for both in values):.1f} | {statistics.median(sets):.1f}, {max(sets):.1f} |")
    api.call("DELETE", f"/api/v1/namespaces/{namespace}")


if __name__ == "__main__":
    measures = {"start": start, "approve": approve, "replace": replace, "memory": memory}
    if len(sys.argv) != 2 or sys.argv[1] not in measures:
        sys.exit(__doc__)
    measures[sys.argv[1]](Api(os.environ["KUBECONFIG"]))
