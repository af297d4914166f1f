"""The official Python SDK as a client, newest or a year old: client.py URL SCENARIO [HOST]; one JSON object per line."""

import asyncio
import datetime
import inspect
import json
import sys

from mcp import ClientSession

try:
    from mcp.client.streamable_http import streamable_http_client as transport
except ImportError:
    from mcp.client.streamable_http import streamablehttp_client as transport

try:
    from mcp import MCPError
except ImportError:
    from mcp.shared.exceptions import McpError as MCPError


def say(**fields):
    print(json.dumps(fields), flush=True)


def field(value, snake, camel):
    """Fields were spelled as on the wire, and are spelled as Python does now."""
    return getattr(value, snake) if hasattr(value, snake) else getattr(value, camel)


def seconds(number):
    old = "timedelta" in str(inspect.signature(ClientSession.call_tool).parameters["read_timeout_seconds"])
    return datetime.timedelta(seconds=number) if old else number


async def call(session, host, patience=None):
    async def progress(count, _total, message):
        say(progress=count, message=message)

    arguments = {"allowlist": host + "\n", "justification": "a client's test"}
    result = await session.call_tool(
        "pipelock-block",
        arguments,
        read_timeout_seconds=seconds(patience) if patience else None,
        progress_callback=progress,
    )
    say(text=result.content[0].text, isError=field(result, "is_error", "isError"))


async def main(url, scenario, host=""):
    async with transport(url) as streams, ClientSession(streams[0], streams[1]) as session:
        opened = await session.initialize()
        if scenario == "list":
            tools = (await session.list_tools()).tools
            resources = (await session.list_resources()).resources
            uri = [one.uri for one in resources if str(one.uri).endswith("/allowlist")][0]
            read = await session.read_resource(uri)
            await session.send_ping()
            try:
                await call(session, "https://" + host)
                code = None
            except MCPError as refusal:
                code = refusal.error.code
            say(
                version=field(opened, "protocol_version", "protocolVersion"),
                tools=[tool.name for tool in tools],
                resources=[str(one.uri) for one in resources],
                allowlist=read.contents[0].text,
                refused=code,
            )
        elif scenario == "call":
            await call(session, host)
        elif scenario == "cancel":
            try:
                await call(session, host, patience=3)
            except MCPError:
                say(gaveUp=True)
            await session.send_ping()
            await call(session, host)


asyncio.run(main(*sys.argv[1:]))
