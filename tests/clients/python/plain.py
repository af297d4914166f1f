"""A client of 2024-11-05 that reads plain JSON only, by the standard library: plain.py URL SCENARIO [HOST]."""

import itertools
import json
import sys
import urllib.request

ids = itertools.count(1)


def say(**fields):
    print(json.dumps(fields), flush=True)


def post(url, message):
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    request = urllib.request.Request(url, json.dumps({"jsonrpc": "2.0", **message}).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        kind, body = response.headers.get("Content-Type"), response.read()
    if not body:
        return None
    assert kind == "application/json", kind
    return json.loads(body)


def ask(url, method, params):
    return post(url, {"id": next(ids), "method": method, "params": params})


def call(url, host):
    arguments = {"allowlist": host + "\n", "justification": "a client's test"}
    while True:
        result = ask(url, "tools/call", {"name": "pipelock-block", "arguments": arguments})["result"]
        text = result["content"][0]["text"]
        if not text.startswith("status: pending"):
            break
        say(pending=text)
    say(text=text, isError=result["isError"])


def main(url, scenario, host=""):
    params = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "plain", "version": "0"}}
    opened = ask(url, "initialize", params)["result"]
    assert post(url, {"method": "notifications/initialized"}) is None
    if scenario == "list":
        tools = ask(url, "tools/list", {})["result"]["tools"]
        resources = ask(url, "resources/list", {})["result"]["resources"]
        uri = [one["uri"] for one in resources if one["uri"].endswith("/allowlist")][0]
        read = ask(url, "resources/read", {"uri": uri})["result"]
        arguments = {"allowlist": "https://" + host, "justification": "x"}
        refusal = ask(url, "tools/call", {"name": "pipelock-block", "arguments": arguments})["error"]
        say(
            version=opened["protocolVersion"],
            tools=[tool["name"] for tool in tools],
            resources=[one["uri"] for one in resources],
            allowlist=read["contents"][0]["text"],
            refused=refusal["code"],
        )
    else:
        call(url, host)


main(*sys.argv[1:])
