"""Background work of the knowledge package."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import structlog
from celery import shared_task
from celery.signals import worker_ready, worker_shutdown
from sqlalchemy.exc import SQLAlchemyError

from chatbot.current import services
from chatbot.extensions import db
from chatbot.knowledge.documents import queue_status, service
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.maintenance import keyword_backfill
from chatbot.logs import Outage

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 60
INGEST_QUEUE = "ingest"
_over = threading.Event()


@shared_task(name="knowledge.ingest", ignore_result=True)
def ingest_document(document_id: str) -> None:
    """Ingests one document, and before it small ones in batches if many are queued.

    Of many that were queued at once most are done when their own messages arrive.
    """
    if not ingest.is_due(db.session(), document_id):
        return
    while _ingest_batch():
        pass
    lease = services().settings.ingest_lease_seconds
    limits = services().fetch_limits
    ingest.ingest(db.session(), services().embedders, document_id, lease, limits)
    services().retriever.keep_up()


def _ingest_batch() -> int:
    return ingest.ingest_batch(db.session(), services().embedders, services().settings.ingest_lease_seconds)


@shared_task(name="knowledge.sweep", ignore_result=True)
def sweep_documents() -> None:
    """Ingests what is due, whatever message a broker has lost, until nothing is or a minute is over.

    It works itself: a message for each document would be one more for each at every sweep of a backlog.
    """
    keyword_backfill.catch_up(db.session())
    until = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < until:
        if _ingest_batch():
            continue
        due = ingest.due_documents(db.session(), limit=1)
        if not due:
            break
        ingest_document.run(*due)
    services().retriever.keep_up(build=True)


@shared_task(name="knowledge.purge", ignore_result=True)
def purge() -> None:
    """Deletes the rows of what was removed."""
    service.purge(db.session())


@shared_task(name="knowledge.note_worker", ignore_result=True)
def note_worker(name: str) -> None:
    """Says that a worker is there."""
    queue_status.note_worker(db.session(), name)


@worker_ready.connect
def _begin_heartbeat(sender: Any, **_rest: object) -> None:
    """A worker that takes documents says so until it ends, in a thread of its own: it is heard while it ingests too."""
    if INGEST_QUEUE in sender.app.amqp.queues.consume_from:
        _over.clear()
        name = f"{sender.hostname}/{os.getpid()}"
        threading.Thread(target=_heartbeat, args=(name,), name="heartbeat", daemon=True).start()


@worker_shutdown.connect
def _end_heartbeat(**_rest: object) -> None:
    _over.set()


def _heartbeat(name: str) -> None:
    outage = Outage(log, "worker_not_noted", "worker_noted")
    while True:
        try:
            note_worker(name)
        except SQLAlchemyError as error:
            outage.failed(error)
        else:
            outage.over()
        if _over.wait(queue_status.HEARTBEAT_SECONDS):
            return
