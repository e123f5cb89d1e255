"""The numbers of OpenDocument's lists and headings, counted as LibreOffice counts them."""

import re
from dataclasses import dataclass, field
from typing import Final

from chatbot.knowledge.parsing.office.numbering import formatted
from chatbot.knowledge.parsing.office.ooxml import Element
from chatbot.knowledge.parsing.opendocument.names import LIBREOFFICE, STYLE, TEXT, XML_ID
from chatbot.knowledge.parsing.opendocument.styles import Styles

_KINDS: Final = {"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_NUMBERED: Final = (TEXT + "list-level-style-number", TEXT + "outline-level-style")
_BULLETS: Final = (TEXT + "list-level-style-bullet", TEXT + "list-level-style-image")
_PLACEHOLDER: Final = re.compile(r"%(\d{1,2})%")
_LARGEST: Final = 3999


@dataclass(frozen=True)
class _Level:
    """How one level of a list is numbered; `kind` is empty where no number is shown."""

    kind: str
    before: str
    after: str
    pattern: str
    start: int
    levels: int
    letters_repeat: bool


@dataclass
class Count:
    """How far a list is, level by level."""

    at: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Counts the items of lists in the order in which they are asked for."""

    def __init__(self, styles: Styles) -> None:
        self._styles = styles
        self._levels: dict[str, dict[int, _Level]] = {}
        self._by_id: dict[str, Count] = {}
        self._by_style: dict[str, Count] = {}
        self._outline = Count()
        self._outline_levels = _levels(styles.outline)

    def count_of(self, element: Element, style: str) -> Count:
        """The count of a list: its own, or that of the list that it continues."""
        count = self._by_id.get(element.get(TEXT + "continue-list", ""))
        if count is None and element.get(TEXT + "continue-numbering") == "true":
            count = self._by_style.get(style)
        return self._known(count or Count(), element.get(XML_ID, ""), style)

    def count_of_paragraph(self, element: Element, style: str) -> Count:
        """The count of the list that a numbered paragraph belongs to."""
        key = element.get(TEXT + "list-id", "")
        return self._known(self._by_id.get(key) or Count(), key, style)

    def _known(self, count: Count, key: str, style: str) -> Count:
        if key:
            self._by_id[key] = count
        self._by_style[style] = count
        return count

    def label(self, count: Count, style: str, level: int, start: str | None) -> str:
        """The next number of a list at a level, counted from 1; "-" for a bullet."""
        if style not in self._levels:
            self._levels[style] = _levels(self._styles.lists.get(style))
        return _next(count, self._levels[style], level, start) or "-"

    def heading_label(self, level: int, start: str | None) -> str:
        """The next number of a heading, "" where headings have none."""
        return _next(self._outline, self._outline_levels, level, start)


def _levels(style: Element | None) -> dict[int, _Level]:
    found = () if style is None else style
    return {whole(each.get(TEXT + "level"), 1): _level(each) for each in found if each.tag in _NUMBERED + _BULLETS}


def _level(element: Element) -> _Level:
    if element.tag in _BULLETS:  # They are counted as well: what is below the next one begins anew.
        return _Level("", "", "", "", 1, 1, False)
    return _Level(
        kind=element.get(STYLE + "num-format", ""),
        before=element.get(STYLE + "num-prefix", ""),
        after=element.get(STYLE + "num-suffix", ""),
        pattern=element.get(LIBREOFFICE + "num-list-format", ""),
        start=whole(element.get(TEXT + "start-value"), 1),
        levels=whole(element.get(TEXT + "display-levels"), 1),
        letters_repeat=element.get(STYLE + "num-letter-sync") == "true",
    )


def _next(count: Count, levels: dict[int, _Level], level: int, start: str | None) -> str:
    known = levels.get(level)
    if known is None:
        return ""
    if start is not None:
        count.at[level] = whole(start, 1)
    else:
        count.at[level] = count.at.get(level, known.start - 1) + 1
    for above in range(1, level):
        count.at.setdefault(above, levels[above].start if above in levels else 1)
    for deeper in [each for each in count.at if each > level]:
        del count.at[deeper]
    return _label(count, levels, level)


def _label(count: Count, levels: dict[int, _Level], level: int) -> str:
    known = levels[level]
    if not known.kind:
        return (known.before + known.after).strip()
    if known.pattern:
        return _PLACEHOLDER.sub(lambda found: _number(count, levels, int(found[1])), known.pattern).strip()
    shown = (_number(count, levels, each) for each in range(max(1, level - known.levels + 1), level + 1))
    return f"{known.before}{'.'.join(filter(None, shown))}{known.after}".strip()


def _number(count: Count, levels: dict[int, _Level], level: int) -> str:
    known, number = levels.get(level), count.at.get(level, 1)
    if known is None or not known.kind:
        return ""
    if known.kind in ("a", "A") and not known.letters_repeat and 0 < number <= _LARGEST:
        letters = _letters(number)
        return letters.upper() if known.kind == "A" else letters
    return formatted(number, _KINDS.get(known.kind, "decimal"))


def _letters(number: int) -> str:
    """a to z, then aa, ab: without "num-letter-sync" letters are counted like the columns of a sheet."""
    out = ""
    while number:
        number, letter = divmod(number - 1, 26)
        out = chr(ord("a") + letter) + out
    return out


def whole(value: str | None, usual: int) -> int:
    """A number that an attribute says, `usual` where it says none."""
    return int(value) if value and value.isdecimal() and len(value) < 8 else usual
