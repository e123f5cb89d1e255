"""Answering without a language model: the sentences of the passages that answer the question, word for word, cited.

Every unit of the passages is scored by its nearness to the question in the embedder's space and by the question's
words that it has. The best one answers; others are added only when they are nearly as good. Nothing is rephrased.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from chatbot.rag.embedders import Embedder
from chatbot.rag.sentences import is_code, units
from chatbot.rag.types import Passage
from chatbot.rag.words import content_words, coverage

PASSAGES_READ = 3
MOST_UNITS = 3
# A further sentence must reach this part of the best one's score.
NEARLY = 0.88
SHORT = 25
_WORDS_WEIGHT = 0.35
_PASSAGE_WEIGHT = 0.25


@dataclass(frozen=True)
class _Unit:
    marker: int
    place: int
    text: str
    score: float


def answer(question: str, passages: Sequence[Passage], embedder: Embedder) -> Iterator[str]:
    """The answer in pieces, one unit and its marker at a time. Passages are numbered from 1 in their order."""
    chosen = _choose(_scored(question, passages[:PASSAGES_READ], embedder))
    for n, unit in enumerate(chosen):
        if n:
            yield "\n\n" if is_code(unit.text) or is_code(chosen[n - 1].text) else " "
        yield unit.text
        yield ("\n" if unit.text.endswith(("```", "~~~")) else " ") + f"[{unit.marker}]"


def _scored(question: str, passages: Sequence[Passage], embedder: Embedder) -> list[_Unit]:
    found = [(m, place, text) for m, p in enumerate(passages, 1) for place, text in enumerate(_texts(p.text))]
    if not found:
        return []
    vectors = embedder.embed([question, *(text for _, _, text in found)])
    nearness = vectors[1:] @ vectors[0]
    wanted = content_words(question)
    return [
        _Unit(m, place, text, _score(float(near), coverage(wanted, text), passages[m - 1]) - _handicap(text))
        for (m, place, text), near in zip(found, np.asarray(nearness), strict=True)
    ]


def _score(near: float, covered: float, passage: Passage) -> float:
    return near + _WORDS_WEIGHT * covered + _PASSAGE_WEIGHT * passage.scores.get("dense", 0.0)


def _handicap(text: str) -> float:
    """Fragments and questions seldom answer anything."""
    return 0.25 if text.rstrip().endswith("?") else 0.15 if len(text) < SHORT else 0.0


def _texts(text: str) -> list[str]:
    """The units of a passage; a block of code goes with the line that introduces it."""
    texts: list[str] = []
    previous_end = 0
    for start, end in units(text):
        piece = text[start:end]
        introduced = bool(texts) and texts[-1].endswith(":")
        if introduced and is_code(piece):
            texts[-1] += text[previous_end:start] + piece
        else:
            texts.append(piece)
        previous_end = end
    return texts


def _choose(scored: list[_Unit]) -> list[_Unit]:
    """The best unit and those nearly as good, in reading order, none twice."""
    best: list[_Unit] = []
    for unit in sorted(scored, key=lambda u: -u.score):
        if best and unit.score < NEARLY * best[0].score:
            break
        if all(unit.text != other.text for other in best):
            best.append(unit)
        if len(best) == MOST_UNITS:
            break
    return sorted(best, key=lambda u: (u.marker, u.place))
