"""Celery's scheduler: beat goes on without a broker, and says once that there is none."""

from __future__ import annotations

from typing import Any

import structlog
from celery import beat

from chatbot.logs import Outage

log = structlog.get_logger(__name__)

MAX_PAUSE_SECONDS = 15.0


class Scheduler(beat.Scheduler):
    """Sends what is due. Its memory is its own: a file would be a pickle, and every job may run twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._outage = Outage(log, "broker_unavailable", "broker_available")
        super().__init__(*args, **kwargs)

    def apply_entry(self, entry: object, producer: object = None) -> None:
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except beat.SchedulingError as error:
            self._outage.failed(error.__cause__ or error.__context__ or error)
        else:
            self._outage.over()

    def _ensure_connected(self) -> object:
        return self.connection.ensure_connection(self._not_connected, None, 1.0, 2.0, MAX_PAUSE_SECONDS)

    def _not_connected(self, error: Exception, _interval: float) -> None:
        self._outage.failed(error)
