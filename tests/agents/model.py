"""A stand-in for a model: it speaks four APIs (Anthropic messages, OpenAI chat completions and responses, Gemini) and
plays one part, decided from the conversation alone, so that it keeps no state:

1. run a command that fetches https://<wanted host>/ and shows the allowlist in force
2. it was refused: call pipelock-block with that allowlist and the host, and wait for the person
3. approved: run the command again
4. say what came back

Everything else about the run is real: the agent program, its tools, its MCP client, the bottle, the person's approval.
"""

import http.server
import json
import os
import re
import sys
import uuid

WANTED = "files.example.com"
ALLOWLIST = "/etc/claude-bottle/current-config/allowlist"
# Where nobody vouches for the wanted host: http.
SCHEME = os.environ.get("SCHEME", "https")
COMMAND = f"curl -sS -m 20 {SCHEME}://{WANTED}/ 2>&1; echo ALLOWLIST-BEGIN; cat {ALLOWLIST}; echo ALLOWLIST-END"


def next_step(results):
    """What the model does after these tool results: ("run", command), ("ask", arguments) or ("say", text)."""
    if not results:
        return "run", COMMAND
    marks = (f"hello from {WANTED}", "status: ", "ALLOWLIST-BEGIN")
    # What a search for tools found is not the last word.
    last = next((one for one in reversed(results) if any(mark in one for mark in marks)), results[-1])
    if f"hello from {WANTED}" in last:
        return "say", f"DONE: {WANTED} answered"
    if len(results) > 6:
        return "say", "GIVING UP: it stays closed"
    if "status: approved" in last or "status: modified" in last:
        return "run", COMMAND
    if "status: rejected" in last:
        return "say", "REJECTED: " + last[:200]
    if "status: pending" in last or "ALLOWLIST-BEGIN" in last:
        return "ask", question(results)
    return "say", "UNEXPECTED: " + last[:2000]


def question(results):
    shown = next(one for one in results if "ALLOWLIST-BEGIN" in one)
    shown = shown.replace("\\n", "\n")
    inside = re.search(r"ALLOWLIST-BEGIN\s*\n(.*?)ALLOWLIST-END", shown, re.S)
    lines = [line.strip() for line in inside.group(1).splitlines() if line.strip()]
    return {
        "allowlist": "".join(line + "\n" for line in [*lines, WANTED]),
        "justification": f"the task needs a file from {WANTED}, and egress refused it",
    }


class Tools:
    """The tools that the agent program offers, whatever it calls them."""

    def __init__(self, tools):
        self.tools = tools  # (name, namespace, parameters)

    def shell(self, command):
        for wanted in ("bash", "run_shell_command", "exec_command", "shell", "shell_command", "execute"):
            for name, namespace, parameters in self.tools:
                if name.lower() == wanted and not namespace:
                    return name, namespace, self.arguments(parameters, command)
        raise LookupError(f"no tool that runs a command: {[tool[0] for tool in self.tools]}")

    @staticmethod
    def arguments(parameters, command):
        properties = parameters.get("properties", {})
        key = next(key for key in ("command", "cmd") if key in properties)
        text = properties[key].get("type") != "array"
        arguments = {key: command if text else ["bash", "-c", command]}
        for name in parameters.get("required", []):
            kind = properties.get(name, {}).get("type")
            fill = {"boolean": False, "number": 60, "integer": 60, "array": []}
            arguments.setdefault(name, fill.get(kind, "fetches a file"))
        return arguments

    def ask(self, arguments):
        for name, namespace, _ in self.tools:
            if re.sub(r"[^a-z]", "", name.lower()).endswith("pipelockblock"):
                return name, namespace, arguments
        # Some programs hide an MCP server's tools until the model has searched for them.
        for name, namespace, parameters in self.tools:
            if name.lower() in ("toolsearch", "tool_search"):
                key = "query" if "query" in parameters.get("properties", {}) else next(iter(parameters["properties"]))
                return name, namespace, {key: "pipelock-block"}
        raise LookupError(f"no pipelock-block: {[tool[:2] for tool in self.tools]}")

    def call(self, step, value):
        return self.shell(value) if step == "run" else self.ask(value)


def text_of(content):
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text_of(part) for part in content)
    if isinstance(content, dict):
        if isinstance(content.get("text"), str):
            return content["text"]
        return "\n".join(text_of(part) for part in content.values())
    return ""


def fresh(kind):
    """An id that was never given: programs drop what they think they have seen."""
    return f"{kind}_{uuid.uuid4().hex}"


class Anthropic:
    @staticmethod
    def read(body):
        tools = [(one["name"], None, one.get("input_schema", {})) for one in body.get("tools", []) if "name" in one]
        results = []
        for message in body.get("messages", []):
            if isinstance(message.get("content"), list):
                results += [text_of(part.get("content")) for part in message["content"] if part.get("type") == "tool_result"]
        return tools, results

    @staticmethod
    def write(body, text, call):
        if call:
            block = {"type": "tool_use", "id": fresh("toolu"), "name": call[0], "input": call[2]}
        else:
            block = {"type": "text", "text": text}
        message = {
            "id": fresh("msg"), "type": "message", "role": "assistant", "model": body.get("model", "m"), "content": [block],
            "stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
        if not body.get("stream"):
            return message
        empty = dict(block, **({"input": {}} if call else {"text": ""}))
        delta = {"type": "input_json_delta", "partial_json": json.dumps(call[2])} if call else {"type": "text_delta", "text": text}
        events = [
            {"type": "message_start", "message": dict(message, content=[], stop_reason=None)},
            {"type": "content_block_start", "index": 0, "content_block": empty},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None}, "usage": {"output_tokens": 1}},
            {"type": "message_stop"},
        ]
        return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)


class Chat:
    @staticmethod
    def read(body):
        functions = [one["function"] for one in body.get("tools") or [] if "function" in one]
        tools = [(one["name"], None, one.get("parameters", {})) for one in functions]
        results = [text_of(one.get("content")) for one in body.get("messages", []) if one.get("role") == "tool"]
        return tools, results

    @staticmethod
    def write(body, text, call):
        if call:
            function = {"name": call[0], "arguments": json.dumps(call[2])}
            message = {"role": "assistant", "content": None, "tool_calls": [
                {"index": 0, "id": fresh("call"), "type": "function", "function": function}]}
        else:
            message = {"role": "assistant", "content": text}
        reason = "tool_calls" if call else "stop"
        whole = {"id": fresh("chat"), "created": 1, "model": body.get("model", "m")}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        if not body.get("stream"):
            choices = [{"index": 0, "message": message, "finish_reason": reason}]
            return dict(whole, object="chat.completion", choices=choices, usage=usage)
        chunk = dict(whole, object="chat.completion.chunk")
        events = [
            dict(chunk, choices=[{"index": 0, "delta": message, "finish_reason": None}]),
            dict(chunk, choices=[{"index": 0, "delta": {}, "finish_reason": reason}], usage=usage),
        ]
        return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


class Responses:
    @staticmethod
    def read(body):
        tools = []
        for one in body.get("tools", []):
            if one.get("type") == "namespace":
                tools += [(inner["name"], one["name"], inner.get("parameters", {})) for inner in one.get("tools", [])]
            elif "name" in one:
                tools.append((one["name"], None, one.get("parameters", {})))
        outputs = ("function_call_output", "custom_tool_call_output", "mcp_tool_call_output")
        given = body.get("input", [])
        results = [text_of(one.get("output")) for one in given if isinstance(one, dict) and one.get("type") in outputs]
        return tools, results

    @staticmethod
    def write(body, text, call):
        if call:
            item = {"type": "function_call", "id": fresh("fc"), "call_id": fresh("call"), "name": call[0],
                    "arguments": json.dumps(call[2]), "status": "completed"}
            if call[1]:
                item["namespace"] = call[1]
        else:
            item = {"type": "message", "id": fresh("msg"), "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": text, "annotations": []}]}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
                 "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        response = {"id": fresh("resp"), "object": "response", "created_at": 1, "model": body.get("model", "m"),
                    "status": "completed", "output": [item], "usage": usage}
        if not body.get("stream"):
            return response
        events = [
            {"type": "response.created", "response": dict(response, status="in_progress", output=[], usage=None)},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": response},
        ]
        return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)


class Gemini:
    @staticmethod
    def read(body):
        tools = []
        for one in body.get("tools", []):
            for function in one.get("functionDeclarations", []):
                parameters = function.get("parametersJsonSchema") or function.get("parameters") or {}
                tools.append((function["name"], None, Gemini.lower(parameters)))
        results = []
        for content in body.get("contents", []):
            for part in content.get("parts", []):
                if "functionResponse" in part:
                    results.append(text_of(part["functionResponse"].get("response")))
        return tools, results

    @staticmethod
    def lower(schema):
        properties = schema.get("properties", {})
        return dict(schema, properties={name: dict(one, type=str(one.get("type", "string")).lower()) for name, one in properties.items()})

    @staticmethod
    def write(body, text, call, stream):
        part = {"functionCall": {"name": call[0], "args": call[2]}} if call else {"text": text}
        answer = {
            "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
        }
        return f"data: {json.dumps(answer)}\n\n" if stream else answer


def schema_of(body):
    """The JSON schema that a side question wants its answer in."""
    gemini = body.get("generationConfig", {})
    return gemini.get("responseJsonSchema") or gemini.get("responseSchema") or {"type": "string"}


def example(schema):
    """The smallest value of a schema."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = str(schema.get("type", "string")).lower()
    if kind == "object":
        return {name: example(one) for name, one in schema.get("properties", {}).items()}
    return {"array": [], "boolean": False, "integer": 1, "number": 1}.get(kind, "a title")


def api_of(path):
    """Who speaks at that path, and what else writing takes."""
    path = path.split("?")[0]
    if path.endswith("/messages"):
        return Anthropic, ()
    if path.endswith("/chat/completions"):
        return Chat, ()
    if path.endswith("/responses"):
        return Responses, ()
    if path.endswith((":generateContent", ":streamGenerateContent")):
        return Gemini, (path.endswith(":streamGenerateContent"),)
    return None, ()


def history(path, body):
    """How many results of tools the conversation holds; a side question is no conversation."""
    api, _ = api_of(path)
    tools, results = api.read(body) if api else ([], [])
    return len(results) if tools else "-"


def answer(path, body):
    """The body of the answer to a request, or none for a path that is no model's: text for an event stream."""
    path = path.split("?")[0]
    if path.endswith("/messages/count_tokens") or path.endswith(":countTokens"):
        return {"input_tokens": 1, "totalTokens": 1}
    api, extra = api_of(path)
    if not api:
        return None
    tools, results = api.read(body)
    if not tools:
        # A program's side question (a title, a summary, which model to take): it offers no tools.
        return api.write(body, json.dumps(example(schema_of(body))), None, *extra)
    try:
        step, value = next_step(results)
        call = None if step == "say" else Tools(tools).call(step, value)
        return api.write(body, value if step == "say" else "", call, *extra)
    except LookupError as error:
        return api.write(body, f"UNEXPECTED: {error}", None, *extra)


KEYS = ("authorization", "x-api-key", "x-goog-api-key")


def serve(handler, path, raw):
    """Answers a POST of `handler` when it is a model's; whether it was. Says what key came with it."""
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        return False
    answered = answer(path, body)
    if answered is None:
        return False
    keys = [f"{name}={handler.headers[name]}" for name in KEYS if handler.headers.get(name)]
    print(f"conversation {history(path, body)}", flush=True)
    print(f"model {path} key {' '.join(keys) or 'none'}", flush=True)
    stream = isinstance(answered, str)
    data = answered.encode() if stream else json.dumps(answered).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream" if stream else "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)
    return True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not serve(self, self.path, raw):
            self.send_error(404)

    def do_GET(self):
        # It stands for the wanted host, too.
        wanted = self.headers.get("Host", "").startswith(WANTED)
        data = f"hello from {WANTED}".encode() if wanted else b'{"object":"list","data":[]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, form, *values):
        print(form % values, file=sys.stderr, flush=True)


if __name__ == "__main__":
    address, port = sys.argv[1].rsplit(":", 1)
    server = http.server.ThreadingHTTPServer((address, int(port)), Handler)
    print(f"serving on port {server.server_port}", flush=True)
    server.serve_forever()
