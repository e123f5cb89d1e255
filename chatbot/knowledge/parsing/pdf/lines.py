"""The characters of a page as lines of text, with raised numbers marked."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from chatbot.knowledge.parsing.markup.spans import Span, written
from chatbot.knowledge.parsing.pdf.engine import Word

Line = list[Word]

_BLANKS: Final = re.compile(r"[ \t\u00a0]{2,}")
_SMALLER: Final = 0.86
"""A raised character is set in at most this part of the size of those around it."""


def lines_of(words: Sequence[Word]) -> list[Line]:
    """The lines as a person sees them; PDFium begins another one at a raised number."""
    lines: list[Line] = []
    for line in _divided(words):
        if not lines or not _goes_on(lines[-1], line):
            lines.append(line)
            continue
        last, first = _last_and_first(lines[-1], line)
        if first.left - last.right > 0.15 * max(first.size, last.size):
            lines[-1].append(last._replace(text=" ", left=last.right, made_up=True))
        lines[-1] += line
    return lines


def _divided(words: Sequence[Word]) -> Iterator[Line]:
    line: Line = []
    for word in words:
        if word.text not in ("\n", "\r"):
            line.append(word)
        if word.text.endswith("\n"):
            if _is_seen(line):
                yield line
            line = []
    if _is_seen(line):
        yield line


def _is_seen(line: Line) -> bool:
    return any(not word.is_blank for word in line)


def _last_and_first(line: Line, more: Line) -> tuple[Word, Word]:
    """The words on both sides of a line end."""
    return next(w for w in reversed(line) if not w.is_blank), next(w for w in more if not w.is_blank)


def _goes_on(line: Line, more: Line) -> bool:
    """Whether `more` stands behind `line`: PDFium also divides them before a cell of one digit or a raised number."""
    last, first = _last_and_first(line, more)
    if last.text.endswith("\n") or not (last.upright and first.upright):
        return False
    small, large = sorted((last, first), key=lambda word: word.size)
    gap, rise = (first.left - last.right) / large.size, (small.base - large.base) / large.size
    if abs(rise) < 0.05:
        return gap > -0.1
    return small.size <= _SMALLER * large.size and -0.3 < gap < 1.5 and -0.45 < rise < 0.8


def text_of(line: Line) -> str:
    """A line's text. A raised number follows the one before it without the blank that its distance looks like."""
    size, base = _main(line)
    spans: list[Span] = []
    blank_is_made_up = False
    for word in line:
        shift = "" if word.made_up else _shift(word, size, base)
        if shift and blank_is_made_up:
            spans.pop()
        spans.append(Span(word.text.rstrip("\n"), shift))
        blank_is_made_up = word.made_up
    return _BLANKS.sub(" ", written(spans)).strip(" \t\u00a0")


def _main(line: Line) -> tuple[float, float]:
    """The size of most characters of a line, and where they stand."""
    looks = Counter((round(word.size, 1), round(word.base, 1)) for word in line if not word.is_blank)
    return max(looks, key=lambda look: (looks[look] * look[0], look[0]), default=(1.0, 0.0))


def _shift(word: Word, size: float, base: float) -> str:
    """Whether a character is smaller than its line and raised or lowered."""
    if word.size > _SMALLER * size or not word.upright:
        return ""
    height = (word.base - base) / size
    if 0.12 < height < 0.8:
        return "superscript"
    return "subscript" if -0.45 < height < -0.05 else ""
