"""Ordering what two searches have found, and judging whether it can carry an answer.

The vectors find what is said in other words but are easily drawn to a neighbouring subject; the keyword index finds
the very words and nothing else. The vectors' best scores are stretched over 0 to 1; of the words it counts what they
say (term_weights.py), beside the most that one passage has. How much the words weigh are the odds that they are right,
which what they reached of what they could reach tells: to be far ahead with "how do my" is not to be right
(docs/adr/0011).

Such a score says which passage is best, not whether any is good. That is a score of its own, `evidence`: the cosine,
and the part of the question's words that a passage has, for unrelated questions share no words with the documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from chatbot.rag.embeddings.embedders import Vectors
from chatbot.rag.types import Candidate, Passage

Hits = Sequence[tuple[int, float]]

# How deep each leg is looked into, and how many of the best are then read and judged.
DEPTH = 100
CANDIDATES = 50
# Words that reached all they could weigh some seven times what is left to them: 1 / (CERTAIN - 1).
CERTAIN = 1.15
# How much less sure the words are of which a part stands nowhere in the base.
UNMET = 0.25
WORDS_WEIGHT = 0.2


def fuse(dense: Hits, shares: Mapping[int, float], dense_weight: float, met: float = 1.0) -> list[tuple[int, float]]:
    """The ids of both legs with their fused scores, 0 to 1, best first.

    `shares` are what the words of passages reached of what they could, 0 to 1, and `met` is the part of the question's
    words that stands anywhere in the base: of what is asked in other words, words tell less. `dense_weight` is what the
    cosine weighs, and the rest is that of words which reached somewhat more than half. A leg that found nothing leaves
    it all to the other.
    """
    near, most = min_max_normalize(dense), max(shares.values(), default=0.0)
    by_near = dense_weight if near else 0.0
    sure = most * met**UNMET
    by_words = (1 - dense_weight) * sure / (CERTAIN - sure)
    whole = (by_near + by_words) or 1.0
    fused = {chunk_id: by_near / whole * score for chunk_id, score in near}
    for chunk_id, share in shares.items():
        fused[chunk_id] = fused.get(chunk_id, 0.0) + by_words / whole * (share / most if most else 1.0)
    return sorted(fused.items(), key=lambda hit: (-hit[1], hit[0]))


def min_max_normalize(hits: Hits) -> list[tuple[int, float]]:
    """The scores of a leg between 0, for what is not among its best, and 1 for the best."""
    if not hits:
        return []
    # Where a leg found less than was asked for, what it did not find is its floor.
    floor = hits[-1][1] if len(hits) >= DEPTH else min(0.0, hits[-1][1])
    span = hits[0][1] - floor
    return [(chunk_id, (score - floor) / span if span else 1.0) for chunk_id, score in hits]


def relevance(wanted: set[str], text: str, dense: float | None) -> float:
    """How well a text, with its title and source, can carry an answer to a question with the content words `wanted`."""
    # Stems are looked for in the folded text: cutting fifty passages into words for each question would take longer
    # than the search itself.
    folded = text.casefold()
    part = sum(word in folded for word in wanted) / len(wanted) if wanted else 0.0
    return round(((dense or 0.0) + WORDS_WEIGHT * part) / (1 + WORDS_WEIGHT), 4)


def diversify(passages: Sequence[Passage], vectors: Mapping[int, Vectors], k: int, variety: float) -> list[Passage]:
    """The `k` passages that say most together (maximal marginal relevance), best first and ranked from 1.

    `variety` 0 takes the best as they are; towards 1 what a chosen passage says already counts less and less.
    """
    chosen: list[int] = []
    worth = np.array([(1 - variety) * (passage.scores["fused"] or 0.0) for passage in passages])
    all_vectors = _stacked(passages, vectors) if variety else None
    # The cosine of each to the nearest of the chosen; of one without a vector it is not known.
    nearest = np.full(len(passages), -np.inf)
    while len(chosen) < min(k, len(passages)):
        near = np.where(np.isfinite(nearest), nearest, 0.0)
        left = worth - variety * near
        left[chosen] = -np.inf
        chosen.append(int(np.argmax(left)))
        if all_vectors is not None:
            nearest = np.fmax(nearest, all_vectors @ all_vectors[chosen[-1]])
    return [replace(passages[place], rank=rank) for rank, place in enumerate(chosen, 1)]


def _stacked(passages: Sequence[Passage], vectors: Mapping[int, Vectors]) -> Vectors | None:
    """The passages' vectors as rows, not-a-number for those without; None where none has one."""
    known = next((vectors[p.chunk_id] for p in passages if p.chunk_id in vectors), None)
    if known is None:
        return None
    nothing = np.full(len(known), np.nan, dtype=np.float32)
    return np.stack([vectors.get(passage.chunk_id, nothing) for passage in passages])


def explained(
    candidates: Sequence[Passage], fit: Sequence[Passage], chosen: Sequence[Passage], refusal: str
) -> tuple[Candidate, ...]:
    """Everything that was looked at, in its order, with why it was kept or dropped.

    `fit` are those of them with enough evidence and `chosen` those of these that were taken; `refusal` is the reason
    of those that are not fit.
    """
    best = {passage.chunk_id for passage in fit[: len(chosen)]}
    fitting, taken = ({passage.chunk_id for passage in some} for some in (fit, chosen))

    def reason(passage: Passage) -> str:
        if passage.chunk_id in taken:
            return "curated" if "curated" in passage.scores else "best" if passage.chunk_id in best else "variety"
        if passage.chunk_id not in fitting:
            return refusal
        return "similar" if passage.chunk_id in best else "rank"

    return tuple(Candidate(p.document_id, p.version, p.chunk_id, p.page, p.scores, reason(p)) for p in candidates)
