"""A circuit breaker: a provider that fails again and again is left alone for a while, and nobody waits for it.

closed     everybody may ask; so many failures in a row open it
open       nobody may ask until its time is over
half open  one may ask; what becomes of that decides for all
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class Breaker:
    """The breaker of one model in one process; used by many threads."""

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._seconds, self._clock = failures, seconds, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opens_at: float | None = None
        self._probing = False

    def refusal(self) -> int | None:
        """Whether one may ask: None, or in how many seconds it is worth another try. Who may, tells the outcome."""
        with self._lock:
            if self._opens_at is None:
                return None
            left = self._opens_at - self._clock()
            if left <= 0 and not self._probing:
                self._probing = True
                return None
            return max(1, math.ceil(left))

    def worked(self) -> None:
        """The provider did what it should."""
        with self._lock:
            self._failures, self._opens_at, self._probing = 0, None, False

    def failed(self) -> bool:
        """The provider is not itself. Gives whether this has opened the breaker."""
        with self._lock:
            self._failures += 1
            opens = self._probing or (self._failures >= self._limit and self._opens_at is None)
            if opens:
                self._opens_at = self._clock() + self._seconds
            self._probing = False
            return opens

    def unknown(self) -> None:
        """Whoever asked has left before there was an outcome."""
        with self._lock:
            self._probing = False
