"""Finding passages: the rows as the vector store follows them, and the retriever that answers ask."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.db import Sessions
from chatbot.knowledge.generations import active_generation, warn_of_other_embedder
from chatbot.knowledge.models import ChunkRow, Collection, Document, Generation
from chatbot.rag.embedders import Embedder, Embedders, LangChainEmbeddings
from chatbot.rag.ranking import CANDIDATES, best
from chatbot.rag.store import Changes, FaissStore
from chatbot.rag.types import Found, Passage


class SqlRows:
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
            added = self._added(session, after, generation.revision)
            removed = [] if complete else self._removed(session, after, generation.revision)
        vectors = np.frombuffer(b"".join(row[1] for row in added), dtype="<f4")
        return Changes(
            revision=generation.revision,
            ids=np.array([row[0] for row in added], dtype=np.int64),
            vectors=vectors.reshape(len(added), self._generation.dimension),
            labels=np.array([row[2] for row in added], dtype=object),
            removed=np.array(removed, dtype=np.int64),
            complete=complete,
        )

    def _added(self, session: Session, after: int, upto: int) -> list[tuple[int, bytes, str]]:
        query = (
            select(ChunkRow.id, ChunkRow.embedding, Collection.name)
            .join(Document, Document.id == ChunkRow.document_id)
            .join(Collection, Collection.id == Document.collection_id)
            .where(ChunkRow.generation_id == self._generation.id, ChunkRow.removed_revision.is_(None))
            .where(ChunkRow.added_revision > after, ChunkRow.added_revision <= upto)
            .order_by(ChunkRow.id)
        )
        return [(row[0], row[1], row[2]) for row in session.execute(query)]

    def _removed(self, session: Session, after: int, upto: int) -> list[int]:
        query = select(ChunkRow.id).where(ChunkRow.generation_id == self._generation.id)
        query = query.where(ChunkRow.removed_revision > after, ChunkRow.removed_revision <= upto)
        return list(session.scalars(query))

    def passages(self, found: Sequence[tuple[int, float]]) -> list[Passage]:
        """The passages of the ids, in that order. A chunk that was removed a moment ago is not there any more."""
        scores = dict(found)
        with self._sessions() as session:
            # Columns, not objects: fifty rows a search are read, and mapping them would take as long as the search.
            rows = session.execute(
                select(*_PASSAGE_COLUMNS)
                .join(Document, Document.id == ChunkRow.document_id)
                .where(ChunkRow.id.in_(scores), ChunkRow.removed_revision.is_(None))
                .where(Document.status != "deleted", Document.is_active)
            ).all()
        by_id = {row.chunk_id: row._mapping for row in rows}
        kept = [(chunk_id, score) for chunk_id, score in found if chunk_id in by_id]
        return [
            Passage(rank=rank, scores={"dense": round(score, 4)}, **by_id[chunk_id])
            for rank, (chunk_id, score) in enumerate(kept, 1)
        ]


_PASSAGE_COLUMNS = (
    ChunkRow.id.label("chunk_id"),
    ChunkRow.document_id,
    Document.title,
    Document.source,
    ChunkRow.version,
    ChunkRow.page,
    ChunkRow.char_start,
    ChunkRow.char_end,
    ChunkRow.text,
)


class Retriever:
    """Searches the active generation with the embedder it was made with. One a process; used by many threads."""

    def __init__(self, sessions: Sessions, embedders: Embedders, threshold: float | None = None) -> None:
        self._sessions = sessions
        self._embedders = embedders
        self._threshold = threshold
        self._lock = threading.Lock()
        self._active: tuple[Generation, FaissStore] | None = None

    def find(self, question: str, k: int, collections: frozenset[str] | None = None) -> Found:
        """The best `k` passages that reach the generation's threshold, best first, and the best score there was."""
        passages, threshold = self.search(question, k, collections)
        kept = tuple(p for p in passages if p.scores["fused"] >= threshold)
        return Found(kept, passages[0].scores["fused"] if passages else None, threshold)

    def search(self, question: str, k: int, collections: frozenset[str] | None = None) -> tuple[list[Passage], float]:
        """The best `k` passages whatever their score, and the threshold an answer would ask of them."""
        with self._sessions() as session:
            generation = active_generation(session)
        if generation is None:
            return [], self._threshold or 0.0
        threshold = generation.threshold if self._threshold is None else self._threshold
        store = self._store(generation)
        candidates = store.search_passages(question, max(k, CANDIDATES), collections, newest=generation.revision)
        return best(question, candidates, k), threshold

    def embedder(self) -> Embedder:
        """The embedder the documents have: the active generation's, or the configured one before the first document."""
        name = self._active[0].embedder if self._active else self._embedders.default
        return self._embedders.get(name)

    def warm_up(self) -> None:
        """Loads the embedder and the vectors, so that the first question does not wait for them."""
        self.search("warm up", 1)

    def index_stats(self) -> dict[str, object]:
        """What this process holds."""
        store = self._active[1] if self._active else None
        vectors = store.size if store else 0
        memory = vectors * self._active[0].dimension * 4 if self._active else 0
        return {"kind": "flat", "vectors": vectors, "memory_bytes": memory, "revision": store and store.revision}

    def _store(self, generation: Generation) -> FaissStore:
        """The store of a generation; another generation than the one held begins a new one."""
        with self._lock:
            if self._active is None or self._active[0].id != generation.id:
                warn_of_other_embedder(generation, self._embedders)
                embedding = LangChainEmbeddings(self._embedders.get(generation.embedder))
                self._active = (generation, FaissStore(embedding, SqlRows(self._sessions, generation)))
            return self._active[1]
