"""Celery, bound to the application, and how work is woken.

Messages carry ids only. The rows say what is to be done, so a message that a broker loses costs a little time and
nothing else: beat sweeps the rows and wakes the worker again.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import Celery, Task, current_app
from celery.signals import worker_process_init, worker_process_shutdown, worker_ready, worker_shutdown
from flask import Flask
from flask import current_app as current_flask_app
from kombu.exceptions import OperationalError

import celeryconfig
from chatbot import tracing
from chatbot.config import Settings
from chatbot.storage import is_full

log = structlog.get_logger(__name__)


def create_celery(app: Flask, settings: Settings) -> Celery:
    """A Celery application whose tasks run inside the Flask application's context."""

    class ContextTask(Task):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            structlog.contextvars.clear_contextvars()
            asked_by = getattr(self.request, "asked_by", None)
            structlog.contextvars.bind_contextvars(task=self.name, task_id=self.request.id, request_id=asked_by)
            span = tracing.begin(
                self.name, getattr(self.request, tracing.TRACEPARENT, None), task_id=self.request.id,
                chatbot_request_id=asked_by,
            )  # fmt: skip
            if span:
                structlog.contextvars.bind_contextvars(trace_id=span.trace_id)
            with tracing.inside(span), app.app_context():
                try:
                    return self.run(*args, **kwargs)
                except Exception as error:
                    # What could not be written is still to be done, says its row; the next sweep finds it.
                    if not is_full(error):
                        raise
                    log.error("storage_full", error=type(error).__name__)
                    return None

    celery = Celery("chatbot", task_cls=ContextTask)
    celery.config_from_object(celeryconfig)
    celery.conf.update(celeryconfig.broker(settings), beat_schedule=celeryconfig.schedule(settings))
    celery.flask_settings = settings
    celery.set_default()
    app.extensions["celery"] = celery
    return celery


@worker_ready.connect
@worker_process_init.connect
def _begin_traces(**_rest: Any) -> None:
    """In the worker, and with the pool `prefork` in each of its processes."""
    tracing.start(current_app.flask_settings)


@worker_shutdown.connect
@worker_process_shutdown.connect
def _end_traces(**_rest: Any) -> None:
    tracing.stop()


def wake(task: Any, row_id: str) -> None:
    """Tells a worker that a row is waiting. With the broker away the row waits for beat's next sweep.

    The request's id goes along, so that the worker's lines can be found by it.
    """
    # A command has no Celery before it needs one.
    current_flask_app.extensions["celery"]
    try:
        asked_by = structlog.contextvars.get_contextvars().get("request_id")
        headers = {"asked_by": asked_by, tracing.TRACEPARENT: tracing.traceparent()}
        task.apply_async((row_id,), retry=False, headers=headers)
    except (OperationalError, OSError) as error:
        log.warning("broker_unavailable", task=task.name, error=type(error).__name__)
