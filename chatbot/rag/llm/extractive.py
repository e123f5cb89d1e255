"""Answering without a language model: the sentences of the passages that answer the question, word for word, cited.

Every unit of the passages is scored by its nearness to the question in the embedder's space and by the question's
words that it has. The best one answers; others are added only when they are nearly as good. Nothing is rephrased.
A row of a table is read with the names of its columns and shown below them; steps are shown from the first to the last.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chatbot.rag.embeddings.embedders import Embedder
from chatbot.rag.text.sentences import Span, cells, is_code, is_item, is_row, is_rule, is_step, is_struck_out, units
from chatbot.rag.text.term_weights import said_part
from chatbot.rag.types import Passage

PASSAGES_READ = 3
MOST_UNITS = 3
# A further sentence must reach this part of the best one's score; less where it is not sure that any answers.
NEARLY, NEARLY_UNSURE = 0.88, 0.8
# Rows of a table are alike, whatever they are about.
NEARLY_ROW = 0.92
SHORT = 25
SHORT_SENTENCE = 140
LONGEST_QUOTE = 700
# Who asks how to do something wants all steps, in their order; who asks how much or how long wants one sentence.
_HOW = re.compile(
    r"\b(?:how (?:do|does|can|to|should|would|could)|steps?|schritte?|étapes?|pasos?"
    r"|wie(?! (?:viel|lange?|hoch|weit|oft|teuer|groß|alt|spät|früh|schnell|schwer|warm|heiß|ist|sind|war|laute|nenn))"
    r"|comment(?! (?:s|t|est|sont|va|vas)\b)|cómo(?! (?:se llama|te llama|es|está|son)))\b|怎么|如何"
)
_HEADING = re.compile(r"^#{1,6} ++(\S.*)", re.MULTILINE)
# A short line without a figure, a colon or a full stop.
_TITLE = re.compile(r"[^\W\d_][^\n\d:.!?;,|`*#]{1,58}[^\W\d_]")
_REFERRING = re.compile(
    r"(?:(?:above|below|after|before|without) (?:that|this)|th(?:is|at|ese|ose|ey)|it|otherwise|then|also"
    r"|in (?:that|this) case|diese[rs]?|dann|danach|sonst|dafür|esto|eso|ellos|si no|cela|ils|elles|sinon)\b",
    re.IGNORECASE,
)
_WORDS_WEIGHT = 0.35
_PASSAGE_WEIGHT = 0.6


@dataclass(frozen=True)
class _Unit:
    marker: int
    span: Span
    text: str
    score: float
    # The header of the table that a row is from.
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


def quotations(question: str, passages: Sequence[Passage], embedder: Embedder, unsure: bool = False) -> list[Quotation]:
    """The stretches that answer the question, in reading order. Passages are numbered from 1 in their order."""
    nearly = NEARLY_UNSURE if unsure else NEARLY
    chosen = _choose(_scored(question, passages[:PASSAGES_READ], embedder), nearly)
    return [_quotation(unit, chosen[n - 1] if n else None) for n, unit in enumerate(chosen)]


def _quotation(unit: _Unit, previous: _Unit | None) -> Quotation:
    blocks = [is_block(one.text) for one in (unit, previous) if one]
    apart = "\n\n" if any(blocks) else " "
    before = (apart if previous else "") + (f"{unit.header}\n" if unit.header else "")
    after = "\n" if unit.text.endswith(("```", "~~~")) else "\n\n" if unit.header else " "
    return Quotation(before, unit.text, f"{after}[{unit.marker}]", unit.marker, unit.span[0])


def is_block(text: str) -> bool:
    """Whether a text is shown in lines of its own."""
    return is_code(text) or is_row(text) or is_step(text)


def _scored(question: str, passages: Sequence[Passage], embedder: Embedder) -> list[_Unit]:
    # Where somebody has written the answer to this very question, nobody else is quoted.
    curated = any("curated" in passage.scores for passage in passages)
    read = [(m, p) for m, p in enumerate(passages, 1) if not curated or "curated" in p.scores]
    quotable = [(m, p, part) for m, p in read for part in _quotable(p.text, question)]
    quotable = quotable or [(m, p, part) for m, p in read for part in _headings(p.text)]
    found = [(m, span, header, p.text[slice(*span)]) for m, p, (span, header) in quotable]
    if not found:
        return []
    shown = [_named(text, header) for _, _, header, text in found]
    vectors = embedder.embed([question, *shown], questions=1)
    nearness = vectors[1:] @ vectors[0]
    return [
        _Unit(m, span, text, _score(float(near), said_part(question, named), passages[m - 1]) - _handicap(text), header)
        for (m, span, header, text), named, near in zip(found, shown, np.asarray(nearness), strict=True)
    ]


def _named(text: str, header: str) -> str:
    """A row with the names of its columns, as it is compared with the question; anything else as it is."""
    if not header:
        return text
    pairs = zip(cells(header.splitlines()[0]), cells(text), strict=False)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs)


def _score(near: float, covered: float, passage: Passage) -> float:
    return near + _WORDS_WEIGHT * covered + _PASSAGE_WEIGHT * (passage.scores.get("dense") or 0.0)


def _handicap(text: str) -> float:
    """Fragments, questions and lines that only introduce something seldom answer anything."""
    if text.rstrip().endswith("?"):
        return 0.25
    return 0.15 if len(text) < SHORT or text.rstrip(" *_").endswith(":") else 0.0


def _quotable(text: str, question: str) -> list[tuple[Span, str]]:
    """What could be quoted from a passage: each unit, with what follows when it cannot stand alone, and for a row the
    header of its table. A header answers nothing, nor does what is crossed out."""
    spans = units(text)
    asks_how = bool(_HOW.search(question.casefold()))
    found: list[tuple[Span, str]] = []
    header = ""
    for n, (start, end) in enumerate(spans):
        unit = text[start:end]
        below = text[slice(*spans[n + 1])] if n + 1 < len(spans) else ""
        is_header = is_row(unit) and (is_rule(below) or (not header and _names_columns(unit, below)))
        if not is_row(unit):
            header = ""
        elif is_header:
            header = text[start : spans[n + 1][1] if is_rule(below) else end]
        if is_struck_out(unit) or is_rule(unit) or is_header:
            continue
        if is_row(unit):
            found.append(((start, end), header))
        elif asks_how and is_step(unit):
            found.append((_all_steps(text, spans, n), ""))
        else:
            begin = spans[n - 1][0] if _refers_back(text, spans, n) else start
            found.append(((begin, _end(text, spans, n)), ""))
    return list(dict.fromkeys(found))


def _headings(text: str) -> list[tuple[Span, str]]:
    """The headings of a passage: what is quoted where no passage has anything else."""
    return [(match.span(1), "") for match in _HEADING.finditer(text)]


def _names_columns(row: str, below: str) -> bool:
    """Whether a row without a line below it is a header: as extractors write tables, and a header has no figures.

    A table that begins in an earlier chunk has none here.
    """
    return not row.startswith("|") and is_item(below) and not any(character.isdigit() for character in row)


def _all_steps(text: str, spans: Sequence[Span], n: int) -> Span:
    """From the first step of the list to the last, as far as that is not too long to be quoted, in which case it is
    the n-th alone; with the line that introduces them."""
    first = last = n
    while first and is_step(text[slice(*spans[first - 1])]):
        first -= 1
    while last + 1 < len(spans) and is_step(text[slice(*spans[last + 1])]):
        last += 1
    if first and text[slice(*spans[first - 1])].rstrip(" *_").endswith(":"):
        first -= 1
    whole = (spans[first][0], spans[last][1])
    return whole if whole[1] - whole[0] <= LONGEST_QUOTE else spans[n]


def _end(text: str, spans: Sequence[Span], n: int) -> int:
    """Where a quotation that begins with the n-th unit ends.

    A line that ends in a colon goes with the code or the list below it; a title with what stands below it; a short
    sentence with the one behind it.
    """
    end = spans[n][1]
    if _is_title(text, spans, n):
        return min(_end(text, spans, n + 1), max(spans[n + 1][1], spans[n][0] + LONGEST_QUOTE))
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


def _is_title(text: str, spans: Sequence[Span], n: int) -> bool:
    """Whether a unit is a short line of words alone above a paragraph: it answers nothing by itself."""
    start, end = spans[n]
    if n + 1 == len(spans) or not _TITLE.fullmatch(text, start, end) or text[:start].rstrip(" ")[-1:] not in {"", "\n"}:
        return False
    below = text[slice(*spans[n + 1])]
    return "\n\n" in text[end : spans[n + 1][0]] and not (is_item(below) or is_code(below) or _TITLE.fullmatch(below))


def _refers_back(text: str, spans: Sequence[Span], n: int) -> bool:
    """Whether a sentence speaks of the one before it in the same paragraph: "Above that it answers 429."."""
    if not n or not _REFERRING.match(text, spans[n][0]):
        return False
    before = text[slice(*spans[n - 1])]
    apart = text[spans[n - 1][1] : spans[n][0]]
    short = spans[n][1] - spans[n - 1][0] <= 2 * SHORT_SENTENCE
    return short and "\n\n" not in apart and not is_item(before) and not is_code(before)


def _continues(text: str, begin: int, end: int, start: int, piece: str) -> bool:
    """Whether the next unit is the rest of the same short paragraph."""
    same_paragraph = "\n\n" not in text[end:start] and not is_item(piece) and not is_code(piece)
    return same_paragraph and end - begin < SHORT_SENTENCE and not is_item(text[begin:end])


def _choose(scored: list[_Unit], nearly: float) -> list[_Unit]:
    """The best unit and those nearly as good, in reading order, none twice."""
    best: list[_Unit] = []
    for unit in sorted(scored, key=lambda u: -u.score):
        if best and unit.score < nearly * best[0].score:
            break
        if best and unit.header and unit.score < NEARLY_ROW * best[0].score:
            continue
        if not any(unit.overlaps(other) for other in best):
            best.append(unit)
        if len(best) == MOST_UNITS:
            break
    return sorted(best, key=lambda u: (u.marker, u.span))
