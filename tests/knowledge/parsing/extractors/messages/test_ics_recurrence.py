"""Rules of recurrence in words, and as they are written where the words would say something else or not all."""

from __future__ import annotations

import pytest

from tests.knowledge.parsing.extractors.messages.test_ics import read


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("FREQ=DAILY", "every day"),
        ("FREQ=HOURLY;INTERVAL=6", "every 6 hours"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;COUNT=5", "every 2 weeks on Tuesday, Thursday, 5 times"),
        ("FREQ=WEEKLY;WKST=SU;BYDAY=TU", "every week on Tuesday"),
        ("FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU", "every 2 weeks on Tuesday, weeks start on Sunday"),
        ("FREQ=DAILY;COUNT=1", "every day, once"),
        ("freq=daily;until=20270131", "every day until 2027-01-31"),
        ("FREQ=DAILY;UNTIL=20270201T045959Z;", "every day until 2027-02-01 04:59:59 UTC"),
        ("FREQ=MONTHLY;BYDAY=2MO", "every month on the second Monday"),
        ("FREQ=MONTHLY;BYDAY=+1MO,-1FR", "every month on the first Monday, the last Friday"),
        ("FREQ=MONTHLY;BYDAY=MO", "every month on every Monday"),
        ("FREQ=MONTHLY;BYMONTHDAY=15,-1", "every month on day 15, the last day"),
        ("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=2", "every month on the second Tuesday"),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "every month on the last Monday, Tuesday, Wednesday, Thursday or Friday",
        ),
        ("FREQ=YEARLY", "every year"),
        ("FREQ=YEARLY;BYMONTH=5;BYDAY=2SU", "every year on the second Sunday in May"),
        ("FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=1", "every year on day 1 in March"),
        ("FREQ=YEARLY;BYMONTH=6;BYDAY=FR;BYSETPOS=1", "every year on the first Friday in June"),
        ("FREQ=DAILY;BYMONTH=1,2", "every day in January, February"),
    ],
)
def test_rule_is_said_in_words(rule, said):
    assert read(f"SUMMARY:Choir\nRRULE:{rule}").text == f"Choir\nRepeats: {said}"


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYHOUR=9,17",
        "FREQ=HOURLY;BYMINUTE=30",
        "FREQ=YEARLY;BYDAY=20MO",
        "FREQ=YEARLY;BYDAY=MO",
        "FREQ=YEARLY;BYMONTHDAY=1",
        "FREQ=YEARLY;BYWEEKNO=20",
        "FREQ=YEARLY;BYYEARDAY=-1",
        "FREQ=YEARLY;BYMONTH=5,6;BYDAY=MO;BYSETPOS=1",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "FREQ=MONTHLY;BYMONTHDAY=-2",
        "FREQ=MONTHLY;BYDAY=2MO;BYSETPOS=1",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1,-1",
        "FREQ=MONTHLY;BYMONTHDAY=1,2;BYSETPOS=1",
        "FREQ=MONTHLY;BYDAY=",
        "FREQ=WEEKLY;BYDAY=2MO",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYMONTHDAY=1",
        "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=1",
        "FREQ=WEEKLY;WKST=X",
        "RSCALE=HEBREW;FREQ=YEARLY;BYMONTH=5L;BYMONTHDAY=8",
        "FREQ=DAILY;SKIP=FORWARD",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=two",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;UNTIL=soon",
        "FREQ=DAILY;FREQ=WEEKLY",
        "FREQ=FORTNIGHTLY",
        "INTERVAL=2",
        "every day",
    ],
)
def test_rule_beyond_the_words_is_shown_as_written(rule):
    assert read(f"SUMMARY:Choir\nRRULE:{rule}").text == f"Choir\nRepeats: {rule}"


def test_several_rules_and_exceptions_are_all_shown():
    rules = "RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY\nEXRULE:FREQ=MONTHLY;BYDAY=1MO\nEXDATE;VALUE=DATE:20270105,20270106"
    assert read(f"SUMMARY:Choir\n{rules}").text.splitlines() == [
        "Choir",
        "Repeats: every day",
        "Repeats: every week",
        "Except: every month on the first Monday",
        "Except: 2027-01-05, 2027-01-06",
    ]
