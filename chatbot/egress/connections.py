"""The connections to a model provider: what is read from one can be stopped, and is bounded in time and size."""

from __future__ import annotations

import ssl
import time
from collections.abc import Generator, Iterable
from typing import Any

import h11
import httpcore2
import httpx2
from httpcore2._sync.http11 import HTTP11Connection

from chatbot.egress.patience import current_patience
from chatbot.egress.stopping import LOOK_SECONDS, may_be_stopped, stop_if_asked


def guard(client: httpx2.Client) -> None:
    """Lets the client's connections, those through a proxy as well, follow `stoppable` and `waiting`."""
    # Handing the client a transport of our own would switch the environment's proxies off, so its pools are reached
    # into; tests/test_egress.py notices when that is no longer possible.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _Network(transport._pool._network_backend)
    HTTP11Connection._receive_response_body = _body  # type: ignore[method-assign,assignment]


def _body(connection: Any, request: httpcore2.Request) -> Generator[bytes, None, None]:
    """A response's body: what one read has brought is one piece.

    By itself a connection gives each chunk alone, so of tokens that came together each goes up through all layers. And
    an end that came along is seen at once, so that the connection can serve the next request.
    """
    timeout, state = request.extensions.get("timeout", {}).get("read"), connection._h11_state
    parts: list[bytes] = []
    while True:
        try:
            event = state.next_event()
        except h11.RemoteProtocolError as error:
            if not parts:
                raise httpcore2.RemoteProtocolError(error) from error
            # What came before it is told first; asked again, it is the same error.
            event = None
        if isinstance(event, h11.Data):
            parts.append(bytes(event.data))
            continue
        if parts:
            yield b"".join(parts)
            parts = []
        if event is h11.NEED_DATA:
            state.receive_data(connection._network_stream.read(connection.READ_NUM_BYTES, timeout=timeout))
        elif isinstance(event, h11.EndOfMessage) or event is h11.PAUSED:
            return


class _Network(httpcore2.NetworkBackend):
    def __init__(self, network: httpcore2.NetworkBackend) -> None:
        self._network = network

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:  # fmt: skip
        stop_if_asked()
        return _Stream(self._network.connect_tcp(host, port, timeout, local_address, socket_options))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        patience = current_patience()
        if patience is None:
            return self._read(max_bytes, timeout)
        data = self._read(max_bytes, patience.cut(timeout))
        patience.take(len(data))
        return data

    def _read(self, max_bytes: int, timeout: float | None) -> bytes:
        """Reads in short slices where it may be stopped: a thread that reads from a socket hears nothing else."""
        if not may_be_stopped():
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
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
