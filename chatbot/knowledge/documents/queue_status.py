"""The queue as people see it: who works at it, which place a document has, and why nothing moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from chatbot.db import begin_write, utcnow
from chatbot.knowledge.models import Document, DocumentVersion, WorkerRow
from chatbot.system.disk_space import FULL, disk_of
from chatbot.web.pagination import Page

# How often a worker says that it is there, and after how long without a word it is thought to be gone.
HEARTBEAT_SECONDS = 10.0
SILENT = timedelta(seconds=30)
FORGOTTEN = timedelta(days=1)
# How many ids one statement asks about.
MAX_ASKED = 1_000


@dataclass(frozen=True)
class Described:
    """A document and where it stands: its place among what waits, from 1, and the reason of its wait."""

    document: Document
    queue_position: int | None
    blocked_because: str | None
    # How much its newest text looks like orders to a model, 0 to 1; None while it is not known.
    instruction_score: float | None = None
    # What of its newest content is not in its text; empty while that is not known.
    warnings: Sequence[dict[str, Any]] = ()


def note_worker(session: Session, name: str) -> None:
    """Says that a worker is there, and forgets those that were not seen for a day."""
    begin_write(session)
    now = utcnow()
    session.execute(delete(WorkerRow).where(WorkerRow.seen_at < now - FORGOTTEN))
    row = session.get(WorkerRow, name[-100:])
    if row is None:
        session.add(WorkerRow(name=name[-100:], started_at=now, seen_at=now))
    else:
        row.seen_at = now
    session.commit()


def workers(session: Session) -> int:
    """How many workers are there."""
    query = select(func.count()).select_from(WorkerRow).where(WorkerRow.seen_at >= utcnow() - SILENT)
    return session.scalars(query).one()


def absence(session: Session) -> str | None:
    """A sentence when no worker is there, None when one is."""
    seen = session.scalar(select(func.max(WorkerRow.seen_at)))
    if seen is None:
        return "No worker has ever been seen."
    silent = utcnow() - seen
    return None if silent < SILENT else f"No worker has been seen for {round(silent.total_seconds())} s."


def full(session: Session) -> str | None:
    """A sentence when the disk takes nothing, so that no worker could even say that it is there."""
    return FULL if disk_of(session).state() == FULL else None


def describe(session: Session, document: Document) -> Described:
    """A document with its place in the queue."""
    return described(session, [document])[0]


def described(session: Session, documents: Sequence[Document]) -> list[Described]:
    """Documents with their places in the queue, read with a few queries for all of them."""
    now = utcnow()
    waiting = [document for document in documents if _waits(document, now)]
    places = _places(session, [document.id for document in waiting]) if waiting else {}
    nobody = (full(session) or absence(session)) if waiting else None
    read = _read(session, [document.id for document in documents])
    found = [Described(d, places.get(d.id), d.blocked_because, *read.get(d.id, NOT_READ)) for d in documents]
    stuck = {document.id for document in waiting}
    return [
        replace(each, blocked_because=each.blocked_because or nobody) if each.document.id in stuck else each
        for each in found
    ]


def warnings_of(session: Session, ids: Sequence[str]) -> dict[str, Sequence[dict[str, Any]]]:
    """What of the newest content of documents is not in their texts, by their ids; those without warnings left out."""
    found: dict[str, Sequence[dict[str, Any]]] = {}
    for start in range(0, len(ids), MAX_ASKED):
        read = _read(session, ids[start : start + MAX_ASKED])
        found |= {document_id: each.warnings for document_id, each in read.items() if each.warnings}
    session.rollback()
    return found


def described_page(session: Session, page: Page) -> Page:
    """A page of documents with their places in the queue."""
    return Page(described(session, page.items), page.next_cursor)


def _waits(document: Document, now: datetime) -> bool:
    """It is queued, or its worker has gone silent."""
    if document.status == "processing":
        return document.lease_until is not None and document.lease_until < now
    return document.status == "queued"


class _Read(NamedTuple):
    """What reading a document's newest content has told."""

    instruction_score: float | None
    warnings: Sequence[dict[str, Any]]


NOT_READ = _Read(None, ())


def _read(session: Session, ids: Sequence[str]) -> dict[str, _Read]:
    of_version = (DocumentVersion.document_id, DocumentVersion.instruction_score, DocumentVersion.warnings)
    newest = select(*of_version).join(
        Document, (Document.id == DocumentVersion.document_id) & (Document.version == DocumentVersion.version)
    )
    return {row[0]: _Read(*row[1:]) for row in session.execute(newest.where(Document.id.in_(ids)))}


def _places(session: Session, ids: Sequence[str]) -> dict[str, int]:
    order = (Document.next_attempt_at, Document.id)
    queue = select(Document.id, func.row_number().over(order_by=order).label("place"))
    numbered = queue.where(Document.status == "queued").subquery()
    rows = session.execute(select(numbered.c.id, numbered.c.place).where(numbered.c.id.in_(ids)))
    return {row.id: row.place for row in rows}
