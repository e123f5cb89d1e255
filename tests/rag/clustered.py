"""Vectors in clusters, as texts give them, and parts of them."""

from __future__ import annotations

import numpy as np

from chatbot.rag.vector_store.compaction import Merged, new_base
from chatbot.rag.vector_store.segments import Part

COUNT, WIDTH = 3_000, 16


def clustered(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(25, WIDTH))
    rows = centres[rng.integers(0, 25, count)] + 0.4 * rng.normal(size=(count, WIDTH))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def flat(count: int = COUNT, seed: int = 0, first: int = 1) -> Part:
    ids = np.arange(first, first + count) * 3
    labels = np.array([f"l{number % 50}" for number in range(count)], dtype=object)
    return Part.of(ids, clustered(count, seed), labels)


def listed(*some: Part) -> Part:
    return new_base(Merged.of(*((part, None) for part in some))).in_memory()
