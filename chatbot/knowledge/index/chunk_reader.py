"""The rows of one generation, as the vector stores follow them, and the passages that were found in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import structlog
from sqlalchemy import Row, and_, bindparam, func, select
from sqlalchemy.orm import Session

from chatbot.db import Sessions
from chatbot.knowledge.models import ChunkRow, Document, Generation
from chatbot.rag.embeddings.embedders import Vectors
from chatbot.rag.types import Passage
from chatbot.rag.vector_store.segments import Ids, Labels
from chatbot.rag.vector_store.snapshot import Changes

log = structlog.get_logger(__name__)

# So many rows with their vectors are read at once.
READ_AT_ONCE = 2_000
# What is read of a passage: the columns of `_PASSAGES`.
PassageRow = Row[*tuple[Any, ...]]


class ChunkReader:
    """The rows of one generation."""

    def __init__(self, sessions: Sessions, generation: Generation) -> None:
        self._sessions = sessions
        self._generation = generation

    def revision(self) -> int:
        with self._sessions() as session:
            query = select(Generation.revision).where(Generation.id == self._generation.id)
            return session.scalar(query) or 0

    def changes(self, since: int | None) -> Changes:
        """All reads see one moment: a purge between them would hide a removal for good."""
        with self._sessions() as session:
            if session.get_bind().dialect.name != "sqlite":  # There every transaction is such a snapshot.
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            generation = session.get_one(Generation, self._generation.id)
            complete = since is None or since < generation.purged_revision
            after = 0 if since is None or complete else since
            ids, vectors, labels = self._added(session, after, generation.revision)
            gone = (ChunkRow.removed_revision > after, ChunkRow.removed_revision <= generation.revision)
            query = select(ChunkRow.id).where(ChunkRow.generation_id == generation.id, *gone)
            removed = [] if complete else list(session.scalars(query))
        return Changes(
            revision=generation.revision,
            ids=ids,
            vectors=vectors,
            labels=labels,
            removed=np.array(removed, dtype=np.int64),
            complete=complete,
        )

    def _added(self, session: Session, after: int, upto: int) -> tuple[Ids, Vectors, Labels]:
        """Ids, vectors and labels: the collection's id, or none where the document is switched off.

        There may be a million: they are read some at a time, into the place where they stay.
        """
        mine = and_(
            ChunkRow.generation_id == self._generation.id,
            ChunkRow.removed_revision.is_(None),
            ChunkRow.added_revision > after,
            ChunkRow.added_revision <= upto,
        )
        count = session.scalar(select(func.count(ChunkRow.id)).where(mine)) or 0
        ids, labels = np.empty(count, dtype=np.int64), np.empty(count, dtype=object)
        vectors = np.empty((count, self._generation.dimension), dtype=np.float32)
        query = (
            select(ChunkRow.id, ChunkRow.embedding, Document.collection_id, Document.is_active)
            .join(Document, Document.id == ChunkRow.document_id)
            .where(mine)
            .order_by(ChunkRow.id)
            .execution_options(yield_per=READ_AT_ONCE)
        )
        begin = damaged = 0
        for rows in session.execute(query).partitions():
            whole = [row for row in rows if len(row[1]) == 4 * self._generation.dimension]
            end, damaged = begin + len(whole), damaged + len(rows) - len(whole)
            ids[begin:end] = [row[0] for row in whole]
            packed = np.frombuffer(b"".join(row[1] for row in whole), dtype="<f4")
            vectors[begin:end] = packed.reshape(len(whole), self._generation.dimension)
            labels[begin:end] = [row[2] if row[3] else "" for row in whole]
            begin = end
        if damaged:
            # One damaged row is not to end every search; `flask index verify --fix` mends it.
            log.error("vectors_damaged", generation=self._generation.id, chunks=damaged)
        return ids[:begin], vectors[:begin], labels[:begin]

    def read(self, ids: Sequence[int]) -> list[PassageRow]:
        """The rows of chunks in the order of their ids. A chunk that was removed a moment ago is not there any more."""
        with self._sessions() as session:
            # Columns, not objects: fifty rows a search are read, and mapping them would take as long as the search.
            rows = session.connection().execute(_PASSAGES, {"ids": ids}).all()
        by_id = {row[0]: row for row in rows}
        return [by_id[chunk_id] for chunk_id in ids if chunk_id in by_id]

    def passages(self, found: Sequence[tuple[int, float]]) -> list[Passage]:
        """The passages of the ids with their cosines, in that order."""
        cosines = dict(found)
        rows = self.read(list(cosines))
        return [passage(rank, row, {"dense": round(cosines[row[0]], 4)}) for rank, row in enumerate(rows, 1)]


def passage(rank: int, row: PassageRow, scores: Mapping[str, float | None]) -> Passage:
    """A row as a passage."""
    chunk_id, document_id, title, source, version, page, char_start, char_end, text, _ = row
    return Passage(rank, document_id, title, source, version, chunk_id, page, char_start, char_end, text, scores)


_PASSAGES = (
    select(
        ChunkRow.id.label("chunk_id"),
        ChunkRow.document_id,
        Document.title,
        Document.source,
        ChunkRow.version,
        ChunkRow.page,
        ChunkRow.char_start,
        ChunkRow.char_end,
        ChunkRow.text,
        Document.document_type,
    )
    .join(Document, Document.id == ChunkRow.document_id)
    .where(ChunkRow.id.in_(bindparam("ids", expanding=True)), ChunkRow.removed_revision.is_(None))
    .where(Document.status != "deleted", Document.is_active)
)
