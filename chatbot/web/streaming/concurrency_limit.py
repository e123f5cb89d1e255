"""How many answers may be under way at once in a process.

An answer holds two connections, and memory, for seconds. Without a bound, enough of them leave no core to login and
health; with it the rest is told 503 at once, with a time to come back. The server takes more connections than that
(gunicorn.conf.py), so there is always one left for everything else.
"""

from __future__ import annotations

import threading

from chatbot import metrics
from chatbot.errors import Unavailable


class TooManyStreams(Unavailable):
    code, detail = "too_many_streams", "Too many answers are under way; try again in a moment."


class Permit:
    """A taken place. Giving it back twice does nothing."""

    def __init__(self, free: threading.Semaphore) -> None:
        self._free = free
        self._once = threading.Lock()

    def release(self) -> None:
        """Gives the place back."""
        if self._once.acquire(blocking=False):
            self._free.release()
            metrics.STREAMS.dec()


class ConcurrencyLimit:
    """The places of one process."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = threading.Semaphore(count)
        metrics.STREAM_SLOTS.set(count)

    def take(self) -> Permit:
        """A place.

        Raises:
            TooManyStreams: all are taken.
        """
        if not self._free.acquire(blocking=False):
            metrics.STREAMS_REFUSED.inc()
            raise TooManyStreams(retry_after=2)
        metrics.STREAMS.inc()
        return Permit(self._free)
