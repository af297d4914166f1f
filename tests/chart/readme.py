#!/usr/bin/env python3
"""Prints the chart's README from its values.yaml: every value with its default and the comment above it.

Fails when values.yaml and values.schema.json don't name the same values. Reads the plain subset of YAML that our own
values.yaml is written in: maps by indentation, scalars and one-line lists or maps, comments above a key.
"""
import json
import pathlib
import re
import sys

CHART = pathlib.Path(__file__).resolve().parents[2] / "charts" / "bottle-operator"
HEAD = """# bottle-operator

Installs the operator of bot-bottle. Made from `values.yaml` by `tests/generated`; don't edit.

```sh
helm install bottle-operator charts/bottle-operator --namespace bot-bottle-system --create-namespace
kubectl label namespace bot-bottle-system pod-security.kubernetes.io/enforce=restricted
```

[docs/install.md](../../docs/install.md) says what comes next, what an upgrade does, and who may do what.

| value | default | meaning |
| --- | --- | --- |
"""


def rows(text):
    """Yields (path, default, comment); an inner map has no default of its own."""
    stack, comment, last_indent = [], [], 0
    lines = text.splitlines()
    for number, line in enumerate(lines):
        stripped = line.strip()
        if not stripped:
            comment = []
            continue
        if stripped.startswith("#"):
            comment.append(stripped.lstrip("# "))
            continue
        indent = len(line) - len(line.lstrip())
        key, value = re.match(r"([^:]+):\s*(.*)$", stripped).groups()
        while stack and stack[-1][0] >= indent:
            stack.pop()
        path = [name for _, name in stack] + [key]
        following = next((one for one in lines[number + 1:] if one.strip()), "")
        deeper = len(following) - len(following.lstrip()) > indent
        if value or not deeper:
            yield path, value, " ".join(comment)
            comment = []
        else:
            if comment:
                yield path, "", " ".join(comment)
            stack.append((indent, key))
            comment = []


def known(schema, path):
    """Whether the schema describes the value; below a free map anything goes."""
    for key in path:
        if "properties" not in schema:
            return schema.get("type") == "object"
        if key not in schema["properties"]:
            return False
        schema = schema["properties"][key]
    return True


def named(schema, path=()):
    for key, inner in schema.get("properties", {}).items():
        if inner.get("properties"):
            yield from named(inner, (*path, key))
        elif (*path, key) != ("global",):
            yield (*path, key)


def main():
    values = list(rows((CHART / "values.yaml").read_text()))
    schema = json.loads((CHART / "values.schema.json").read_text())
    print(HEAD, end="")
    paths = {tuple(path) for path, _, _ in values}
    for path, default, comment in values:
        if not known(schema, path):
            sys.exit(f"values.schema.json does not know {'.'.join(path)}")
        cell = f"`{default}`" if default else ""
        # What is below a value that is documented as a whole.
        if comment:
            print(f"| `{'.'.join(path)}` | {cell} | {comment} |")
        elif not any(tuple(path[:depth]) in paths for depth in range(1, len(path))):
            sys.exit(f"values.yaml: {'.'.join(path)} has no comment")
    for path in named(schema):
        if not any(other[: len(path)] == path for other in paths):
            sys.exit(f"values.schema.json has {'.'.join(path)}, values.yaml has not")


main()
