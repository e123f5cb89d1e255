"""Cutting a passage into the units a person would quote: sentences, list items, table rows, blocks of code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from chatbot.rag.text.headings import open_fence
from chatbot.rag.text.sentence_words import (
    BEFORE_NUMBERS,
    BEFORE_ORDINALS,
    BEGINNERS,
    COUNTED,
    MAY_END,
    MONTHS,
    TITLES,
    WITHIN,
)

# What may begin a sentence: capitals where a script has them, any letter where it has none.
_BEGINS = r"A-Z0-9À-ÖØ-ÞĀ-ſȘ-țΆ-ΫЀ-ЯҐԱ-Ֆ\u0590-\u109f\u1200-\u137f\u1780-\u17ff\u3040-\ud7ff"
# Scripts without spaces end a sentence where its mark stands, behind closing brackets.
_SENTENCE_END = re.compile(
    rf"(?<=[.!?…؟۔।])[\"')\]*_”’»“]*\s+(?=[\"'(\[*_`“„«‘¿¡]*[{_BEGINS}])"
    rf"|(?<=[\u0370-\u03ff];)\s+(?=[\"'(\[«]*[{_BEGINS}])"
    r"|(?<=[。！？։።។။])[」』）】〉》”’\"')\]]*"
)
# Behind a bracket that closes something said, these go on: 「はい。」と答えた。
_GOES_ON = re.compile("\\s*[とっ、，,がをのでにはも]")
_BRACKETS = "([{\"'„“”’«»‘*_"
_WORD_AFTER = re.compile(r"[\"'(\[*_`“„«‘¿¡]*([^\W_]+)")
_INITIALS = re.compile(r"(?:[^\W\d_][.-]{1,2}){0,4}[^\W\d_]")
# An ordinal has at most so many digits; more are a year.
ORDINAL_DIGITS = 2
LONGEST_ABBREVIATION = 24
_FENCE = re.compile(r"^\s*(```|~~~)")
# Rows of tables: `| a | b |`, `a | b`, and `Name: a; Price: b` as tables of other formats are written.
_ROW = re.compile(r"\s*\||[^|\n]{1,200} \| |[^:;|\n]{1,80}: [^;\n]{1,200}; [^:;\n]{1,80}: ")
_PIPES = re.compile(r"\s*\||[^|\n]{1,200} \| ")
_RULE = re.compile(r"\s*+\|?+[ :|]*+--[ :|-]*+")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")
_STEP = re.compile(r"^\d+[.)]\s")
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
    return bool(_ITEM.match(unit) or _ROW.match(unit))


def is_row(unit: str) -> bool:
    """Whether a unit is a row of a table whose columns are named in the first one."""
    return bool(_PIPES.match(unit))


def is_rule(unit: str) -> bool:
    """Whether a unit is the line between the header of a table and its rows."""
    return bool(_RULE.fullmatch(unit))


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
    fence = ""
    for line in text.splitlines(keepends=True):
        after = offset + len(line)
        was, (fence, is_fence) = fence, open_fence(fence, line.lstrip())
        if is_fence and was:
            yield start, after, True
            start = after
        elif is_fence:
            yield start, offset, False
            start = offset
        elif not fence and (not line.strip() or is_item(line) or _HEADING.match(line)):
            yield start, offset, False
            start = after if not line.strip() or _HEADING.match(line) else offset
        offset = after
    yield start, offset, bool(fence)


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for match in _SENTENCE_END.finditer(text, start, end):
        # Closing brackets of a script without spaces belong to the sentence.
        stop = match.start() if match[0][-1:].isspace() else match.end()
        if _goes_on(text, begin, match, end):
            continue
        yield begin, stop
        begin = match.end()
    yield begin, end


def _goes_on(text: str, begin: int, match: re.Match[str], end: int) -> bool:
    """Whether a sentence goes on behind what looks like its end."""
    last = text[match.start() - 1]
    if last in "。！？":
        return bool(match[0] and _GOES_ON.match(text, match.end(), end))
    if last != ".":
        return False
    head = text[max(begin, match.start() - LONGEST_ABBREVIATION) : match.start() - 1]
    *before, word = ["", *head.split()]
    word = word.strip(_BRACKETS)
    after = _WORD_AFTER.match(text, match.end(), end)
    following = after[1].casefold() if after else ""
    if word.isdecimal():
        first = not text[begin : match.start() - 1 - len(word)].strip()
        return _is_ordinal(word, before, following, first)
    return _is_abbreviation(word.rstrip("."), following)


def _is_ordinal(number: str, before: Sequence[str], following: str, first: bool) -> bool:
    """Whether a number with a full stop is not the last word: a day, a floor, or the number of a step."""
    if first or len(number) > ORDINAL_DIGITS:
        return first
    if following in MONTHS or following in COUNTED:
        return True
    ordinal = bool(before) and before[-1].casefold() in BEFORE_ORDINALS
    return ordinal and following not in BEGINNERS and not following.isdecimal()


def _is_abbreviation(word: str, following: str) -> bool:
    folded = word.casefold()
    if word in TITLES or folded in WITHIN:
        return True
    if (folded in BEFORE_NUMBERS or folded.endswith("str")) and any(character.isdecimal() for character in following):
        return True
    return bool(folded in MAY_END or _INITIALS.fullmatch(word)) and following not in BEGINNERS


def _trim(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    return start + left, max(start + left, end - (len(piece) - len(piece.rstrip())))
