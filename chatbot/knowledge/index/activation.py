"""Which generation answers: what another one lacks, switching to it, and the way back.

Locks are taken in the order documents, generations, chunks, as ingestion does; another order would deadlock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from chatbot.db import begin_write, detached, utcnow
from chatbot.knowledge.index import pgvector_store
from chatbot.knowledge.index.generations import active_generation, visible
from chatbot.knowledge.index.snapshot_registry import forget_files
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation
from chatbot.rag.embeddings.embedders import Embedders
from chatbot.rag.errors import BadEmbeddings

log = structlog.get_logger(__name__)

BATCH = 1_000


class GenerationRefused(Exception):
    """The generation cannot be used for this; the sentence says why and what to do."""


@dataclass(frozen=True)
class Lacking:
    """A version that answers now and has no chunk in another generation."""

    document_id: str
    version_id: int


@dataclass(frozen=True)
class Listed:
    """A generation as it is shown."""

    id: int
    embedder: str
    dimension: int
    chunk_tokens: int
    chunks: int
    built_at: datetime | None
    activated_at: datetime | None
    active: bool
    building: bool


def generations(session: Session) -> list[Listed]:
    """Every generation that is there, oldest first."""
    chunks = (
        select(func.count(ChunkRow.id)).where(ChunkRow.generation_id == Generation.id, *visible()).scalar_subquery()
    )
    rows = session.execute(select(Generation, chunks).where(_is_there()).order_by(Generation.id)).all()
    now = utcnow()
    found = [
        Listed(
            g.id,
            g.embedder,
            g.dimension,
            g.chunk_tokens,
            count,
            g.built_at,
            g.activated_at,
            g.active == 1,
            g.lease_until is not None and g.lease_until > now,
        )
        for g, count in rows
    ]
    session.rollback()
    return found


def _is_there() -> ColumnElement[bool]:
    # A generation that was dropped leaves its row: an id that came again would be taken for the old one.
    return Generation.embedder != ""


def get_generation(session: Session, generation_id: int) -> Generation:
    """A generation, as plain values.

    Raises:
        GenerationRefused: there is none of that number.
    """
    found = session.scalar(select(Generation).where(Generation.id == generation_id, _is_there()))
    if found is None:
        session.rollback()
        raise GenerationRefused(f"There is no generation {generation_id}; `flask index list` shows them.")
    return detached(session, found)


def lacking(session: Session, generation_id: int) -> list[Lacking]:
    """The versions that answer and are not visible in the generation.

    That is the current version of each ready document, and where a newer one is not ready (or failed) the version
    that answers in its place.
    """
    version, chunk = aliased(DocumentVersion), aliased(ChunkRow)
    active = select(Generation.id).where(Generation.active == 1).scalar_subquery()
    current = (Document.status == "ready") & (version.version == Document.version)
    answering = exists().where(
        chunk.version_id == version.id,
        chunk.generation_id == active,
        chunk.added_revision.is_not(None),
        chunk.removed_revision.is_(None),
    )
    older = Document.status.in_(("queued", "processing", "failed")) & answering
    there = exists().where(ChunkRow.version_id == version.id, ChunkRow.generation_id == generation_id, *visible())
    query = (
        select(Document.id, version.id)
        .join(version, version.document_id == Document.id)
        .where(current | older, ~there)
        .order_by(Document.uploaded_at, Document.id)
    )
    return [Lacking(*row) for row in session.execute(query)]


def activate(session: Session, embedders: Embedders, generation_id: int) -> None:
    """Makes a generation the one that answers, in one transaction. Every process follows from its next search on.

    Raises:
        GenerationRefused: it is not finished, or documents are not in it.
        EmbedderUnavailable, EmbedderMisconfigured, BadEmbeddings: its embedder cannot be asked, or has changed.
    """
    wanted = get_generation(session, generation_id)
    if embedders.get(wanted.embedder).embed(["dimension"]).shape[1] != wanted.dimension:
        raise BadEmbeddings()
    before = _lock(session, generation_id)
    wanted = session.get_one(Generation, generation_id)
    if wanted.active:
        session.rollback()
        raise GenerationRefused(f"Generation {generation_id} is the active one already.")
    _refuse_unfinished(session, wanted)
    previous = before.id if before is not None else None
    wanted.previous_id = previous
    _switch(session, before, wanted)
    session.commit()
    log.info("generation_activated", generation=generation_id, previous=previous)


def _refuse_unfinished(session: Session, wanted: Generation) -> None:
    number, built = wanted.id, wanted.built_at is not None
    missing = len(lacking(session, number))
    go_on = f"`flask index build --generation {number}` goes on."
    if not built:
        session.rollback()
        raise GenerationRefused(f"Generation {number} is not finished; {missing} document(s) are missing. {go_on}")
    if missing:
        session.rollback()
        raise GenerationRefused(f"{missing} document(s) are not in generation {number}. {go_on}")


def rollback(session: Session) -> tuple[int, int]:
    """Goes back to the generation that was active before, in one transaction.

    What is not in it is put into the queue in the same transaction; an older version of it answers until then, where
    there is one. Gives the number of the generation and how many documents were queued.

    Raises:
        GenerationRefused: there is nothing to go back to.
    """
    now = active_generation(session)
    left, previous = (now.id, now.previous_id) if now else (None, None)
    session.rollback()
    if previous is None:
        raise GenerationRefused("There is no generation to go back to.")
    before = _lock(session, previous)
    if before is None or before.id != left:
        session.rollback()
        raise GenerationRefused("Another generation was activated at this moment; look at `flask index list`.")
    queued = _queue_lacking(session, previous)
    _switch(session, before, session.get_one(Generation, previous))
    session.commit()
    log.warning("generation_rolled_back", generation=previous, left=left, queued=queued)
    return previous, queued


def _queue_lacking(session: Session, generation_id: int) -> int:
    ids = {piece.document_id for piece in lacking(session, generation_id)}
    # One that waits or is being ingested will find the generation that is active by then.
    waiting = select(Document).where(Document.id.in_(ids), Document.status.in_(("ready", "failed")))
    documents = session.scalars(waiting).all()
    for document in documents:
        document.queue()
    return len(documents)


def _lock(session: Session, generation_id: int) -> Generation | None:
    """Begins the transaction of a switch: every document, then the generations. Gives the active one."""
    begin_write(session)
    session.execute(
        select(Document.id)
        .where(Document.status != "deleted")
        .order_by(Document.id)
        .with_for_update(of=Document, key_share=True)
    ).all()
    rows = session.scalars(
        select(Generation)
        .where((Generation.id == generation_id) | (Generation.active == 1))
        .order_by(Generation.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    return next((row for row in rows if row.active), None)


def _switch(session: Session, before: Generation | None, wanted: Generation) -> None:
    if before is not None:
        before.active = None
        # The unique index lets only one be active at any moment.
        session.flush()
    wanted.active, wanted.activated_at = 1, utcnow()
    wanted.lease_owner = wanted.lease_until = None
    session.flush()
    _recount(session, wanted.id)


def _recount(session: Session, generation_id: int) -> None:
    """Documents say how many chunks they have in the active generation.

    They are counted all at once: a count for each document would go through the generation's chunks as often as there
    are documents.
    """
    mine = (ChunkRow.generation_id == generation_id, *visible())
    counted = select(ChunkRow.document_id, func.count().label("chunks")).where(*mine).group_by(ChunkRow.document_id)
    counts = counted.subquery()
    stays = {"updated_at": Document.updated_at}
    some = update(Document).where(Document.id == counts.c.document_id, Document.chunk_count != counts.c.chunks)
    none = update(Document).where(Document.chunk_count != 0, Document.id.not_in(select(counts.c.document_id)))
    for change in (some.values(chunk_count=counts.c.chunks, **stays), none.values(chunk_count=0, **stays)):
        session.execute(change.where(Document.status != "deleted").execution_options(synchronize_session=False))


def drop(session: Session, generation_id: int) -> int:
    """Deletes the chunks of a generation that does not answer, batch by batch, and gives their number.

    It can be repeated after it was interrupted.

    Raises:
        GenerationRefused: it answers, or it is being built.
    """
    begin_write(session)
    generation = session.get(Generation, generation_id, with_for_update={"key_share": True})
    why = _why_it_stays(generation)
    if generation is None or why:
        session.rollback()
        raise GenerationRefused(f"Generation {generation_id} {why} and cannot be dropped.")
    # From here on nobody builds it, activates it or goes back to it, whatever becomes of this process.
    generation.embedder = ""
    generation.built_at = generation.lease_owner = generation.lease_until = None
    session.execute(update(Generation).where(Generation.previous_id == generation_id).values(previous_id=None))
    forget_files(session, generation_id)
    session.commit()
    total = 0
    while gone := _drop_batch(session, generation_id):
        total += gone
    pgvector_store.drop(session, generation_id)
    log.info("generation_dropped", generation=generation_id, chunks=total)
    return total


def _why_it_stays(generation: Generation | None) -> str:
    if generation is None:
        return "does not exist"
    if generation.active:
        return "is the active one"
    building = generation.lease_until is not None and generation.lease_until > utcnow()
    return "is being built at this moment" if building else ""


def _drop_batch(session: Session, generation_id: int) -> int:
    begin_write(session)
    some = select(ChunkRow.id).where(ChunkRow.generation_id == generation_id).limit(BATCH)
    gone = session.execute(delete(ChunkRow).where(ChunkRow.id.in_(some.scalar_subquery())).returning(ChunkRow.id)).all()
    session.commit()
    return len(gone)
