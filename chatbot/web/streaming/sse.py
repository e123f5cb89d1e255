"""Server-sent events: a generator of (name, payload) becomes the bytes of a stream, with pings while it is silent.

The work runs in a thread of its own (chatbot/web/streaming/broadcast.py), so that a ping can be written while a model
thinks, and so that a client who leaves is noticed at the next write: Werkzeug then closes this generator, and with its
last reader the work is asked to stop and to store what it has. The same happens to a stream whose reader may not go on
reading: a guard lets a request pass once, and a stream asks again every few seconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from flask import Response

from chatbot.errors import ChatbotError, problem
from chatbot.web.streaming.broadcast import Event, EventBuffer, Frames

PING_SECONDS = 15.0
CHECK_SECONDS = 10.0

View = Callable[[Event], Event]
StillAllowed = Callable[[], ChatbotError | None]
AsProblem = Callable[[ChatbotError], dict[str, Any]]

_problem = partial(problem, instance=None, request_id=None)


def stream(
    frames: Frames | EventBuffer,
    ping_seconds: float = PING_SECONDS,
    on_end: Callable[[], None] = lambda: None,
    still_allowed: StillAllowed = lambda: None,
    check_seconds: float = CHECK_SECONDS,
    as_problem: AsProblem = _problem,
    after: int = 0,
    view: View = lambda event: event,
) -> Response:
    """The response of a stream. `frames` is closed in every case, also when the client leaves.

    `on_end` is called when the work is over, which may be after the client has left; or when it never began.
    `still_allowed` is asked every `check_seconds`, without a request's context; an error it gives is the last event,
    as `as_problem` tells it. A feed that others read as well may stand for the frames (its `on_end` is its own);
    `after` is the number of the last event that this reader has seen of it, and `view` what they see of an event; an
    error it raises is the last event.
    """
    feed = frames if isinstance(frames, EventBuffer) else EventBuffer(frames, on_end)
    watch = _Watch(still_allowed, check_seconds, as_problem, view)
    response = Response(_bytes(feed, after, ping_seconds, watch), mimetype="text/event-stream")
    response.call_on_close(feed.never_began)
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def frame(number: int, name: str, payload: dict[str, object]) -> bytes:
    """One event as bytes."""
    return f"event: {name}\nid: {number}\ndata: {json.dumps(payload, allow_nan=False)}\n\n".encode()


class _Watch:
    """Whether the reader of a stream may go on reading, asked now and then, and what they see of its events."""

    def __init__(self, still_allowed: StillAllowed, seconds: float, as_problem: AsProblem, view: View) -> None:
        self._still_allowed, self._seconds, self.as_problem, self.view = still_allowed, seconds, as_problem, view
        self.due = time.monotonic() + seconds
        self.refused = False

    def refusal(self) -> dict[str, object] | None:
        """The problem that ends the stream, or None; None too while it is not yet time to ask."""
        if time.monotonic() < self.due:
            return None
        error = self._still_allowed()
        self.due = time.monotonic() + self._seconds
        self.refused = error is not None
        return self.as_problem(error) if error else None


def _bytes(feed: EventBuffer, after: int, ping_seconds: float, watch: _Watch) -> Generator[bytes, None, None]:
    feed.join()
    try:
        yield b": hello\n\n"
        yield from _drain(feed, after, ping_seconds, watch)
    finally:
        feed.leave(linger=not watch.refused)


def _drain(feed: EventBuffer, number: int, ping_seconds: float, watch: _Watch) -> Generator[bytes, None, None]:
    ping_due = time.monotonic() + ping_seconds
    while True:
        events, over = feed.next(number, min(ping_due, watch.due))
        if refusal := watch.refusal():
            yield frame(number + 1, "error", refusal)
            return
        if over:
            return
        if events:
            # Several that are there already are one write.
            try:
                seen = [watch.view(event) for event in events]
            except ChatbotError as error:
                yield frame(number + 1, "error", watch.as_problem(error))
                return
            yield b"".join(frame(number + n, *event) for n, event in enumerate(seen, 1))
            number += len(events)
        elif time.monotonic() >= ping_due:
            yield b": ping\n\n"
        else:
            continue
        ping_due = time.monotonic() + ping_seconds
