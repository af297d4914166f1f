"""Three tools by the official Python SDK, without sessions, answered as JSON: what tests/bench/supervise.py compares with."""

import json
import sys

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

port, tools = int(sys.argv[1]), json.load(open(sys.argv[2]))
server = MCPServer("compared", log_level="ERROR")
for tool in tools:

    def answer(file: str, justification: str) -> str:
        return file + justification

    server.tool(name=tool["name"], description=tool["description"])(answer)
server.run(
    "streamable-http",
    host="127.0.0.1",
    port=port,
    stateless_http=True,
    json_response=True,
    streamable_http_path="/",
    # It would want this server's own name and port; ours looks at Origin only.
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)
