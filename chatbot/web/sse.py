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
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from flask import Response

PING_SECONDS = 15.0
_END = object()

Frames = Generator[tuple[str, dict[str, Any]], None, None]


def stream(
    frames: Frames, ping_seconds: float = PING_SECONDS, on_end: Callable[[], None] = lambda: None
) -> Response:  # fmt: skip
    """The response of a stream. `frames` is closed in every case, also when the client leaves.

    `on_end` is called when the work is over, which may be after the client has left; or when it never began.
    """
    work = _Work(frames, on_end)
    response = Response(_bytes(work, ping_seconds), mimetype="text/event-stream")
    response.call_on_close(work.never_began)
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def frame(number: int, name: str, payload: dict[str, Any]) -> bytes:
    """One event as bytes."""
    return f"event: {name}\nid: {number}\ndata: {json.dumps(payload, allow_nan=False)}\n\n".encode()


class _Work:
    """A reply at work in a thread of its own."""

    def __init__(self, frames: Frames, on_end: Callable[[], None]) -> None:
        self._frames = frames
        self._on_end = on_end
        self._began = False
        self.ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.left = threading.Event()

    def begin(self) -> None:
        """Starts the thread, with this context's log fields."""
        self._began = True
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._pump,), name="reply", daemon=True).start()

    def never_began(self) -> None:
        """Ends a work whose response was closed before its first byte."""
        if not self._began:
            self._frames.close()
            self._on_end()

    def _pump(self) -> None:
        try:
            with closing(self._frames):
                for item in self._frames:
                    self.ready.put(item)
                    if self.left.is_set():
                        return
        finally:
            self._on_end()
            self.ready.put(_END)


def _bytes(work: _Work, ping_seconds: float) -> Generator[bytes, None, None]:
    work.begin()
    try:
        yield b": hello\n\n"
        yield from _drain(work.ready, ping_seconds)
    finally:
        work.left.set()


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
