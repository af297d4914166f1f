#!/usr/bin/env python3
"""Measures the operator with many bottles on fake nodes (kwok; the API server is real), and prints Markdown rows.

    scale.py scale [COUNT…]  bottles up to each count, beside plain pods; then approvals, rest, and the operator started again
    scale.py class [COUNT]   changes of a class that so many bottles have

KUBECONFIG is the cluster's; OPERATOR and OPERATOR_KUBECONFIG the program that is measured and its account's; LOG its log.
tests/bench/run starts all of that.
"""

import atexit
import concurrent.futures
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from api import GROUP, Api, bottle, quantile

WRITES = ("POST", "PUT", "PATCH", "APPLY", "DELETE")


class Operator:
    """The program that is measured."""

    def __init__(self) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.log = open(os.environ["LOG"], "a")
        self.start()
        atexit.register(self.stop)

    def start(self) -> None:
        environment = os.environ | {"KUBECONFIG": os.environ["OPERATOR_KUBECONFIG"]}
        command = [os.environ["OPERATOR"], "run", "--health", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command, env=environment, stderr=self.log)
        self.pid = self.process.pid

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def reconciles(self) -> float:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("bot_bottle_reconciles_total"))

    def used(self) -> tuple[float, float]:
        """CPU seconds and resident MiB."""
        fields = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        ticks = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        resident = next(int(line.split()[1]) for line in open(f"/proc/{self.pid}/status") if line.startswith("VmRSS"))
        return ticks, resident / 1024


def writes(api: Api) -> dict[tuple[str, str, str], float]:
    """Writes that the API server took, by resource, subresource and verb."""
    found: dict[tuple[str, str, str], float] = {}
    with api.open("GET", "/metrics") as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("apiserver_request_total{"):
                labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
                if labels["verb"] in WRITES and labels["code"].startswith("2"):
                    key = (labels["resource"], labels["subresource"], labels["verb"])
                    found[key] = found.get(key, 0) + float(line.rsplit(" ", 1)[1])
    return found


def written(api: Api, before: dict, without: set) -> dict:
    """Writes since `before` that are the operator's: those of the kubelet, the scheduler and this program are in `without`."""
    kinds = ("bottles", "proposals", "configmaps", "pods", "serviceaccounts", "rolebindings", "networkpolicies")
    after = writes(api)
    gone = {key: after[key] - before.get(key, 0) for key in after if key[0] in kinds and key not in without and key[:2] not in without}
    return {key: value for key, value in gone.items() if value > 0}


KUBELETS = {("pods", "status"), ("pods", "binding"), ("bottles", "", "POST")}


def create(api: Api, paths: list[tuple[str, dict]]) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: api.call("POST", *one), paths))


class Running:
    """When each object of a namespace came into phase Running."""

    def __init__(self, api: Api, path: str) -> None:
        self.api, self.path, self.times = api, path, {}
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self) -> None:
        # Begun again whenever it ends: a watch of new CRDs is refused for a second, and none lasts for ever.
        while True:
            try:
                with self.api.open("GET", f"{self.path}?watch=true", timeout=3600) as stream:
                    for line in stream:
                        one = json.loads(line)["object"]
                        if one.get("status", {}).get("phase") == "Running":
                            self.times.setdefault(one["metadata"]["name"], time.time())
            except OSError:
                time.sleep(1)

    def wait(self, names: list[str], began: float) -> float:
        """Seconds until all of them run."""
        while not all(name in self.times for name in names):
            if time.time() - began > 1800:
                sys.exit(f"only {len(self.times)} of {len(names)} run after 1800 s")
            time.sleep(0.1)
        return max(self.times[name] for name in names) - began


def plain_pods(api: Api, count: int) -> float:
    """Seconds until as many plain pods, each with a ConfigMap, run. They are gone afterwards."""
    path = "/api/v1/namespaces/plain"
    pod = {"spec": {"containers": [{"name": "agent", "image": "bot-bottle/agent-example:dev", "command": ["x"]}]}}
    names = [f"p{number}" for number in range(count)]
    running = Running(api, f"{path}/pods")
    time.sleep(1)
    began = time.time()
    objects = [[(f"{path}/configmaps", {"metadata": {"name": name}, "data": {"allowlist": "api.example.com\n"}}), (f"{path}/pods", pod | {"metadata": {"name": name}})] for name in names]
    create(api, [one for pair in objects for one in pair])
    took = running.wait(names, began)
    for kind in ("pods", "configmaps"):
        api.call("DELETE", f"{path}/{kind}?gracePeriodSeconds=0")
    while api.call("GET", f"{path}/pods?limit=1")["items"]:
        time.sleep(1)
    return took


def approvals(api: Api, running: Running, number: int) -> list[float]:
    """Seconds from a decision to the bottle's ConfigMap that has it, of twenty more bottles. Nobody enforces anything on
    fake nodes, and what is not enforced is tried again, so these bottles are gone afterwards."""
    path, took = f"{GROUP}/namespaces/bench", []
    bottles = [f"a{number}-{one}" for one in range(20)]
    create(api, [(f"{path}/bottles", bottle(name, ["x"])) for name in bottles])
    running.wait(bottles, time.time())
    for name in bottles:
        uid = api.call("GET", f"{path}/bottles/{name}")["metadata"]["uid"]
        config = f"/api/v1/namespaces/bench/configmaps/{name}-bottle"
        base, host, proposal = api.call("GET", config)["data"]["allowlist"], f"h{number}.example.com", f"{name}-{number:012x}"
        api.call("POST", f"{path}/proposals", {
            "apiVersion": "bot-bottle.dev/v1alpha1", "kind": "Proposal", "metadata": {"name": proposal},
            "spec": {"bottle": name, "bottleUID": uid, "tool": "pipelock-block", "baseFile": base, "justification": host, "proposedFile": f"{base}{host}\n"},
        })
        while api.call("GET", f"{path}/proposals/{proposal}").get("status", {}).get("phase") != "Pending":
            time.sleep(0.01)
        began = time.time()
        api.call("PATCH", f"{path}/proposals/{proposal}", {"spec": {"decision": "Approved"}}, "application/merge-patch+json")
        while host not in api.call("GET", config)["data"]["allowlist"]:
            time.sleep(0.002)
        took.append(time.time() - began)
    for name in bottles:
        api.call("DELETE", f"{path}/bottles/{name}")
    while any(one["metadata"]["name"].startswith("a") for one in api.call("GET", "/api/v1/namespaces/bench/pods")["items"]):
        time.sleep(1)
    return took


def again(api: Api, operator: Operator, count: int) -> str:
    """The operator is stopped and started: until it has looked at every bottle once, and what it wrote."""
    operator.stop()
    before, began = writes(api), time.time()
    operator.start()
    while operator.reconciles() < count:
        if time.time() - began > 900:
            sys.exit(f"{operator.reconciles()} reconciles of {count} after 900 s")
        time.sleep(0.1)
    took = time.time() - began
    time.sleep(10)
    mine = written(api, before, KUBELETS)
    cpu, resident = operator.used()
    return f"{took:.1f} s, {sum(mine.values()):.0f} writes {mine or ''}, {cpu:.1f} s CPU, {resident:.0f} MiB"


def scale(api: Api, counts: list[int], rest: int = 60) -> None:
    operator = Operator()
    for namespace in ("bench", "plain"):
        api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    bottles = f"{GROUP}/namespaces/bench/bottles"
    running = Running(api, bottles)
    api.call("POST", bottles, bottle("warm", ["x"]))
    time.sleep(5)
    there = 0
    print("| bottles | from, to Running s | each, ms | plain pods and ConfigMaps, each, ms | writes per bottle | operator CPU per bottle, RSS | decision to ConfigMap p50, max s |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for number, count in enumerate(counts):
        names = [f"b{one}" for one in range(there, count)]
        plain = plain_pods(api, len(names)) / len(names)
        before, (cpu_before, _), began = writes(api), operator.used(), time.time()
        create(api, [(bottles, bottle(name, ["x"])) for name in names])
        took = running.wait(names, began)
        time.sleep(10)
        mine, (cpu, resident) = written(api, before, KUBELETS), operator.used()
        waited = approvals(api, running, number)
        parts = ", ".join(f"{'/'.join(part for part in key if part)} {value / len(names):.2f}" for key, value in sorted(mine.items()))
        print(f"| {count} | {there}, {took:.1f} | {took / len(names) * 1000:.1f} | {plain * 1000:.1f} | {sum(mine.values()) / len(names):.2f}: {parts} | "
              f"{(cpu - cpu_before) / len(names) * 1000:.1f} ms, {resident:.0f} MiB | {statistics.median(waited):.3f}, {max(waited):.3f} |", flush=True)
        there = count
    before, (cpu_before, _) = writes(api), operator.used()
    time.sleep(rest)
    idle, (cpu, resident) = written(api, before, KUBELETS), operator.used()
    print(f"\n| with {there} bottles | |\n| --- | --- |")
    print(f"| at rest for {rest} s | {sum(idle.values()):.0f} writes {idle or ''}, {(cpu - cpu_before) * 1000 / rest:.1f} ms CPU a second, {resident:.0f} MiB |", flush=True)
    print(f"| the operator started again, until it has seen all | {again(api, operator, there)} |", flush=True)
    operator.stop()


class Counted:
    """Writes of the operator, and how long it took, from a change of the class to its status."""

    def __init__(self, api: Api, operator: Operator, count: int) -> None:
        self.api, self.operator, self.count = api, operator, count

    def change(self, what: str, spec: dict) -> None:
        before, (cpu_before, _), began = writes(self.api), self.operator.used(), time.time()
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
        # kwok, in the place of the kubelet, writes a pod's status and ends it.
        mine, (cpu_after, _) = written(self.api, before, KUBELETS), self.operator.used()
        each = ", ".join(f"{'/'.join(part for part in key if part)} {value / self.count:.2f}" for key, value in sorted(mine.items()))
        print(f"| {what} | {took:.0f} s | {sum(mine.values()) / self.count:.2f}: {each} | {most} | {cpu_after - cpu_before:.1f} s |", flush=True)


def change_class(api: Api, count: int) -> None:
    operator = Operator()
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": "bench"}})
    spec = {"agent": {"kind": "claude", "image": "bot-bottle/agent-example:dev", "command": ["x"]}}
    api.call("POST", f"{GROUP}/bottleclasses", {"apiVersion": "bot-bottle.dev/v1alpha1", "kind": "BottleClass", "metadata": {"name": "bench"}, "spec": spec})
    one = {"apiVersion": "bot-bottle.dev/v1alpha1", "kind": "Bottle", "spec": {"class": "bench"}}
    create(api, [(f"{GROUP}/namespaces/bench/bottles", one | {"metadata": {"name": f"b{number}"}}) for number in range(count)])
    began = time.time()
    while True:
        items = api.call("GET", f"{GROUP}/namespaces/bench/bottles")["items"]
        if sum(one.get("status", {}).get("phase") == "Running" for one in items) == count:
            break
        if time.time() - began > 600:
            sys.exit("the bottles do not run after 600 s")
        time.sleep(2)
    time.sleep(10)
    counted = Counted(api, operator, count)
    print(f"| change of a class with {count} bottles | until all have it | writes per bottle | most at a time | operator CPU |\n| --- | --- | --- | --- | --- |")
    counted.change("how long questions wait", {"proposals": {"pendingTTL": "24h"}})
    counted.change("a host more", {"allowlist": ["api.example.com"]})
    counted.change("an MCP server more, which restarts agents", {"mcpServers": {"tracker": {"url": "https://tracker.example.com/"}}})
    operator.stop()


if __name__ == "__main__":
    server = Api(os.environ["KUBECONFIG"])
    if sys.argv[1] == "scale":
        scale(server, [int(one) for one in sys.argv[2:]] or [100, 1000, 5000])
    elif sys.argv[1] == "class":
        change_class(server, int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
    else:
        sys.exit(__doc__)
