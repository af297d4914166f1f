"""Calls one tool of the bottle's MCP server with the official SDK's client and prints the answer: TOOL FILE JUSTIFICATION."""

import asyncio
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

ARGUMENT = {"pipelock-block": "allowlist", "cred-proxy-block": "routes", "capability-block": "dockerfile"}


async def progress(done: float, total: float | None, message: str | None) -> None:
    print("progress:", message, file=sys.stderr, flush=True)


async def main(tool: str, file: str, justification: str) -> None:
    async with streamable_http_client("http://supervise:9100/") as streams:
        async with ClientSession(streams[0], streams[1]) as session:
            await session.initialize()
            if tool == "tools":
                tools = await session.list_tools()
                print(*sorted(one.name for one in tools.tools))
                return
            arguments = {ARGUMENT[tool]: file, "justification": justification}
            result = await session.call_tool(tool, arguments, read_timeout_seconds=3600, progress_callback=progress)
            print(f"isError: {result.isError if hasattr(result, 'isError') else result.is_error}")
            print(result.content[0].text)


asyncio.run(main(*sys.argv[1:4]))
