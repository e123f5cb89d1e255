#!/usr/bin/env bash
# langchain-openai 1.7.3: `refusal` and `reasoning_content` of a streamed answer are left out; without streaming the
# refusal is there. A completion without choices, which some services send, is an IndexError
# out of the library's inside instead of an error of the model.
# Who is hurt: users of a streaming chat get an empty answer where the model has said why it refuses, and the backend
# cannot tell a refusal from a model that has failed.
# In the product: chatbot/rag/llm/openai_transport.py adds the fields to the chunk and turns these errors into
# ValueError.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install -qq langchain-openai==1.7.3 langchain-core==1.7.2 openai==3.54.0 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: the fields arrive, or the error is another one"; exit 1; }
import importlib.metadata
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from langchain_openai import ChatOpenAI

REFUSAL = "I cannot help with that."
DELTAS = {"role": "assistant", "content": ""}, {"reasoning_content": "Is it allowed?"}, {"refusal": REFUSAL}
answer = {"role": "assistant", "content": None, "refusal": REFUSAL}
choices = [{"index": 0, "finish_reason": "stop", "message": answer}]


class Server(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        streamed = json.loads(self.rfile.read(int(self.headers["Content-Length"]))).get("stream")
        head = {"id": "1", "created": 1, "model": "m"}
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
        self.end_headers()
        if not streamed:
            self.wfile.write(json.dumps(head | {"object": "chat.completion", "choices": choices}).encode())
            return
        for delta in DELTAS:
            event = head | {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
model = ChatOpenAI(model="m", base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none", max_retries=0)

for name in ("langchain-openai", "langchain-core", "openai"):
    print(name, importlib.metadata.version(name))
print("expected: the chunks hold the refusal and the reasoning; no choices are an error that says so")
whole = model.invoke("?").additional_kwargs
print("  not streamed:", whole)
streamed = [chunk.model_dump_json() for chunk in model.stream("?")]
lost = not any(REFUSAL in chunk or "Is it allowed?" in chunk for chunk in streamed)
print(f"seen: of {len(streamed)} streamed chunks none holds the refusal or the reasoning: {lost}")
choices.clear()
try:
    model.invoke("?")
    error = None
except Exception as raised:
    error = raised
print(f"seen, with no choices: {error!r}")
sys.exit(0 if whole.get("refusal") == REFUSAL and lost and type(error) is IndexError else 1)
PYTHON
