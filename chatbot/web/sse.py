"""Server-sent events: a generator of (name, payload) becomes the bytes of a stream, with pings while it is silent.

The work runs in a thread of its own, so that a ping can be written while a model thinks, and so that a client who
leaves is noticed at the next write: Werkzeug then closes this generator, which asks the work to stop and lets it
store what it has. The same happens to a stream whose reader may not go on reading: a guard lets a request pass once,
and a stream asks again every few seconds.
"""

from __future__ import annotations

import contextvars
import json
import queue
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from typing import Any

from flask import Response

from chatbot.errors import ChatbotError, problem

PING_SECONDS = 15.0
CHECK_SECONDS = 10.0
_END = object()
_NOTHING = object()

Frames = Generator[tuple[str, dict[str, Any]], None, None]
StillAllowed = Callable[[], ChatbotError | None]
AsProblem = Callable[[ChatbotError], dict[str, Any]]

_problem = partial(problem, instance=None, request_id=None)


def stream(
    frames: Frames, ping_seconds: float = PING_SECONDS, on_end: Callable[[], None] = lambda: None,
    still_allowed: StillAllowed = lambda: None, check_seconds: float = CHECK_SECONDS,
    as_problem: AsProblem = _problem,
) -> Response:  # fmt: skip
    """The response of a stream. `frames` is closed in every case, also when the client leaves.

    `on_end` is called when the work is over, which may be after the client has left; or when it never began.
    `still_allowed` is asked every `check_seconds`, without a request's context; an error it gives is the last event,
    as `as_problem` tells it.
    """
    work = _Work(frames, on_end)
    watch = _Watch(still_allowed, check_seconds, as_problem)
    response = Response(_bytes(work, ping_seconds, watch), mimetype="text/event-stream")
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
            try:
                self._on_end()
            finally:
                self.ready.put(_END)


class _Watch:
    """Whether the reader of a stream may go on reading; asked now and then."""

    def __init__(self, still_allowed: StillAllowed, seconds: float, as_problem: AsProblem) -> None:
        self._still_allowed, self._seconds, self._as_problem = still_allowed, seconds, as_problem
        self.due = time.monotonic() + seconds

    def refusal(self) -> dict[str, Any] | None:
        """The problem that ends the stream, or None; None too while it is not yet time to ask."""
        if time.monotonic() < self.due:
            return None
        error = self._still_allowed()
        self.due = time.monotonic() + self._seconds
        return self._as_problem(error) if error else None


def _bytes(work: _Work, ping_seconds: float, watch: _Watch) -> Generator[bytes, None, None]:
    work.begin()
    try:
        yield b": hello\n\n"
        yield from _drain(work.ready, ping_seconds, watch)
    finally:
        work.left.set()


def _drain(ready: queue.SimpleQueue[Any], ping_seconds: float, watch: _Watch) -> Generator[bytes, None, None]:
    number, ping_due = 0, time.monotonic() + ping_seconds
    while True:
        item = _next(ready, min(ping_due, watch.due))
        if refusal := watch.refusal():
            yield frame(number + 1, "error", refusal)
            return
        if item is _END:
            return
        if item is not _NOTHING:
            number += 1
            yield frame(number, *item)
        elif time.monotonic() >= ping_due:
            yield b": ping\n\n"
        else:
            continue
        ping_due = time.monotonic() + ping_seconds


def _next(ready: queue.SimpleQueue[Any], until: float) -> Any:
    try:
        return ready.get(timeout=max(0.0, until - time.monotonic()))
    except queue.Empty:
        return _NOTHING
