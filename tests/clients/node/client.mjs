// The official TypeScript SDK as a client: client.mjs sdk-new|sdk-old URL SCENARIO [HOST]; one JSON object per line.

const [sdk, url, scenario, host = ""] = process.argv.slice(2);
const { Client } = await import(`${sdk}/client/index.js`);
const { StreamableHTTPClientTransport } = await import(`${sdk}/client/streamableHttp.js`);

const say = (fields) => console.log(JSON.stringify(fields));

async function call(client, host, options = {}) {
  const params = {
    name: "pipelock-block",
    arguments: { allowlist: `${host}\n`, justification: "a client's test" },
  };
  // The SDK's own limit is 60 s; progress starts it anew.
  const result = await client.callTool(params, undefined, {
    resetTimeoutOnProgress: true,
    onprogress: ({ progress, message }) => say({ progress, message }),
    ...options,
  });
  say({ text: result.content[0].text, isError: result.isError });
}

const client = new Client({ name: "client-tests", version: "0" });
const transport = new StreamableHTTPClientTransport(new URL(url));
await client.connect(transport);
if (scenario === "list") {
  const { tools } = await client.listTools();
  const { resources } = await client.listResources();
  const { uri } = resources.find((one) => one.uri.endsWith("/allowlist"));
  const { contents } = await client.readResource({ uri });
  await client.ping();
  const refused = await call(client, `https://${host}`).then(() => null, (error) => error.code);
  say({
    version: transport.protocolVersion,
    tools: tools.map((tool) => tool.name),
    resources: resources.map((one) => one.uri),
    allowlist: contents[0].text,
    refused,
  });
} else if (scenario === "call") {
  await call(client, host);
} else if (scenario === "cancel") {
  await call(client, host, { signal: AbortSignal.timeout(3000) }).catch(() => say({ gaveUp: true }));
  await client.ping();
  await call(client, host);
}
await client.close();
