"""Calendars and invitations (RFC 5545): what, when, where and who."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

from icalendar import Calendar

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import note

_MOST_EVENTS: Final = 10_000
_EVERY: Final = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
_DAYS: Final = {
    "MO": "Monday",
    "TU": "Tuesday",
    "WE": "Wednesday",
    "TH": "Thursday",
    "FR": "Friday",
    "SA": "Saturday",
    "SU": "Sunday",
}


def extract(data: bytes, limits: Limits) -> Extracted:
    """The events and tasks, each as lines; the title is the calendar's name, or that of its only event."""
    source = decode(data)
    if len(source) > limits.text_bytes:
        raise ParseError("too_complex")
    try:
        calendars = Calendar.from_ical(source, multiple=True)
    except ValueError:
        raise ParseError("damaged") from None
    events = [event for calendar in calendars for event in calendar.walk() if event.name in ("VEVENT", "VTODO")]
    if len(events) > _MOST_EVENTS:
        raise ParseError("too_complex")
    parts = [part for calendar in calendars for part in calendar.walk()]
    note("objects_not_read", sum(part.name in ("VJOURNAL", "VFREEBUSY") for part in parts))
    note("attachments_not_read", sum(len(_listed(event.get("ATTACH"))) for event in events))
    cancelled = any(str(calendar.get("METHOD", "")).upper() == "CANCEL" for calendar in calendars)
    names = [str(calendar["X-WR-CALNAME"]) for calendar in calendars if "X-WR-CALNAME" in calendar]
    names += [str(event.get("SUMMARY", "")) for event in events if len(events) == 1]
    blocks = ["\n".join(_lines(event, cancelled)) for event in events]
    return Extracted(squeeze(clean("\n\n".join(blocks))), sensible_title(names[0]) if names else None)


def _lines(event: Any, cancelled: bool) -> Iterator[str]:
    summary = str(event.get("SUMMARY", "")).strip()
    if cancelled or str(event.get("STATUS", "")).upper() == "CANCELLED":
        summary = f"Cancelled: {summary}"
    yield summary
    when = _when(event)
    if when:
        yield f"When: {when}"
    for rule in _listed(event.get("RRULE")):
        yield f"Repeats: {_repeats(rule)}"
    if event.get("LOCATION"):
        yield f"Where: {event['LOCATION']}"
    if event.get("ORGANIZER"):
        yield f"Organizer: {_person(event['ORGANIZER'])}"
    people = [_person(person) for person in _listed(event.get("ATTENDEE"))]
    if people:
        yield f"Who: {', '.join(people)}"
    if event.get("DESCRIPTION"):
        yield str(event["DESCRIPTION"])


def _when(event: Any) -> str:
    start, end = (event[name].dt if name in event else None for name in ("DTSTART", "DTEND"))
    if start is None:
        return f"due {_moment(event['DUE'].dt)}" if "DUE" in event else ""
    if end is None:
        return _moment(start)
    # The end of a whole day is the day after.
    if not isinstance(start, datetime):
        last = date.fromordinal(end.toordinal() - 1)
        return _moment(start) if last <= start else f"{start} to {last}"
    same_day = isinstance(end, datetime) and end.date() == start.date() and end.tzinfo == start.tzinfo
    return f"{_clock(start)} to {end:%H:%M}{_zone(end)}" if same_day else f"{_moment(start)} to {_moment(end)}"


def _moment(at: date | datetime) -> str:
    return f"{_clock(at)}{_zone(at)}" if isinstance(at, datetime) else str(at)


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _zone(at: datetime) -> str:
    return f" {at.tzinfo}" if at.tzinfo else ""


def _repeats(rule: Any) -> str:
    count = next(iter(rule.get("INTERVAL", [1])))
    unit = _EVERY.get(str(next(iter(rule.get("FREQ", [""])))), "time")
    said = f"every {unit}" if count == 1 else f"every {count} {unit}s"
    days = [_DAYS.get(str(day)[-2:], str(day)) for day in rule.get("BYDAY", [])]
    if days:
        said += f" on {', '.join(days)}"
    for until in rule.get("UNTIL", []):
        said += f" until {until:%Y-%m-%d}"
    for times in rule.get("COUNT", []):
        said += f", {times} times"
    return said


def _person(address: Any) -> str:
    name = str(getattr(address, "params", {}).get("CN", ""))
    return name or str(address).removeprefix("mailto:").removeprefix("MAILTO:")


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
