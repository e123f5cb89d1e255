"""The vector stores: caches of rows that SQL owns. This one is FAISS; pgvector's is chatbot/knowledge/vectors.py.

A store follows its rows by revision. Before a search one cheap read tells whether rows changed; only those that did
are pulled. What it holds is an immutable snapshot that is swapped by reference, because FAISS searches and mutations
must not meet in two threads (they end in a segmentation fault): a large flat base, a small exact tail of newer
vectors, and the ids that were removed since. Nothing is ever pickled; a process that starts empty reads the rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import faiss
import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from chatbot.native import in_native_thread
from chatbot.rag.embedders import LangChainEmbeddings, Vectors
from chatbot.rag.types import Passage

# A search runs in one thread: more were slower on busy cores, and forking after OpenMP has run deadlocks.
faiss.omp_set_num_threads(1)

TAIL_LIMIT = 2_000
# A search of so many numbers takes a millisecond or so, and goes to a native thread; a smaller one is quicker here.
MANY_NUMBERS = 2_000_000
# Sets of labels whose positions a snapshot remembers.
MASKS = 64

Ids = np.ndarray[tuple[int], np.dtype[np.int64]]
Labels = np.ndarray[tuple[int], np.dtype[np.object_]]


@dataclass(frozen=True)
class Changes:
    """Rows that changed: those that became visible and those that were removed, up to a revision.

    A label says where a row may be found; one with an empty label is not found at all.

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
    """Some vectors with their ids and labels, searchable. Labels are kept as numbers: places in `names`."""

    ids: Ids
    codes: Ids
    names: Labels
    index: Any

    @classmethod
    def of(cls, ids: Ids, vectors: Vectors, labels: Labels) -> _Part:
        index = faiss.IndexFlatIP(vectors.shape[1] if len(ids) else 1)
        if len(ids):
            index.add(vectors)
        names, codes = np.unique(labels.astype(str), return_inverse=True)
        return cls(ids, codes, names, index)

    @property
    def vectors(self) -> Vectors:
        """The vectors where the index keeps them, not copied."""
        flat = faiss.rev_swig_ptr(self.index.get_xb(), len(self.ids) * self.index.d)
        return flat.reshape(len(self.ids), self.index.d)

    @property
    def labels(self) -> Labels:
        return self.names[self.codes]

    @cached_property
    def _order(self) -> Ids:
        return np.argsort(self.ids)

    def places(self, ids: Ids) -> tuple[Ids, Ids]:
        """Which of the ids are here, and where."""
        if not len(self.ids):
            return ids[:0], ids[:0]
        near = np.searchsorted(self.ids, ids, sorter=self._order)
        places = self._order[np.minimum(near, len(self.ids) - 1)]
        here = self.ids[places] == ids
        return ids[here], places[here]

    def labelled(self, labels: frozenset[str] | None) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which positions carry one of the labels, or any at all for None; what has no label is not to be found."""
        if not len(self.ids):
            return np.zeros(0, dtype=bool)
        named = self.names != "" if labels is None else np.isin(self.names, list(labels - {""}))
        return named[self.codes]

    def search(self, query: Vectors, k: int, allowed: np.ndarray[Any, Any] | None) -> list[tuple[int, float]]:
        """The k nearest of the allowed positions. The selector works inside the search, before the top k."""
        if not len(self.ids) or query.shape[1] != self.index.d:
            return []
        params = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            params = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        many = len(self.ids) * self.index.d > MANY_NUMBERS
        run = in_native_thread if many else _here
        scores, places = run(_search, self.index, query, min(k, len(self.ids)), params)
        return [(int(self.ids[p]), float(s)) for p, s in zip(places[0], scores[0], strict=True) if p >= 0]


def _search(index: Any, query: Vectors, k: int, params: Any) -> Any:
    # Each thread has a number of its own, which begins as that of the cores.
    faiss.omp_set_num_threads(1)
    return index.search(query, k, params=params)


def _here(search: Callable[..., Any], *args: Any) -> Any:
    return search(*args)


@dataclass(frozen=True)
class Snapshot:
    """What a search sees: it never changes. `removed` are ids of the base; the tail holds none that is gone."""

    revision: int
    base: _Part
    tail: _Part
    removed: frozenset[int]
    # Which positions a set of labels allows, for each part; found once, for most searches ask for the same.
    _masks: dict[Any, np.ndarray[Any, Any] | None] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.base.ids) + len(self.tail.ids) - len(self.removed)

    def ids(self) -> Ids:
        """The ids of everything that can be found."""
        return np.concatenate([self.base.ids[~self._gone()], self.tail.ids])

    def search(
        self, query: Vectors, k: int, labels: frozenset[str] | None, only: Ids | None = None
    ) -> list[tuple[int, float]]:
        hits = []
        for name, part in (("base", self.base), ("tail", self.tail)):
            allowed = self._allowed(name, part, labels)
            if only is not None:
                chosen = np.isin(part.ids, only)
                allowed = chosen if allowed is None else allowed & chosen
            hits += part.search(query, k, allowed)
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:k]

    def vectors(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """The vectors of ids, without those that are gone."""
        wanted = np.array([i for i in ids if i not in self.removed], dtype=np.int64)
        found: dict[int, Vectors] = {}
        for part in (self.base, self.tail):
            here, places = part.places(wanted)
            found |= dict(zip(here.tolist(), part.vectors[places] if len(here) else (), strict=True))
        return found

    def _allowed(self, name: str, part: _Part, labels: frozenset[str] | None) -> np.ndarray[Any, Any] | None:
        """The allowed positions, or None for all."""
        key = (name, labels)
        if key not in self._masks:
            if len(self._masks) >= MASKS:
                self._masks.clear()
            allowed = part.labelled(labels)
            if part is self.base and self.removed:
                allowed = allowed & ~self._gone()
            self._masks[key] = None if allowed.all() else allowed
        return self._masks[key]

    def _gone(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.isin(self.base.ids, np.fromiter(self.removed, dtype=np.int64, count=len(self.removed)))

    def after(self, changes: Changes) -> Snapshot:
        """The snapshot with the changes. A tail that has grown large is merged into a new base.

        An id that comes again, with another label, takes the place of the one that was there.
        """
        gone = np.union1d(changes.removed, changes.ids)
        stays = ~np.isin(self.tail.ids, gone)
        ids = np.concatenate([self.tail.ids[stays], changes.ids])
        labels = np.concatenate([self.tail.labels[stays], changes.labels])
        vectors = np.concatenate([_kept(self.tail, stays, changes.vectors), changes.vectors])
        removed = self.removed | set(gone[np.isin(gone, self.base.ids)].tolist())
        if len(ids) + len(removed) <= TAIL_LIMIT:
            return Snapshot(changes.revision, self.base, _Part.of(ids, vectors, labels), removed)
        stays = ~np.isin(self.base.ids, np.fromiter(removed, dtype=np.int64, count=len(removed)))
        base = _Part.of(
            np.concatenate([self.base.ids[stays], ids]),
            np.concatenate([_kept(self.base, stays, vectors), vectors]),
            np.concatenate([self.base.labels[stays], labels]),
        )
        return Snapshot(changes.revision, base, _NOTHING, frozenset())


def _kept(part: _Part, stays: np.ndarray[Any, Any], like: Vectors) -> Vectors:
    """The vectors of a part that stay; an empty part has none of any dimension."""
    return part.vectors[stays] if len(part.ids) else like[:0]


_NOTHING = _Part.of(
    np.zeros(0, dtype=np.int64), np.zeros((0, 1), dtype=np.float32), np.zeros(0, dtype=object)
)  # fmt: skip


class Held(Protocol):
    """What can be searched at one moment."""

    @property
    def revision(self) -> int: ...

    @property
    def size(self) -> int:
        """How many vectors there are."""
        ...

    def ids(self) -> Ids:
        """The ids of everything that can be found."""
        ...

    def search(
        self, query: Vectors, k: int, labels: frozenset[str] | None, only: Ids | None = None
    ) -> list[tuple[int, float]]:
        """The ids of the nearest with their cosines, best first; `labels` and `only` (chunk ids) limit what is
        searched, not what is found."""
        ...

    def vectors(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """The vectors of ids, without those that are gone."""
        ...


class RowStore(VectorStore):
    """A LangChain vector store over rows. It is read-only here: rows are written by the knowledge room."""

    def __init__(self, embedding: LangChainEmbeddings, rows: Rows) -> None:
        self._embedding = embedding
        self._rows = rows

    def current(self, newest: int | None = None) -> Held:
        """What can be searched now: every row up to the revision `newest`, or up to the newest there is."""
        raise NotImplementedError

    def held(self) -> Held | None:
        """What was searched last; None before the first search of this process."""
        raise NotImplementedError

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    @property
    def size(self) -> int:
        """How many vectors are searchable."""
        held = self.held()
        return held.size if held else 0

    @property
    def revision(self) -> int | None:
        """The revision that is searched, or None before the first search."""
        held = self.held()
        return held.revision if held else None

    def search_passages(
        self, question: str, k: int, labels: frozenset[str] | None = None, newest: int | None = None
    ) -> list[Passage]:
        """The k nearest passages, best first, with their cosine as `scores["dense"]`; `labels` limits collections.

        `newest` is the newest revision where the caller has just read it; otherwise the rows are asked.
        """
        return self._rows.passages(self.search_vector(self.query_vector(question), k, labels, newest))

    def search_vector(
        self, query: Vectors, k: int, labels: frozenset[str] | None = None, newest: int | None = None
    ) -> list[tuple[int, float]]:
        """The ids of the k nearest chunks with their cosines, best first. `query` has the shape (1, dimension)."""
        return self.current(newest).search(query, k, labels)

    def query_vector(self, question: str) -> Vectors:
        """The question's vector, of shape (1, dimension)."""
        return self._embedding.query_vector(question)

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """LangChain's call; `filter` takes the names of collections."""
        labels = kwargs.get("filter")
        found = self.search_passages(query, k, frozenset(labels) if labels is not None else None)
        return [(as_document(passage), passage.scores["dense"] or 0.0) for passage in found]

    def add_texts(self, texts: Iterable[str], metadatas: Any = None, **kwargs: Any) -> list[str]:
        raise NotImplementedError("rows are written by the knowledge room; this store follows them")

    @classmethod
    def from_texts(cls, texts: list[str], embedding: Embeddings, metadatas: Any = None, **kwargs: Any) -> RowStore:
        raise NotImplementedError("rows are written by the knowledge room; this store follows them")


class FaissStore(RowStore):
    """Vectors in the memory of the process."""

    def __init__(self, embedding: LangChainEmbeddings, rows: Rows) -> None:
        super().__init__(embedding, rows)
        self._pulling = threading.Lock()
        self._snapshot: Snapshot | None = None

    def held(self) -> Snapshot | None:
        return self._snapshot

    def current(self, newest: int | None = None) -> Snapshot:
        newest = self._rows.revision() if newest is None else newest
        held = self._snapshot
        if held is not None and held.revision >= newest:
            return held
        with self._pulling:
            held = self._snapshot
            if held is None or held.revision < newest:
                changes = self._rows.changes(held.revision if held else None)
                before = Snapshot(0, _NOTHING, _NOTHING, frozenset()) if changes.complete or not held else held
                self._snapshot = held = before.after(changes)
            return held


def as_document(passage: Passage) -> Document:
    """A passage as LangChain's document."""
    metadata = {
        "document_id": passage.document_id, "title": passage.title, "source": passage.source,
        "version": passage.version, "page": passage.page,
        "char_start": passage.char_start, "char_end": passage.char_end,
    }  # fmt: skip
    return Document(id=str(passage.chunk_id), page_content=passage.text, metadata=metadata)
