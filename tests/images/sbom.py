"""Holds one image's BOM against Cargo.lock, Debian and the schema: sbom.py IMAGE BOM CARGO-LOCK"""
import json
import re
import subprocess
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

image, path, lock = sys.argv[1:]
text = open(path).read()
wrong = []
if error := JsonStrictValidator(SchemaVersion.V1_5).validate_str(text):
    wrong.append(f"not CycloneDX: {error}")
bom = json.loads(text)
named = {}
for component in bom["components"]:
    named.setdefault(component["name"], set()).add(component["version"])

locked = {}
for name, version in re.findall(r'^name = "(.*)"\nversion = "(.*)"', open(lock).read(), re.M):
    locked.setdefault(name, set()).add(version)
# What both programs surely hold, to the letter.
for crate in ("tokio", "hyper", "rustls", "ring", "kube-client", "serde_json", "tracing", "bot-bottle"):
    if named.get(crate) != locked[crate]:
        wrong.append(f"{crate}: {named.get(crate)}, but Cargo.lock has {locked[crate]}")
crates = [component for component in bom["components"] if component.get("purl", "").startswith("pkg:cargo/")]
wrong += [f"{crate['name']} {crate['version']} is not in Cargo.lock" for crate in crates if crate["version"] not in locked.get(crate["name"], ())]
wrong += [f"{crate} is for tests only" for crate in ("proptest",) if crate in named]
if "file://" in text:
    wrong.append("it names a place of this computer")
wrong += [f"{crate['name']} has no licence" for crate in crates if not crate.get("licenses")]
if len(crates) < 200:
    wrong.append(f"only {len(crates)} crates")

for package in ("nftables", "libnftables1", "libc6") if image == "supervise" else ():
    installed = subprocess.run(["dpkg-query", "--show", "--showformat=${Version}", package], capture_output=True, text=True).stdout
    if named.get(package) != {installed}:
        wrong.append(f"{package}: {named.get(package)}, but the image has that of {installed}")
if image == "operator" and any("pkg:deb" in component.get("purl", "") for component in bom["components"]):
    wrong.append("the operator's image has nothing of Debian")
sys.exit("\n".join(f"{image}: {one}" for one in wrong) or None)
