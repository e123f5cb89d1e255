"""Finding passages: the rows as the vector store follows them, an index over one generation, and the retriever.

    the nearest by vector + the best by words -> fused -> the best of them read -> judged -> the passages

What a reader may not find is left out inside both searches, before the best are taken.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import structlog
from sqlalchemy import ColumnElement, and_, bindparam, func, select
from sqlalchemy.orm import Session

from chatbot import tracing
from chatbot.db import Sessions
from chatbot.knowledge import keywords
from chatbot.knowledge.generations import active_generation, warn_of_other_embedder
from chatbot.knowledge.keywords import Scope
from chatbot.knowledge.models import CURATED, ChunkRow, Document, Generation
from chatbot.knowledge.snapshots import shelf_of
from chatbot.knowledge.vectors import PgVectorStore, StoreKind, build_index
from chatbot.metrics import stages
from chatbot.rag.embedders import Embedder, Embedders, LangChainEmbeddings, Vectors
from chatbot.rag.gate import Gate, features
from chatbot.rag.parts import Ids, Labels
from chatbot.rag.ranking import CANDIDATES, DEPTH, evidence, explained, fuse, varied
from chatbot.rag.same_question import may_be_same, same_question
from chatbot.rag.store import Changes, FaissStore, RowStore, Written
from chatbot.rag.types import Found, Passage, Searched
from chatbot.rag.words import content_words

log = structlog.get_logger(__name__)

Mode = Literal["hybrid", "dense", "keyword"]
Conditions = tuple[ColumnElement[bool], ...]

# The scores of a row of a passage.
Scored = Callable[[Mapping[str, Any]], dict[str, float | None]]

# An answer's passages should not all say the same; more variety than this cost more than it gave.
ANSWER_VARIETY = 0.2
# What a longer follow-up finds as it was typed weighs so much of 1, and with the question before it the rest.
BESIDE = 0.65
# So many rows with their vectors are read at once.
READ_AT_ONCE = 2_000
# So many documents are named to who asks what none of them answers.
NEAREST = 3
# So many curated answers, the best ones, are compared with what is asked.
MOST_CURATED = 5


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
            ids, vectors, labels = self._added(session, after, generation.revision)
            removed = [] if complete else self._removed(session, after, generation.revision)
        return Changes(
            revision=generation.revision, ids=ids, vectors=vectors, labels=labels,
            removed=np.array(removed, dtype=np.int64), complete=complete,
        )  # fmt: skip

    def _added(self, session: Session, after: int, upto: int) -> tuple[Ids, Vectors, Labels]:
        """Ids, vectors and labels: the collection's id, or none where the document is switched off.

        There may be a million: they are read some at a time, into the place where they stay.
        """
        mine = and_(
            ChunkRow.generation_id == self._generation.id, ChunkRow.removed_revision.is_(None),
            ChunkRow.added_revision > after, ChunkRow.added_revision <= upto,
        )  # fmt: skip
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

    def _removed(self, session: Session, after: int, upto: int) -> list[int]:
        query = select(ChunkRow.id).where(ChunkRow.generation_id == self._generation.id)
        query = query.where(ChunkRow.removed_revision > after, ChunkRow.removed_revision <= upto)
        return list(session.scalars(query))

    def passages(self, found: Sequence[tuple[int, float]], scored: Scored | None = None) -> list[Passage]:
        """The passages of the ids, in that order. A chunk that was removed a moment ago is not there any more.

        Those of a curated answer have a score of that name, still without a value. `scored` gives the others.
        """
        scores = dict(found)
        with self._sessions() as session:
            # Columns, not objects: fifty rows a search are read, and mapping them would take as long as the search.
            rows = session.connection().execute(_PASSAGES, {"ids": list(scores)}).all()
        by_id = {row[0]: dict(zip(_PASSAGE_NAMES, row, strict=True)) for row in rows}
        curated = {chunk_id for chunk_id, row in by_id.items() if row.pop("document_type") == CURATED}
        there = [by_id[chunk_id] for chunk_id in scores if chunk_id in by_id]
        scored = scored or (lambda row: {"dense": round(scores[row["chunk_id"]], 4)})
        return [
            Passage(rank=rank, scores=scored(row) | ({"curated": None} if row["chunk_id"] in curated else {}), **row)
            for rank, row in enumerate(there, 1)
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
_PASSAGE_NAMES = (*(column.key for column in _PASSAGE_COLUMNS), "document_type")
_PASSAGES = (
    select(*_PASSAGE_COLUMNS, Document.document_type)
    .join(Document, Document.id == ChunkRow.document_id)
    .where(ChunkRow.id.in_(bindparam("ids", expanding=True)), ChunkRow.removed_revision.is_(None))
    .where(Document.status != "deleted", Document.is_active)
)


_NEWEST = select(Generation.revision, Generation.languages).where(Generation.id == bindparam("id"))


class Index:
    """What one generation can find."""

    def __init__(
        self, sessions: Sessions, embedders: Embedders, generation: Generation, store: StoreKind = "faiss",
        files: Path | None = None, *, upkeep: bool = False,
    ) -> None:  # fmt: skip
        self.generation = generation
        self.embedder = embedders.get(generation.embedder)
        self.rows = SqlRows(sessions, generation)
        embedding = LangChainEmbeddings(self.embedder)
        self.store: RowStore = (
            PgVectorStore(embedding, self.rows, sessions, generation)
            if store == "pgvector"
            else FaissStore(embedding, self.rows, shelf_of(sessions, generation, files), upkeep=upkeep)
        )
        self.sessions = sessions

    @property
    def gate(self) -> Gate | None:
        """What decides whether a question can be answered, once it was calibrated."""
        return Gate.from_json(self.generation.gate)

    def search(
        self, question: str, k: int, collections: frozenset[str] | None = None, *, mode: Mode = "hybrid",
        conditions: Conditions = (), variety: float = 0.0,
    ) -> list[Passage]:  # fmt: skip
        """The best `k` passages whatever their scores, best first.

        `collections` are ids, `conditions` on Document; both limit what is searched. Scores: `dense` (cosine),
        `keyword` (BM25), `fused` (by which passages are ordered) and `evidence` (what an answer asks of them); a
        score that was not asked for, or that a leg did not come to, is None. An answer that was curated for this
        question has `curated` as well, the cosine of the two questions; it comes first, with 1 added to `fused`.
        """
        return self.candidates(question, k, collections, mode=mode, conditions=conditions).best(k, variety)

    def candidates(
        self, question: str, k: int, collections: frozenset[str] | None = None, *, mode: Mode = "hybrid",
        conditions: Conditions = (),
    ) -> Candidates:  # fmt: skip
        """At least `k` passages, where there are so many, with their scores and their vectors, best first."""
        depth, ended = max(k, DEPTH), stages(tracing.current().laps())
        query = self.store.query_vector(question) if mode != "keyword" else None
        ended("embed")
        with self.sessions() as session:
            newest = session.connection().execute(_NEWEST, {"id": self.generation.id}).one()
        snapshot = self.store.current(newest.revision) if query is not None else None
        scope = Scope(self.generation.id, collections, conditions)
        if snapshot is not None:
            scope = replace(scope, known=partial(snapshot.known, collections))
        words, only = self._words(question, newest.languages, scope, depth, mode)
        ended("keyword")
        near = snapshot.search(query, depth, collections, only) if snapshot is not None and query is not None else []
        ended("dense")
        fused = fuse(near, words, self.embedder.dense_weight(question)) if mode == "hybrid" else near or words
        fused = fused[: max(k, CANDIDATES)]
        vectors = snapshot.vectors([chunk_id for chunk_id, _ in fused]) if snapshot else {}
        cosines = (
            {chunk_id: float(query[0] @ vector) for chunk_id, vector in vectors.items()} if query is not None else {}
        )
        legs = {"dense": cosines, "keyword": dict(words), "fused": dict(fused)}
        passages = self.rows.passages(fused, partial(_scores, legs, content_words(question)))
        ended("read")
        curated = {p.chunk_id for p in passages if "curated" in p.scores}
        passages = [_not_curated(p) if p.chunk_id in curated else p for p in passages]
        if query is not None and curated:
            passages = self._curated_first(question, query, passages, curated)
        ended("judge")
        return Candidates(passages, vectors, frozenset(curated))

    def _words(
        self, question: str, languages: Sequence[str], scope: Scope, depth: int, mode: Mode
    ) -> tuple[list[tuple[int, float]], Ids | None]:
        """The best by their words, and the ids of all the scope's chunks where it has conditions."""
        if mode == "dense" and not scope.conditions:
            return [], None
        with self.sessions() as session:
            ids = session.scalars(scope.chunk_ids()).all() if scope.conditions else None
            scope = scope if ids is None else replace(scope, only=frozenset(ids))
            words = keywords.search(session, question, languages, scope, depth) if mode != "dense" else []
        return words, None if ids is None else np.array(ids, dtype=np.int64)

    def _curated_first(
        self, question: str, query: Vectors, passages: Sequence[Passage], curated: Set[int]
    ) -> list[Passage]:
        """The passages with those of curated answers in front that were written for this question."""
        titles = dict.fromkeys(p.title for p in passages if p.chunk_id in curated and may_be_same(question, p.title))
        # An embedder that is asked over the network is not asked for every title there is.
        near = {t: float(query[0] @ self.store.query_vector(t)[0]) for t in list(titles)[:MOST_CURATED]}
        same = {title: cosine for title, cosine in near.items() if same_question(question, title, cosine)}
        found = [_first(p, same[p.title]) if p.chunk_id in curated and p.title in same else p for p in passages]
        return sorted(found, key=lambda p: "curated" not in p.scores)


def _first(passage: Passage, cosine: float) -> Passage:
    fused = round((passage.scores["fused"] or 0.0) + 1, 4)
    return replace(passage, scores={**passage.scores, "fused": fused, "curated": round(cosine, 4)})


@dataclass(frozen=True)
class Candidates:
    """Passages in the order of their fused scores, and their vectors by chunk id."""

    passages: list[Passage]
    vectors: Mapping[int, Vectors]
    curated: frozenset[int] = frozenset()

    def best(self, k: int, variety: float = 0.0) -> list[Passage]:
        """The best `k`; with `variety` those that say most together."""
        return varied(self.passages, self.vectors, k, variety)

    def joined(self, other: Candidates, weight: float) -> Candidates:
        """These and others, in the order of their fused scores together; those of `other` weigh `weight` of 1. The
        better evidence counts."""
        both: dict[int, Passage] = {}
        for some, share in ((self.passages, 1 - weight), (other.passages, weight)):
            for passage in some:
                both[passage.chunk_id] = _added(both.get(passage.chunk_id), passage, share)
        ordered = sorted(both.values(), key=lambda p: (-(p.scores["fused"] or 0.0), p.chunk_id))
        return Candidates(ordered, {**self.vectors, **other.vectors}, self.curated | other.curated)

    def to_answer_from(self) -> Candidates:
        """These without what was curated for other questions: an answer without its question says anything."""
        fit = [p for p in self.passages if p.chunk_id not in self.curated or "curated" in p.scores]
        return replace(self, passages=fit)

    def above(self, threshold: float) -> Candidates:
        """Those whose evidence reaches a threshold, and those that were written for the question."""
        fit = [p for p in self.passages if "curated" in p.scores or (p.scores["evidence"] or 0.0) >= threshold]
        return replace(self, passages=fit)


def _added(known: Passage | None, passage: Passage, share: float) -> Passage:
    """A passage with its share of the fused score added to what another search gave it."""
    before = known.scores if known else {}
    scores = {**before, **{name: _most(before.get(name), score) for name, score in passage.scores.items()}}
    scores["fused"] = round((before.get("fused") or 0.0) + share * (passage.scores["fused"] or 0.0), 4)
    return replace(passage, scores=scores)


def _most(one: float | None, other: float | None) -> float | None:
    return max((score for score in (one, other) if score is not None), default=None)


def _decided(
    candidates: Candidates, fit: Candidates, k: int, score: float | None, threshold: float, searched: Searched
) -> Found:  # fmt: skip
    passages = tuple(fit.best(k, ANSWER_VARIETY))
    refusal = "threshold" if searched.features is None else "gate"
    searched = replace(searched, candidates=explained(candidates.passages, fit.passages, passages, refusal))
    return Found(passages, score, threshold, () if passages else tuple(candidates.best(NEAREST)), searched)


def _scores(
    legs: Mapping[str, Mapping[int, float]], wanted: set[str], row: Mapping[str, Any]
) -> dict[str, float | None]:
    chunk_id = row["chunk_id"]
    scores = {name: round(leg[chunk_id], 4) if chunk_id in leg else None for name, leg in legs.items()}
    text = f"{row['title']} {row['source']} {row['text']}"
    return scores | {"evidence": evidence(wanted, text, scores["dense"])}


def _not_curated(passage: Passage) -> Passage:
    """A passage of a curated answer as one like any other: it is not known yet whether it is for the question."""
    return replace(passage, scores={name: score for name, score in passage.scores.items() if name != "curated"})


class Retriever:
    """Searches the active generation with the embedder it was made with. One a process; used by many threads."""

    def __init__(
        self, sessions: Sessions, embedders: Embedders, threshold: float | None = None, store: StoreKind = "faiss",
        files: Path | None = None,
    ) -> None:  # fmt: skip
        self._sessions = sessions
        self.kind, self._files = store, files
        self._embedders = embedders
        self._threshold = threshold
        self._lock = threading.Lock()
        self._active: Index | None = None

    def find(
        self, question: str, k: int, collections: frozenset[str] | None = None, beside: str | None = None,
        index: Index | None = None,
    ) -> Found:  # fmt: skip
        """The `k` passages that say most together, if what was found can carry an answer.

        That is for the generation's gate to say; without one each passage needs evidence of its own. `collections` are
        the ids of what may be searched; None is everything. `beside` is searched as well, and weighs more. `index` is
        another one than that of the active generation.
        """
        index = index or self.index()
        if index is None:
            return Found((), None, self._threshold or 0.0)
        candidates = index.candidates(question, k, collections)
        if beside is not None:
            candidates = candidates.joined(index.candidates(beside, k, collections), BESIDE)
        candidates = candidates.to_answer_from()
        generation = index.generation
        searched = Searched(generation.id, generation.revision, generation.embedder, (), beside=beside)
        gate = index.gate if self._threshold is None else None
        if gate is not None:
            seen = features(question, candidates.passages)
            score = gate.score(seen)
            fit = candidates if score >= gate.threshold else candidates.above(math.inf)
            searched = replace(searched, features=tuple(round(float(value), 4) for value in seen))
            return _decided(candidates, fit, k, score, gate.threshold, searched)
        threshold = self._threshold_of(index)
        top = max((p.scores["evidence"] or 0.0 for p in candidates.passages), default=None)
        return _decided(candidates, candidates.above(threshold), k, top, threshold, searched)

    def search(
        self, question: str, k: int, collections: frozenset[str] | None = None, *, mode: Mode = "hybrid",
        conditions: Conditions = (), variety: float = 0.0,
    ) -> tuple[list[Passage], float]:  # fmt: skip
        """The best `k` passages whatever their score, and the evidence an answer would ask of them."""
        index = self.index()
        if index is None:
            return [], self._threshold or 0.0
        found = index.search(question, k, collections, mode=mode, conditions=conditions, variety=variety)
        return found, self._threshold_of(index)

    def _threshold_of(self, index: Index) -> float:
        return index.generation.threshold if self._threshold is None else self._threshold

    def embedder(self) -> Embedder:
        """The embedder the documents have: the active generation's, or the configured one before the first document."""
        return self._active.embedder if self._active else self._embedders.get(self._embedders.default)

    def warm_up(self) -> None:
        """Loads the embedder and the vectors, so that the first question does not wait for them."""
        self.search("warm up", 1)

    def keep_up(self, build: bool = False) -> None:
        """Brings vectors that all processes share up to the rows, so that no question has to; with `build` their
        approximate index is built where that is due."""
        index = self.index() if self.kind == "pgvector" else None
        if index is None:
            return
        index.store.current()
        if build:
            build_index(self._sessions, index.generation.id)

    def index_stats(self) -> dict[str, object]:
        """What this process holds."""
        store = self._active.store if self._active else None
        if store is None:
            kind = "flat" if self.kind == "faiss" else self.kind
            return {"kind": kind, "vectors": 0, "memory_bytes": 0, "revision": None}
        return {
            "kind": store.kind, "vectors": store.size, "memory_bytes": store.own_bytes, "revision": store.revision,
        }  # fmt: skip

    def index_of(self, generation: Generation, *, upkeep: bool = False) -> Index:
        """A new index of any generation, in the same kind of store."""
        return Index(self._sessions, self._embedders, generation, self.kind, self._files, upkeep=upkeep)

    def write_file(self, generation: Generation) -> tuple[int, Written | None]:
        """Writes a generation's vectors into a snapshot file; gives how many there are, and what was written unless
        another process is at it.

        Raises:
            OSError: the disk is full, or cannot be written to.
        """
        store = self.index_of(generation).store
        return store.current().size, store.write() if isinstance(store, FaissStore) else None

    def index(self) -> Index | None:
        """The index of the generation that is active now, or None before the first document.

        Another generation than the one held begins a new index; questions go on in the one they began with.
        """
        with self._sessions() as session:
            generation = active_generation(session)
        if generation is None:
            return None
        with self._lock:
            if self._active is None or self._active.generation.id != generation.id:
                warn_of_other_embedder(generation, self._embedders)
                self._active = self.index_of(generation, upkeep=True)
            self._active.generation = generation
            return self._active
