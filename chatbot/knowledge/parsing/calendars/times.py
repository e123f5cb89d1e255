"""The times of calendars in words; a value that is not a time is shown as it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from icalendar.prop import vDuration

from chatbot.knowledge.parsing.calendars.components import Component, Property

_TIME: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})?(Z?))?")


@dataclass(frozen=True)
class Moment:
    at: date
    zone: str = ""

    @property
    def has_time(self) -> bool:
        return isinstance(self.at, datetime)

    @property
    def clock(self) -> str:
        """The time of day, with its zone."""
        seconds = "%H:%M:%S" if isinstance(self.at, datetime) and self.at.second else "%H:%M"
        return f"{self.at.strftime(seconds)} {self.zone}".rstrip()

    @property
    def day(self) -> str:
        return f"{self.at.year:04}-{self.at.month:02}-{self.at.day:02}"

    def __str__(self) -> str:
        return f"{self.day} {self.clock}" if self.has_time else self.day


def moment(written: str, zone: str = "") -> Moment | str:
    """A date or a time, in UTC if it says so, else in the zone; or what is written if it is neither."""
    found = _TIME.fullmatch(written.strip())
    if not found:
        return written.strip()
    numbers = [int(number or 0) for number in found.groups()[:6]]
    try:
        if found[4] is None:
            return Moment(date(*numbers[:3]))
        return Moment(datetime(*numbers), "UTC" if found[7] else zone)  # type: ignore[arg-type]
    except ValueError:
        return written.strip()


def times(found: Property) -> list[str]:
    """The dates, times and periods of a property, each in words."""
    return [_time_or_period(written, found.parameter("TZID")) for written in found.value.split(",") if written.strip()]


def when(event: Component) -> str:
    """From when to when an event lasts, and when a task is due."""
    starts, ends, dues, lengths = (
        [found for found in event.properties[name] if found.value.strip()]
        for name in ("DTSTART", "DTEND", "DUE", "DURATION")
    )
    said = []
    if starts and ends and "/" not in starts[0].value:
        said.append(_span(_moment_of(starts[0]), _moment_of(ends[0])))
    elif starts and lengths and "/" not in starts[0].value:
        said.append(_lasting(_moment_of(starts[0]), lengths[0].value.strip()))
    elif starts:
        said.append(", ".join(times(starts[0])))
    elif ends:
        said.append(f"until {_moment_of(ends[0])}")
    if dues:
        said.append(f"due {_moment_of(dues[0])}")
    return ", ".join(said)


def _moment_of(found: Property) -> Moment | str:
    return moment(found.value, found.parameter("TZID"))


def _time_or_period(written: str, zone: str) -> str:
    start, slash, rest = written.strip().partition("/")
    if not slash:
        return str(moment(start, zone))
    end = moment(rest, zone)
    return _span(moment(start, zone), end) if isinstance(end, Moment) else _lasting(moment(start, zone), rest)


def _span(start: Moment | str, end: Moment | str) -> str:
    if start == end:
        return str(start)
    if not isinstance(start, Moment) or not isinstance(end, Moment) or start.has_time != end.has_time:
        return f"{start} to {end}"
    if not start.has_time and end.at > start.at:
        # The end of a whole day is the day after.
        last = Moment(end.at - timedelta(days=1))
        return str(start) if last == start else f"{start} to {last}"
    if start.has_time and start.day == end.day and start.zone == end.zone:
        return f"{start.day} {Moment(start.at).clock} to {end.clock}"
    return f"{start} to {end}"


def _lasting(start: Moment | str, written: str) -> str:
    """A span by its length. A date with hours, or a length of nothing or less, has no end to name."""
    try:
        length: timedelta = vDuration.from_ical(written)  # type: ignore[no-untyped-call]
        if isinstance(start, Moment) and length > timedelta() and (start.has_time or not length.seconds):
            return _span(start, Moment(start.at + length, start.zone))
    except (ValueError, OverflowError):
        pass
    return f"{start}, lasting {written}"
