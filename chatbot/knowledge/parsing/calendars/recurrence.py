"""Rules of recurrence (RRULE) in words."""

from __future__ import annotations

import re
from calendar import month_name
from collections.abc import Iterable
from typing import Final

from chatbot.knowledge.parsing.calendars.times import moment

_UNITS: Final = {
    "SECONDLY": "second",
    "MINUTELY": "minute",
    "HOURLY": "hour",
    "DAILY": "day",
    "WEEKLY": "week",
    "MONTHLY": "month",
    "YEARLY": "year",
}
_DAYS: Final = {
    "MO": "Monday",
    "TU": "Tuesday",
    "WE": "Wednesday",
    "TH": "Thursday",
    "FR": "Friday",
    "SA": "Saturday",
    "SU": "Sunday",
}
_ORDINALS: Final = {
    "1": "first",
    "2": "second",
    "3": "third",
    "4": "fourth",
    "5": "fifth",
    "-1": "last",
    "-2": "second to last",
}
_DAYS_OF_MONTH: Final = {code: f"every {day}" for code, day in _DAYS.items()} | {
    number + code: f"the {ordinal} {day}" for number, ordinal in _ORDINALS.items() for code, day in _DAYS.items()
}
_DATES: Final = {str(day): f"day {day}" for day in range(1, 32)} | {"-1": "the last day"}
_MONTHS: Final = {str(month): name for month, name in enumerate(month_name) if name}
_NUMBER: Final = re.compile("[1-9][0-9]*")


def repeats(written: str) -> str:
    """A rule in words, or as it is written if these words do not say all of it."""
    pairs = [part.partition("=")[::2] for part in written.upper().rstrip(";").split(";")]
    parts = dict(pairs)
    said = _said(parts) if len(parts) == len(pairs) else None
    return written if said is None or parts else said


def _said(parts: dict[str, str]) -> str | None:
    """The rule in words; what they say is taken out of the parts."""
    unit, interval = _UNITS.get(parts.pop("FREQ", "")), parts.pop("INTERVAL", "1")
    ends, week = _ends(parts), _week_start(parts, interval)
    days = _days(parts, unit)
    if unit is None or not _NUMBER.fullmatch(interval) or ends is None or week is None or days is None:
        return None
    return (f"every {unit}" if interval == "1" else f"every {interval} {unit}s") + days + week + ends


def _days(parts: dict[str, str], unit: str | None) -> str | None:
    """On which days and in which months."""
    in_month = unit == "month" or (unit == "year" and "BYMONTH" in parts)
    if unit == "year" and parts and not in_month:
        # The days of a year are counted within their month only if it is named.
        return None
    if {"BYDAY", "BYMONTHDAY"} <= parts.keys() or (unit == "week" and "BYMONTHDAY" in parts):
        return None
    said = []
    if in_month and "BYSETPOS" in parts:
        said.append(_by_position(parts))
    said += [
        None if values is None else f" {word} {_list(values)}"
        for name, word, words in (
            ("BYDAY", "on", _DAYS_OF_MONTH if in_month else _DAYS),
            ("BYMONTHDAY", "on", _DATES),
            ("BYMONTH", "in", _MONTHS),
        )
        if name in parts
        for values in [_words(parts.pop(name), words)]
    ]
    return None if None in said else "".join(map(str, said))


def _by_position(parts: dict[str, str]) -> str | None:
    """The last Monday or Tuesday: the days are counted together. Only within one month."""
    ordinal = _ORDINALS.get(parts.pop("BYSETPOS").removeprefix("+"))
    days = _words(parts.pop("BYDAY", ""), _DAYS)
    if ordinal is None or days is None or "," in parts.get("BYMONTH", ""):
        return None
    return f" on the {ordinal} {_list(days, ' or ')}"


def _words(written: str, words: dict[str, str]) -> list[str] | None:
    found = [words.get(value.strip().removeprefix("+")) for value in written.split(",")]
    return None if None in found else [str(word) for word in found]


def _list(words: Iterable[str], last: str = ", ") -> str:
    *others, end = words
    return last.join(filter(None, (", ".join(others), end)))


def _week_start(parts: dict[str, str], interval: str) -> str | None:
    """Where weeks begin, which matters if some are passed over."""
    day = _DAYS.get(parts.pop("WKST", "MO"))
    if day in (None, "Monday") or interval == "1":
        return None if day is None else ""
    return f", weeks start on {day}"


def _ends(parts: dict[str, str]) -> str | None:
    said = ""
    if "UNTIL" in parts:
        last = moment(parts.pop("UNTIL"))
        if isinstance(last, str):
            return None
        said += f" until {last}"
    if "COUNT" in parts:
        count = parts.pop("COUNT")
        if not _NUMBER.fullmatch(count):
            return None
        said += ", once" if count == "1" else f", {count} times"
    return said
