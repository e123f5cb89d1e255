"""WebSockets: what breaks their rules closes them, a server that stops says so, and there are only so many.

A socket holds a connection as long as it is open. So it takes a place among the answers
(chatbot/web/streaming/concurrency_limit.py), and all of them together no more than half of those: people who leave a
page open must not keep others from asking.
"""

from __future__ import annotations

import socket as sockets
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, json, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server
from simple_websocket import ConnectionError as HandshakeFailed
from wsproto.events import BytesMessage, CloseConnection, Event, Message
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from chatbot import metrics
from chatbot.config import Settings
from chatbot.current import services
from chatbot.errors import BadRequest
from chatbot.web.http.problems import respond
from chatbot.web.http.requests import parse_json
from chatbot.web.streaming.concurrency_limit import ConcurrencyLimit, TooManyStreams

log = structlog.get_logger(__name__)

GOING_AWAY, UNSUPPORTED, POLICY, BROKEN = 1001, 1003, 1008, 1011
# In bytes; the longest question with every character escaped has fewer.
LONGEST_FRAME = 128 * 1024
# A client may send so many frames, of whatever kind, in so many seconds; pings are frames too.
FRAMES, FRAMES_SECONDS = 50, 10.0
# Frames that wait to be read.
WAITING = 16
PING_SECONDS = 15.0
LOOK_SECONDS = 1.0
# For the other side's word that it has closed too.
CLOSE_SECONDS = 1.0

sock = Sock()


class CloseRequested(Exception):
    """Ends a socket, with a code of RFC 6455 and a reason for whoever writes the client."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Sockets:
    """The places for sockets in this process, and whether the server that holds them is about to stop."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self.count = max(1, limit.count // 2)
        self._free = threading.Semaphore(self.count)
        self.leaving: Callable[[], bool] = lambda: False

    def take(self, held: ExitStack) -> None:
        """Takes a place, which `held` gives back.

        Raises:
            TooManyStreams: all are taken.
        """
        if not self._free.acquire(blocking=False):
            metrics.STREAMS_REFUSED.inc()
            raise TooManyStreams(retry_after=2)
        held.callback(self._free.release)
        held.callback(self._limit.take().release)


def init_app(app: Flask) -> None:
    """Binds what simple-websocket is to keep to."""
    app.config["SOCK_SERVER_OPTIONS"] = {
        "ping_interval": PING_SECONDS,
        "max_message_size": LONGEST_FRAME,
        "thread_class": _Reader,
    }
    for error in (RemoteProtocolError, HandshakeFailed):
        app.register_error_handler(error, _no_handshake)


def _no_handshake(_error: Exception) -> Response:
    return respond(BadRequest("This address is for WebSockets; this is not the beginning of one."))


class _Reader(threading.Thread):
    """The thread that reads a socket, as simple-websocket starts one: a daemon, and its server is armed before."""

    def __init__(self, target: Callable[[], None]) -> None:
        super().__init__(target=target, name="socket", daemon=True)
        server: Server = target.__self__  # type: ignore[attr-defined]
        server.reader = self
        server.sock = LockedSocket(server.sock)
        events = server.ws.events
        server.ws.events = lambda: _within_bounds(events(), server.input_buffer, server.bounds)
        server.bounds = []


class LockedSocket:
    """The server's socket: frames go out whole and one by one, whoever sends, and it is the server that closes it."""

    def __init__(self, real: sockets.socket) -> None:
        self._real, self._lock = real, threading.Lock()
        self.fileno, self.recv, self.shutdown = real.fileno, real.recv, real.shutdown

    def send(self, frame: bytes) -> None:
        with self._lock:
            self._real.sendall(frame)

    def close(self) -> None:
        """Twice closed, gunicorn would count a connection twice."""


def _within_bounds(events: Iterator[Event], waiting: list[object], times: list[float]) -> Generator[Event, None, None]:
    """The events of a connection; instead of one too many, or of the wrong kind, the close that answers it."""
    for event in events:
        if isinstance(event, BytesMessage):
            yield CloseConnection(code=UNSUPPORTED, reason="Send text.")
            return
        if not isinstance(event, Message) or event.frame_finished:
            now = time.monotonic()
            times[:] = [moment for moment in times if now - moment < FRAMES_SECONDS] + [now]
        if len(times) > FRAMES or len(waiting) >= WAITING:
            yield CloseConnection(code=POLICY, reason="Too many frames.")
            return
        yield event


class WebSocketSession:
    """One open socket: JSON objects in, events out."""

    def __init__(self, server: Server, places: Sockets) -> None:
        self._server, self._places = server, places

    def check_handshake(self, settings: Settings) -> None:
        """What an address and its headers must not be.

        Raises:
            CloseRequested: the page is of an origin that may not call, or the address holds parameters.
        """
        origin = request.headers.get("Origin")
        own = (settings.public_url, f"http://{request.host}", f"https://{request.host}")
        if origin is not None and origin not in (*map(_origin, own), *settings.cors_origins):
            raise CloseRequested(POLICY, "This origin may not call.")
        if request.query_string:
            # It may hold a token, and addresses end up in logs.
            raise CloseRequested(POLICY, "The address takes no parameters.")

    def frame(self, seconds: float) -> dict[str, object] | None:
        """The next object the client has sent; None when there was none in that time.

        Raises:
            CloseRequested: it is no JSON object, or the server is to stop.
            Invalid: it holds characters that no database can store.
            ConnectionClosed: the client has left.
        """
        until = time.monotonic() + seconds
        while not self._places.leaving():
            left = max(0.0, until - time.monotonic())
            text = self._server.receive(timeout=min(left, LOOK_SECONDS))
            if text is not None or left == 0.0:
                return _object(text)
        raise CloseRequested(GOING_AWAY, "The server is stopping; connect again.")

    def waiting_frame(self) -> dict[str, object] | None:
        """A frame that has come already, if there is one; errors as for `frame`, without the server's stop."""
        return _object(self._server.receive(timeout=0))

    def send(self, event: str, payload: dict[str, Any], number: int | None = None) -> None:
        """Sends an event; without a number it belongs to no answer.

        Raises:
            ConnectionClosed: nobody is there any more.
        """
        frame = {"event": event, "id": None if number is None else str(number), "data": payload}
        try:
            self._server.send(json.dumps(frame))
        except (LocalProtocolError, OSError):
            raise ConnectionClosed() from None

    def close(self, code: int, reason: str) -> None:
        """Says goodbye, and waits a moment for the other side to do the same."""
        with suppress(ConnectionClosed, LocalProtocolError, OSError):
            self._server.close(code, reason)
        self._server.reader.join(CLOSE_SECONDS)
        with suppress(OSError):
            self._server.sock.shutdown(sockets.SHUT_RDWR)
        self._server.reader.join(CLOSE_SECONDS)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _object(text: str | None) -> dict[str, object] | None:
    if text is None:
        return None
    try:
        value = parse_json(text.encode("utf-8", "surrogatepass"))
    except BadRequest:
        raise CloseRequested(UNSUPPORTED, "Send JSON.") from None
    if not isinstance(value, dict):
        raise CloseRequested(UNSUPPORTED, "Send a JSON object.")
    return value


@contextmanager
def talking(server: Server) -> Iterator[WebSocketSession]:
    """A socket, which is closed in every case: as the body asks with `CloseRequested`, and with 1011 when it has
    failed."""
    talk = WebSocketSession(server, services().sockets)
    code, reason = 1000, ""
    try:
        yield talk
    except CloseRequested as ending:
        code, reason = ending.code, ending.reason
    except ConnectionClosed:
        pass
    except Exception as error:
        log.error("socket_failed", exc_info=error)
        code, reason = BROKEN, "Something went wrong on our side."
    finally:
        talk.close(code, reason)
        log.info("socket_closed", code=code)
