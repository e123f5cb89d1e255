"""Counting hits against limits: in Redis for all processes together, or in the memory of this one.

A hit is counted in all its scopes or in none, in one step and before what it stands for is done, so of any number that
come at once no more get through than the limit allows. While Redis is away this process counts by itself: the limits
grow looser by the number of processes, and never fall.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis
import structlog

from chatbot.metrics import LIMITS_IN_MEMORY

log = structlog.get_logger(__name__)

# A Redis that hangs must not hang every request with it; while it is away one request in so many seconds tries it.
TIMEOUT_SECONDS = 1.0
RETRY_SECONDS = 5.0
# When to come back where hits fill a scope whose outcome is not known yet: they may be given back in a moment.
OPEN_SECONDS = 1
# At how many scopes memory first looks for those that have ended.
TIDY_AT = 10_000

# KEYS are the scopes, ARGV each one's limit and its seconds. Gives whether the hit was counted, then for each scope
# its count and the milliseconds it lives on.
_TAKE = """
local taken = 1
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[2 * i - 1]) then taken = 0 end
end
local told = {taken}
for i, key in ipairs(KEYS) do
  if taken == 1 then
    redis.call('INCR', key)
    if redis.call('PTTL', key) < 0 then redis.call('EXPIRE', key, ARGV[2 * i]) end
  end
  told[2 * i] = tonumber(redis.call('GET', key) or '0')
  told[2 * i + 1] = redis.call('PTTL', key)
end
return told
"""
_GIVE_BACK = """
for _, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') > 0 then redis.call('DECR', key) end
end
"""


@dataclass(frozen=True)
class Window:
    """What is counted together: `amount` hits within the `seconds` that begin with the first.

    `name` is for people; `key` tells whose hits these are, and goes to Redis.
    """

    name: str
    key: str
    amount: int
    seconds: int


@dataclass(frozen=True)
class Usage:
    """How many hits a scope holds, and after how many seconds it begins anew."""

    used: int
    left: float


@dataclass(frozen=True)
class Hit:
    """What became of a hit. It was `taken` by all its scopes, or by none; `retry_after` is in seconds."""

    taken: bool
    standings: dict[Window, Usage]
    retry_after: int
    _where: Store = field(repr=False)
    _at: float = field(default_factory=time.monotonic, repr=False)

    def full(self) -> list[Window]:
        """The scopes that hold as many hits as they may."""
        return [scope for scope, stand in self.standings.items() if stand.used >= scope.amount]

    def running(self, scopes: Sequence[Window]) -> list[Window]:
        """Those of the scopes that have not begun anew since."""
        passed = time.monotonic() - self._at
        return [scope for scope in scopes if passed < self.standings[scope].left]


class Store(Protocol):
    """A place where hits are counted."""

    def take(self, scopes: Sequence[Window]) -> tuple[bool, list[Usage]]:
        """Counts a hit in every scope, or in none of them if one is full."""

    def give_back(self, scopes: Sequence[Window]) -> None:
        """Takes one hit out of each scope."""

    def clear(self, scopes: Sequence[Window]) -> None:
        """Takes every hit out of each scope."""


class Memory:
    """The counts of this process, gone with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}
        self._tidy_at = TIDY_AT

    def take(self, scopes: Sequence[Window]) -> tuple[bool, list[Usage]]:
        now = time.monotonic()
        with self._lock:
            windows = {scope.key: self._window(scope, now) for scope in scopes}
            taken = all(windows[scope.key].used < scope.amount for scope in scopes)
            if taken:
                for window in windows.values():
                    window.used += 1
                self._windows |= windows
                self._tidy(now)
            return taken, [windows[scope.key].standing(scope, now) for scope in scopes]

    def give_back(self, scopes: Sequence[Window]) -> None:
        with self._lock:
            for scope in scopes:
                window = self._windows.get(scope.key)
                if window is not None:
                    window.used = max(0, window.used - 1)

    def clear(self, scopes: Sequence[Window]) -> None:
        with self._lock:
            for scope in scopes:
                self._windows.pop(scope.key, None)

    def _window(self, scope: Window, now: float) -> _Window:
        window = self._windows.get(scope.key)
        return window if window is not None and now < window.ends else _Window(now + scope.seconds)

    def _tidy(self, now: float) -> None:
        """Forgets what has ended, whenever there is twice as much as was left the last time."""
        if len(self._windows) >= self._tidy_at:
            self._windows = {key: window for key, window in self._windows.items() if now < window.ends}
            self._tidy_at = max(TIDY_AT, 2 * len(self._windows))


@dataclass
class _Window:
    ends: float
    used: int = 0

    def standing(self, scope: Window, now: float) -> Usage:
        return Usage(self.used, min(scope.seconds, self.ends - now))


class Redis:
    """The counts of all processes. Nothing connects before the first hit; what fails raises redis.RedisError."""

    def __init__(self, url: str) -> None:
        self._client = redis.from_url(url, socket_connect_timeout=TIMEOUT_SECONDS, socket_timeout=TIMEOUT_SECONDS)
        self._take = self._client.register_script(_TAKE)
        self._give_back = self._client.register_script(_GIVE_BACK)

    def take(self, scopes: Sequence[Window]) -> tuple[bool, list[Usage]]:
        limits = [number for scope in scopes for number in (scope.amount, scope.seconds)]
        told: Any = self._take([scope.key for scope in scopes], limits)
        pairs = zip(told[1::2], told[2::2], strict=True)
        return bool(told[0]), [Usage(used, max(0, ms) / 1000) for used, ms in pairs]

    def give_back(self, scopes: Sequence[Window]) -> None:
        self._give_back([scope.key for scope in scopes])

    def clear(self, scopes: Sequence[Window]) -> None:
        self._client.delete(*(scope.key for scope in scopes))


class Counts:
    """Redis where there is one, and memory where there is none or while it is away."""

    def __init__(self, redis_url: str | None) -> None:
        self._memory = Memory()
        self._redis = Redis(redis_url) if redis_url else None
        self._lock = threading.Lock()
        self._away = False
        self._try_at = 0.0
        # Hits whose outcome is open, by the key of each of their scopes.
        self._open: Counter[str] = Counter()

    def take(self, scopes: Sequence[Window], *, opened: bool = False) -> Hit:
        """Counts a hit in every scope, or in none of them if one is full.

        With `opened` its outcome is to follow, as a call of `close`.
        """
        store, (taken, standings) = self._take(scopes)
        stands = dict(zip(scopes, standings, strict=True))
        with self._lock:
            wait = 0 if taken else self._wait(stands)
            if taken and opened:
                self._open.update(scope.key for scope in scopes)
        return Hit(taken, stands, wait, store)

    def _take(self, scopes: Sequence[Window]) -> tuple[Store, tuple[bool, list[Usage]]]:
        if self._redis is not None and scopes and self._may_try():
            try:
                told = self._redis.take(scopes)
            except redis.RedisError as error:
                self._lost(error)
            else:
                self._found()
                return self._redis, told
        return self._memory, self._memory.take(scopes)

    def _wait(self, standings: dict[Window, Usage]) -> int:
        """Until the last of the full scopes has room, in seconds."""
        full = [(scope, stand) for scope, stand in standings.items() if stand.used >= scope.amount]
        final = [stand.left for scope, stand in full if stand.used - self._open[scope.key] >= scope.amount]
        return max([OPEN_SECONDS, *map(math.ceil, final)])

    def close(self, tally: Hit, give_back: Sequence[Window], clear: Sequence[Window]) -> None:
        """Tells the outcome of an open hit: what is taken out again, where it was counted. The rest stays."""
        with self._lock:
            self._open.subtract(scope.key for scope in tally.standings)
            self._open += Counter()  # Forgets the zeros.
        try:
            if back := tally.running(give_back):
                tally._where.give_back(back)
            if clear:
                tally._where.clear(clear)
        except redis.RedisError as error:
            self._lost(error)

    def _may_try(self) -> bool:
        """Whether Redis is asked: always while it is there, and by one of the callers now and then while it is away."""
        with self._lock:
            if not self._away:
                return True
            if time.monotonic() < self._try_at:
                return False
            self._try_at = time.monotonic() + RETRY_SECONDS
            return True

    def _lost(self, error: redis.RedisError) -> None:
        with self._lock:
            news, self._away = not self._away, True
            self._try_at = time.monotonic() + RETRY_SECONDS
        if news:
            LIMITS_IN_MEMORY.set(1)
            log.warning("limits_counted_in_memory", error=type(error).__name__)

    def _found(self) -> None:
        with self._lock:
            news, self._away = self._away, False
        if news:
            LIMITS_IN_MEMORY.set(0)
            log.info("limits_counted_in_redis")
