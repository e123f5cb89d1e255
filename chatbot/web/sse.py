"""Server-sent events: a generator of (name, payload) becomes the bytes of a stream, with pings while it is silent.

The work runs in a thread of its own, so that a ping can be written while a model thinks, and so that a client who
leaves is noticed at the next write: Werkzeug then closes this generator, which asks the work to stop and lets it
store what it has.
"""

from __future__ import annotations

import contextvars
import json
import queue
import threading
from collections.abc import Generator
from contextlib import closing
from typing import Any

from flask import Response

PING_SECONDS = 15.0
_END = object()

Frames = Generator[tuple[str, dict[str, Any]], None, None]


def stream(frames: Frames, ping_seconds: float = PING_SECONDS) -> Response:
    """The response of a stream. `frames` is closed in every case, also when the client leaves."""
    response = Response(_bytes(frames, ping_seconds), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def frame(number: int, name: str, payload: dict[str, Any]) -> bytes:
    """One event as bytes."""
    return f"event: {name}\nid: {number}\ndata: {json.dumps(payload, allow_nan=False)}\n\n".encode()


def _bytes(frames: Frames, ping_seconds: float) -> Generator[bytes, None, None]:
    ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
    left = threading.Event()
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_pump, frames, ready, left), name="reply", daemon=True).start()
    try:
        yield b": hello\n\n"
        yield from _drain(ready, ping_seconds)
    finally:
        left.set()


def _drain(ready: queue.SimpleQueue[Any], ping_seconds: float) -> Generator[bytes, None, None]:
    number = 0
    while True:
        try:
            item = ready.get(timeout=ping_seconds)
        except queue.Empty:
            yield b": ping\n\n"
            continue
        if item is _END:
            return
        number += 1
        yield frame(number, *item)


def _pump(frames: Frames, ready: queue.SimpleQueue[Any], left: threading.Event) -> None:
    try:
        with closing(frames):
            for item in frames:
                ready.put(item)
                if left.is_set():
                    return
    finally:
        ready.put(_END)
