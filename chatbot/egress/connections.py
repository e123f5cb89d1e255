"""The HTTP client through which every model provider is spoken to. Its address is the operator's own setting.

What is read from one of its connections can be stopped, and is bounded in time and size.
"""

from __future__ import annotations

import atexit
import fcntl
import socket
import ssl
import sys
import termios
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore2
import httpx2

from chatbot import tracing
from chatbot.egress.cancellation import LOOK_SECONDS, may_be_cancelled, raise_if_cancelled
from chatbot.egress.read_deadline import current_deadline

HttpError = httpx2.HTTPError
HttpTimeout = httpx2.TimeoutException

# Linux tells the state of a connection in the first byte; elsewhere it is asked whether there is something to read.
_TCP_INFO = getattr(socket, "TCP_INFO", -1)
_ESTABLISHED = b"\x01" if sys.platform == "linux" else None


class _Client(httpx2.Client):
    """A call is a span, until the provider has begun to answer."""

    def send(self, request: httpx2.Request, **kwargs: Any) -> httpx2.Response:
        url = request.url
        span = tracing.current().child(
            f"{request.method} {url.host}",
            server_address=url.host,
            url_path=url.path,
            http_request_method=request.method,
        )
        with tracing.inside(span):
            response = super().send(request, **kwargs)
            span.note(http_response_status_code=response.status_code)
            return response


@cache
def provider_client() -> httpx2.Client:
    """One pool of connections a process. It follows no redirects: the key would go wherever they lead.

    Each call brings its own time-outs; without one it gets a minute.
    """
    client = _Client(
        follow_redirects=False,
        timeout=httpx2.Timeout(60, connect=5),
        limits=httpx2.Limits(max_connections=10_000, max_keepalive_connections=100),
    )
    guard(client)
    atexit.register(client.close)
    return client


def guard(client: httpx2.Client) -> None:
    """Lets the client's connections, those through a proxy as well, follow `cancellable` and `read_deadline`."""
    # Handing the client a transport of our own would switch the environment's proxies off, so its pools are reached
    # into; tests/test_egress.py notices when that is no longer possible.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _Network(transport._pool._network_backend)


@dataclass
class StreamProgress:
    """How often a connection was read from, and how many events of a stream the last read has brought.

    As long as there was no other read these are all there are: whoever has taken fewer gets the next without a wait.
    """

    reads: int = 0
    events: int = 0


def stream_progress(response: httpx2.Response) -> StreamProgress:
    """What has come over the connection of a response, and goes on counting."""
    stream = response.extensions.get("network_stream")
    return stream.heard if isinstance(stream, _Stream) else StreamProgress()


def _whole_events(data: bytes) -> int:
    """How many events begin and end in what was read."""
    last = data.rfind(b"\ndata:")
    return data.count(b"\ndata:") - (last >= 0 and data.find(b"\n", last + 1) < 0)


def _waiting(sock: Any) -> int:
    """How many bytes have come that nobody has read."""
    return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)


class _Network(httpcore2.NetworkBackend):
    def __init__(self, network: httpcore2.NetworkBackend) -> None:
        self._network = network

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        raise_if_cancelled()
        return _Stream(self._network.connect_tcp(host, port, timeout, local_address, socket_options))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        self.heard = StreamProgress()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        patience = current_deadline()
        if patience is None:
            return self._read(max_bytes, timeout)
        data = self._read(max_bytes, patience.cut(timeout))
        patience.take(len(data))
        self.heard.reads += 1
        self.heard.events = _whole_events(data)
        return data

    def _read(self, max_bytes: int, timeout: float | None) -> bytes:
        """Reads in short slices where it may be stopped: a thread that reads from a socket hears nothing else."""
        if not may_be_cancelled():
            return self._stream.read(max_bytes, timeout)
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            raise_if_cancelled()
            left = until - time.monotonic()
            try:
                # A time-out of nothing would make the socket one that never waits.
                return self._stream.read(max_bytes, max(0.001, min(LOOK_SECONDS, left)))
            except httpcore2.ReadTimeout:
                if left <= LOOK_SECONDS:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        raise_if_cancelled()
        self._stream.write(buffer, timeout)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> object:
        if info == "is_readable" and _ESTABLISHED is not None:
            # Asked of every idle connection before each request, and a poll takes long where greenlets wait for it.
            sock = self._stream.get_extra_info("socket")
            if sock is not None:
                # What has come unasked would be taken for the next answer.
                return sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1) != _ESTABLISHED or _waiting(sock) > 0
        return self._stream.get_extra_info(info)
