"""The vector store: FAISS as a cache of rows that SQL owns.

A store follows its rows by revision. Before a search one cheap read tells whether rows changed; only those that did
are pulled. What it holds is an immutable snapshot that is swapped by reference, because FAISS searches and mutations
must not meet in two threads (they end in a segmentation fault): a large flat base, a small exact tail of newer
vectors, and the ids that were removed since. Nothing is ever pickled; a process that starts empty reads the rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import faiss
import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from chatbot.rag.embedders import LangChainEmbeddings, Vectors
from chatbot.rag.types import Passage

# A search runs in one thread: more were slower on busy cores, and forking after OpenMP has run deadlocks.
faiss.omp_set_num_threads(1)

TAIL_LIMIT = 2_000

Ids = np.ndarray[tuple[int], np.dtype[np.int64]]
Labels = np.ndarray[tuple[int], np.dtype[np.object_]]


@dataclass(frozen=True)
class Changes:
    """Rows that changed: those that became visible and those that were removed, up to a revision.

    `vectors` has the shape (len(ids), dimension), without rows as well. `complete` means that the rows are all there
    are, and what was held before is to be forgotten.
    """

    revision: int
    ids: Ids
    vectors: Vectors
    labels: Labels
    removed: Ids
    complete: bool


class Rows(Protocol):
    """The rows a store follows; the knowledge room reads them from SQL."""

    def revision(self) -> int:
        """The newest revision: one cheap read."""
        ...

    def changes(self, since: int | None) -> Changes:
        """What changed after a revision, or everything for None."""
        ...

    def passages(self, found: Sequence[tuple[int, float]]) -> list[Passage]:
        """The passages of chunk ids with their scores, in that order, without those that are gone."""
        ...


@dataclass(frozen=True)
class _Part:
    """Some vectors with their ids and labels, searchable."""

    ids: Ids
    vectors: Vectors
    labels: Labels
    index: Any

    @classmethod
    def of(cls, ids: Ids, vectors: Vectors, labels: Labels) -> _Part:
        index = faiss.IndexFlatIP(vectors.shape[1] if len(ids) else 1)
        if len(ids):
            index.add(vectors)
        return cls(ids, vectors, labels, index)

    def search(self, query: Vectors, k: int, allowed: np.ndarray[Any, Any] | None) -> list[tuple[int, float]]:
        """The k nearest of the allowed positions. The selector works inside the search, before the top k."""
        if not len(self.ids) or query.shape[1] != self.index.d:
            return []
        params = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            params = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        scores, places = self.index.search(query, min(k, len(self.ids)), params=params)
        return [(int(self.ids[p]), float(s)) for p, s in zip(places[0], scores[0], strict=True) if p >= 0]


@dataclass(frozen=True)
class _Snapshot:
    """What a search sees: it never changes."""

    revision: int
    base: _Part
    tail: _Part
    removed: frozenset[int]

    @property
    def size(self) -> int:
        return len(self.base.ids) + len(self.tail.ids) - len(self.removed)

    def search(self, query: Vectors, k: int, labels: frozenset[str] | None) -> list[tuple[int, float]]:
        hits = self.base.search(query, k, self._allowed(self.base, labels))
        hits += self.tail.search(query, k, self._allowed(self.tail, labels))
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:k]

    def _allowed(self, part: _Part, labels: frozenset[str] | None) -> np.ndarray[Any, Any] | None:
        if not self.removed and labels is None:
            return None
        allowed = np.ones(len(part.ids), dtype=bool)
        if self.removed:
            allowed &= ~np.isin(part.ids, np.fromiter(self.removed, dtype=np.int64, count=len(self.removed)))
        if labels is not None:
            allowed &= np.isin(part.labels, list(labels))
        return allowed

    def after(self, changes: Changes) -> _Snapshot:
        """The snapshot with the changes. A tail that has grown large is merged into a new base."""
        gone = self.removed | set(changes.removed.tolist())
        ids = np.concatenate([self.tail.ids, changes.ids])
        vectors = np.concatenate([self.tail.vectors.reshape(-1, changes.vectors.shape[1]), changes.vectors])
        labels = np.concatenate([self.tail.labels, changes.labels])
        if len(ids) + len(gone) <= TAIL_LIMIT:
            present = frozenset(gone & set(np.concatenate([self.base.ids, ids]).tolist())) if gone else frozenset()
            return _Snapshot(changes.revision, self.base, _Part.of(ids, vectors, labels), present)
        ids = np.concatenate([self.base.ids, ids])
        vectors = np.concatenate([self.base.vectors, vectors]) if len(self.base.ids) else vectors
        labels = np.concatenate([self.base.labels, labels])
        keep = ~np.isin(ids, np.fromiter(gone, dtype=np.int64, count=len(gone)))
        return _Snapshot(changes.revision, _Part.of(ids[keep], vectors[keep], labels[keep]), _NOTHING, frozenset())


_NOTHING = _Part.of(
    np.zeros(0, dtype=np.int64), np.zeros((0, 1), dtype=np.float32), np.zeros(0, dtype=object)
)  # fmt: skip


class FaissStore(VectorStore):
    """A LangChain vector store over rows. It is read-only here: rows are written by the knowledge room."""

    def __init__(self, embedding: LangChainEmbeddings, rows: Rows) -> None:
        self._embedding = embedding
        self._rows = rows
        self._pulling = threading.Lock()
        self._snapshot: _Snapshot | None = None

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    @property
    def size(self) -> int:
        """How many vectors are searchable in this process."""
        return self._snapshot.size if self._snapshot else 0

    @property
    def revision(self) -> int | None:
        """The revision this process holds, or None before its first search."""
        return self._snapshot.revision if self._snapshot else None

    def search_passages(
        self, question: str, k: int, labels: frozenset[str] | None = None, newest: int | None = None
    ) -> list[Passage]:
        """The k nearest passages, best first, with their cosine as `scores["dense"]`; `labels` limits collections.

        `newest` is the newest revision where the caller has just read it; otherwise the rows are asked.
        """
        query = self._embedding.query_vector(question)
        return self._rows.passages(self.search_vector(query, k, labels, newest))

    def search_vector(
        self, query: Vectors, k: int, labels: frozenset[str] | None = None, newest: int | None = None
    ) -> list[tuple[int, float]]:
        """The ids of the k nearest chunks with their cosines, best first. `query` has the shape (1, dimension)."""
        return self._current(self._rows.revision() if newest is None else newest).search(query, k, labels)

    def _current(self, newest: int) -> _Snapshot:
        held = self._snapshot
        if held is not None and held.revision >= newest:
            return held
        with self._pulling:
            held = self._snapshot
            if held is None or held.revision < newest:
                changes = self._rows.changes(held.revision if held else None)
                before = _Snapshot(0, _NOTHING, _NOTHING, frozenset()) if changes.complete or not held else held
                self._snapshot = held = before.after(changes)
            return held

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """LangChain's call; `filter` takes the names of collections."""
        labels = kwargs.get("filter")
        found = self.search_passages(query, k, frozenset(labels) if labels is not None else None)
        return [(as_document(passage), passage.scores["dense"]) for passage in found]

    def add_texts(self, texts: Iterable[str], metadatas: Any = None, **kwargs: Any) -> list[str]:
        raise NotImplementedError("rows are written by the knowledge room; this store follows them")

    @classmethod
    def from_texts(cls, texts: list[str], embedding: Embeddings, metadatas: Any = None, **kwargs: Any) -> FaissStore:
        raise NotImplementedError("rows are written by the knowledge room; this store follows them")


def as_document(passage: Passage) -> Document:
    """A passage as LangChain's document."""
    metadata = {
        "document_id": passage.document_id, "title": passage.title, "source": passage.source,
        "version": passage.version, "page": passage.page,
        "char_start": passage.char_start, "char_end": passage.char_end,
    }  # fmt: skip
    return Document(id=str(passage.chunk_id), page_content=passage.text, metadata=metadata)
