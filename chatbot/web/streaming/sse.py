"""Server-sent events: frames, (name, payload), become the bytes of a stream, with pings while it is silent.

The work runs in a thread of its own (chatbot/web/streaming/broadcast.py), so that a ping can be written while a model
thinks, and so that a client who leaves is noticed at the next write: Werkzeug then closes this generator, and with its
last reader the work is asked to stop and to store what it has. The same happens to a stream whose reader may not go on
reading: a guard lets a request pass once, and a stream asks again every few seconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from flask import Response

from chatbot.errors import ChatbotError, problem
from chatbot.web.streaming.broadcast import EventBuffer, Frame, Frames

PING_SECONDS = 15.0
CHECK_SECONDS = 10.0

View = Callable[[Frame], Frame]
# The number, the name and the payload of an event as bytes.
Encode = Callable[[int, str, dict[str, Any]], bytes]
StillAllowed = Callable[[], ChatbotError | None]
AsProblem = Callable[[ChatbotError], dict[str, Any]]

_problem = partial(problem, instance=None, request_id=None)


def frame(number: int, name: str, payload: dict[str, Any]) -> bytes:
    """One event as bytes."""
    return f"event: {name}\nid: {number}\ndata: {json.dumps(payload, allow_nan=False)}\n\n".encode()


def stream(
    frames: Frames | EventBuffer,
    ping_seconds: float = PING_SECONDS,
    on_end: Callable[[], None] = lambda: None,
    still_allowed: StillAllowed = lambda: None,
    check_seconds: float = CHECK_SECONDS,
    as_problem: AsProblem = _problem,
    after: int = 0,
    view: View = lambda event: event,
    encode: Encode = frame,
) -> Response:
    """The response of a stream. `frames` is closed in every case, also when the client leaves.

    `on_end` is called when the work is over, which may be after the client has left; or when it never began.
    `still_allowed` is asked every `check_seconds`, without a request's context; an error it gives is the last event,
    as `as_problem` tells it. A feed that others read as well may stand for the frames (its `on_end` is its own);
    `after` is the number of the last event that this reader has seen of it, and `view` what they see of an event; an
    error it raises is the last event. `encode` writes an event.
    """
    feed = frames if isinstance(frames, EventBuffer) else EventBuffer(frames, on_end)
    reader = _Reader(after, still_allowed, check_seconds, as_problem, view, encode)
    response = Response(_bytes(feed, reader, ping_seconds), mimetype="text/event-stream")
    response.call_on_close(feed.never_began)
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response


class _Reader:
    """Who reads a stream: what they have read, what they see of it, and whether they may go on."""

    def __init__(
        self,
        after: int,
        still_allowed: StillAllowed,
        check_seconds: float,
        as_problem: AsProblem,
        view: View,
        encode: Encode,
    ) -> None:
        self.number = after
        self._still_allowed, self._check_seconds, self._as_problem = still_allowed, check_seconds, as_problem
        self._view, self._encode = view, encode
        self.check_due = time.monotonic() + check_seconds
        self.refused = self.over = False

    def refusal(self) -> bytes | None:
        """The error that ends the stream of who may not go on; None too while it is not yet time to ask."""
        if time.monotonic() < self.check_due:
            return None
        error = self._still_allowed()
        self.check_due = time.monotonic() + self._check_seconds
        self.refused = error is not None
        return self._last(error) if error else None

    def read(self, frames: Sequence[Frame]) -> bytes:
        """What they are sent of the next frames: several that are there already are one write."""
        try:
            seen = [self._view(frame) for frame in frames]
        except ChatbotError as error:
            return self._last(error)
        written = b"".join(self._encode(number, *frame) for number, frame in enumerate(seen, self.number + 1))
        self.number += len(frames)
        return written

    def _last(self, error: ChatbotError) -> bytes:
        self.over = True
        return self._encode(self.number + 1, "error", self._as_problem(error))


def _bytes(feed: EventBuffer, reader: _Reader, ping_seconds: float) -> Generator[bytes, None, None]:
    feed.join()
    try:
        yield b": hello\n\n"
        ping_due = time.monotonic() + ping_seconds
        while not reader.over:
            frames, over = feed.next(reader.number, min(ping_due, reader.check_due))
            if refusal := reader.refusal():
                yield refusal
            elif over:
                return
            elif frames:
                yield reader.read(frames)
            elif time.monotonic() >= ping_due:
                yield b": ping\n\n"
            else:
                continue
            ping_due = time.monotonic() + ping_seconds
    finally:
        feed.leave(linger=not reader.refused)
