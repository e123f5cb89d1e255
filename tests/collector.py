"""A real OTLP/HTTP collector on loopback: it decodes what comes and keeps the spans."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """`spans` is everything that came, `services` whose it was, `raw` the bytes as they came."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        self.raw = b""
        self.port, self.refusing = 0, False
        self.start()

    def start(self) -> None:
        """Listens; on the same port as before, if it did before."""
        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), _Handler)
        self._http.collector = self  # type: ignore[attr-defined]
        self.port = self._http.server_port
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def named(self, name: str) -> list[Any]:
        return [span for span in list(self.spans) if span.name == name]

    def one(self, name: str, seconds: float = 20) -> Any:
        """The first span of that name, as soon as it is there."""
        until = time.monotonic() + seconds
        while not self.named(name):
            assert time.monotonic() < until, f"no span {name!r}, only {sorted({span.name for span in self.spans})}"
            time.sleep(0.05)
        return self.named(name)[0]

    def below(self, span: Any) -> set[str]:
        """The names of a span's children."""
        return {other.name for other in list(self.spans) if other.parent_span_id == span.span_id}

    def take(self, path: str, body: bytes) -> int:
        if path != "/v1/traces":
            return 404
        if self.refusing:
            return 400
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            told = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.services.add(told["service.name"])
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return 200

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    # With 1.0 a connection ends with its answer, so that who stops listening is gone at once.

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.send_response(self.server.collector.take(self.path, body))  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        pass


def attributes(span: Any) -> dict[str, Any]:
    """A span's attributes as plain values."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    try:
        yield collector
    finally:
        collector.close()
