"""Connections that go to addresses which were checked before, whatever the name says now, and end by a deadline."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Sequence

import httpcore2

from chatbot.egress.ip_addresses import Address


class Deadline:
    """A moment after which nothing waits any more."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds until then, at least 0."""
        return max(0.0, self._until - time.monotonic())

    def cut(self, timeout: float | None, late: type[httpcore2.TimeoutException]) -> float:
        """A time-out that does not reach beyond the deadline. Raises `late` when it has passed."""
        left = self.left()
        if not left:
            raise late()
        return left if timeout is None else min(timeout, left)


class Pinned(httpcore2.NetworkBackend):
    """Connects to one of `addresses` where a host is asked for; the certificate is checked against that host."""

    def __init__(self, addresses: Sequence[Address], deadline: Deadline) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._network = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """The first connection that comes about, tried in the resolver's order."""
        failure: Exception = httpcore2.ConnectError("no address")
        for address in self._addresses:
            try:
                seconds = self._deadline.cut(timeout, httpcore2.ConnectTimeout)
                stream = self._network.connect_tcp(str(address), port, seconds, local_address, socket_options)
                return _Timed(stream, self._deadline)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


class _Timed(httpcore2.NetworkStream):
    """A stream whose every wait is cut by the deadline, so that a byte a second does not keep it open."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.cut(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.cut(timeout, httpcore2.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        seconds = self._deadline.cut(timeout, httpcore2.ConnectTimeout)
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, seconds), self._deadline)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
