"""gunicorn, from the application's own settings: greenlets for connections, native threads for what computes.

An answer is a connection that waits for seconds. Greenlets wait for nothing, so a thousand answers at once are as
quick as one (docs/adr/0016-greenlets-and-native-threads.md); what would keep the others waiting goes to native
threads (chatbot/system/threadpool.py).
"""

from __future__ import annotations

# Before anything else is imported: what has the blocking functions already keeps them.
from gevent import monkey

from chatbot.current import services

monkey.patch_all()

import errno
import gc
import importlib
import os
import resource
import shutil
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gevent
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from chatbot import tracing
from chatbot.config import load_settings
from chatbot.web.streaming.tcp_user_timeout import close_stalled

_settings = load_settings()

# A body has this long, and a second more for so many bytes of it, in seconds and bytes.
BODY_SECONDS, BODY_RATE = 15.0, 16_384
# What is left at the end of the graceful time-out for answers to say that the server stops, in seconds.
LAST_WORDS_SECONDS = 5.0


class _Client:
    """A client's socket. Who sends a body too slowly is hung up on; the wait for headers is bounded by `keepalive`."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._begun = self._came = 0.0
        self.in_body = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int, *flags: int) -> bytes:
        if not self.in_body:
            self._begun = self._came = 0.0
            return self._sock.recv(size, *flags)  # type: ignore[no-any-return]
        now = time.monotonic()
        self._begun = self._begun or now
        left = self._begun + BODY_SECONDS + self._came / BODY_RATE - now
        with gevent.Timeout(max(0.001, left), ConnectionResetError(errno.ECONNRESET, "the body came too slowly")):
            data: bytes = self._sock.recv(size, *flags)
        self._came += len(data)
        return data


class Worker(GeventWorker):
    """gevent's worker, with a deadline for bodies, and a last word to answers that outlast the graceful time-out."""

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        client.setblocking(1)
        AsyncWorker.handle(self, listener, _Client(client), addr)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        # What comes without one is a WebSocket's, which has rules of its own.
        sock.in_body = any(name in ("CONTENT-LENGTH", "TRANSFER-ENCODING") for name, _ in req.headers)
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            sock.in_body = False

    def handle_exit(self, sig: Any, frame: Any) -> None:
        super().handle_exit(sig, frame)
        if not hasattr(self, "wsgi"):
            # Told to end before it has loaded the application: there is nothing to bring to an end.
            return
        replies = services(self.wsgi).replies
        gevent.spawn_later(max(0.0, self.cfg.graceful_timeout - LAST_WORDS_SECONDS), replies.running.shut_down)


bind = _settings.bind
workers = _settings.web_concurrency
worker_class = Worker
# More than there may be answers, so that login and health always get in.
worker_connections = 2 * _settings.web_streams + 200
backlog = 2048
# A worker that is told to stop lets its answers come to an end.
graceful_timeout = 30
timeout = 120
# The headers of a request have to come in so many seconds, and the next request on the same connection.
keepalive = 5
# Headers beyond this are refused before the application sees them.
limit_request_line = 8190
limit_request_fields = 100
accesslog = None
# Its socket lies in the home folder, one for every instance on the machine; nothing here uses it.
control_socket_disable = True

# An answer takes two files, its client's connection and the model's.
_files, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))


# The files in which a process counts, and how many bytes each has at once: more than all its numbers take.
METRIC_FILES = {"counter": 1 << 20, "histogram": 2 << 20, "gauge_livesum": 1 << 16}


# What takes long to load, and neither computes nor connects by being loaded: the processes share its memory, and are
# there sooner. Prometheus's client is not among them, for it looks for its folder when it is loaded.
LIBRARIES = [
    "celery.app.base",
    "faiss",
    "flask_migrate",
    "flask_smorest",
    "flask_sqlalchemy",
    "langchain_core.vectorstores",
    "langchain_core.runnables",
]
if _settings.openai_api_key is not None:
    LIBRARIES.append("langchain_openai")


def on_starting(server: Any) -> None:
    """A folder of this server's own for the numbers that /metrics adds up (chatbot/metrics.py)."""
    server.metrics_folder = Path(tempfile.mkdtemp(prefix="chatbot-metrics-"))
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def post_fork(server: Any, worker: Any) -> None:
    """Tells a process where it is, before it imports Prometheus's client, which looks for it once.

    The client maps its files into memory, and writing to a page of them that a full disk has no room for would kill
    the process. So they get their room now; a process that finds none counts for itself.
    """
    made = [server.metrics_folder / f"{kind}_{worker.pid}.db" for kind in METRIC_FILES]
    try:
        for path, size in zip(made, METRIC_FILES.values(), strict=True):
            # Whoever adds up meanwhile sees a whole file or none.
            path.with_suffix(".new").write_bytes(bytes(size))
            path.with_suffix(".new").rename(path)
    except OSError as error:
        worker.log.warning("no room for metrics in %s: %s", server.metrics_folder, error.strerror)
        for path in made:
            path.with_suffix(".new").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
    else:
        worker.cfg.set("raw_env", [*worker.cfg.raw_env, f"PROMETHEUS_MULTIPROC_DIR={server.metrics_folder}"])


def child_exit(server: Any, worker: Any) -> None:
    """What a process had under way went with it; what it has counted stays, in no more room than it takes."""
    for file in server.metrics_folder.glob(f"*_{worker.pid}.*"):
        used = _used(file)
        if used and not file.name.startswith("gauge_live"):
            os.truncate(file, used)
        else:
            file.unlink()


def _used(file: Path) -> int:
    """How many bytes of a file are in use, as its first four say; none where nothing was ever counted in it."""
    with file.open("rb") as counted:
        head = counted.read(4)
    return int(struct.unpack("i", head)[0]) if len(head) == 4 else 0


def worker_exit(_server: Any, _worker: Any) -> None:
    """The last spans."""
    tracing.stop()


def on_exit(server: Any) -> None:
    """Nobody asks for the numbers any more."""
    shutil.rmtree(server.metrics_folder, ignore_errors=True)


def when_ready(server: Any) -> None:
    """Before the first connection comes."""
    for listener in server.LISTENERS:
        close_stalled(listener.sock, _settings.stalled_reader_seconds)


def post_worker_init(worker: Any) -> None:
    """Loads the models and the vectors after the fork, before the first question."""
    app = worker.wsgi
    tracing.start(_settings)
    services(app).sockets.leaving = lambda: not worker.alive
    try:
        services(app).replies.models.get(None)
        services(app).retriever.warm_up()
    except Exception as error:
        app.logger.warning("warm-up failed: %s", getattr(error, "hint", None) or type(error).__name__)
    # What was loaded stays: to look through it for garbage again and again would stop every stream each time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    # A native thread that is done waits no longer than this for a busy one, in seconds.
    sys.setswitchinterval(0.001)
