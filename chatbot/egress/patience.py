"""How long and how much a model provider is listened to.

An HTTP client's read time-out begins anew with every byte, so a provider that drips comments would never be too late.
Who asks carries a `Patience`; every read of the connection meanwhile is cut by it.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpcore2
import httpx2


class Patience:
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


_current: ContextVar[Patience | None] = ContextVar("patience", default=None)


@contextmanager
def waiting(patience: Patience) -> Iterator[None]:
    """What is read from a provider in this `with` is bounded. Not around a `yield` of a generator."""
    token = _current.set(patience)
    try:
        yield
    finally:
        _current.reset(token)


def make_patient(client: httpx2.Client) -> None:
    """Lets the client's connections, those through a proxy as well, be bounded by `waiting`."""
    # Handing the client a transport of our own would switch the environment's proxies off, so its pools are reached
    # into; tests/test_egress.py notices when that is no longer possible.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _Network(transport._pool._network_backend)


class _Network(httpcore2.NetworkBackend):
    def __init__(self, network: httpcore2.NetworkBackend) -> None:
        self._network = network

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:  # fmt: skip
        return _Stream(self._network.connect_tcp(host, port, timeout, local_address, socket_options))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        patience = _current.get()
        if patience is None:
            return self._stream.read(max_bytes, timeout)
        data = self._stream.read(max_bytes, patience.cut(timeout))
        patience.take(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
