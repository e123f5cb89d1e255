"""A scripted server that speaks OpenAI's protocol, for tests: it answers, fails and hangs as a model's name says.

    server.base_url                   what OPENAI_BASE_URL is set to
    server.behave("gpt-4o", "stall")  gives a model a behaviour of the list below; several come one after another and
                                      the last one stays. A model that is named like a behaviour has it anyway.
    server.behave("m", "http-500", plain=True)   the same for calls that are not streamed (condensing a question)
    server.say("gpt-4o", "Text [1].") what it answers; a function of the request's body too; `plain=True` as above
    server.refuse("m", 400, error, when)   refuses what `when(body)` is true of, before the behaviour is looked at
    server.requests                   every request that came, as `Seen`, with its body and what became of it

Behaviours of a chat: answers · 429-once · 429-for-ever · http-500 http-502 http-503 · http-400 http-401 http-403
http-404 · context-length · hang (no first token) · slow-first (1 s) · slow (25 tokens a second) · after three tokens:
stall, cut (chunked framing broken off), cut-unframed, invalid-json, error-event · html · redirect · empty · no-done ·
no-finish · no-usage · odd-usage · refusal · length, filter (the reason to end) · filter-empty, out-of-tokens (the same
without a text) · thinks (five thoughts, one each 0.2 s) · whole (no stream, but one completion) · error-200 ·
comments (for ever, and no token) · endless (tokens for ever) · huge-token (10 MB in one).
Behaviours of embeddings: the statuses above, hang, html, redirect · too-few · ragged · nan · zero ·
lists (whatever is asked for) · backwards (the last text first) · no-data · no-base64 (letters that are none).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "The shop opens at nine [1]. On Saturdays it opens at ten [1]."
DIMENSION = 256
WORST_WAIT = 30.0

Text = str | Callable[[dict[str, Any]], str]
REFUSAL = "I cannot help with that request."
# Behaviours that end for another reason than that all was said.
_ENDS = {"length": "length", "filter": "content_filter", "filter-empty": "content_filter", "out-of-tokens": "length"}
_SILENT = ("empty", "filter-empty", "out-of-tokens", "refusal")


class ClientLeft(Exception):
    """The client has closed its connection."""


@dataclass
class Seen:
    """A request that came, and what became of it. Times are of `time.monotonic`."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)
    tokens_written: int = 0
    left_at: float | None = None
    finished_at: float | None = None

    @property
    def model(self) -> str:
        return str(self.body.get("model"))

    @property
    def is_stream(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def messages(self) -> list[tuple[str, str]]:
        """(role, content) of each message of the prompt."""
        return [(m["role"], m["content"]) for m in self.body["messages"]]


class OpenAIServer:
    """The server; `close` ends it and everything that hangs in it."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.token_seconds = 0.04
        self._behaviours: dict[tuple[str, bool], list[str]] = {}
        self._texts: dict[tuple[str, bool], Text] = {}
        self._refusals: dict[str, tuple[int, dict[str, Any], Callable[[dict[str, Any]], bool]]] = {}
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.script = self
        threading.Thread(target=self._http.serve_forever, args=(0.05,), name="openai-server", daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"

    def behave(self, model: str, *behaviours: str, plain: bool = False) -> None:
        """Gives a model its behaviours, one after another; the last one stays."""
        with self._lock:
            self._behaviours[model, plain] = list(behaviours)

    def refuse(
        self, model: str, status: int, error: dict[str, Any], when: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> None:
        """Refuses requests for a model with an error object of its own."""
        self._refusals[model] = status, error, when

    def refusal_of(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        status, error, when = self._refusals.get(str(body.get("model")), (0, {}, lambda _: False))
        return (status, error) if when(body) else None

    def say(self, model: str, text: Text, *, plain: bool = False) -> None:
        """What a model answers."""
        self._texts[model, plain] = text

    def streams(self) -> list[Seen]:
        """The streamed calls: those for an answer."""
        return [seen for seen in self.requests if seen.is_stream]

    def plains(self) -> list[Seen]:
        """The calls for a rewritten question."""
        return [seen for seen in self.requests if seen.path.endswith("/chat/completions") and not seen.is_stream]

    def wait_for(self, condition: Callable[[], Any], seconds: float = 5.0) -> None:
        """Waits until the condition holds.

        Raises:
            AssertionError: it did not in time.
        """
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.01)

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def next_behaviour(self, model: str, plain: bool) -> str:
        with self._lock:
            script = self._behaviours.get((model, plain))
            if not script:
                return "answers" if plain else model
            return script.pop(0) if len(script) > 1 else script[0]

    def text_for(self, body: dict[str, Any], plain: bool) -> str:
        text = self._texts.get((body["model"], plain), ANSWER)
        return text(body) if callable(text) else text


@contextlib.contextmanager
def running() -> Iterator[OpenAIServer]:
    """A server for the length of a `with`."""
    server = OpenAIServer()
    try:
        yield server
    finally:
        server.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    script: OpenAIServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is what many tests are about."""


_STATUSES: dict[str, tuple[int, str, str]] = {
    "http-400": (400, "invalid_request_error", "bad_request"),
    "http-401": (401, "invalid_request_error", "invalid_api_key"),
    "http-403": (403, "invalid_request_error", "forbidden"),
    "http-404": (404, "invalid_request_error", "model_not_found"),
    "429-for-ever": (429, "requests", "rate_limit_exceeded"),
    "429-once": (429, "requests", "rate_limit_exceeded"),
    "http-500": (500, "server_error", "internal"),
    "http-502": (502, "server_error", "internal"),
    "http-503": (503, "server_error", "internal"),
    "context-length": (400, "invalid_request_error", "context_length_exceeded"),
}
_HTML = "<html><body><h1>Welcome to the captive portal</h1></body></html>"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True

    def log_message(self, *_args: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        self._note({})
        self._send(404, "application/json", b"{}")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seen = self._note(body)
        script = self.server.script
        plain = self.path.endswith("/chat/completions") and not seen.is_stream
        if refusal := script.refusal_of(body):
            return self._send(refusal[0], "application/json", json.dumps(refusal[1]).encode())
        behaviour = script.next_behaviour(seen.model, plain)
        try:
            self._act(seen, behaviour, plain)
            seen.finished_at = time.monotonic()
        except (ClientLeft, BrokenPipeError, ConnectionResetError):
            seen.left_at = time.monotonic()
            self.close_connection = True

    def _note(self, body: dict[str, Any]) -> Seen:
        seen = Seen(self.path, body, {k.lower(): v for k, v in self.headers.items()})
        self.server.script.requests.append(seen)
        return seen

    def _act(self, seen: Seen, behaviour: str, plain: bool) -> None:
        if behaviour == "429-once":
            self.server.script.behave(seen.model, "answers", plain=plain)
        if seen.path.startswith("/internal/"):
            self._send(200, "application/json", b'{"secret": "of the inside"}')
        elif behaviour in _STATUSES:
            self._refuse(*_STATUSES[behaviour])
        elif behaviour == "hang":
            self._wait(WORST_WAIT)
        elif behaviour == "html":
            self._send(200, "text/html", _HTML.encode())
        elif behaviour == "redirect":
            self._send(307, "text/plain", b"", {"Location": f"{self.server.script.address}/internal/secret"})
        elif seen.path.endswith("/embeddings"):
            self._embed(seen, behaviour)
        elif plain or behaviour == "whole":
            self._complete(seen, plain)
        elif behaviour == "error-200":
            error = {"error": {"message": "Insufficient credits.", "code": 402}}
            self._send(200, "application/json", json.dumps(error).encode())
        else:
            _Stream(self, seen, behaviour).run()

    def _refuse(self, status: int, kind: str, code: str) -> None:
        key = self.headers.get("Authorization", "")
        reason = "maximum context length is 4096 tokens" if code == "context_length_exceeded" else "We are sorry"
        message = f"Refused ({code}). You sent: {key}. {reason}"
        error = {"error": {"message": message, "type": kind, "param": None, "code": code}}
        self._send(
            status, "application/json", json.dumps(error).encode(), {"Retry-After": "1"} if status == 429 else {}
        )

    def _send(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _complete(self, seen: Seen, plain: bool = True) -> None:
        text = self.server.script.text_for(seen.body, plain)
        message = {"role": "assistant", "content": text}
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": seen.model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": _usage(seen.body, text),
        }
        self._send(200, "application/json", json.dumps(body).encode())

    def _embed(self, seen: Seen, behaviour: str) -> None:
        texts = seen.body["input"]
        vectors = [vector_of(text) for text in ([texts] if isinstance(texts, str) else texts)]
        if behaviour == "too-few":
            vectors = vectors[:-1]
        elif behaviour == "ragged":
            vectors[-1] = vectors[-1][:-1]
        elif behaviour == "nan":
            vectors[-1][0] = float("nan")
        elif behaviour == "zero":
            vectors[-1] = [0.0] * DIMENSION
        coded = seen.body.get("encoding_format") == "base64" and behaviour != "lists"
        data: Any = [
            {"object": "embedding", "index": n, "embedding": _packed(vector) if coded else vector}
            for n, vector in enumerate(vectors)
        ]
        if behaviour == "backwards":
            data.reverse()
        if behaviour == "no-data":
            data = None
        elif behaviour == "no-base64":
            data[-1]["embedding"] = "no base64"
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        body = {"object": "list", "data": data, "model": seen.model, "usage": usage}
        self._send(200, "application/json", json.dumps(body).encode())

    def _wait(self, seconds: float) -> None:
        """Waits, and notices a client who leaves meanwhile.

        Raises:
            ClientLeft: the client has, or the server is being closed.
        """
        until = time.monotonic() + seconds
        while not self.server.script.closing.is_set():
            left = until - time.monotonic()
            readable, _, _ = select.select([self.connection], [], [], max(0.0, min(0.02, left)))
            if readable and self.connection.recv(1, socket.MSG_PEEK) == b"":
                raise ClientLeft()
            if left <= 0:
                return
        raise ClientLeft()


class _Stream:
    """One streamed answer."""

    def __init__(self, handler: _Handler, seen: Seen, behaviour: str) -> None:
        self._handler, self._seen, self._behaviour = handler, seen, behaviour
        self._framed = behaviour != "cut-unframed"

    def run(self) -> None:
        script = self._handler.server.script
        text = "" if self._behaviour in _SILENT else script.text_for(self._seen.body, plain=False)
        self._headers()
        if self._behaviour == "slow-first":
            self._handler._wait(1.0)
        if self._behaviour in ("comments", "endless", "huge-token"):
            self._too_much()
        self._event(self._chunk({"role": "assistant", "content": ""}))
        if self._behaviour in ("thinks", "out-of-tokens"):
            self._think()
        if self._behaviour == "refusal":
            for token in re.findall(r"\s*\S+", REFUSAL):
                self._event(self._chunk({"content": None, "refusal": token}))
        for n, token in enumerate(re.findall(r"\s*\S+\s*$|\s*\S+", text)):
            if n == 3 and self._broken():
                return
            self._event(self._chunk({"content": token}))
            self._seen.tokens_written += 1
            self._handler._wait(script.token_seconds if self._behaviour == "slow" else 0)
        self._end(text)

    def _headers(self) -> None:
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", "text/event-stream")
        if self._framed:
            self._handler.send_header("Transfer-Encoding", "chunked")
        else:
            self._handler.send_header("Connection", "close")
        self._handler.end_headers()

    def _too_much(self) -> None:
        """Writes until the client leaves; of the huge token there is one."""
        if self._behaviour == "huge-token":
            self._event(self._chunk({"content": "a" * 10_000_000}))
            return
        while True:
            if self._behaviour == "comments":
                self._write(b": still thinking\n\n")
                self._handler._wait(0.02)
            else:
                self._event(self._chunk({"content": "word "}))
                self._seen.tokens_written += 1

    def _think(self) -> None:
        for _ in range(5):
            self._event(self._chunk({"content": None, "reasoning_content": "Hm. "}))
            self._handler._wait(0.2)

    def _broken(self) -> bool:
        """Does what goes wrong after three tokens; whether anything has."""
        if self._behaviour == "stall":
            self._handler._wait(WORST_WAIT)
        elif self._behaviour in ("cut", "cut-unframed"):
            self._handler.close_connection = True
        elif self._behaviour == "invalid-json":
            self._write(b"data: {this is not json\n\n")
            self._close()
        elif self._behaviour == "error-event":
            self._event({"error": {"message": "The server had an error", "type": "server_error", "code": None}})
            self._close()
        else:
            return False
        return True

    def _end(self, text: str) -> None:
        if self._behaviour != "no-finish":
            self._event(self._chunk({}, _ENDS.get(self._behaviour, "stop")))
        wanted = (self._seen.body.get("stream_options") or {}).get("include_usage")
        if wanted and self._behaviour != "no-usage":
            usage = _usage(self._seen.body, text)
            if self._behaviour == "odd-usage":
                usage["prompt_tokens"] = 1 << 70
            self._event(self._chunk(None) | {"usage": usage})
        if self._behaviour != "no-done":
            self._write(b"data: [DONE]\n\n")
        self._close()

    def _chunk(self, delta: dict[str, str | None] | None, finish: str | None = None) -> dict[str, Any]:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": self._seen.model,
            "choices": choices,
        }

    def _event(self, payload: dict[str, Any]) -> None:
        self._write(f"data: {json.dumps(payload)}\n\n".encode())

    def _write(self, data: bytes) -> None:
        self._handler._wait(0)
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if self._framed else data)

    def _close(self) -> None:
        if self._framed:
            self._handler.wfile.write(b"0\r\n\r\n")


def _usage(body: dict[str, Any], text: str) -> dict[str, int]:
    prompt = sum(len(str(m["content"]).split()) for m in body["messages"])
    done = len(text.split())
    return {"prompt_tokens": prompt, "completion_tokens": done, "total_tokens": prompt + done}


def vector_of(text: str) -> list[float]:
    """A bag of the text's words: texts that share words are near each other."""
    vector = [0.0] * DIMENSION
    vector[0] = 0.01
    for word in re.findall(r"\w+", text.lower()):
        vector[1 + hashlib.sha256(word.encode()).digest()[0] % (DIMENSION - 1)] += 1.0
    return vector


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
