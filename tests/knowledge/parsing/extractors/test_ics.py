"""Calendars as a person sees them: what, when, where and who."""

from __future__ import annotations

import pytest

from chatbot.knowledge.parsing import ParseError, parse


def read(*events: str, head: str = ""):
    inner = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return parse(f"BEGIN:VCALENDAR\n{head}{inner}END:VCALENDAR\n".encode(), "a.ics")


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            "SUMMARY:Budget\nDTSTART:20270105T090000Z\nDTEND:20270105T100000Z\nLOCATION:Room 12",
            "Budget\nWhen: 2027-01-05 09:00 to 10:00 UTC\nWhere: Room 12",
        ),
        ("SUMMARY:Fair\nDTSTART;VALUE=DATE:20270105\nDTEND;VALUE=DATE:20270106", "Fair\nWhen: 2027-01-05"),
        (
            "SUMMARY:Fair\nDTSTART;VALUE=DATE:20270105\nDTEND;VALUE=DATE:20270108",
            "Fair\nWhen: 2027-01-05 to 2027-01-07",
        ),
        (
            "SUMMARY:Choir\nDTSTART;TZID=Europe/Tallinn:20270105T190000\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;COUNT=5",
            "Choir\nWhen: 2027-01-05 19:00 Europe/Tallinn\nRepeats: every 2 weeks on Tuesday, Thursday, 5 times",
        ),
        ("SUMMARY:A long\n  name\\, in two lines\nDESCRIPTION:One\\nTwo", "A long name, in two lines\nOne\nTwo"),
        (
            "SUMMARY:Talk\nORGANIZER;CN=Ada L:mailto:a@example.com\nATTENDEE:mailto:b@example.com",
            "Talk\nOrganizer: Ada L\nWho: b@example.com",
        ),
        ("SUMMARY:Trip\nSTATUS:CANCELLED", "Cancelled: Trip"),
    ],
)
def test_event_is_shown_with_what_a_person_sees(event, text):
    assert read(event).text == text


def test_title_is_the_name_of_the_calendar_or_of_its_only_event():
    assert read("SUMMARY:Budget").title == "Budget"
    assert read("SUMMARY:A", "SUMMARY:B").title is None
    assert read("SUMMARY:A", "SUMMARY:B", head="X-WR-CALNAME:Harbour\n").title == "Harbour"


def test_cancelled_invitation_says_so():
    assert read("SUMMARY:Budget", head="METHOD:CANCEL\n").text == "Cancelled: Budget"


@pytest.mark.parametrize("source", [b"BEGIN:VCALENDAR\n", b"hello", b"BEGIN:VEVENT\nSUMMARY:x\n"])
def test_what_is_no_calendar_is_damaged_or_has_no_text(source):
    with pytest.raises(ParseError) as caught:
        parse(source, "a.ics")
    assert caught.value.code in ("damaged", "no_text")
