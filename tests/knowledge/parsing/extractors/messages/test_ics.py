"""Calendars as a person sees them: what, when, where and who. Rules of recurrence are in test_ics_recurrence."""

from __future__ import annotations

import pytest

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.extractors.messages import ics
from chatbot.knowledge.parsing.extractors.messages.ics import extract
from chatbot.knowledge.parsing.limits import DEFAULT, Limits


def calendar(*components: str, head: str = "") -> bytes:
    inner = "".join(f"BEGIN:{kind}\n{body}\nEND:{kind}\n" for kind, _, body in (c.partition("\n") for c in components))
    return f"BEGIN:VCALENDAR\n{head}{inner}END:VCALENDAR\n".encode()


def read(*events: str, head: str = ""):
    return extract(calendar(*(f"VEVENT\n{event}" for event in events), head=head), DEFAULT)


def text_of(component: str, head: str = "") -> str:
    return extract(calendar(component, head=head), DEFAULT).text


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            "SUMMARY:Budget\nDTSTART:20270105T090000Z\nDTEND:20270105T100000Z\nLOCATION:Room 12",
            "Budget\nWhen: 2027-01-05 09:00 to 10:00 UTC\nWhere: Room 12",
        ),
        ("SUMMARY:A long\n  name\\, in two lines\nDESCRIPTION:One\\nTwo", "A long name, in two lines\nOne\nTwo"),
        (
            "SUMMARY:Talk\nORGANIZER;CN=Ada L:mailto:a@example.com\nATTENDEE:MAILTO:b@example.com",
            "Talk\nOrganizer: Ada L\nWho: b@example.com",
        ),
        ('ATTENDEE;CN="Lovelace, Ada";PARTSTAT=DECLINED:mailto:a@example.com', "Who: Lovelace, Ada (declined)"),
        ("ATTENDEE;CN=Ada;PARTSTAT=NEEDS-ACTION:mailto:a@example.com", "Who: Ada"),
        (
            "URL:https://example.com/?a=1;b=2\nCATEGORIES:Boats,Nets\\, old",
            "Categories: Boats, Nets, old\nLink: https://example.com/?a=1;b=2",
        ),
        (
            "ATTACH;FILENAME=a.pdf:https://example.com/1\nATTACH:https://example.com/2\n"
            "ATTACH;VALUE=BINARY;ENCODING=BASE64;FMTTYPE=image/png:AAAA\nATTACH;VALUE=BINARY:AAAA",
            "Attachments: a.pdf, https://example.com/2, image/png, file",
        ),
        ("X-GOOGLE-CONFERENCE:https://example.com/meet", "Conference: https://example.com/meet"),
        ("begin:valarm\ndescription:Alarm\nend:valarm\nsummary:Small letters", "Small letters"),
    ],
)
def test_event_is_shown_with_what_a_person_sees(event, text):
    assert read(event).text == text


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ("DTSTART;VALUE=DATE:20270105\nDTEND;VALUE=DATE:20270106", "2027-01-05"),
        ("DTSTART;VALUE=DATE:20270105\nDTEND;VALUE=DATE:20270108", "2027-01-05 to 2027-01-07"),
        ("DTSTART;VALUE=DATE:20270105\nDURATION:P3D", "2027-01-05 to 2027-01-07"),
        ("DTSTART;VALUE=DATE:20270105\nDTEND:20270106T100000Z", "2027-01-05 to 2027-01-06 10:00 UTC"),
        ("DTSTART:20270105T100000\nDTEND;VALUE=DATE:20270107", "2027-01-05 10:00 to 2027-01-07"),
        ("DTSTART:20270105T220000\nDTEND:20270106T010000", "2027-01-05 22:00 to 2027-01-06 01:00"),
        (
            "DTSTART:20270105T100000Z\nDTEND;TZID=Asia/Tokyo:20270105T200000",
            "2027-01-05 10:00 UTC to 2027-01-05 20:00 Asia/Tokyo",
        ),
        ("DTSTART;TZID=Europe/Tallinn:20270105T190000\nDURATION:PT1H30M", "2027-01-05 19:00 to 20:30 Europe/Tallinn"),
        ("DTSTART:20270105T190000\nDURATION:P1DT1H", "2027-01-05 19:00 to 2027-01-06 20:00"),
        ("DTSTART:20270105T190000\nDURATION:PT0S", "2027-01-05 19:00, lasting PT0S"),
        ("DTSTART;VALUE=DATE:20270105\nDURATION:PT1H", "2027-01-05, lasting PT1H"),
        ("DTSTART:20270105T190000\nDURATION:P99999999999999D", "2027-01-05 19:00, lasting P99999999999999D"),
        ("DTSTART:99991231T235900\nDURATION:P1D", "9999-12-31 23:59, lasting P1D"),
        ("DTSTART:20270105T190030", "2027-01-05 19:00:30"),
        ("DTSTART;TZID=W. Europe Standard Time:20270105T090000", "2027-01-05 09:00 W. Europe Standard Time"),
        (
            'DTSTART;TZID="(UTC+01:00) Amsterdam, Berlin":20270105T090000',
            "2027-01-05 09:00 (UTC+01:00) Amsterdam, Berlin",
        ),
        (
            "DTSTART;TZID=/example.org/2027/Europe/Berlin:20270105T090000",
            "2027-01-05 09:00 /example.org/2027/Europe/Berlin",
        ),
        (
            "DTSTART;TZID=(UTC+01:00) Amsterdam, Berlin:20270105T090000\n"
            "DTEND;TZID=(UTC+01:00) Amsterdam, Berlin:20270105T100000",
            "2027-01-05 09:00 to 10:00 (UTC+01:00) Amsterdam, Berlin",
        ),
        ("DTSTART:20270231T090000", "20270231T090000"),
        ("DTSTART:next Monday\nDTEND:20270105T090000", "next Monday to 2027-01-05 09:00"),
        ("DTEND:20270105T090000", "until 2027-01-05 09:00"),
        ("DTSTART:", None),
    ],
)
def test_times_are_said_in_words_or_as_they_are_written(times, said):
    assert read(f"SUMMARY:Fair\n{times}").text == ("Fair" if said is None else f"Fair\nWhen: {said}")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("DUE:20270105T170000Z", "When: due 2027-01-05 17:00 UTC"),
        ("DTSTART;VALUE=DATE:20270101\nDUE;VALUE=DATE:20270105", "When: 2027-01-01, due 2027-01-05"),
        ("STATUS:IN-PROCESS", "Status: in process"),
        ("STATUS:COMPLETED\nCOMPLETED:20270104T120000Z", "Status: completed\nCompleted: 2027-01-04 12:00 UTC"),
    ],
)
def test_task_says_when_it_is_due_and_how_far_it_is(task, said):
    assert text_of(f"VTODO\nSUMMARY:Paint\n{task}") == f"Paint\n{said}"


def test_journal_entry_keeps_all_its_descriptions():
    entry = "VJOURNAL\nDTSTART;VALUE=DATE:20270105\nSUMMARY:Log\nDESCRIPTION:Fog\\, later rain\nDESCRIPTION:Calm"
    assert text_of(entry) == "Log\nWhen: 2027-01-05\nFog, later rain\nCalm"


def test_free_and_busy_periods_are_spans_of_time():
    periods = "FREEBUSY:20270105T090000Z/PT1H,20270105T120000Z/20270105T130000Z\nFREEBUSY;FBTYPE=BUSY-TENTATIVE:x/y"
    assert text_of(f"VFREEBUSY\n{periods}").splitlines() == [
        "Busy: 2027-01-05 09:00 to 10:00 UTC, 2027-01-05 12:00 to 13:00 UTC",
        "Busy tentative: x, lasting y",
    ]


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ("DESCRIPTION:One\nDESCRIPTION:Two\nDESCRIPTION:One", "One\nTwo"),
        ("COMMENT:One\nCOMMENT:Two", "Comment: One\nComment: Two"),
        ("LOCATION:Hall\nLOCATION:Yard", "Where: Hall\nWhere: Yard"),
        ("CATEGORIES:A,B\nCATEGORIES:C", "Categories: A, B, C"),
        ("ATTENDEE:mailto:a@example.com\nATTENDEE;CN=Bo:mailto:b@example.com", "Who: a@example.com, Bo"),
        (
            "RDATE;VALUE=DATE:20270105,20270106\nRDATE:20270107T090000Z",
            "Also: 2027-01-05, 2027-01-06, 2027-01-07 09:00 UTC",
        ),
        ("RDATE;VALUE=PERIOD;TZID=Asia/Tokyo:20270105T090000/PT2H", "Also: 2027-01-05 09:00 to 11:00 Asia/Tokyo"),
        (
            "EXDATE:20270105T090000\nEXDATE;TZID=Asia/Tokyo:20270106T090000",
            "Except: 2027-01-05 09:00, 2027-01-06 09:00 Asia/Tokyo",
        ),
        ("RECURRENCE-ID:20270105T090000Z", "Replaces: 2027-01-05 09:00 UTC"),
        ("RECURRENCE-ID;RANGE=THISANDFUTURE:20270105", "Replaces: 2027-01-05 and all later ones"),
    ],
)
def test_repeated_properties_are_all_kept(properties, said):
    assert read(f"SUMMARY:Fair\n{properties}").text == f"Fair\n{said}"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("DTSTART;TZID:20270105T090000", "When: 2027-01-05 09:00"),
        ("DTSTART;VALUE=DATE:2027-01-05", "When: 2027-01-05"),
        ('LOCATION;X="open:Room 12', "Where: Room 12"),
        ("RRULE:FREQ=", "Repeats: FREQ="),
        ("EXDATE:soon", "Except: soon"),
        ("LOCATION;Room 12", "LOCATION;Room 12"),
        (
            "DESCRIPTION:Bring boots\nand a coat\nSee: the list\nAnd: more",
            "Bring boots\nand a coat\nSee: the list\nAnd: more",
        ),
        ("ATTENDEE:", None),
        ("GEO:somewhere\nDURATION:long\nSEQUENCE:x\nTRIGGER:y", None),
        ("END:VALARM", None),
    ],
)
def test_broken_property_costs_neither_its_event_nor_the_file(broken, said):
    text = read(f"SUMMARY:Fair\n{broken}", "SUMMARY:Other").text
    assert text == "\n".join(filter(None, ("Fair", said))) + "\n\nOther"


@pytest.mark.parametrize(
    ("head", "event", "shown"),
    [
        ("METHOD:REQUEST\n", "SUMMARY:Budget", "Invitation: Budget"),
        ("METHOD:REPLY\n", "SUMMARY:Budget", "Reply: Budget"),
        ("METHOD:CANCEL\n", "SUMMARY:Budget", "Cancelled: Budget"),
        ("METHOD:cancel\n", "SUMMARY:Budget\nSTATUS:CANCELLED", "Cancelled: Budget"),
        ("METHOD:COUNTER\n", "SUMMARY:Budget", "Proposed change: Budget"),
        ("METHOD:X-ASK\n", "SUMMARY:Budget", "X ask: Budget"),
        ("METHOD:PUBLISH\n", "SUMMARY:Budget", "Budget"),
        ("METHOD:REQUEST\n", "LOCATION:Hall", "Invitation\nWhere: Hall"),
        ("", "SUMMARY:Budget\nSTATUS:CANCELLED", "Cancelled: Budget"),
        ("", "SUMMARY:Budget\nSTATUS:TENTATIVE", "Budget\nStatus: tentative"),
        ("", "SUMMARY:Budget\nSTATUS:CONFIRMED", "Budget"),
    ],
)
def test_what_was_sent_and_its_status_are_said(head, event, shown):
    assert read(event, head=head).text == shown


def test_method_counts_for_its_own_calendar():
    parts = [calendar(f"VEVENT\nSUMMARY:{name}", head=head) for name, head in (("A", "METHOD:CANCEL\n"), ("B", ""))]
    assert extract(b"".join(parts), DEFAULT).text == "Cancelled: A\n\nB"
    assert extract(b"".join(reversed(parts)), DEFAULT).text == "B\n\nCancelled: A"


def test_reply_says_who_answered_what():
    answer = "SUMMARY:Budget\nATTENDEE;PARTSTAT=ACCEPTED;CN=Bo:mailto:b@example.com"
    assert read(answer, head="METHOD:REPLY\n").text == "Reply: Budget\nWho: Bo (accepted)"


def test_title_is_the_name_of_the_calendar_or_of_its_only_event():
    assert read("SUMMARY:Budget").title == "Budget"
    assert read("SUMMARY:A", "SUMMARY:B").title is None
    assert read("SUMMARY:A", "SUMMARY:B", head="X-WR-CALNAME:Harbour\n").title == "Harbour"
    assert read("SUMMARY:A", "SUMMARY:B", head="NAME:Harbour\n").title == "Harbour"
    assert read("SUMMARY:Budget", head="X-WR-CALNAME:\n").title == "Budget"


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_letter_that_is_folded_in_its_middle_is_put_together(end):
    source = calendar("VEVENT\nSUMMARY:Gr€ße").replace("€".encode(), b"\xc3\n \xbc").replace(b"\n", end.encode())
    assert extract(source, DEFAULT).text == "Grüße"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_folded_lines_in_wide_encodings_are_put_together(encoding):
    source = calendar("VEVENT\nSUMMARY:Grü\n ße").decode().encode(encoding)
    assert parse(source, "a.ics").text == "Grüße"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (b"BEGIN:VCALENDAR\n", "damaged"),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\n", "damaged"),
        (b"BEGIN:VEVENT\nSUMMARY:x\n", "damaged"),
        (b"hello", "damaged"),
        (calendar(), "no_text"),
        (calendar("VTIMEZONE\nTZID:Europe/Tallinn"), "no_text"),
        (calendar("VEVENT\nUID:1"), "no_text"),
    ],
)
def test_file_without_a_whole_calendar_or_without_events_is_refused(source, code):
    with pytest.raises(ParseError) as caught:
        parse(source, "a.ics")
    assert caught.value.code == code


def test_too_many_events_too_much_text_or_too_deep_nesting_is_too_complex(monkeypatch):
    monkeypatch.setattr(ics, "_MAX_EVENTS", 2)
    assert read("SUMMARY:A", "SUMMARY:B").text == "A\n\nB"
    event = "VEVENT\nSUMMARY:A"
    too_long, too_deep = calendar(event), calendar(event, head="BEGIN:X\n" * 200)
    for source, limits in (
        (calendar(*[event] * 3), DEFAULT),
        (too_long, Limits(text_bytes=len(too_long) - 1)),
        (too_deep, DEFAULT),
    ):
        with pytest.raises(ParseError) as caught:
            extract(source, limits)
        assert caught.value.code == "too_complex"
