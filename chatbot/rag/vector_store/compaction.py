"""Making a new base of parts: what is gone is left out, and with many rows they are put into lists (IVF).

The centres of the lists are found in a sample of the rows. They are kept while the rows grow, and found anew when
there are twice as many. All of it is done piece by piece in native threads: searches go on meanwhile, a process that
ends does not wait, and nothing here begins a thread of OpenMP.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import faiss
import numpy as np

from chatbot.rag.embeddings.embedders import Vectors
from chatbot.rag.vector_store.segments import Codes, Ids, Labels, Lists, Mask, Part, named, nearest
from chatbot.system.threadpool import run_in_thread

# Up to so many vectors each is compared; with more there are lists.
APPROXIMATE_ABOVE = 50_000
# So many lists for the root of the number of rows; a sample of so many rows a list; so many rounds to find them.
LISTS, SAMPLE, ROUNDS = 4, 32, 6
# With so many times the rows that the lists were made for, they are made anew.
OUTGROWN = 2
# Rows that are worked on in one piece.
PIECE = 8_192


class Ended(Exception):
    """The process comes to its end; nothing was changed."""


@dataclass(frozen=True, eq=False)
class Merged:
    """The rows of parts that stay, one after another."""

    parts: tuple[Part, ...]
    places: tuple[Ids, ...]

    @classmethod
    def of(cls, *parts: tuple[Part, Mask | None]) -> Merged:
        """Parts, each with what is gone of it; None is nothing."""
        there = [(part, gone) for part, gone in parts if len(part)]
        stays = (np.arange(len(part)) if gone is None else np.flatnonzero(~gone) for part, gone in there)
        return cls(tuple(part for part, _ in there), tuple(stays))

    @cached_property
    def ids(self) -> Ids:
        joined: Ids = self._joined([part.ids for part in self.parts], np.int64)
        return joined

    @cached_property
    def names(self) -> Labels:
        return named(sorted({name for part in self.parts for name in part.names}))

    @cached_property
    def codes(self) -> Codes:
        numbers = {name: number for number, name in enumerate(self.names)}
        own = [np.array([numbers[name] for name in part.names], dtype=np.int32)[part.codes] for part in self.parts]
        joined: Codes = self._joined(own, np.int32)
        return joined

    def _joined(self, arrays: list[Any], dtype: Any) -> Any:
        some = [array[places] for array, places in zip(arrays, self.places, strict=True)]
        return np.concatenate(some) if some else np.zeros(0, dtype=dtype)

    @property
    def dimension(self) -> int:
        return self.parts[0].vectors.shape[1] if self.parts else 1

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(len(places) for places in self.places))

    def rows(self, at: Ids) -> Vectors:
        """The vectors of some of the rows."""
        found = np.empty((len(at), self.dimension), dtype=np.float32)
        begin = 0
        for part, places, end in zip(self.parts, self.places, self._ends, strict=True):
            mine = (at >= begin) & (at < end)
            found[mine] = part.vectors[places[at[mine] - begin]]
            begin = end
        return found


@dataclass(frozen=True, eq=False)
class Base:
    """What a new base consists of: its rows in their order, and their lists."""

    merged: Merged
    order: Ids
    lists: Lists | None

    @property
    def ids(self) -> Ids:
        return self.merged.ids[self.order]

    @property
    def codes(self) -> Codes:
        return self.merged.codes[self.order]

    def pieces(self) -> Iterator[Vectors]:
        """The vectors, some at a time."""
        for at in _pieces(self.order):
            yield step(self.merged.rows, at)

    def in_memory(self) -> Part:
        """The base in the process's own memory."""
        vectors = np.empty((len(self.order), self.merged.dimension), dtype=np.float32)
        begin = 0
        for piece in self.pieces():
            vectors[begin : begin + len(piece)] = piece
            begin += len(piece)
        return Part(self.ids, self.codes, self.merged.names, vectors, self.lists)


def new_base(merged: Merged) -> Base:
    """A base of those rows, with lists where there are many.

    Raises:
        Ended: the process comes to its end.
    """
    count = len(merged.ids)
    if count <= APPROXIMATE_ABOVE:
        return Base(merged, np.arange(count), None)
    known = next((part.lists for part in merged.parts if part.lists is not None), None)
    if known is not None and count < OUTGROWN * known.trained_on:
        centres, trained_on = known.centres, known.trained_on
    else:
        centres, trained_on = _centres(merged, count), count
    belongs = _assigned(merged, centres, known if centres is (known and known.centres) else None)
    order = step(np.argsort, belongs, -1, "stable")
    starts = np.searchsorted(belongs[order], np.arange(len(centres) + 1))
    return Base(merged, order, Lists(centres, starts, trained_on))


def _centres(merged: Merged, count: int) -> Vectors:
    """What lies in the middle of each list: directions, found in a sample by moving each to the mean of what is
    nearest to it (k-means)."""
    lists = max(1, int(LISTS * count**0.5))
    rng = np.random.default_rng(1)
    places = np.sort(rng.permutation(count)[: SAMPLE * lists])
    sample = np.concatenate([step(merged.rows, at) for at in _pieces(places)])
    centres = sample[rng.permutation(len(sample))[:lists]]
    for _ in range(ROUNDS):
        belongs = np.concatenate([step(_nearest, centres, piece) for piece in _pieces(sample)])
        centres = step(_moved, centres, sample, belongs)
    return centres


def _moved(centres: Vectors, sample: Vectors, belongs: Codes) -> Vectors:
    order = np.argsort(belongs, kind="stable")
    lists, starts = np.unique(belongs[order], return_index=True)
    moved = centres.copy()
    moved[lists] = np.add.reduceat(sample[order], starts, axis=0)
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.ascontiguousarray(moved / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _assigned(merged: Merged, centres: Vectors, known: Lists | None) -> Codes:
    """The list of each row. Those that are in these lists already stay where they are."""
    belongs, begin = [], 0
    for part, places in zip(merged.parts, merged.places, strict=True):
        if known is not None and part.lists is known:
            lists = np.repeat(np.arange(len(centres), dtype=np.int32), np.diff(known.starts))
            belongs.append(lists[places])
        else:
            at = np.arange(begin, begin + len(places))
            belongs += [step(_nearest, centres, step(merged.rows, piece)) for piece in _pieces(at)]
        begin += len(places)
    return np.concatenate(belongs)


def _nearest(centres: Vectors, rows: Vectors) -> Codes:
    faiss.omp_set_num_threads(1)
    return nearest(rows, centres, 1)[1][:, 0].astype(np.int32)  # type: ignore[no-any-return]


def _pieces(rows: Any) -> Iterator[Any]:
    for begin in range(0, len(rows), PIECE):
        yield rows[begin : begin + PIECE]


def step(work: Callable[..., Any], *args: Any) -> Any:
    """A piece of the work.

    Raises:
        Ended: the process comes to its end.
    """
    if not threading.main_thread().is_alive():
        raise Ended
    return run_in_thread(work, *args)
