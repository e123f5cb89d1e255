"""Celery, bound to the application, and how work is woken.

Messages carry ids only. The rows say what is to be done, so a message that a broker loses costs a little time and
nothing else: beat sweeps the rows and wakes the worker again.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import Celery, Task, current_app, shared_task
from celery.signals import (
    beat_init,
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)
from flask import Flask, has_app_context
from kombu.exceptions import OperationalError
from sqlalchemy.exc import OperationalError as DatabaseError

import celeryconfig
from chatbot import nightly, tracing
from chatbot.config import Settings
from chatbot.current import services
from chatbot.db import utcnow
from chatbot.extensions import db
from chatbot.logs import Outage
from chatbot.system.disk_space import is_full

log = structlog.get_logger(__name__)


class Outages:
    """The two things that keep every task from its work. Each is logged once, and once when it is over."""

    def __init__(self) -> None:
        self._full = Outage(log, "storage_full", "storage_available")
        self._database = Outage(log, "database_unavailable", "database_available")

    def failed(self, error: Exception) -> bool:
        """Whether the error is one of them: what was to be done is still to be done, says its row."""
        if is_full(error):
            self._full.failed(error)
            return True
        if isinstance(error, DatabaseError):
            self._database.failed(error)
            return True
        return False

    def over(self) -> None:
        """A task has done its work."""
        self._full.over()
        self._database.over()


def create_celery(app: Flask, settings: Settings) -> Celery:
    """A Celery application whose tasks run inside the Flask application's context."""

    outages = Outages()

    class ContextTask(Task):
        def __call__(self, *args: object, **kwargs: object) -> object:
            structlog.contextvars.clear_contextvars()
            asked_by = getattr(self.request, "asked_by", None)
            structlog.contextvars.bind_contextvars(task=self.name, task_id=self.request.id, request_id=asked_by)
            span = tracing.begin(
                self.name,
                getattr(self.request, tracing.TRACEPARENT, None),
                task_id=self.request.id,
                chatbot_request_id=asked_by,
            )
            if span:
                structlog.contextvars.bind_contextvars(trace_id=span.trace_id)
            with tracing.inside(span), app.app_context():
                try:
                    result = self.run(*args, **kwargs)
                except Exception as error:
                    if not outages.failed(error):
                        raise
                    return None
                outages.over()
                return result

    celery = Celery("chatbot", task_cls=ContextTask)
    celery.config_from_object(celeryconfig)
    celery.conf.update(celeryconfig.broker(settings), beat_schedule=celeryconfig.schedule(settings))
    celery.flask_settings = settings
    celery.set_default()
    return celery


@setup_logging.connect
def _keep_logging(**_rest: object) -> None:
    """Celery's own configuration of the log gives way: LOG_LEVEL and LOG_FORMAT hold for all processes."""


@worker_ready.connect
def _say_ready(sender: Any, **_rest: object) -> None:
    log.info("worker_ready", queues=sorted(sender.app.amqp.queues.consume_from))


@beat_init.connect
def _say_started(**_rest: object) -> None:
    log.info("beat_ready")


@worker_ready.connect
@worker_process_init.connect
def _begin_traces(**_rest: object) -> None:
    """In the worker, and with the pool `prefork` in each of its processes."""
    tracing.start(current_app.flask_settings)


@worker_shutdown.connect
@worker_process_shutdown.connect
def _end_traces(**_rest: object) -> None:
    tracing.stop()


@shared_task(name="background.nightly", ignore_result=True)
def run_nightly() -> None:
    """Runs the nightly jobs that are due, each by one process. One that fails is tried again an hour later."""
    done = []
    for name in nightly.due(db.session(), celeryconfig.NIGHTLY, utcnow()):
        if nightly.claim(db.session(), name, celeryconfig.NIGHTLY[name], utcnow()) and _run_job(name):
            done.append(name)
    if done:
        log.info("nightly_jobs_done", jobs=done)


def _run_job(name: str) -> bool:
    """Runs a job; False when it failed by itself. An outage is the caller's: the next job would meet it too."""
    try:
        current_app.tasks[name].run()
    except Exception as error:
        db.session.remove()
        if is_full(error) or isinstance(error, DatabaseError):
            raise
        log.exception("nightly_job_failed", job=name)
        return False
    nightly.finish(db.session(), name, utcnow())
    return True


def enqueue(task: Any, row_id: str) -> None:
    """Tells a worker that a row is waiting. With the broker away the row waits for beat's next sweep.

    The request's id goes along, so that the worker's lines can be found by it.
    """
    # A command has no Celery before it needs one. A thread of a web process has no application context, and has one.
    if has_app_context():
        _bound = services().celery
    try:
        asked_by = structlog.contextvars.get_contextvars().get("request_id")
        headers = {"asked_by": asked_by, tracing.TRACEPARENT: tracing.traceparent()}
        task.apply_async((row_id,), retry=False, headers=headers)
    except (OperationalError, OSError) as error:
        log.warning("broker_unavailable", task=task.name, error=type(error).__name__)
