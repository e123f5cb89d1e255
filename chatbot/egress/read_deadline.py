"""How long and how much a model provider is listened to.

An HTTP client's read time-out begins anew with every byte, so a provider that drips comments would never be too late.
Who asks carries a `ReadDeadline`; every read of the connection meanwhile is cut by it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpcore2


class ReadDeadline:
    """The time until the first token, the time between two, the time for all of it (seconds), and a size in bytes.

    It begins with the first read: what comes before is connecting, and our own work. `again` says that something
    worth waiting for has come.
    """

    def __init__(self, first: float, between: float, total: float, size: int) -> None:
        self._first, self._between, self._total, self._bytes_left = first, between, total, size
        self._until = self._end = math.inf

    def again(self) -> None:
        """The wait for the next token begins."""
        self._until = time.monotonic() + self._between

    def cut(self, timeout: float | None) -> float:
        """A time-out that does not reach further.

        Raises:
            ReadTimeout: the time is over.
        """
        now = time.monotonic()
        if self._end == math.inf:
            self._until, self._end = now + self._first, now + self._total
        left = min(self._until, self._end) - now
        if left <= 0:
            raise httpcore2.ReadTimeout("the provider took too long")
        return left if timeout is None else min(timeout, left)

    def take(self, size: int) -> None:
        """Counts what was read.

        Raises:
            ReadError: it is more than anybody has asked for.
        """
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise httpcore2.ReadError("the provider sent too much")


_current: ContextVar[ReadDeadline | None] = ContextVar("patience", default=None)


@contextmanager
def read_deadline(patience: ReadDeadline) -> Iterator[None]:
    """What is read from a provider in this `with` is bounded. Not around a `yield` of a generator."""
    token = _current.set(patience)
    try:
        yield
    finally:
        _current.reset(token)


def current_deadline() -> ReadDeadline | None:
    """The one that reads are bounded by here, if any."""
    return _current.get()
