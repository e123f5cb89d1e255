"""Numbers, amounts, days, times and addresses in a text, each in one form however it is written.

"1.234,50 Euro" and "€1,234.50", "half past five in the afternoon" and "17:30", "31. Dezember 2025" and "2025-12-31" are
equal; another value is not. Where a notation can be read in two ways (3/9/2025, five o'clock) it has both readings, and
two values are the same if they share one.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from chatbot.rag.grounding.notation import value_words as vw

# Numbers, days as (year, month, day), minutes of the day, or text.
Readings = frozenset[Any]
_ABOUT = Fraction(1, 10)


@dataclass(frozen=True)
class Value:
    """A value at its place: a `number` (with its unit), `date`, `time`, `weekday`, `month`, `ordinal` or `code`.

    `readings` are its possible meanings in the unit's base, `plain` those without it. A `soft` one is hardly a number
    ("a month"). `bound` is 1 for "at least" and "after", -1 for "at most" and "before"; `hedge` is "about" or "over".
    """

    kind: str
    readings: Readings
    start: int
    end: int
    unit: str = ""
    plain: frozenset[Fraction] = frozenset()
    soft: bool = False
    bound: int = 0
    hedge: str = ""
    # "20 euros a month": the unit that an amount is for. "20 rooms": a number of what is no unit.
    per: str = ""
    counts: bool = False


def same(said: Value, there: Value) -> bool:
    """Whether what a claim says is the value that stands in a passage, as far as the claim goes into it."""
    if said.kind == there.kind == "number":
        return _same_number(said, there) and (not said.per or not there.per or said.per == there.per)
    if said.kind == there.kind == "weekday":
        return said.readings <= there.readings
    if said.kind == there.kind == "date":
        return any(_same_date(a, b) for a in said.readings for b in there.readings)
    if {said.kind, there.kind} == {"number", "date"}:
        number, date = (said, there) if said.kind == "number" else (there, said)
        return said is number and any(year in number.plain for year, _, _ in date.readings)
    if {said.kind, there.kind} == {"number", "time"}:
        number, time = (said, there) if said.kind == "number" else (there, said)
        return not number.unit and any(_is_hour(n, t) for n in number.plain for t in time.readings)
    if {said.kind, there.kind} == {"number", "ordinal"}:
        return not said.unit and not there.unit and bool(said.plain & there.plain)
    if {said.kind, there.kind} == {"month", "date"}:
        month, date = (said, there) if said.kind == "month" else (there, said)
        return said is month and any(m in month.readings for _, m, _ in date.readings)
    return said.kind == there.kind and bool(said.readings & there.readings)


def opposed(said: Value, there: Value) -> bool:
    """Whether one is a lower bound and the other an upper one: "after 9 am" and "before 9 am"."""
    return said.bound * there.bound < 0


def _same_number(said: Value, there: Value) -> bool:
    if said.unit == there.unit:
        return _near(said.readings, there.readings, said.hedge)
    units = {said.unit, there.unit}
    if "" in units:
        if said.counts or there.counts:
            return False
        # A figure without its unit, as in a table. Not the other way: a passage's unit may be in the column's head.
        return _near(said.plain, there.plain, said.hedge)
    if "cent" in units and units & vw.MONEY:
        one = _in_whole(said), _in_whole(there)
        return _near(*one, said.hedge)
    if units == {"time", "months"}:
        return False
    return units == {"mile", "length"} and _near(_in_metres(said), _in_metres(there), "about")


def _in_whole(value: Value) -> Readings:
    return frozenset(n / 100 if value.unit == "cent" else n for n in value.readings)


def _in_metres(value: Value) -> Readings:
    factor = Fraction(1609, 1) if value.unit == "mile" else 1
    return frozenset(n * factor for n in value.readings)


def _near(said: Readings, there: Readings, hedge: str) -> bool:
    if said & there:
        return True
    if not hedge:
        return False
    low, high = (1, 1 + 2 * _ABOUT) if hedge == "over" else (1 - _ABOUT, 1 + _ABOUT)
    return any(a * low <= b <= a * high for a in said for b in there)


def _same_date(said: Any, there: Any) -> bool:
    """Whether each part that a claim names is the passage's."""
    return all(a is None or a == b for a, b in zip(said, there, strict=True))


def _is_hour(number: Fraction, minutes: object) -> bool:
    return number <= 24 and minutes in (number * 60, (number + 12) * 60 if number <= 12 else number * 60)
