"""Rows that change, in memory, and what comparing each of them finds."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from chatbot.rag.types import Passage
from chatbot.rag.vector_store.snapshot import Changes

WIDTH = 8


def unit(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.standard_normal((count, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@dataclass
class Row:
    vector: np.ndarray
    label: str
    added: int
    removed: int | None = None


@dataclass
class MemoryRows:
    """Rows in memory, as the knowledge package's are in SQL: revisions, removals and purges."""

    newest: int = 0
    purged: int = 0
    rows: dict[int, Row] = field(default_factory=dict)
    pulls: list[tuple[int | None, bool]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _last: int = 0

    def add(self, vectors: np.ndarray, label: str = "default") -> list[int]:
        with self.lock:
            self.newest += 1
            ids = list(range(self._last + 1, self._last + 1 + len(vectors)))
            self._last += len(vectors)
            self.rows |= {i: Row(v, label, self.newest) for i, v in zip(ids, vectors, strict=True)}
            return ids

    def remove(self, ids: Sequence[int]) -> int:
        with self.lock:
            self.newest += 1
            for chunk_id in ids:
                self.rows[chunk_id].removed = self.newest
            return self.newest

    def relabel(self, ids: Sequence[int], label: str) -> None:
        """As a document that is moved, or switched off with an empty label: its rows come again."""
        with self.lock:
            self.newest += 1
            for chunk_id in ids:
                self.rows[chunk_id].label, self.rows[chunk_id].added = label, self.newest

    def purge(self) -> None:
        with self.lock:
            self.rows = {i: row for i, row in self.rows.items() if row.removed is None}
            self.purged = self.newest

    def visible(self, labels: frozenset[str] | None = None) -> dict[int, Row]:
        alive = {i: r for i, r in self.rows.items() if r.removed is None and r.label}
        return {i: r for i, r in alive.items() if labels is None or r.label in labels}

    def revision(self) -> int:
        return self.newest

    def changes(self, since: int | None) -> Changes:
        with self.lock:
            complete = since is None or since < self.purged
            after = 0 if since is None or complete else since
            self.pulls.append((since, complete))
            new = {i: r for i, r in self.rows.items() if r.removed is None and r.added > after}
            gone = [] if complete else [i for i, r in self.rows.items() if (r.removed or 0) > after]
            return Changes(
                revision=self.newest,
                ids=np.array(list(new), dtype=np.int64),
                vectors=np.array([r.vector for r in new.values()], dtype=np.float32).reshape(len(new), WIDTH),
                labels=np.array([r.label for r in new.values()], dtype=object),
                removed=np.array(gone, dtype=np.int64),
                complete=complete,
            )

    def passages(self, found: Sequence[tuple[int, float]]) -> list[Passage]:
        alive = [(i, s) for i, s in found if i in self.rows and self.rows[i].removed is None]
        return [
            Passage(n, f"doc-{i}", f"Title {i}", "src", 1, i, None, 0, 4, f"text {i}", {"dense": s})
            for n, (i, s) in enumerate(alive, 1)
        ]


def brute_force(rows: MemoryRows, query: np.ndarray, k: int, labels: frozenset[str] | None) -> list[tuple[int, float]]:
    scored = [(i, float(query[0] @ row.vector)) for i, row in rows.visible(labels).items()]
    return sorted(scored, key=lambda hit: (-hit[1], hit[0]))[:k]


def same(found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> bool:
    ids = [i for i, _ in found] == [i for i, _ in expected]
    return ids and np.allclose([s for _, s in found], [s for _, s in expected], atol=1e-5)


class OneHot:
    """An embedder whose answer can be told beforehand: each digit of a text is an axis."""

    name, max_tokens, threshold = "one-hot", 100, 0.0

    def embed(self, texts: Sequence[str], questions: int = 0) -> np.ndarray:
        return np.array([[1.0 if str(axis) in text else 0.0 for axis in range(WIDTH)] for text in texts], np.float32)

    def count_tokens(self, text: str) -> int:
        return len(text)


@dataclass
class MemoryNotes:
    """The notes of snapshot files beside those rows."""

    rows: MemoryRows
    known: set[str] = field(default_factory=set)

    def tokens(self) -> frozenset[str]:
        return frozenset(self.known)

    def note(self, token: str, revision: int) -> bool:
        if self.rows.purged > revision:
            return False
        self.known.add(token)
        return True

    def forget(self, tokens: frozenset[str]) -> None:
        self.known -= tokens
