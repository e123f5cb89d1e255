"""What a search among vectors sees: an immutable snapshot of the rows.

A large base, a small exact tail of newer vectors, and the ids of the base that were removed since. Changes make a new
snapshot, which takes the place of the old one at once for whoever searches next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from chatbot.rag.embeddings.embedders import Vectors
from chatbot.rag.vector_store import compaction
from chatbot.rag.vector_store.compaction import Merged, new_base
from chatbot.rag.vector_store.segments import MASKS, NOTHING, Allowed, Hits, Ids, Labels, Mask, Part

# So many newer vectors are merged into the base, and of a large base one for so many of its own.
TAIL_LIMIT, TAIL_SHARE = 2_000, 50


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


@dataclass(frozen=True)
class Snapshot:
    """What a search sees: it never changes. `removed` are ids of the base; the tail holds none that is gone."""

    revision: int
    base: Part
    tail: Part
    removed: frozenset[int]
    # The rows that the base was made from were those of this revision.
    base_revision: int = 0
    # Which rows a set of labels allows, for each part; found once, for most searches ask for the same.
    _masks: dict[Any, Allowed | None] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.base) + len(self.tail) - len(self.removed)

    @property
    def kind(self) -> str:
        return self.base.kind

    @property
    def own_bytes(self) -> int:
        return self.base.own_bytes + self.tail.own_bytes

    def ids(self) -> Ids:
        """The ids of everything that can be found."""
        return np.concatenate([self.base.ids[~self.gone], self.tail.ids])

    def search(self, query: Vectors, k: int, labels: frozenset[str] | None, only: Ids | None = None) -> Hits:
        hits: Hits = []
        for name, part in (("base", self.base), ("tail", self.tail)):
            allowed = self._allowed(name, part, labels)
            if only is not None:
                chosen = part.mask(only)
                allowed = Allowed(chosen if allowed is None else allowed.mask & chosen)
            hits += part.search(query, k, allowed)
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:k]

    def known(self, labels: frozenset[str] | None, ids: Sequence[int]) -> tuple[set[int], list[int]]:
        """Those of the ids that may be found with the labels, and those of which nothing is known here."""
        inside, left = set[int](), np.array(ids, dtype=np.int64)
        for name, part in (("tail", self.tail), ("base", self.base)):
            here, places = part.places(left)
            allowed = self._allowed(name, part, labels)
            inside |= set((here if allowed is None else here[allowed.mask[places]]).tolist())
            left = np.setdiff1d(left, here)
        return inside, left.tolist()

    def count(self, labels: frozenset[str] | None) -> int:
        """How many rows may be found with the labels."""
        found = [(self._allowed(name, part, labels), part) for name, part in (("tail", self.tail), ("base", self.base))]
        return sum(len(part) if allowed is None else allowed.count for allowed, part in found)

    def vectors(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """The vectors of ids, without those that are gone."""
        wanted = np.array([i for i in ids if i not in self.removed], dtype=np.int64)
        found: dict[int, Vectors] = {}
        for part in (self.base, self.tail):
            here, places = part.places(wanted)
            found |= dict(zip(here.tolist(), part.vectors[places] if len(here) else (), strict=True))
        return found

    def _allowed(self, name: str, part: Part, labels: frozenset[str] | None) -> Allowed | None:
        """The allowed rows, or None for all."""
        key = (name, labels)
        if key in self._masks:
            return self._masks[key]
        mask = part.labelled(labels)
        found = Allowed(mask & ~self.gone if part is self.base and self.removed else mask)
        allowed = None if found.count == len(part) else found
        if len(self._masks) < MASKS:
            self._masks[key] = allowed
        return allowed

    @cached_property
    def gone(self) -> Mask:
        """Which rows of the base were removed."""
        return self.base.mask(np.fromiter(self.removed, dtype=np.int64, count=len(self.removed)))

    def after(self, changes: Changes) -> Snapshot:
        """The snapshot with the changes. In a small one a tail that has grown large is merged into a new base; to
        make a large base takes time, and is not done here.

        An id that comes again, with another label, takes the place of the one that was there.
        """
        if not len(self.base) + len(self.tail) and len(changes.ids) > TAIL_LIMIT:
            base = Part.of(changes.ids, changes.vectors, changes.labels)
            return Snapshot(changes.revision, base, NOTHING, frozenset(), changes.revision)
        again = np.union1d(changes.removed, changes.ids)
        new = Part.of(changes.ids, changes.vectors, changes.labels)
        tail = new_tail(self.tail, np.isin(self.tail.ids, again), new)
        removed = self.removed | set(self.base.places(again)[0].tolist())
        found = replace(self, revision=changes.revision, tail=tail, removed=removed, _masks={})
        if len(tail) + len(removed) > TAIL_LIMIT and not found.is_large:
            return Snapshot(changes.revision, found.merged().in_memory(), NOTHING, frozenset(), changes.revision)
        return found

    @property
    def is_large(self) -> bool:
        return self.base.lists is not None or self.size > compaction.APPROXIMATE_ABOVE

    @property
    def is_due(self) -> bool:
        """Whether it is time for a new base."""
        if self.base.lists is None:
            return self.is_large
        return len(self.tail) + len(self.removed) > TAIL_LIMIT + len(self.base) // TAIL_SHARE

    def merged(self) -> compaction.Base:
        """A new base of all there is."""
        return new_base(Merged.of((self.base, self.gone), (self.tail, None)))


def new_tail(before: Part, gone: Mask, new: Part) -> Part:
    """The rows of a tail that stay, and new ones."""
    if not len(before) or gone.all():
        return new
    merged = Merged.of((before, gone), (new, None))
    return Part(merged.ids, merged.codes, merged.names, merged.rows(np.arange(len(merged.ids))))


EMPTY = Snapshot(0, NOTHING, NOTHING, frozenset())
