"""Talking over a WebSocket, with the client that simple-websocket brings."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from flask import Flask
from simple_websocket import Client, ConnectionClosed
from werkzeug.serving import make_server
from wsproto.events import CloseConnection

SECONDS = 15.0


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The application behind a real socket; gives the address of its WebSocket."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.server_port}/api/chat/ws/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Socket:
    """A client's end. `number`s are those of events that belong to an answer."""

    def __init__(self, url: str, access: str | None = None, **headers: str) -> None:
        self.client = Client(url, headers=headers)
        if access is not None:
            self.send(access=access)

    def send(self, **fields: Any) -> None:
        self.client.send(json.dumps(fields))

    def event(self) -> tuple[str, str | None, dict[str, Any]]:
        """The next event: its name, its id and what it says."""
        text = self.client.receive(timeout=SECONDS)
        assert text is not None, "nothing came in time"
        frame = json.loads(text)
        assert list(frame) == ["event", "id", "data"]
        return frame["event"], frame["id"], frame["data"]

    def until(self, name: str) -> list[tuple[str, str | None, dict[str, Any]]]:
        """The events up to one of that name, or up to an error."""
        found = [self.event()]
        while found[-1][0] not in (name, "error"):
            found.append(self.event())
        return found

    def ask(self, message: str, **fields: Any) -> list[tuple[str, str | None, dict[str, Any]]]:
        self.send(message=message, **fields)
        return self.until("done")

    def closing(self) -> tuple[int, str]:
        """The code and the reason with which the server closes; what it says before is passed over."""
        try:
            while self.client.receive(timeout=SECONDS) is not None:
                pass
        except ConnectionClosed as closed:
            # The client leaves a close that came together with the handshake's answer unread.
            unread = next(self.client.ws.events(), None)
            if isinstance(unread, CloseConnection):
                return int(unread.code), unread.reason or ""
            return int(closed.reason), closed.message or ""
        raise AssertionError("it was not closed in time")

    def leave(self) -> None:
        with suppress(ConnectionClosed, OSError):
            self.client.close()
        self.client.thread.join(SECONDS)
        self.client.sock.close()


@contextmanager
def talking(url: str, access: str | None = None, **headers: str) -> Iterator[Socket]:
    """A socket that is left in the end."""
    socket = Socket(url, access, **headers)
    try:
        yield socket
    finally:
        socket.leave()
