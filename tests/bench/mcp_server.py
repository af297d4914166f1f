"""Three tools by the official Python SDK, without sessions, answered as JSON: what tests/bench/mcp.py compares with."""

import json
import sys

from mcp.server.mcpserver import MCPServer

port, tools = int(sys.argv[1]), json.load(open(sys.argv[2]))
server = MCPServer("compared", log_level="ERROR")
for tool in tools:

    def answer(file: str, justification: str) -> str:
        return file + justification

    server.tool(name=tool["name"], description=tool["description"])(answer)
server.run("streamable-http", host="127.0.0.1", port=port, stateless_http=True, json_response=True, streamable_http_path="/")
