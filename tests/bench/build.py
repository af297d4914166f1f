#!/usr/bin/env python3
"""Measures a build against plain buildah with the same Dockerfile, on a running test cluster; Markdown rows.

    tests/bench/run build (ROUNDS=5)
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ["STATE"])
CLUSTER = STATE.name.removeprefix("cluster-")
HERE = Path(__file__).resolve().parent.parent
REGISTRY = (STATE / "registry").read_text().strip()
BASE = f"{REGISTRY}/base/hostile:1"
# As a package manager does it: a second of work, and a layer of 20 MB.
STEP = "RUN busybox dd if=/dev/urandom of=/tool bs=1M count=20 2>/dev/null && busybox sleep 1"
ASK = "busybox wget -Y off -q -O - --header 'Content-Type: application/json' --post-data \"$0\" http://supervise:9100/"


def kubectl(*words: str, text: str | None = None) -> str:
    return subprocess.run(["kubectl", *words], check=True, input=text, stdout=subprocess.PIPE, text=True).stdout


def dockerfile(number: int) -> str:
    return f"FROM {BASE}\nUSER 0\nRUN busybox touch /round-{number}\n{STEP}\nUSER 1000:1000\n"


def bottle(namespace: str, name: str) -> None:
    text = f"""apiVersion: bot-bottle.dev/v1alpha1
kind: Bottle
metadata: {{name: {name}}}
spec:
  agent: {{kind: custom, image: "{BASE}", command: [/bin/busybox, sleep, infinity]}}
"""
    kubectl("-n", namespace, "apply", "-f", "-", text=text)
    kubectl("-n", namespace, "wait", "--for=condition=Ready", f"bottle/{name}", "--timeout=60s")


def ask(namespace: str, name: str, file: str) -> str:
    arguments = {"dockerfile": file, "justification": f"{time.time()}"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "capability-block", "arguments": arguments}}
    words = ["kubectl", "-n", namespace, "exec", f"{name}-bottle", "-c", "agent", "--", "sh", "-c", ASK, json.dumps(body)]
    call = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        for one in json.loads(kubectl("-n", namespace, "get", "proposals", "-o", "json"))["items"]:
            if one["spec"]["bottle"] == name and one.get("status", {}).get("phase") == "Pending":
                call.kill()
                return one["metadata"]["name"]
        time.sleep(0.1)


def watch(namespace: str, proposal: str, *words: str) -> list[float]:
    """When the proposal's status showed each of these words for the first time."""
    seen = []
    path = "jsonpath={.status.build.stage} {.status.build.image} {.status.phase}{\"\\n\"}"
    process = subprocess.Popen(["kubectl", "-n", namespace, "get", "proposal", proposal, "--watch", "-o", path], stdout=subprocess.PIPE, text=True)
    patch = json.dumps({"spec": {"decision": "Approved"}})
    began = time.time()
    kubectl("-n", namespace, "patch", "proposal", proposal, "--type=merge", "-p", patch)
    for line in process.stdout:
        while len(seen) < len(words) and words[len(seen)] in line:
            seen.append(time.time() - began)
        if "Failed" in line:
            sys.exit(kubectl("-n", namespace, "get", "proposal", proposal, "-o", "jsonpath={.status.message}"))
        if len(seen) == len(words):
            break
    process.kill()
    return seen


def plain(file: str) -> float:
    """Pull, build and push by buildah itself, in the node's own network, with an empty store as a pod has it."""
    place = STATE / "bench-build"
    place.mkdir(exist_ok=True)
    (place / "Dockerfile").write_text(file)
    run = f"buildah --root {place}/store --runroot {place}/run --storage-driver vfs"
    script = f"""set -e
    {run} bud --quiet --isolation chroot --tls-verify=false --layers=false --file {place}/Dockerfile --tag bench {place} > /dev/null 2>&1
    {run} push --quiet --tls-verify=false bench docker://{REGISTRY}/bench/plain:1 > /dev/null
    """
    began = time.time()
    subprocess.run([HERE / "cluster/enter", "--name", CLUSTER, "bash", "-c", script], check=True)
    took = time.time() - began
    subprocess.run(["rm", "-rf", "--one-file-system", place], check=True)
    return took


def main() -> None:
    rounds = int(os.environ.get("ROUNDS", "5"))
    subprocess.run([HERE / "cluster/push", "--name", CLUSTER, "hostile", "base/hostile:1"], check=True, stdout=subprocess.DEVNULL)
    namespace = f"bench-{os.getpid()}"
    kubectl("create", "namespace", namespace)
    bottle(namespace, "demo")
    alone, built, run = [], [], []
    for number in range(rounds):
        alone.append(plain(dockerfile(number)))
        proposal = ask(namespace, "demo", dockerfile(number))
        image, in_force = watch(namespace, proposal, "@sha256:", "Enforced")
        built.append(image)
        run.append(in_force)
    # Another bottle of the namespace asks for what the first one has had.
    bottle(namespace, "other")
    pods = kubectl("-n", namespace, "get", "pods", "-l", "bot-bottle.dev/role=build", "-o", "name")
    again = watch(namespace, ask(namespace, "other", dockerfile(0)), "Enforced")
    if kubectl("-n", namespace, "get", "pods", "-l", "bot-bottle.dev/role=build", "-o", "name") != pods:
        sys.exit("the same Dockerfile was built again")
    kubectl("delete", "namespace", namespace, "--wait=false")
    over = [ours - theirs for ours, theirs in zip(built, alone)]
    print("| | p50 s | min s | max s |\n| --- | --- | --- | --- |")
    for name, values in (
        ("plain buildah: pull, bud, push", alone),
        ("approval to the image's digest", built),
        ("the same over plain buildah, in pairs", over),
        ("approval to the Dockerfile in force, the agent in its new image", run),
        ("the same Dockerfile in another bottle: no build, approval to in force", again),
    ):
        print(f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")


main()
