"""The active generation and its revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chatbot.db import begin_write, detached, utcnow
from chatbot.knowledge.models import ChunkRow, Document, Generation

if TYPE_CHECKING:
    from chatbot.rag.embeddings.embedders import Embedders

log = structlog.get_logger(__name__)

# With 22 tokens of context and 2 of its own, a chunk fills the 256 that the local model reads.
CHUNK_TOKENS = 230


def active_generation(session: Session) -> Generation | None:
    """The generation that answers, or None before the first document."""
    return session.scalar(_ACTIVE)


def active_row(session: Session) -> object:
    """All columns of the generation that answers, to be compared with those read before; None without one."""
    return session.connection().execute(_ACTIVE_ROW).one_or_none()


_ACTIVE = select(Generation).where(Generation.active == 1)
_ACTIVE_ROW = select(Generation.__table__).where(Generation.active == 1)


def ensure_generation(session: Session, embedders: Embedders) -> Generation:
    """The active generation; the first one is made with the configured embedder, which is asked for its dimension.

    A later change of EMBEDDING_MODEL changes nothing here: the documents keep answering with the vectors they have.

    Raises:
        EmbedderUnavailable, EmbedderMisconfigured, BadEmbeddings: it could not be asked.
    """
    generation = active_generation(session)
    if generation is not None:
        return detached(session, generation)
    session.rollback()
    embedder = embedders.get(embedders.default)
    dimension = embedder.embed(["dimension"]).shape[1]
    begin_write(session)
    made = Generation(
        embedder=embedder.name,
        dimension=dimension,
        chunk_tokens=CHUNK_TOKENS,
        threshold=embedder.threshold,
        active=1,
        built_at=utcnow(),
        activated_at=utcnow(),
    )
    session.add(made)
    try:
        session.commit()
    except IntegrityError:
        # Another worker was first.
        session.rollback()
    return detached(session, session.scalars(select(Generation).where(Generation.active == 1)).one())


def is_active(session: Session, generation_id: int) -> bool:
    """Whether the generation answers, as the database has it now."""
    return session.scalar(select(Generation.active).where(Generation.id == generation_id)) == 1


def next_revision(session: Session, generation_id: int) -> int:
    """Counts the revision up. The row stays locked until the commit, so revisions become visible in their order."""
    counted = update(Generation).where(Generation.id == generation_id).values(revision=Generation.revision + 1)
    return session.scalars(counted.returning(Generation.revision)).one()


def visible() -> tuple[ColumnElement[bool], ...]:
    """What holds for the chunks that answer in their generation."""
    return ChunkRow.added_revision.is_not(None), ChunkRow.removed_revision.is_(None)


def within(generation_id: int | ColumnElement[int]) -> ColumnElement[bool]:
    """The chunks of a generation, for queries that name a document or chunks as well.

    Without statistics SQLite prefers an index of the whole generation to that of a document's twenty chunks; the
    "+ 0" takes it out of the choice.
    """
    return ChunkRow.generation_id + 0 == generation_id


def answering(document: Document) -> ColumnElement[bool]:
    """The chunks of the version of a document that answers, in every generation; those of an inactive one too.

    Chunks of a version that is not ready have no revision yet, nor has what was ingested while it was inactive.
    """
    active = ChunkRow.generation_id.in_(select(Generation.id).where(Generation.active == 1))
    ready = and_(ChunkRow.version == (document.version if document.status == "ready" else None), active)
    published = or_(ChunkRow.added_revision.is_not(None), ready)
    return and_(ChunkRow.document_id == document.id, ChunkRow.removed_revision.is_(None), published)


def touch_chunks(session: Session, document: Document) -> None:
    """Lets every process read the chunks of a document again: who may find them has changed. One revision for each
    generation, in the transaction that changes the document."""
    chunks = answering(document)
    query = select(ChunkRow.generation_id).where(chunks).distinct().order_by(ChunkRow.generation_id)
    for generation_id in session.scalars(query).all():
        revision = next_revision(session, generation_id)
        rows = update(ChunkRow).where(chunks, within(generation_id))
        session.execute(rows.values(added_revision=revision))


def warn_of_other_embedder(generation: Generation, embedders: Embedders) -> None:
    """Says when the configured embedder is not the one the documents were embedded with."""
    if generation.embedder != embedders.default:
        log.warning("embedding_model_kept", configured=embedders.default, serving=generation.embedder)
