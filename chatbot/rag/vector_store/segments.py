"""Vectors that are searched together and never change: in a process's memory, or in a file that all processes map.

A part is either compared row by row, which is exact, or kept in lists of rows that lie near each other, of which a
search looks at the nearest (IVF). Its rows are one matrix in the order of the lists, so that FAISS computes on it
where it lies, whoever owns the memory; the scores are inner products of the vectors as the rows of SQL have them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import faiss
import numpy as np

from chatbot.rag.embeddings.embedders import Vectors
from chatbot.system.threadpool import run_in_thread

# A search runs in one thread: more were slower on busy cores, and forking after OpenMP has run deadlocks.
faiss.omp_set_num_threads(1)

# A search of so many numbers takes a millisecond or so, and goes to a native thread; a smaller one is quicker here.
MANY_NUMBERS = 2_000_000
# So many lists are looked at, the nearest.
PROBES = 64
# Where a filter leaves little in those, up to so many times as many.
FARTHER = 4
# Where a filter leaves so few rows, each of them is compared.
COMPARE_ALL = 20_000
# A filter that leaves less than this share of the rows has their places written down.
FEW = 0.25
# Filters whose places a part remembers.
MASKS = 64

Ids = np.ndarray[tuple[int], np.dtype[np.int64]]
Codes = np.ndarray[tuple[int], np.dtype[np.int32]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
Labels = np.ndarray[tuple[int], np.dtype[np.object_]]
Hits = list[tuple[int, float]]


@dataclass(frozen=True, eq=False)
class Lists:
    """Where each list begins, and in its last place where the last one ends; and what lies in the middle of each."""

    centres: Vectors
    starts: Ids
    # How many rows there were when the centres were chosen.
    trained_on: int


class Allowed:
    """Which rows of a part may be found."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask
        self.count = int(np.count_nonzero(mask))
        self.few = self.count <= max(FEW * len(mask), 1)

    @cached_property
    def places(self) -> Codes:
        """The places of those rows."""
        return np.flatnonzero(self.mask).astype(np.int32)

    @cached_property
    def bits(self) -> Any:
        """The mask as FAISS takes it, a bit a row."""
        return np.packbits(self.mask, bitorder="little")

    def starts(self, lists: Lists) -> Ids:
        """Where each list begins among those places."""
        if not hasattr(self, "_starts"):
            self._starts = np.searchsorted(self.places, lists.starts)
        return self._starts


@dataclass(frozen=True, eq=False)
class Part:
    """Vectors with their ids and labels. Labels are kept as numbers: places in `names`."""

    ids: Ids
    codes: Codes
    names: Labels
    vectors: Vectors
    lists: Lists | None = None
    # The places in the order of their ids, where that is known already.
    sorted: Ids | None = None
    # The file whose pages these are, for all processes that map it.
    file: str | None = None

    @classmethod
    def of(cls, ids: Ids, vectors: Vectors, labels: Labels) -> Part:
        names, codes = coded(labels)
        return cls(ids, codes, names, np.ascontiguousarray(vectors, dtype=np.float32))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def kind(self) -> str:
        return "ivf" if self.lists is not None else "flat"

    @property
    def own_bytes(self) -> int:
        """What its vectors take of the process's own memory."""
        return 0 if self.file else int(self.vectors.nbytes)

    @property
    def labels(self) -> Labels:
        return self.names[self.codes]

    @cached_property
    def _order(self) -> Ids:
        return np.argsort(self.ids) if self.sorted is None else self.sorted

    def places(self, ids: Ids) -> tuple[Ids, Ids]:
        """Which of the ids are here, and where."""
        if not len(self.ids):
            return ids[:0], ids[:0]
        near = np.searchsorted(self.ids, ids, sorter=self._order)
        places = self._order[np.minimum(near, len(self.ids) - 1)]
        here = self.ids[places] == ids
        return ids[here], places[here]

    def mask(self, ids: Ids) -> Mask:
        """True where one of the ids is."""
        found = np.zeros(len(self.ids), dtype=bool)
        found[self.places(ids)[1]] = True
        return found

    def labelled(self, labels: frozenset[str] | None) -> Mask:
        """Which places carry one of the labels, or any at all for None; what has no label is not to be found."""
        if not len(self.ids):
            return np.zeros(0, dtype=bool)
        named = self.names != "" if labels is None else np.isin(self.names.astype(str), list(labels - {""}))
        return np.asarray(named, dtype=bool)[self.codes]

    def search(self, query: Vectors, k: int, allowed: Allowed | None) -> Hits:
        """The k nearest of the allowed rows. A filter works inside the search, before the top k."""
        wanted = min(k, len(self.ids) if allowed is None else allowed.count)
        if not wanted or query.shape[1] != self.vectors.shape[1]:
            return []
        run = run_in_thread if self._rows_compared(allowed) * query.shape[1] > MANY_NUMBERS else _here
        scores, places = run(self._nearest, query, wanted, allowed)
        return [(int(self.ids[p]), float(s)) for p, s in zip(places, scores, strict=True) if p >= 0]

    def _rows_compared(self, allowed: Allowed | None) -> int:
        count = len(self.ids) if allowed is None else allowed.count
        if self.lists is None or (allowed is not None and count <= COMPARE_ALL):
            return count
        lists = len(self.lists.centres)
        return lists + PROBES * len(self.ids) // lists

    def _nearest(self, query: Vectors, k: int, allowed: Allowed | None) -> tuple[Any, Any]:
        # Each thread has a number of its own, which begins as that of the cores.
        faiss.omp_set_num_threads(1)
        if allowed is not None and allowed.few and allowed.count <= COMPARE_ALL:
            return nearest_among(query, self.vectors, allowed.places, k)
        if self.lists is not None:
            places = self._candidates(self.lists, query, allowed)
            if len(places) >= k:
                return nearest_among(query, self.vectors, places, k)
        scores, places = nearest(query, self.vectors, k, allowed)
        return scores[0], places[0]

    def _candidates(self, lists: Lists, query: Vectors, allowed: Allowed | None) -> Ids | Codes:
        """The places of the allowed rows of the nearest lists."""
        few = allowed is not None and allowed.few
        starts = allowed.starts(lists) if allowed is not None and few else lists.starts
        count = len(lists.centres)
        near = nearest(query, lists.centres, min(count, PROBES * (FARTHER if few else 1)))[1][0]
        lengths = starts[near + 1] - starts[near]
        if few:
            enough = int(np.searchsorted(np.cumsum(lengths), PROBES * len(self.ids) // count)) + 1
            near, lengths = near[: max(PROBES, enough)], lengths[: max(PROBES, enough)]
        places = _ranges(starts[near], lengths)
        if allowed is None:
            return places
        return allowed.places[places] if few else places[allowed.mask[places]]


def nearest(queries: Vectors, vectors: Vectors, k: int, allowed: Allowed | None = None) -> tuple[Any, Any]:
    """The scores and places of the k nearest rows to each query, each row compared."""
    scores, places = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    bits = allowed.bits if allowed is not None else None
    selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits)) if bits is not None else None
    faiss.knn_inner_product(
        faiss.swig_ptr(queries),
        faiss.swig_ptr(vectors),
        queries.shape[1],
        len(queries),
        len(vectors),
        k,
        faiss.swig_ptr(scores),
        faiss.swig_ptr(places),
        selector,
    )
    return scores, places


def nearest_among(query: Vectors, vectors: Vectors, places: Any, k: int) -> tuple[Any, Any]:
    """The scores and places of the k nearest of the rows at some places."""
    among = np.ascontiguousarray(places, dtype=np.int64)
    scores, found = np.empty(k, np.float32), np.empty(k, np.int64)
    faiss.knn_inner_products_by_idx(  # type: ignore[attr-defined]
        faiss.swig_ptr(query),
        faiss.swig_ptr(vectors),
        faiss.swig_ptr(among),
        query.shape[1],
        1,
        len(vectors),
        len(among),
        k,
        faiss.swig_ptr(scores),
        faiss.swig_ptr(found),
        0,
    )
    return scores, found


def coded(labels: Iterable[str]) -> tuple[Labels, Codes]:
    """The different labels, and for each label its place among those."""
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(str(label), len(numbers)) for label in labels], dtype=np.int32)
    return named(numbers), codes


def named(labels: Iterable[str]) -> Labels:
    """Labels as an array."""
    return np.array(list(labels), dtype=object)


def _ranges(starts: Ids, lengths: Ids) -> Ids:
    """The numbers of ranges, one range after another."""
    ends = np.cumsum(lengths)
    places: Ids = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
    return places


def _here(search: Callable[..., Any], *args: Any) -> Any:
    return search(*args)


NOTHING = Part.of(np.zeros(0, dtype=np.int64), np.zeros((0, 1), dtype=np.float32), np.zeros(0, dtype=object))
