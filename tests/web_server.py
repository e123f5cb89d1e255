"""A scripted web server on loopback, for tests of what fetches from one.

server.page("/hours", "<p>From nine to five.</p>")      what it answers, with a status and headers of its own
server.script("/slow", function)                        a function of the socket's file, which writes what it likes
server.url("/hours")                                    where that is
server.requests                                         every request that came: (path, headers in lower case)
server.connections                                      how many times somebody has connected
"""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO

Script = Callable[[BinaryIO], None]


class WebServer:
    """The server; `closing` is set when it is to end."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.closing = threading.Event()
        self._scripts: dict[str, Script] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.close_connection = True
                outer.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                script = outer._scripts.get(self.path, plain(404, b"not here"))
                with contextlib.suppress(OSError):
                    script(self.wfile)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def process_request(self, request: Any, client_address: Any) -> None:
                outer.connections += 1
                super().process_request(request, client_address)

            def finish_request(self, request: Any, client_address: Any) -> None:
                if tls is None:
                    super().finish_request(request, client_address)
                    return
                with tls.wrap_socket(request, server_side=True) as secure:
                    super().finish_request(secure, client_address)

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients that hang up are what these tests are about."""

        # Without the search for this machine's name that HTTPServer begins with.
        Server.server_bind = socketserver.TCPServer.server_bind  # type: ignore[method-assign]
        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def url(self, path: str, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def page(self, path: str, body: str | bytes, status: int = 200, media_type: str = "text/html", **headers: str):
        data = body.encode() if isinstance(body, str) else body
        self._scripts[path] = plain(status, data, {"Content-Type": media_type} | headers)

    def redirect(self, path: str, location: str, status: int = 302, **headers: str) -> None:
        self._scripts[path] = plain(status, b"", {"Location": location} | headers)

    def script(self, path: str, script: Script) -> None:
        self._scripts[path] = script

    def drip(self, path: str, first: bytes, piece: bytes) -> None:
        """Writes `first`, then `piece` after `piece` without an end; each comes long before any time-out."""

        def write(file: BinaryIO) -> None:
            file.write(first)
            while not self.closing.wait(0.02):
                file.write(piece)

        self._scripts[path] = write

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def plain(status: int, body: bytes, headers: dict[str, str] | None = None) -> Script:
    """An ordinary answer. Names of headers are written with `_` for `-`."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in (headers or {}).items() if value]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")

    def write(file: BinaryIO) -> None:
        file.write(head + body)

    return write


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    """A server while the block lasts."""
    server = WebServer(tls)
    try:
        yield server
    finally:
        server.close()
