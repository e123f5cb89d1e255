"""Publishing: what was embedded becomes visible, and the versions before invisible, in one transaction and revision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import bindparam, delete, update
from sqlalchemy.orm import Session

from chatbot.knowledge.index import keywords
from chatbot.knowledge.index.generations import is_active, next_revision, visible, within
from chatbot.knowledge.ingestion.chunks import PendingVersion, lock_versions, write_chunks
from chatbot.knowledge.ingestion.claims import Batch
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation

log = structlog.get_logger(__name__)


class GenerationChanged(Exception):
    """Another generation was activated while the documents were embedded for the one before."""


def publish(session: Session, batch: Batch, versions: Sequence[PendingVersion], generation: Generation) -> None:
    """Makes the versions of the documents that are still held answer, in one transaction and one revision.

    Raises:
        LeaseLost: none of them is held.
        GenerationChanged: the generation does not answer any more.
    """
    ready = lock_versions(session, batch, versions)
    store_texts(session, ready)
    show(session, ready, generation)
    # Counting the revision up has locked the generation: an activation waits, or is seen here.
    if not is_active(session, generation.id):
        raise GenerationChanged()
    _update(session, Document, [_names(version) | Document.ready_values(len(version.plan)) for version in ready])
    session.commit()
    batch.outcomes |= dict.fromkeys([version.document_id for version in ready], "ready")
    log.info("ingest_done", published=len(ready), chunks=sum(len(version.plan) for version in ready), **batch.about)


def store_texts(session: Session, versions: Sequence[PendingVersion]) -> None:
    """Stores what was read of locked versions, unless it is stored already, in the caller's transaction."""
    read = [(version.version_id, version.extracted) for version in versions if version.extracted is not None]
    if read:
        rows = [{"which": version_id, **extracted.version_values()} for version_id, extracted in read]
        _update(session, DocumentVersion, rows)


def store_names(session: Session, versions: Sequence[PendingVersion]) -> None:
    """Stores the titles and languages that locked versions have now, in the caller's transaction."""
    _update(session, Document, [_names(version) for version in versions])


def show(session: Session, versions: Sequence[PendingVersion], generation: Generation) -> None:
    """Makes locked versions visible in the generation and the ones before invisible, in the caller's transaction."""
    revision = next_revision(session, generation.id)
    for version in versions:
        # A first version that is held in memory has no row to switch.
        if version.written or version.version > 1:
            _switch(session, version, generation, revision)
    write_chunks(session, [chunk for version in versions for chunk in version.unwritten], revision)
    for language in sorted({version.names.language or "" for version in versions}):
        keywords.note_languages(session, generation.id, language)


def _switch(session: Session, version: PendingVersion, generation: Generation, revision: int) -> None:
    mine = (ChunkRow.document_id == version.document_id, within(generation.id))
    current, others = ChunkRow.version_id == version.version_id, ChunkRow.version_id != version.version_id
    session.execute(delete(ChunkRow).where(*mine, others, ChunkRow.added_revision.is_(None)))
    session.execute(update(ChunkRow).where(*mine, others, *visible()).values(removed_revision=revision))
    fresh = (*mine, current, ChunkRow.added_revision.is_(None))
    session.execute(update(ChunkRow).where(*fresh).values(added_revision=revision))


def _names(version: PendingVersion) -> dict[str, Any]:
    return {"which": version.document_id, "title": version.names.title, "language": version.names.language}


def _update(session: Session, model: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Updates rows by their ids, `which`, each with the same columns."""
    columns: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "which"}
    table = model.__table__
    session.execute(update(table).where(table.c.id == bindparam("which")).values(columns), rows)
