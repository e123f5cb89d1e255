"""What was worked out before, kept for a while: in Redis for all processes together, or in the memory of this one.

Nobody depends on it. A Redis that is away is a cache without anything in it, never an error. Names and what they stand
for are of the caller's making; in Redis a name is a keyed digest. Values are bytes of JSON.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import redis
import structlog

log = structlog.get_logger(__name__)

MEMORY_BYTES = 32 * 1024 * 1024
# A Redis that hangs may cost one request in so many seconds this time.
TIMEOUT_SECONDS = 0.5
RETRY_SECONDS = 5.0


class Memory:
    """A bounded number of bytes in this process; what was not asked for longest goes first."""

    def __init__(self, most: int = MEMORY_BYTES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> bytes | None:
        with self._lock:
            until, value = self._kept.get(key, (0.0, b""))
            if until <= time.monotonic():
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return value

    def put(self, key: str, value: bytes, seconds: int) -> None:
        with self._lock:
            self._drop(key)
            self._kept[key] = (time.monotonic() + seconds, value)
            self._bytes += _size(key, value)
            while self._bytes > self._most:
                self._drop(next(iter(self._kept)))

    def drop(self, key: str) -> None:
        with self._lock:
            self._drop(key)

    def _drop(self, key: str) -> None:
        if key in self._kept:
            self._bytes -= _size(key, self._kept.pop(key)[1])


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + 200


class Redis:
    """Redis, or nothing while it is away. Nothing connects before the first call."""

    def __init__(self, url: str) -> None:
        self._client = redis.from_url(url, socket_connect_timeout=TIMEOUT_SECONDS, socket_timeout=TIMEOUT_SECONDS)
        self._try_at = 0.0

    def get(self, key: str) -> bytes | None:
        found = self._try(lambda: self._client.get(key))
        return found if isinstance(found, bytes) else None

    def put(self, key: str, value: bytes, seconds: int) -> None:
        self._try(lambda: self._client.set(key, value, ex=seconds))

    def drop(self, key: str) -> None:
        self._try(lambda: self._client.delete(key))

    def _try(self, call: Callable[[], object]) -> object:
        if time.monotonic() < self._try_at:
            return None
        try:
            return call()
        except redis.RedisError as error:
            self._try_at = time.monotonic() + RETRY_SECONDS
            log.warning("cache_unavailable", error=type(error).__name__)
            return None


class Cache:
    """Values by name, each for so many seconds."""

    def __init__(self, redis_url: str | None, secret: str) -> None:
        self._store: Memory | Redis = Redis(redis_url) if redis_url else Memory()
        self._secret = secret.encode()[:64]

    def get(self, name: str) -> bytes | None:
        """What was kept, or None."""
        return self._store.get(self._key(name))

    def put(self, name: str, value: bytes, seconds: int) -> None:
        """Keeps a value in place of the one before."""
        self._store.put(self._key(name), value, seconds)

    def drop(self, name: str) -> None:
        """Forgets a value."""
        self._store.drop(self._key(name))

    def _key(self, name: str) -> str:
        return "cache:" + hashlib.blake2b(name.encode(), key=self._secret, digest_size=24).hexdigest()
