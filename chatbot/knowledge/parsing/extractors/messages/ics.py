"""Calendars and invitations (RFC 5545): what, when, where and who."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from chatbot.knowledge.parsing.calendars.components import Component, Property, components_of
from chatbot.knowledge.parsing.calendars.recurrence import repeats
from chatbot.knowledge.parsing.calendars.times import times, when
from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import note

_MAX_EVENTS: Final = 10_000
_EVENTS: Final = ("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY")
# What a calendar was sent for (RFC 5546); a published one says no more than its events.
_METHODS: Final = {
    "PUBLISH": "",
    "REQUEST": "Invitation",
    "REPLY": "Reply",
    "ADD": "Added",
    "REFRESH": "Request for the latest version",
    "COUNTER": "Proposed change",
    "DECLINECOUNTER": "Proposed change declined",
}
_USUAL_STATUS: Final = ("", "CANCELLED", "CONFIRMED", "FINAL", "NEEDS-ACTION")
_RULES: Final = (("RRULE", "Repeats"), ("EXRULE", "Except"))
_TIMES: Final = (("RDATE", "Also"), ("EXDATE", "Except"), ("COMPLETED", "Completed"))
_TEXTS: Final = (
    ("CONTACT", "Contact: "),
    ("URL", "Link: "),
    ("CONFERENCE", "Conference: "),
    ("X-GOOGLE-CONFERENCE", "Conference: "),
    ("COMMENT", "Comment: "),
    ("DESCRIPTION", ""),
)
_MAILTO: Final = re.compile("mailto:", re.IGNORECASE)


class Event(NamedTuple):
    """An event, task, journal entry or free/busy time."""

    key: tuple[str, ...]
    """Equal for two copies of it."""
    text: str


def extract(data: bytes, limits: Limits) -> Extracted:
    """The events, each as lines; the title is the calendar's name, or that of its only event."""
    components = components_of(data, limits)
    events = _events(components)
    note("attachments_not_read", sum(len(event.properties["ATTACH"]) for event in events))
    names = [name for component in components for name in _calendar_names(component)]
    if len(events) == 1:
        names += events[0].texts("SUMMARY")
    text = squeeze(clean("\n\n".join(map(_text, events))))
    return Extracted(text, next(filter(None, map(sensible_title, names)), None))


def read_events(data: bytes, limits: Limits) -> list[Event]:
    """The events one by one. Raises ParseError."""
    return [Event(_key(event), _text(event)) for event in _events(components_of(data, limits))]


def _calendar_names(component: Component) -> list[str]:
    return component.texts("X-WR-CALNAME") + component.texts("NAME") if component.name == "VCALENDAR" else []


def _events(components: list[Component]) -> list[Component]:
    events = [component for component in components if component.name in _EVENTS]
    if len(events) > _MAX_EVENTS:
        raise ParseError("too_complex")
    return events


def _key(event: Component) -> tuple[str, ...]:
    uids = event.texts("UID")
    if not uids:
        return (_text(event),)
    replaced, version = (" ".join(event.texts(name)) for name in ("RECURRENCE-ID", "SEQUENCE"))
    return (*uids, replaced, version or "0", str(_is_cancelled(event)))


def _text(event: Component) -> str:
    return "\n".join(_lines(event))


def _lines(event: Component) -> Iterator[str]:
    yield ": ".join(filter(None, (_sent_for(event), " ".join(event.texts("SUMMARY")))))
    status, span = event.keyword("STATUS"), when(event)
    if status not in _USUAL_STATUS:
        yield f"Status: {_lower(status)}"
    if span:
        yield f"When: {span}"
    yield from _recurrence(event)
    for found in event.properties["FREEBUSY"]:
        yield f"{_lower(found.parameter('FBTYPE') or 'BUSY').capitalize()}: {', '.join(times(found))}"
    yield from (f"Where: {place}" for place in event.texts("LOCATION"))
    for label, texts in _listed(event):
        if any(texts):
            yield f"{label}: {', '.join(dict.fromkeys(filter(None, texts)))}"
    for name, label in _TEXTS:
        yield from (label + text for text in event.texts(name))
    yield from event.stray_lines


def _listed(event: Component) -> Iterator[tuple[str, list[str]]]:
    """What is shown in one line, whatever the number of properties."""
    yield "Organizer", [_person(found) for found in event.properties["ORGANIZER"]]
    yield "Who", [_person(found) for found in event.properties["ATTENDEE"]]
    yield "Attachments", [_attachment(found) for found in event.properties["ATTACH"]]
    for name, label in (("CATEGORIES", "Categories"), ("RESOURCES", "Resources")):
        yield label, [text for found in event.properties[name] for text in found.texts]


def _sent_for(event: Component) -> str:
    method = event.method
    if _is_cancelled(event):
        return "Cancelled"
    if method == "REQUEST" and event.name != "VEVENT":
        return "Request"
    return _METHODS.get(method, _lower(method).capitalize())


def _is_cancelled(event: Component) -> bool:
    return event.keyword("STATUS") == "CANCELLED" or event.method == "CANCEL"


def _lower(keyword: str) -> str:
    return keyword.lower().replace("-", " ")


def _recurrence(event: Component) -> Iterator[str]:
    for name, label in _RULES:
        yield from (f"{label}: {repeats(rule)}" for rule in event.texts(name))
    for name, label in _TIMES:
        moments = [moment for found in event.properties[name] for moment in times(found)]
        if moments:
            yield f"{label}: {', '.join(moments)}"
    for found in event.properties["RECURRENCE-ID"]:
        later = " and all later ones" if found.parameter("RANGE").upper() == "THISANDFUTURE" else ""
        yield f"Replaces: {', '.join(times(found))}{later}"


def _person(found: Property) -> str:
    """A name, or an e-mail address without one, and what was answered to an invitation."""
    mailto = _MAILTO.match(found.text)
    name = found.parameter("CN").strip() or found.text[mailto.end() if mailto else 0 :]
    answer = found.parameter("PARTSTAT").upper()
    return name if answer in ("", "NEEDS-ACTION") else f"{name} ({_lower(answer)})"


def _attachment(found: Property) -> str:
    """Its name, else its URL, else what it is."""
    is_inside = found.parameter("VALUE").upper() == "BINARY" or found.text.lower().startswith("data:")
    names = [found.parameter(name) for name in ("FILENAME", "X-FILENAME")]
    return next(filter(None, (*names, "" if is_inside else found.text, found.parameter("FMTTYPE"))), "file")
