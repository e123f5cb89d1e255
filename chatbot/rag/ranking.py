"""Ordering the candidates of a search: nearness of meaning, and the question's own words.

An embedder finds what is said in other words but is easily drawn to a neighbouring subject; a passage that has the
question's very words is more often the right one. The sum also tells better than the cosine alone whether there is an
answer at all: unrelated questions share no words with the documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chatbot.rag.types import Passage
from chatbot.rag.words import content_words

# How many of the nearest are looked at for each search.
CANDIDATES = 50
WORDS_WEIGHT = 0.2


def best(question: str, candidates: Sequence[Passage], k: int) -> list[Passage]:
    """The best `k` candidates with their scores: `dense` (cosine), `keyword` (part of the words, 0 to 1), `fused`."""
    wanted = content_words(question)
    scored = [_scored(passage, wanted) for passage in candidates]
    scored.sort(key=lambda passage: (-passage.scores["fused"], passage.chunk_id))
    return [replace(passage, rank=rank) for rank, passage in enumerate(scored[:k], 1)]


def _scored(passage: Passage, wanted: set[str]) -> Passage:
    # Stems are looked for in the folded text: cutting fifty passages into words for each question would take longer
    # than the search itself.
    text = f"{passage.title} {passage.source} {passage.text}".casefold()
    keyword = sum(word in text for word in wanted) / len(wanted) if wanted else 0.0
    dense = passage.scores["dense"]
    fused = (dense + WORDS_WEIGHT * keyword) / (1 + WORDS_WEIGHT)
    scores = {"dense": dense, "keyword": round(keyword, 4), "fused": round(fused, 4)}
    return replace(passage, scores=scores)
