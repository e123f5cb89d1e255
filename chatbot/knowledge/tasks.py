"""Background work of the knowledge room."""

from __future__ import annotations

from celery import shared_task
from flask import current_app

from chatbot.background import wake
from chatbot.extensions import db
from chatbot.knowledge import ingest, service


@shared_task(name="knowledge.ingest", ignore_result=True)
def ingest_document(document_id: str) -> None:
    """Ingests one document."""
    lease = current_app.extensions["settings"].ingest_lease_seconds
    ingest.ingest(db.session(), current_app.extensions["embedders"], document_id, lease)


@shared_task(name="knowledge.sweep", ignore_result=True)
def sweep_documents() -> None:
    """Wakes the worker for every document that is due."""
    for document_id in ingest.due_documents(db.session()):
        wake(ingest_document, document_id)


@shared_task(name="knowledge.purge", ignore_result=True)
def purge() -> None:
    """Deletes the rows of what was removed."""
    service.purge(db.session())
