"""The automatic numbers of Word's lists, headings and clauses, counted as Word counts them."""

import re
from dataclasses import dataclass, field
from typing import Final

from chatbot.knowledge.parsing.office.ooxml import Element, attribute, child, children, property_of

_PLACEHOLDER: Final = re.compile(r"%([1-9])")
_ROMAN: Final = (
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
)
_LARGEST: Final = 3999
_LEVELS: Final = 9


@dataclass
class Level:
    """One level of a list: how its number looks and where it starts."""

    start: int = 1
    kind: str = "decimal"
    text: str = ""
    restart: int | None = None
    legal: bool = False
    style: str = ""


@dataclass
class _List:
    levels: dict[int, Level]
    counters: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Gives each numbered paragraph its number, in the order in which they are asked for."""

    def __init__(self, root: Element | None) -> None:
        self._lists: dict[str, _List] = {}
        self._nums: dict[str, tuple[str, dict[int, Level], dict[int, int]]] = {}
        self._started: set[tuple[str, int]] = set()
        self._links: dict[str, str] = {}
        for abstract in children(root, "abstractNum"):
            key = attribute(abstract, "abstractNumId")
            self._lists[key] = _List({_index(level): _level(level) for level in children(abstract, "lvl")})
            self._links[key] = property_of(abstract, "numStyleLink") or ""
        for num in children(root, "num"):
            starts, levels = _overrides(num)
            self._nums[attribute(num, "numId")] = property_of(num, "abstractNumId") or "", levels, starts

    def level_of_style(self, number: str, style: str) -> int:
        """The level that a list keeps for a paragraph style."""
        levels = self._levels(number)
        return next((at for at, level in levels.items() if style and level.style == style), 0)

    def label(self, number: str, at: int) -> str | None:
        """The next number of a list at a level; "" for a bullet, None where the list is not known."""
        levels = self._levels(number)
        level = levels.get(at)
        if level is None:
            return None
        counters = self._lists[self._nums[number][0]].counters
        self._count(number, at, levels, counters)
        if level.kind in ("bullet", "none") or not level.text:
            return ""
        return _PLACEHOLDER.sub(lambda found: _shown(int(found[1]) - 1, levels, counters, level.legal), level.text)

    def style_link(self, number: str) -> str:
        """The numbering style that a list takes its levels from, if it has none of its own."""
        return self._links.get(self._nums.get(number, ("", {}, {}))[0], "")

    def _levels(self, number: str) -> dict[int, Level]:
        abstract, own, _ = self._nums.get(number, ("", {}, {}))
        known = self._lists.get(abstract)
        return {} if known is None else known.levels | own

    def _count(self, number: str, at: int, levels: dict[int, Level], counters: dict[int, int]) -> None:
        starts = self._nums[number][2]
        if at in starts and (number, at) not in self._started:
            self._started.add((number, at))
            counters[at] = starts[at]
        elif at in counters:
            counters[at] += 1
        else:
            counters[at] = levels[at].start
        for above in range(at):
            if above in levels:
                counters.setdefault(above, levels[above].start)
        for deeper in range(at + 1, _LEVELS):
            restart = levels[deeper].restart if deeper in levels else None
            if restart != 0 and (restart is None or at < restart):
                counters.pop(deeper, None)


def _index(level: Element) -> int:
    value = attribute(level, "ilvl")
    return int(value) if value.isdecimal() and len(value) < 3 else 0


def _number(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() and len(value) < 10 else None


def _level(element: Element) -> Level:
    start = _number(property_of(element, "start"))
    return Level(
        start=1 if start is None else start,
        kind=property_of(element, "numFmt") or "decimal",
        text=property_of(element, "lvlText") or "",
        restart=_number(property_of(element, "lvlRestart")),
        legal=property_of(element, "isLgl") not in (None, "0", "off", "false"),
        style=property_of(element, "pStyle") or "",
    )


def _overrides(num: Element) -> tuple[dict[int, int], dict[int, Level]]:
    starts: dict[int, int] = {}
    levels: dict[int, Level] = {}
    for override in children(num, "lvlOverride"):
        own = child(override, "lvl")
        if own is not None:
            levels[_index(override)] = _level(own)
        start = _number(property_of(override, "startOverride"))
        if start is not None:
            starts[_index(override)] = start
    return starts, levels


def _shown(at: int, levels: dict[int, Level], counters: dict[int, int], legal: bool) -> str:
    level = levels.get(at)
    if level is None or level.kind in ("none", "bullet"):
        return ""
    return formatted(counters.get(at, level.start), "decimal" if legal and level.kind != "decimalZero" else level.kind)


def formatted(number: int, kind: str) -> str:
    """A number in one of Word's formats; those that are not known here are plain figures."""
    if kind in ("upperLetter", "lowerLetter") and 0 < number <= _LARGEST:
        letters = chr(ord("A") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters if kind == "upperLetter" else letters.lower()
    if kind in ("upperRoman", "lowerRoman") and 0 < number <= _LARGEST:
        return roman(number) if kind == "upperRoman" else roman(number).lower()
    if kind == "decimalZero":
        return f"{number:02d}"
    return f"{number}{_ordinal(number)}" if kind == "ordinal" else str(number)


def roman(number: int) -> str:
    """A number from 1 to 3999 in Roman figures."""
    out = ""
    for value, letters in _ROMAN:
        out += letters * (number // value)
        number %= value
    return out


def _ordinal(number: int) -> str:
    return "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
