"""Celery's consumer: a worker that outlives bad messages and a broker that is unavailable, and says so once."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import structlog
from celery.utils.threads import bound_open_broker_sockets
from celery.worker import consumer
from celery.worker.state import maybe_shutdown

from chatbot.logs import Outage

log = structlog.get_logger(__name__)

# Pauses between attempts to reach a broker grow from the one to the other.
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 15.0
# After a time like this without a failure the pauses begin anew.
STEADY_SECONDS = 60.0
_SOCKET_SECONDS = 5.0


class Consumer(consumer.Consumer):
    """Takes messages from the broker."""

    connection: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._outage = Outage(log, "broker_unavailable", "broker_available")
        self._failed_at, self._pause = 0.0, FIRST_PAUSE_SECONDS
        super().__init__(*args, **kwargs)
        # kombu's Redis transport counts KeyError among them.
        self._lost = tuple(kind for kind in self.connection_errors if kind is not KeyError)

    # Messages.

    def create_task_handler(self, *args: object, **kwargs: object) -> object:
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: object) -> None:
            try:
                handle(message)
            except self._lost:
                raise
            except Exception as error:
                self._dead_letter(message, f"not_a_task_{type(error).__name__}")

        return on_task_received

    def on_decode_error(self, message: object, exc: Exception) -> None:
        self._dead_letter(message, "not_decodable")

    def on_unknown_message(self, body: object, message: object) -> None:
        self._dead_letter(message, "not_a_task")

    def on_unknown_task(self, body: object, message: object, exc: Exception) -> None:
        self._dead_letter(message, "unknown_task")

    def on_invalid_task(self, body: object, message: object, exc: Exception) -> None:
        self._dead_letter(message, "invalid_task")

    def _dead_letter(self, message: Any, reason: str) -> None:
        queue = str(message.delivery_info.get("routing_key"))
        message.channel.set_aside(json.dumps(message._raw).encode(), queue, reason)
        if not message.acknowledged:
            message.reject_log_error(log, self.connection_errors)

    # The broker.

    def ensure_connected(self, conn: Any) -> object:
        conn.ensure_connection(
            self._not_connected, None, FIRST_PAUSE_SECONDS, 2.0, MAX_PAUSE_SECONDS, callback=maybe_shutdown
        )
        self.first_connection_attempt = False
        return conn

    def _not_connected(self, error: Exception, _interval: float) -> None:
        self._outage.failed(error)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        self._outage.failed(exc)
        self._wait()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Lets the broken connection go; without Celery's warnings, of which there are several at each attempt."""
        self._outage.failed(exc)
        connection, self.connection = self.connection, None
        bound_open_broker_sockets(connection, _SOCKET_SECONDS)
        for close in (lambda: connection.collect(socket_timeout=_SOCKET_SECONDS), connection.close):
            with suppress(Exception):
                close()
        self._wait()

    def _wait(self) -> None:
        now = time.monotonic()
        steady = now - self._failed_at > STEADY_SECONDS
        self._pause = FIRST_PAUSE_SECONDS if steady else min(2 * self._pause, MAX_PAUSE_SECONDS)
        while time.monotonic() < now + self._pause:
            maybe_shutdown()
            time.sleep(0.2)
        self._failed_at = time.monotonic()

    def on_ready(self) -> None:
        self._outage.over()
        super().on_ready()
