"""Answering without a language model: the sentences of the passages that answer the question, word for word, cited.

Every unit of the passages is scored by its nearness to the question in the embedder's space and by the question's
words that it has. The best one answers; others are added only when they are nearly as good. Nothing is rephrased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chatbot.rag.embeddings.embedders import Embedder
from chatbot.rag.text.content_words import content_words, coverage
from chatbot.rag.text.sentences import Span, is_code, is_item, is_row, is_rule, units
from chatbot.rag.types import Passage

PASSAGES_READ = 3
MOST_UNITS = 3
# A further sentence must reach this part of the best one's score.
NEARLY = 0.88
SHORT = 25
SHORT_SENTENCE = 140
LONGEST_QUOTE = 700
_WORDS_WEIGHT = 0.35
_PASSAGE_WEIGHT = 0.25


@dataclass(frozen=True)
class _Unit:
    marker: int
    span: Span
    text: str
    score: float
    # The header of the table that a row is of, where it stands further above.
    header: str = ""

    def overlaps(self, other: _Unit) -> bool:
        """Whether two quotations would say something twice."""
        same_passage = self.marker == other.marker
        shared = same_passage and self.span[0] < other.span[1] and other.span[0] < self.span[1]
        return shared or self.text in other.text or other.text in self.text


@dataclass(frozen=True)
class Quotation:
    """A stretch of a passage as it stands in the answer: what comes before it, its words, and its marker."""

    before: str
    text: str
    after: str
    marker: int
    start: int

    @property
    def pieces(self) -> list[str]:
        """What is shown of it, in order."""
        return [piece for piece in (self.before, self.text, self.after) if piece]


def quotations(question: str, passages: Sequence[Passage], embedder: Embedder) -> list[Quotation]:
    """The stretches that answer the question, in reading order. Passages are numbered from 1 in their order."""
    chosen = _choose(_scored(question, passages[:PASSAGES_READ], embedder))
    return [_quotation(unit, chosen[n - 1] if n else None) for n, unit in enumerate(chosen)]


def _quotation(unit: _Unit, previous: _Unit | None) -> Quotation:
    apart = "\n\n" if previous and any(is_code(u.text) or is_row(u.text) for u in (unit, previous)) else " "
    after = "\n" if unit.text.endswith(("```", "~~~")) else " "
    before = f"{apart if previous else ''}{unit.header}"
    return Quotation(before, unit.text, f"{after}[{unit.marker}]", unit.marker, unit.span[0])


def _scored(question: str, passages: Sequence[Passage], embedder: Embedder) -> list[_Unit]:
    # Where somebody has written the answer to this very question, nobody else is quoted.
    curated = any("curated" in passage.scores for passage in passages)
    read = [(m, p) for m, p in enumerate(passages, 1) if not curated or "curated" in p.scores]
    found = [(m, span, p.text[slice(*span)], _header(p.text, span)) for m, p in read for span in _quotable(p.text)]
    if not found:
        return []
    # A row means what its columns are called.
    texts = [header + text for _, _, text, header in found]
    vectors = embedder.embed([question, *texts])
    nearness = vectors[1:] @ vectors[0]
    wanted = content_words(question)
    scores = [
        _score(float(near), coverage(wanted, text), passages[m - 1]) - _handicap(text)
        for (m, *_), text, near in zip(found, texts, np.asarray(nearness), strict=True)
    ]
    return [_Unit(m, span, text, score, header) for (m, span, text, header), score in zip(found, scores, strict=True)]


def _score(near: float, covered: float, passage: Passage) -> float:
    return near + _WORDS_WEIGHT * covered + _PASSAGE_WEIGHT * (passage.scores.get("dense") or 0.0)


def _handicap(text: str) -> float:
    """Fragments, questions and lines that only introduce something seldom answer anything."""
    if text.rstrip().endswith("?"):
        return 0.25
    return 0.15 if len(text) < SHORT or text.rstrip(" *_").endswith(":") else 0.0


def _quotable(text: str) -> list[Span]:
    """What could be quoted from a passage: each unit, with what follows when it cannot stand alone."""
    spans = units(text)
    return [(start, _end(text, spans, n)) for n, (start, end) in enumerate(spans) if not is_rule(text[start:end])]


def _header(text: str, span: Span) -> str:
    """The first lines of the table above a row, to stand before it; empty where there is none."""
    if not is_row(text[slice(*span)]):
        return ""
    above: list[str] = []
    for line in reversed(text[: span[0]].splitlines()):
        if not is_row(line) and not is_rule(line):
            break
        above.append(line.strip())
    header = above[-1:] + [line for line in above[-2:-1] if is_rule(line)]
    return "".join(f"{line}\n" for line in header)


def _end(text: str, spans: Sequence[Span], n: int) -> int:
    """Where a quotation that begins with the n-th unit ends.

    A line that ends in a colon goes with the code or the list below it; a short sentence with the one behind it.
    """
    end = spans[n][1]
    if is_row(text[slice(*spans[n])]) and not _header(text, spans[n]):
        return _first_row(text, spans, n)
    introduces = text[:end].rstrip(" *_").endswith(":")
    for start, after in spans[n + 1 :]:
        piece = text[start:after]
        belongs = is_code(piece) or is_item(piece) if introduces else _continues(text, spans[n][0], end, start, piece)
        if not belongs or after - spans[n][0] > LONGEST_QUOTE:
            break
        end = after
        if is_code(piece) or not introduces:
            break
    return end


def _first_row(text: str, spans: Sequence[Span], n: int) -> int:
    """Where the first row below a header ends: a header alone says nothing."""
    end = spans[n][1]
    for start, after in spans[n + 1 :]:
        if not is_item(text[start:after]) or "\n\n" in text[end:start] or after - spans[n][0] > LONGEST_QUOTE:
            break
        end = after
        if not is_rule(text[start:after]):
            break
    return end


def _continues(text: str, begin: int, end: int, start: int, piece: str) -> bool:
    """Whether the next unit is the rest of the same short paragraph."""
    same_paragraph = "\n\n" not in text[end:start] and not is_item(piece) and not is_code(piece)
    return same_paragraph and end - begin < SHORT_SENTENCE and not is_item(text[begin:end])


def _choose(scored: list[_Unit]) -> list[_Unit]:
    """The best unit and those nearly as good, in reading order, none twice."""
    best: list[_Unit] = []
    for unit in sorted(scored, key=lambda u: -u.score):
        if best and unit.score < NEARLY * best[0].score:
            break
        if not any(unit.overlaps(other) for other in best):
            best.append(unit)
        if len(best) == MOST_UNITS:
            break
    return sorted(best, key=lambda u: (u.marker, u.span))
