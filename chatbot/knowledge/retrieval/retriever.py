"""Finding passages: an index over one generation, and the retriever.

    the nearest by vector + the best by words -> fused -> the best of them read -> judged -> the passages

What a reader may not find is left out inside both searches, before the best are taken.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
import structlog
from sqlalchemy import ColumnElement

from chatbot import tracing
from chatbot.db import Sessions
from chatbot.knowledge.index import keywords
from chatbot.knowledge.index.chunk_reader import ChunkReader, PassageRow, passage
from chatbot.knowledge.index.generations import active_generation, active_row, warn_of_other_embedder
from chatbot.knowledge.index.keywords import Scope, Words
from chatbot.knowledge.index.pgvector_store import PgVectorStore, StoreKind, build_index
from chatbot.knowledge.index.snapshot_registry import snapshot_store_of
from chatbot.knowledge.models import CURATED, Generation
from chatbot.knowledge.retrieval.candidates import Candidates
from chatbot.metrics import stages
from chatbot.rag.embeddings.embedders import Embedder, Embedders, LangChainEmbeddings, Vectors
from chatbot.rag.grounding.answerability import (
    Classifier,
    Gate,
    Signals,
    features,
    general_sentences,
    known_part,
    nearest_general,
    sentences_of,
    trained,
)
from chatbot.rag.grounding.question_match import may_be_same, same_question
from chatbot.rag.ranking import CANDIDATES, DEPTH, explained, fuse, relevance
from chatbot.rag.text.content_words import content_words
from chatbot.rag.types import Found, Passage, Searched
from chatbot.rag.vector_store.segments import Ids
from chatbot.rag.vector_store.store import FaissStore, RowStore, Written

log = structlog.get_logger(__name__)

Mode = Literal["hybrid", "dense", "keyword"]
Conditions = tuple[ColumnElement[bool], ...]

# An answer's passages should not all say the same; more variety than this cost more than it gave.
ANSWER_VARIETY = 0.2
# What a longer follow-up finds as it was typed weighs so much of 1, and with the question before it the rest.
BESIDE = 0.65
# So many documents are named to who asks what none of them answers.
NEAREST = 3
# So many sentences keep their vectors in memory: 6 MB of the local embedder's.
SENTENCES_KEPT = 4_000
# So many curated answers, the best ones, are compared with what is asked.
MOST_CURATED = 5


class Index:
    """What one generation can find, as its rows were when the generation was read."""

    def __init__(
        self,
        sessions: Sessions,
        embedders: Embedders,
        generation: Generation,
        store: StoreKind = "faiss",
        files: Path | None = None,
        *,
        upkeep: bool = False,
    ) -> None:
        self.generation = generation
        self.embedder = embedders.get(generation.embedder)
        self.rows = ChunkReader(sessions, generation)
        embedding = LangChainEmbeddings(self.embedder)
        self.store: RowStore = (
            PgVectorStore(embedding, self.rows, sessions, generation)
            if store == "pgvector"
            else FaissStore(embedding, self.rows, snapshot_store_of(sessions, generation, files), upkeep=upkeep)
        )
        self.sessions = sessions
        self._sentences: dict[str, Vectors] = {}

    @property
    def gate(self) -> Gate | None:
        """What decides whether a question can be answered, once it was calibrated."""
        return Gate.from_json(self.generation.gate)

    def search(
        self,
        question: str,
        k: int,
        collections: frozenset[str] | None = None,
        *,
        mode: Mode = "hybrid",
        conditions: Conditions = (),
        variety: float = 0.0,
    ) -> list[Passage]:
        """The best `k` passages whatever their scores, best first.

        `collections` are ids, `conditions` on Document; both limit what is searched. Scores: `dense` (cosine),
        `keyword` (BM25), `fused` (by which passages are ordered) and `evidence` (what an answer asks of them); a
        score that was not asked for, or that a leg did not come to, is None. An answer that was curated for this
        question has `curated` as well, the cosine of the two questions; it comes first, with 1 added to `fused`.
        """
        return self.candidates(question, k, collections, mode=mode, conditions=conditions).best(k, variety)

    def candidates(
        self,
        question: str,
        k: int,
        collections: frozenset[str] | None = None,
        *,
        mode: Mode = "hybrid",
        conditions: Conditions = (),
    ) -> Candidates:
        """At least `k` passages, where there are so many, with their scores and their vectors, best first."""
        depth, ended = max(k, DEPTH), stages(tracing.current().laps())
        query = self.store.query_vector(question) if mode != "keyword" else None
        ended("embed")
        snapshot = self.store.current(self.generation.revision) if query is not None else None
        scope = Scope(self.generation.id, collections, conditions)
        if snapshot is not None:
            scope = replace(scope, known=partial(snapshot.known, collections), chunks=snapshot.size)
        words, only = self._words(question, scope, depth, mode)
        ended("keyword")
        near = snapshot.search(query, depth, collections, only) if snapshot is not None and query is not None else []
        ended("dense")
        weight = self.embedder.dense_weight(question)
        fused = fuse(near, words.shares, weight, words.met) if mode == "hybrid" else near or words.hits
        fused = fused[: max(k, CANDIDATES)]
        vectors = snapshot.vectors([chunk_id for chunk_id, _ in fused]) if snapshot else {}
        cosines = (
            {chunk_id: float(query[0] @ vector) for chunk_id, vector in vectors.items()} if query is not None else {}
        )
        legs = {"dense": cosines, "keyword": dict(words.hits), "fused": dict(fused)}
        rows, wanted = self.rows.read([chunk_id for chunk_id, _ in fused]), content_words(question)
        passages = [passage(rank, row, _scores(legs, wanted, row)) for rank, row in enumerate(rows, 1)]
        ended("read")
        curated = {row.chunk_id for row in rows if row.document_type == CURATED}
        if query is not None and curated:
            passages = self._curated_first(question, query, passages, curated)
        ended("judge")
        chunks = snapshot.count(collections) if snapshot is not None else 0
        return Candidates(passages, vectors, frozenset(curated), words.reached, words.met, chunks)

    def signals(self, question: str, candidates: Candidates) -> Signals:
        """What the trained classifier is told of a question and its candidates."""
        sentences = sentences_of(candidates.passages)
        query = self.store.query_vector(question)[0]
        near = [float(query @ vector) for vector in self._sentence_vectors(sentences)]
        dense = [passage.scores.get("dense") or 0.0 for passage in candidates.passages]
        shown = " ".join([question, *(passage.text for passage in candidates.passages[:2])])
        # The general sentences are English: they are nearer to whatever is asked in English.
        multilingual = self.embedder.multilingual
        known = 1.0 if multilingual else known_part(shown, self.embedder.count_tokens)
        return Signals(
            near=round(max([*near, *dense], default=0.0), 4),
            dense=round(max(dense, default=0.0), 4),
            general=0.0 if multilingual else round(nearest_general(query, self._general), 4),
            words=round(candidates.reached, 4),
            met=round(candidates.met, 4),
            known=round(known, 4),
            chunks=candidates.chunks,
        )

    @cached_property
    def _general(self) -> Vectors:
        return self.embedder.embed(general_sentences())

    def _sentence_vectors(self, sentences: Sequence[str]) -> list[Vectors]:
        """Their vectors; those of the sentences met last are kept, for the same passages are found again."""
        kept = self._sentences
        new = [sentence for sentence in sentences if sentence not in kept]
        if len(kept) + len(new) > SENTENCES_KEPT:
            kept = {sentence: kept[sentence] for sentence in sentences if sentence in kept}
        self._sentences = kept = kept | dict(zip(new, self.embedder.embed(new), strict=True)) if new else kept
        return [kept[sentence] for sentence in sentences]

    def _words(self, question: str, scope: Scope, depth: int, mode: Mode) -> tuple[Words, Ids | None]:
        """The best by their words, and the ids of all the scope's chunks where it has conditions."""
        if mode == "dense" and not scope.conditions:
            return Words([]), None
        languages = self.generation.languages
        with self.sessions() as session:
            ids = session.scalars(scope.chunk_ids()).all() if scope.conditions else None
            scope = scope if ids is None else replace(scope, only=frozenset(ids))
            words = keywords.search(session, question, languages, scope, depth) if mode != "dense" else Words([])
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


def _decided(
    candidates: Candidates, fit: Candidates, k: int, score: float | None, threshold: float, searched: Searched
) -> Found:
    passages = tuple(fit.best(k, ANSWER_VARIETY))
    refusal = "threshold" if searched.features is None and searched.signals is None else "gate"
    searched = replace(searched, candidates=explained(candidates.passages, fit.passages, passages, refusal))
    return Found(passages, score, threshold, () if passages else tuple(candidates.best(NEAREST)), searched)


def _classified(
    index: Index, question: str, candidates: Candidates, k: int, classifier: Classifier, searched: Searched
) -> Found:
    """Three answers: the passages answer, they may answer, or nothing was found. What was written for this very
    question answers."""
    signals = index.signals(question, candidates) if candidates.passages else None
    score = classifier.score(signals) if signals else None
    lowest = classifier.lowest(signals) if signals else classifier.low
    written = any("curated" in passage.scores for passage in candidates.passages)
    reached = score or 0.0
    fit = candidates if reached >= lowest else candidates.above(math.inf)
    searched = replace(searched, signals=asdict(signals) if signals else {})
    found = _decided(candidates, fit, k, score, classifier.high, searched)
    unsure = bool(found.passages) and not written and not (signals and classifier.is_sure(signals))
    return replace(found, unsure=unsure, lower_threshold=lowest)


def _scores(legs: Mapping[str, Mapping[int, float]], wanted: set[str], row: PassageRow) -> dict[str, float | None]:
    chunk_id = row.chunk_id
    scores = {name: round(leg[chunk_id], 4) if chunk_id in leg else None for name, leg in legs.items()}
    scores["evidence"] = relevance(wanted, f"{row.title} {row.source} {row.text}", scores["dense"])
    return scores


class Retriever:
    """Searches the active generation with the embedder it was made with. One a process; used by many threads."""

    def __init__(
        self,
        sessions: Sessions,
        embedders: Embedders,
        threshold: float | None = None,
        store: StoreKind = "faiss",
        files: Path | None = None,
    ) -> None:
        self._sessions = sessions
        self.kind, self._files = store, files
        self._embedders = embedders
        self._threshold = threshold
        self._lock = threading.Lock()
        self._active: Index | None = None
        # The columns of its generation as they were read last; while they are the same, nothing is mapped anew.
        self._row: object = None

    def find(
        self,
        question: str,
        k: int,
        collections: frozenset[str] | None = None,
        beside: str | None = None,
        index: Index | None = None,
    ) -> Found:
        """The `k` passages that say most together, if what was found can carry an answer.

        That is for the generation's gate to say, or without one for the classifier that was trained for its embedder;
        where RELEVANCE_THRESHOLD is set each passage needs that evidence of its own. `collections` are
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
        classifier = trained(generation.embedder) if self._threshold is None else None
        if classifier is not None:
            return _classified(index, question, candidates, k, classifier, searched)
        threshold = self._threshold_of(index)
        top = max((p.scores["evidence"] or 0.0 for p in candidates.passages), default=None)
        return _decided(candidates, candidates.above(threshold), k, top, threshold, searched)

    def search(
        self,
        question: str,
        k: int,
        collections: frozenset[str] | None = None,
        *,
        mode: Mode = "hybrid",
        conditions: Conditions = (),
        variety: float = 0.0,
    ) -> tuple[list[Passage], float]:
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
            "kind": store.kind,
            "vectors": store.size,
            "memory_bytes": store.own_bytes,
            "revision": store.revision,
        }

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
            row = active_row(session)
            if self._active is not None and row == self._row:
                return self._active
            generation = active_generation(session)
        if generation is None:
            return None
        with self._lock:
            if self._active is None or self._active.generation.id != generation.id:
                warn_of_other_embedder(generation, self._embedders)
                self._active = self.index_of(generation, upkeep=True)
            self._active.generation, self._row = generation, row
            return self._active
