"""Stopping a call of the model provider from outside, also while it waits for its first byte.

A thread that reads from a socket hears nothing else. So inside `stoppable` a read waits in short slices, and asks
between them whether it is still wanted; if not, `Stopped` goes up through the provider's client, which closes the
connection on its way.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpcore2
import httpx2

LOOK_SECONDS = 0.2

Asked = Callable[[], bool]
_asked: ContextVar[Asked | None] = ContextVar("asked_to_stop", default=None)


class Stopped(BaseException):
    """Nobody wants the rest. Not an `Exception`: no client may take it for a fault of the network and try again."""


@contextmanager
def stoppable(asked: Asked) -> Iterator[None]:
    """Whatever is read from the provider inside may be stopped: `asked` is called several times a second.

    One inside another is stopped by either.
    """
    outer = _asked.get()
    _asked.set(asked if outer is None else lambda: asked() or outer())
    try:
        yield
    finally:
        # Not by its token: a generator may be closed in another context than the one it began in.
        _asked.set(outer)


def stop_if_asked() -> None:
    """Raises:
    Stopped: somebody has asked for it.
    """
    asked = _asked.get()
    if asked is not None and asked():
        raise Stopped()


def make_stoppable(client: httpx2.Client) -> None:
    """Lets the reads of a client's connections, those through a proxy as well, be stopped.

    What bounds their time by itself has to stand in front of this: a slice that is over is no time-out.
    """
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
        stop_if_asked()
        return _Stoppable(self._network.connect_tcp(host, port, timeout, local_address, socket_options))


class _Stoppable(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if _asked.get() is None:
            return self._stream.read(max_bytes, timeout)
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            stop_if_asked()
            left = until - time.monotonic()
            try:
                # A time-out of nothing would make the socket one that never waits.
                return self._stream.read(max_bytes, max(0.001, min(LOOK_SECONDS, left)))
            except httpcore2.ReadTimeout:
                if left <= LOOK_SECONDS:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        stop_if_asked()
        self._stream.write(buffer, timeout)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stoppable(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
