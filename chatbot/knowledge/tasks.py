"""Background work of the knowledge room."""

from __future__ import annotations

import time

from celery import shared_task
from flask import current_app

from chatbot.extensions import db
from chatbot.knowledge import ingest, keywords, service

SWEEP_SECONDS = 60


@shared_task(name="knowledge.ingest", ignore_result=True)
def ingest_document(document_id: str) -> None:
    """Ingests one document."""
    lease = current_app.extensions["settings"].ingest_lease_seconds
    ingest.ingest(db.session(), current_app.extensions["embedders"], document_id, lease)


@shared_task(name="knowledge.sweep", ignore_result=True)
def sweep_documents() -> None:
    """Ingests what is due, whatever message a broker has lost, until nothing is or a minute is over.

    It works itself: a message for each document would be one more for each at every sweep of a backlog.
    """
    keywords.catch_up(db.session())
    until = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < until and (due := ingest.due_documents(db.session(), limit=1)):
        ingest_document.run(*due)


@shared_task(name="knowledge.purge", ignore_result=True)
def purge() -> None:
    """Deletes the rows of what was removed."""
    service.purge(db.session())
