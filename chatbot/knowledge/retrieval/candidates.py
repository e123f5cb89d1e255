"""Passages that may answer a question, with their scores, before the best of them are taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from chatbot.rag.embeddings.embedders import Vectors
from chatbot.rag.ranking import diversify
from chatbot.rag.types import Passage


@dataclass(frozen=True)
class Candidates:
    """Passages in the order of their fused scores, and their vectors by chunk id; how much of what the question's
    words could say one of them has (`reached`) and the base has (`met`), and how many chunks could be found."""

    passages: list[Passage]
    vectors: Mapping[int, Vectors]
    curated: frozenset[int] = frozenset()
    reached: float = 0.0
    met: float = 0.0
    chunks: int = 0

    def best(self, k: int, variety: float = 0.0) -> list[Passage]:
        """The best `k`; with `variety` those that say most together."""
        return diversify(self.passages, self.vectors, k, variety)

    def joined(self, other: Candidates, weight: float) -> Candidates:
        """These and others, in the order of their fused scores together; those of `other` weigh `weight` of 1. The
        better evidence counts."""
        both: dict[int, Passage] = {}
        for some, share in ((self.passages, 1 - weight), (other.passages, weight)):
            for passage in some:
                both[passage.chunk_id] = _added(both.get(passage.chunk_id), passage, share)
        ordered = sorted(both.values(), key=lambda p: (-(p.scores["fused"] or 0.0), p.chunk_id))
        reached, met = max(self.reached, other.reached), max(self.met, other.met)
        vectors, curated = {**self.vectors, **other.vectors}, self.curated | other.curated
        return Candidates(ordered, vectors, curated, reached, met, max(self.chunks, other.chunks))

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
