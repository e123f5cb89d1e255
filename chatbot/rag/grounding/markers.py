"""Markers as models write them: [1], [1, 2], [1-2], [^3], [doc:4], (Passage 5), 【6†source】, [cite: 7], ⁸ and more.

`read_markers` says what stands at a place of a text that is still growing: a group of markers with all that belongs to
them (`**[1]**`, `[[1]]`, `([1])`), nothing, or that more has to come before it can be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chatbot.rag.grounding.notation.number_words import ANY_NUMBER

# The longest marker that is waited for, and the longest group of them.
LONGEST = 60
LONGEST_GROUP = 240
# A longer number names no passage; Python reads none of more than 4,300 digits.
MAX_DIGITS = 9
# A range of more passages than there ever are is no range.
MAX_RANGE = 50

_NAME = (
    r"(?:docs?|documents?|passages?|sources?|refs?|references?|citations?|cites?|notes?|quellen?|fuentes?|dokumente?|"
    r"passagen?|see|siehe|textes?|fontes?|fonti|fonte|bronnen|bron|id|p)(?![^\W\d])\.?"
)
_YEAR = r"(?:1[5-9]|20)\d\d"
_SIGN = r"\s*+[:#^†]?+\s*+"
_NUMBERS = rf"(?P<numbers>-?\d++(?:(?:\s*+(?:[,;&–-]|and\b|und\b|et\b|y\b)\s*+|\s++)(?:{_NAME})?+{_SIGN}\d++)*+)"
_BRACKETS = re.compile(
    rf"[\[【［](?!\s*+{_YEAR}(?:\s*+[,–-]\s*+{_YEAR})*+\s*+[\]】］])\s*+(?:{_NAME})?+{_SIGN}{_NUMBERS}"
    r"(?::\d++)?+(?:†[\w –-]*+)?+(?:,?\s*+§\s*+\d++)?+[.^]?+\s*+[\]】］](?!\()",
    re.IGNORECASE,
)
_ROUND = re.compile(rf"\(\s*+{_NAME}{_SIGN}{_NUMBERS}\s*+\)", re.IGNORECASE)
_ESCAPED = re.compile(r"\\\[\s*+(?P<numbers>\d++)\s*+\\\]")
_RAISED = re.compile(r"<sup>\s*+\[?+\s*+(?P<numbers>\d++(?:\s*+,\s*+\d++)*+)\s*+\]?+\s*+</sup>", re.IGNORECASE)
_TITLED = re.compile(r"[\[【［(]\s*+(?P<text>[^\[\]【】［］()\n]++)[\]】］)](?!\()")
# What may be other things as well: (1), (1, 2), {1}, [S1], ^1^.
_NAMED = re.compile(rf"{_NAME}\s*+:?+\s*+")
_BARE = re.compile(r"\((\d{1,2}+(?:, ?\d{1,2}+){0,5}+)\)|\{(\d{1,2}+)\}|\[[A-Z](\d{1,2}+)\]|\^(\d{1,2}+)\^")
_SUPERSCRIPT = re.compile("[¹²³⁴-⁹]++")
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_NUMBER = re.compile(r"-?\d+")
_RANGE = re.compile(r"(?<!\d)(\d++)\s*+[–-]\s*+(\d++)")
_BETWEEN = re.compile(r" {0,3}(?:(?:[,;&]|and\b|und\b|et\b|y\b|e\b) {0,3})?")
_JOINERS = ("and", "und", "et")

OPENING = re.compile(r"\*{1,3}[\[(【［]|_{1,2}[\[(【［]|`\[|\*++$|_++$|[\[(【［{<\\`¹²³⁴-⁹^]")
_BEGUN = re.compile(
    r"(?:\*{1,3}|_{1,2}|`|\(|\[)?(?:[\[【［(][\w\s,;:#^†.§&–-]*[\]】］)]?|\\(?:\[\s*+\d*+\s*+\\?)?|\{\d{0,2}|\^\d{0,2}"
    r"|<(?:s(?:u(?:p(?:>[\s\[\d,\]]*+<?/?s?u?p?)?)?)?)?)?"
)
_WRAPS = (
    ("***", "***"),
    ("**", "**"),
    ("*", "*"),
    ("__", "__"),
    ("_", "_"),
    ("`", "`"),
    ("(", ")"),
    ("[", "]"),
    ("[", " ]"),
    *((f"({word} ", ")") for word in ("see", "cf.", "cf", "siehe", "vgl.", "voir", "ver", "véase", "vedi", "zie")),
)


@dataclass(frozen=True)
class Group:
    """Markers that follow each other: the numbers they name, and where the text goes on behind them. A `doubtful` one
    may be no marker: it is one only if its passage supports what it stands behind."""

    numbers: tuple[int, ...]
    end: int
    doubtful: bool = False


def read_markers(text: str, start: int, last: bool, titles: Mapping[str, int]) -> Group | bool | None:
    """The markers at a place of a text; True if it takes more text to tell, None if there are none.

    `last` says that no more will come, and `titles` are those of the passages, folded.
    """
    plain = _run(text, start, last, titles)
    if isinstance(plain, Group) and not plain.doubtful:
        return plain
    for opening, closing in _WRAPS:
        if text[start : start + len(opening)].casefold() == opening:
            group = _run(text, start + len(opening), last, titles)
            if isinstance(group, Group) and text.startswith(closing, group.end):
                return Group(group.numbers, group.end + len(closing), group.doubtful or opening == "`")
            if not last and isinstance(group, Group) and closing.startswith(text[group.end :]):
                return True
            if group is True:
                return True
    return plain


def _run(text: str, start: int, last: bool, titles: Mapping[str, int]) -> Group | bool | None:
    numbers: list[int] = []
    end, at, doubtful = start, start, False
    while True:
        one = _one(text, at, titles)
        if one is None:
            if not last and _may_go_on(text, at, start) and (not numbers or at < len(text)):
                return True
            break
        numbers += one.numbers
        doubtful = doubtful or one.doubtful
        end = one.end
        at = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]
        rest = text[at:].casefold()
        if (
            not last
            and len(rest) < 4
            and any(word.startswith(rest) for word in _JOINERS)
            and end - start < LONGEST_GROUP
        ):
            return True
    return Group(tuple(dict.fromkeys(numbers)), end, doubtful) if numbers else None


def _may_go_on(text: str, at: int, start: int) -> bool:
    """Whether what ends the text could become a marker."""
    return len(text) - at < LONGEST and at - start < LONGEST_GROUP and _BEGUN.fullmatch(text, at) is not None


def _one(text: str, at: int, titles: Mapping[str, int]) -> Group | None:
    for pattern in (_BRACKETS, _ROUND, _ESCAPED, _RAISED):
        if match := pattern.match(text, at):
            return Group(tuple(_numbers(match["numbers"])), match.end())
    if (match := _BARE.match(text, at)) and not _begins_line(text, at):
        return Group(tuple(_numbers(match[match.lastindex or 0])), match.end(), doubtful=True)
    if match := _SUPERSCRIPT.match(text, at):
        return Group((int(match[0].translate(_DIGITS)[:MAX_DIGITS]),), match.end(), doubtful=True)
    if (match := _TITLED.match(text, at)) and match.end() - at <= LONGEST:
        number = _titled(match["text"].strip().casefold(), titles)
        return Group((number,), match.end()) if number is not None else None
    return None


def _begins_line(text: str, at: int) -> bool:
    return at > 0 and text[at - 1] == "\n"


def _numbers(text: str) -> Iterator[int]:
    end = 0
    for match in _RANGE.finditer(text):
        first, second = int(match[1][:MAX_DIGITS]), int(match[2][:MAX_DIGITS])
        yield from (int(number[:MAX_DIGITS]) for number in _NUMBER.findall(text[end : match.start()]))
        yield from range(first, second + 1) if first < second <= first + MAX_RANGE else (first, second)
        end = match.end()
    yield from (int(number[:MAX_DIGITS]) for number in _NUMBER.findall(text[end:]))


def _titled(text: str, titles: Mapping[str, int]) -> int | None:
    """The number in "1: Title", "Title, 1" and "one"."""
    if text in ANY_NUMBER:
        return ANY_NUMBER[text] if text.isascii() and text.isalpha() else None
    name = _NAMED.match(text)
    if (known := titles.get(text[name.end() :] if name else text)) is not None:
        return known
    first, _, rest = text.partition(":")
    if first.strip().isdigit() and rest.strip() in titles:
        return int(first.strip()[:MAX_DIGITS])
    title, _, last = text.rpartition(",")
    return int(last.strip()[:MAX_DIGITS]) if title.strip() in titles and last.strip().isdigit() else None
