"""gunicorn, from the application's own settings."""

from __future__ import annotations

from typing import Any

from chatbot.config import load_settings
from chatbot.web.stalled import close_stalled

_settings = load_settings()

bind = _settings.bind
workers = _settings.web_concurrency
# A thread a request; answers may hold all but a reserve of them (chatbot/web/slots.py).
worker_class = "gthread"
threads = _settings.web_threads
# A worker that is told to stop lets its answers come to an end.
graceful_timeout = 30
timeout = 120
keepalive = 5
# Headers beyond this are refused before the application sees them.
limit_request_line = 8190
limit_request_fields = 100
accesslog = None
# Its socket lies in the home folder, one for every instance on the machine; nothing here uses it.
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Before the first connection comes."""
    for listener in server.LISTENERS:
        close_stalled(listener.sock, _settings.stalled_reader_seconds)


def post_worker_init(worker: Any) -> None:
    """Loads the model and the vectors after the fork, before the first question."""
    app = worker.wsgi
    app.extensions["sockets"].leaving = lambda: not worker.alive
    try:
        app.extensions["retriever"].warm_up()
    except Exception as error:
        app.logger.warning("warm-up failed: %s", type(error).__name__)
