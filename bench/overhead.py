"""What send/ adds to the model's own time, with the local embedder.

    python -m bench.overhead

A scripted model answers with a known schedule on this machine. The same question goes to it directly, and through
send/ of a real gunicorn, as a stream and as JSON, one after the other in turns. What is more than the direct call is
ours: guard, stored question, embedding, search, prompt, LangChain, citations, stored answer.
"""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.search import fill, vectors
from bench.temp_app import access_token, gunicorn, temp_app

FIRST_TOKEN, TOKENS, PER_SECOND, ROUNDS = 0.1, 20, 100, 40


class _Model(BaseHTTPRequestHandler):
    """Streams TOKENS tokens on an absolute schedule, as OpenAI's protocol has it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        begin = time.perf_counter()
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for n in range(TOKENS):
            time.sleep(max(0.0, begin + FIRST_TOKEN + n / PER_SECOND - time.perf_counter()))
            self._send({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "word "}}]})
        self._send({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._send({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": TOKENS, "total_tokens": 29}})
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _send(self, payload: dict[str, object]) -> None:
        base = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
        self._chunk(b"data: " + json.dumps(base | payload).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def log_message(self, *_args: object) -> None:
        """Silent."""


@contextmanager
def model_server() -> Iterator[int]:
    """The scripted model on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def _call(port: int, method: str, path: str, body: object, headers: dict[str, str]) -> tuple[int, float]:
    """The status, and the seconds until the last byte."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    begin = time.perf_counter()
    connection.request(
        method, path, json.dumps(body) if body else None, {"Content-Type": "application/json", **headers}
    )
    response = connection.getresponse()
    response.read()
    seconds = time.perf_counter() - begin
    connection.close()
    return response.status, seconds


def main() -> None:
    """Prints the overhead."""
    direct: list[float] = []
    streamed: list[float] = []
    plain: list[float] = []
    question = {"message": "What does the manual say about the valve?"}
    with model_server() as model_port, temp_app() as app:
        fill(app, vectors(10_000))
        headers = {"Authorization": f"Bearer {access_token(app)}"}
        address = f"http://127.0.0.1:{model_port}/v1"
        model = {"OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": address, "EMBEDDING_MODEL": "all-MiniLM-L6-v2"}
        with gunicorn(app, **model) as port:
            for n in range(ROUNDS + 3):
                times = (
                    _call(model_port, "POST", "/v1/chat/completions", {"stream": True}, {})[1],
                    _checked(_call(port, "POST", "/api/chat/send/", question | {"stream": True}, headers)),
                    _checked(_call(port, "POST", "/api/chat/send/", question, headers)),
                )
                if n >= 3:
                    for kept, seconds in zip((direct, streamed, plain), times, strict=True):
                        kept.append(seconds)
    _report(direct, streamed, plain)


def _checked(answer: tuple[int, float]) -> float:
    if answer[0] != 200:
        raise RuntimeError(f"send/ answered {answer[0]}")
    return answer[1]


def _report(direct: list[float], streamed: list[float], plain: list[float]) -> None:
    base = statistics.median(direct) * 1000
    print(f"\nOne answer of {TOKENS} tokens at 10,000 chunks, {ROUNDS} rounds in turns, one at a time")
    print(f"{'':44}{'p50 ms':>9}{'added ms':>10}{'/ direct':>10}")
    for name, seconds in (("the model directly", direct), ("send/ as a stream", streamed), ("send/ as JSON", plain)):
        p50 = statistics.median(seconds) * 1000
        print(f"{name:44}{p50:9.1f}{p50 - base:10.1f}{p50 / base:10.2f}")


if __name__ == "__main__":
    main()
