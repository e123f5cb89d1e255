"""`flask knowledge ingest --wait`: ingests what was queued in the command's own process, beside any worker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from rich.progress import Progress

from chatbot.current import services
from chatbot.db import detached
from chatbot.knowledge.documents import service
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.models import Document

if TYPE_CHECKING:
    from chatbot.services import Services


def ingest_here(bar: Progress, queued: Mapping[str, str]) -> list[tuple[str, str]]:
    """Ingests documents, a thread a core; a worker that is running takes its share.

    `queued` has their sources by id. Returns the source and the reason of each that did not become ready.
    """
    # The threads have no application context.
    found = services()
    task = bar.add_task("Ingesting", total=len(queued))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        many = partial(_ingest_many, found, lambda number: bar.advance(task, number))
        list(threads.map(lambda _: many(), range(os.cpu_count() or 1)))
        with found.sessions() as session:
            settled = service.settled(session, list(queued))
        bar.update(task, completed=len(settled))
        rest = [document_id for document_id in queued if document_id not in settled]
        reasons = {id_: _reason(*settled[id_]) for id_ in settled}
        for document_id, reason in zip(rest, threads.map(partial(_ingest_one, found), rest), strict=True):
            reasons[document_id] = reason
            bar.advance(task)
    return [(source, reason) for document_id, source in queued.items() if (reason := reasons[document_id])]


def _ingest_many(services: Services, report: Callable[[int], None]) -> None:
    """Ingests the small texts, many at once; the others go one by one."""
    with services.sessions() as session:
        while done := ingest.ingest_batch(session, services.embedders, services.settings.ingest_lease_seconds):
            report(done)


def _ingest_one(services: Services, document_id: str) -> str | None:
    """Ingests one document, or waits for the worker that has it; gives the reason when it is not ready."""
    try:
        document = _ingested(services, document_id)
    except service.DocumentNotFound as error:
        return f"{error.code}: {error}"
    return _reason(document.status, document.error_code, document.error_detail or document.blocked_because)


def _reason(status: str, code: str | None, detail: str | None) -> str | None:
    return None if status == "ready" else f"{code or status}: {detail}"


def _ingested(services: Services, document_id: str) -> Document:
    with services.sessions() as session:
        while True:
            # Again and again, for the worker that had it may be gone.
            lease = services.settings.ingest_lease_seconds
            ingest.ingest(session, services.embedders, document_id, lease, services.fetch_limits)
            document = detached(session, service.get_document(session, document_id))
            if document.status != "processing":
                return document
            time.sleep(0.2)
