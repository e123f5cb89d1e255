"""Cutting a passage into the units a person would quote: sentences, list items, table rows, blocks of code."""

from __future__ import annotations

import re
from collections.abc import Iterator

# What may begin a sentence: capitals where a script has them, any letter where it has none.
_BEGINS = r"A-Z0-9À-ÖØ-ÞΆ-ΫЀ-ЯԱ-Ֆ\u0590-\u109f\u3040-\ud7ff"
_SENTENCE_END = re.compile(rf"(?<=[.!?…؟۔।])[\"')\]*_”’»“]*\s+(?=[\"'(\[*_`“„«‘¿¡]*[{_BEGINS}])|(?<=[。！？])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|Mr|Mrs|Ms|Dr|St|No|Nos|Fig|approx|ca|vol|pp?|z\.B|d\.h|bzw|Nr|S"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Okt|Nov|Dec|Dez)\.|\b[A-Z]\.)$"
)
LONGEST_ABBREVIATION = 8
_FENCE = re.compile(r"^\s*(```|~~~)")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+|^\s*\|")
_RULE = re.compile(r"^\|[\s:|]*+-[\s:|-]*+$")
_STEP = re.compile(r"^\d+[.)]\s")
_NUMBER_OF_AN_ITEM = re.compile(r"\s*\d+[.)]")
_STRUCK = re.compile(r"~~[^~]+~~")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s")

Span = tuple[int, int]


def units(text: str) -> list[Span]:
    """The (start, end) of each unit, in order, without outer white space; headings are left out."""
    spans: list[Span] = []
    for start, end, is_code in _blocks(text):
        spans.extend([(start, end)] if is_code else _sentences(text, start, end))
    return [span for span in (_trim(text, *span) for span in spans) if span[1] > span[0]]


def is_code(unit: str) -> bool:
    """Whether a unit is a block of code."""
    return bool(_FENCE.match(unit))


def is_item(unit: str) -> bool:
    """Whether a unit is an item of a list or a row of a table."""
    return bool(_ITEM.match(unit))


def is_row(unit: str) -> bool:
    """Whether a unit is a row of a table."""
    return unit.startswith("|")


def is_rule(unit: str) -> bool:
    """Whether a unit is the line below the header of a table."""
    return bool(_RULE.match(unit))


def is_step(unit: str) -> bool:
    """Whether a unit is a numbered item of a list."""
    return bool(_STEP.match(unit))


def cells(row: str) -> list[str]:
    """What stands in the cells of a row."""
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def is_struck_out(unit: str) -> bool:
    """Whether all of a unit is crossed out."""
    return not _STRUCK.sub("", unit).strip(" .,;:!?-*+•|\n")


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Paragraphs, single list items and whole code fences."""
    start = offset = 0
    in_code = False
    for line in text.splitlines(keepends=True):
        after = offset + len(line)
        if _FENCE.match(line):
            if not in_code:
                yield start, offset, False
                start = offset
            else:
                yield start, after, True
                start = after
            in_code = not in_code
        elif not in_code and (not line.strip() or _ITEM.match(line) or _HEADING.match(line)):
            yield start, offset, False
            start = after if not line.strip() or _HEADING.match(line) else offset
        offset = after
    yield start, offset, in_code


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for match in _SENTENCE_END.finditer(text, start, end):
        near = max(begin, match.start() - LONGEST_ABBREVIATION)
        if _ABBREVIATION.search(text, near, match.start()) or _NUMBER_OF_AN_ITEM.fullmatch(text, begin, match.start()):
            continue
        yield begin, match.start()
        begin = match.end()
    yield begin, end


def _trim(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    return start + left, max(start + left, end - (len(piece) - len(piece.rstrip())))
