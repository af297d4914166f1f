// Three tools by the official TypeScript SDK, without sessions, answered as JSON: what tests/bench/supervise.py compares with.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [port, file] = process.argv.slice(2);
const { Server } = await import("sdk-new/server/index.js");
const { StreamableHTTPServerTransport } = await import("sdk-new/server/streamableHttp.js");
const { ListToolsRequestSchema } = await import("sdk-new/types.js");
const tools = JSON.parse(readFileSync(file, "utf8"));

createServer(async (request, response) => {
  // Without sessions the SDK wants a server and a transport for each request.
  const server = new Server({ name: "compared", version: "0" }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
  await server.connect(transport);
  response.on("close", () => server.close());
  await transport.handleRequest(request, response);
}).listen(Number(port), "127.0.0.1");
