"""Calls one tool of the bottle's MCP server with the official SDK's client and prints the answer: TOOL FILE JUSTIFICATION."""

import asyncio
import datetime
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

ARGUMENT = {"pipelock-block": "allowlist", "cred-proxy-block": "routes", "capability-block": "dockerfile"}


async def main(tool: str, file: str, justification: str) -> None:
    async with streamablehttp_client("http://supervise:9100/", sse_read_timeout=3600) as (read, write, _):
        async with ClientSession(read, write) as session:
            await session.initialize()
            if tool == "tools":
                tools = await session.list_tools()
                print(*sorted(one.name for one in tools.tools))
                return

            async def progress(done: float, total: float | None, message: str | None) -> None:
                print("progress:", message, file=sys.stderr, flush=True)

            result = await session.call_tool(
                tool,
                {ARGUMENT[tool]: file, "justification": justification},
                read_timeout_seconds=datetime.timedelta(hours=1),
                progress_callback=progress,
            )
            print(f"isError: {result.isError}")
            print(result.content[0].text)


asyncio.run(main(*sys.argv[1:4]))
