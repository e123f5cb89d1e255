"""Whether a passage supports a claim."""

from __future__ import annotations

import pytest

from chatbot.rag.grounding.claim_support import claims, support, supported_by
from chatbot.rag.types import Passage

TEXT = (
    "Passwords are stored as salted hashes. A reset link is valid for one hour. It can be used once.\n\n"
    "- Tokens live 7 days.\n- Sessions do not expire.\n"
)


def passage(text: str = TEXT, title: str = "Security") -> Passage:
    return Passage(1, "d", title, "s", 1, 1, None, 10, 10 + len(text), text, {})


def quote(claim: str) -> str | None:
    found = support(claim, passage())
    return TEXT[found.start : found.end] if found else None


@pytest.mark.parametrize(
    ("claim", "quoted"),
    [
        ("Passwords are stored as salted hashes.", "Passwords are stored as salted hashes."),
        ("The reset link stays valid for an hour", "A reset link is valid for one hour."),
        ("Tokens live seven days.", "- Tokens live 7 days."),
        (
            "The reset link is valid for one hour and is used once.",
            "A reset link is valid for one hour. It can be used once.",
        ),
        ("Sessions never expire.", "- Sessions do not expire."),
    ],
)
def test_the_smallest_stretch_that_has_the_words_is_quoted(claim, quoted):
    assert quote(claim) == quoted


@pytest.mark.parametrize(
    "claim",
    [
        "",
        "And so on.",
        "Tokens live 8 days.",
        "Sessions expire.",
        "Passwords are not stored as salted hashes.",
        "Passwords are stored as salted SHA256 hashes.",
        'It says "passwords are stored as plain text" about salted hashes.',
        "The kitchen is closed in winter.",
    ],
)
def test_what_the_passage_does_not_say_has_no_support(claim):
    assert support(claim, passage()) is None


GYM = "The gym is open from 6 am to 11 pm on weekdays and from 8 am to 8 pm on weekends. Members pay 20 euros a month."
PLANS = "- **Starter**: 1 member\n- **Office**: 3 members\n- **Campus**: 50 members"
RIGHTS = "The owner and the keepers can add members. Only the owner can hand the workspace over."
SHIPPING = "Return shipping is paid by the customer unless the item is faulty."
RULES = (
    "Report an illness before 9 am. A note is needed from the third day on. Most districts ask for a unanimous vote."
)
MOVED = "Free for everyone in most countries, but protected in Norland."


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        (GYM, "The gym is open from 8 am to 8 pm on weekdays."),
        (GYM, "The gym is open from 11 pm to 6 am on weekdays."),
        (GYM, "Members pay 20 euros a week."),
        (PLANS, "The Office plan has 50 members."),
        (RIGHTS, "Keepers can hand the workspace over."),
        (SHIPPING, "Return shipping is paid by the customer if the item is faulty."),
        (SHIPPING, "Return shipping is not paid by the customer unless the item is faulty."),
        (RULES, "Report an illness after 9 am."),
        (RULES, "A note is needed from the first day on."),
        (RULES, "All districts ask for a unanimous vote."),
        (MOVED, "Free for everyone in Norland."),
        (RIGHTS, "Die Hüter können 5 Mitglieder hinzufügen."),
    ],
)
def test_claim_with_swapped_subject_value_or_condition_has_no_support(text, claim):
    assert support(claim, passage(text, "Rules")) is None


@pytest.mark.parametrize(
    ("text", "claim", "verified"),
    [
        (GYM, "On weekends the gym is open from 8:00 to 20:00.", True),
        (PLANS, "Office: three members", True),
        (RIGHTS, "Solo el propietario puede ceder el espacio de trabajo.", False),
        (RIGHTS, "Nur der Eigentümer kann den Arbeitsbereich übergeben.", True),
        (GYM, "Les membres paient 20 euros par mois.", True),
        (GYM, "Am Wochenende ist das Studio von 8 bis 20 Uhr geöffnet.", False),
    ],
)
def test_claim_in_another_notation_or_language_has_support(text, claim, verified):
    found = support(claim, passage(text, "Rules"))
    assert found is not None
    assert found.verified >= verified


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("Das Büro liegt links vom Eingang.", "Das Büro liegt rechts vom Eingang."),
        ("The office lies in the north-west of the town.", "The office lies in the northeast of the town."),
        ("The office lies northwest of the town.", "The office lies north-east of the town."),
        ("Das Kind zahlt nichts.", "Der Erwachsene zahlt nichts."),
    ],
)
def test_opposite_of_the_language_of_the_text_has_no_support(text, claim):
    assert support(claim, passage(text, "Site")) is None


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("The office lies in the north-west of the town.", "The office lies in the northwest of the town."),
        ("The office lies northwest of the town.", "The office lies north-west of the town."),
        ("This page links to the form on the right.", "The page links to the form."),
        ("Any kind of adult ticket is valid.", "Any kind of adult ticket is a valid one."),
        ("The due date is printed on each invoice.", "The due date is printed on the invoice."),
    ],
)
def test_word_that_is_an_opposite_in_another_language_refutes_nothing(text, claim):
    found = support(claim, passage(text, "Site"))
    assert found is not None
    assert found.verified


POOL = (
    "The pool is open from 7 am to 9 pm on weekdays. On Saturdays and Sundays it opens at 9 am and closes at 6 pm. "
    "Bikes cost 15 euros a day or 60 euros a week. Return postage is free for members; everyone else pays 5 euros. "
    "Unpaid places are given away; a booking that is not confirmed by 10 am is released."
)
ROOMS = "The Oak room seats 12 people and has a projector. The Birch room seats 30 people; food is not allowed there."
BUS = "The bus leaves Central Station every 40 minutes. Visitors have access from 8 am to 6 pm only."
LEAVE = "Leave of three weeks needs the approval of the director; shorter leave is approved by the lead."
LAUNDRY = "Die Waschküche darf werktags von 8 bis 20 Uhr benutzt werden, sonntags gar nicht."
DAILY = "La piscina è aperta tutti i giorni dalle 9 alle 19, tranne il mercoledì."
COURSE = "Der Kurs kostet 20 Euro. Wer nach Kursbeginn absagt, erhält nichts zurück. Anmeldung bis zum 15. September."


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        (POOL, "Bikes cost 60 euros a day."),
        (POOL, "Non-members get free return postage."),
        (POOL, "On Saturdays the pool opens at 7 am."),
        (ROOMS, "Food is not allowed in the Oak room."),
        (BUS, "The bus goes to Central Station every 40 minutes."),
        (BUS, "Visitors have access at 9 pm."),
        (LAUNDRY, "Sonntags darf die Waschküche benutzt werden."),
        (DAILY, "La piscina è aperta il mercoledì."),
        (COURSE, "Wer nach Kursbeginn absagt, erhält etwas zurück."),
        (COURSE, "Anmeldung bis zum 15.10. möglich."),
    ],
)
def test_claim_with_swapped_rate_place_way_or_exception_has_no_support(text, claim):
    assert support(claim, passage(text, "Rules")) is None


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        (LEAVE, "Shorter leave is approved by the director."),
        (POOL, "A bike is free."),
        ("The order is confirmed when the fee is paid.", "The order is confirmed before the fee is paid."),
    ],
)
def test_what_is_said_of_something_else_or_of_no_time_is_not_verified(text, claim):
    found = support(claim, passage(text, "Rules"))
    assert found is None or not found.verified


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        (POOL, "At weekends the pool opens at 9 am and closes at 6 pm."),
        (POOL, "On Wednesdays the pool is open from 07:00 to 21:00."),
        (POOL, "Bikes cost 60 euros per week."),
        (POOL, "Unconfirmed bookings are released at 10 am."),
        (POOL, "Members pay nothing for return postage, and bikes cost 15 euros a day."),
        (LAUNDRY, "Die Waschküche darf werktags bis 20 Uhr benutzt werden."),
        (DAILY, "La piscina non è aperta il mercoledì."),
        (DAILY, "The pool is closed on Wednesday."),
        (COURSE, "Anmeldung bis zum 15.9., wer absagt, erhält nichts zurück."),
        ("L'entrée de l'hôtel coûte 12 €.", "À l'hôtel, une entrée coûte douze euros."),
        ("La reserva se confirma al pagar el 30 %.", "La reserva se confirma al pagar un 30 por ciento."),
        ("Cada leitor pode levar até cinco livros.", "Cada leitor pode levar no máximo 5 livros."),
        ("U mag tien boeken lenen, voor hoogstens drie weken.", "U mag boeken lenen voor ten hoogste 21 dagen."),
        (
            "Termine sagt man spätestens 48 Stunden vor Beginn ab.",
            "Termine sagt man mindestens zwei Tage vor Beginn ab.",
        ),
    ],
)
def test_claim_with_the_same_rate_days_or_denial_otherwise_said_has_support(text, claim):
    assert support(claim, passage(text, "Rules")) is not None


def test_two_passages_support_together_what_neither_says_alone():
    passages = {1: passage(GYM), 2: passage(SHIPPING)}
    claim = "Members pay 20 euros a month, and the customer pays return shipping unless the item is faulty"
    assert set(supported_by(claim, passages)) == {1, 2}
    assert set(supported_by("Members pay 20 euros a month", passages)) == {1}


def test_a_number_may_stand_in_the_title():
    assert support("Release 2.1 keeps tokens.", passage("The release keeps tokens.", "Release 2.1"))


def test_an_embedder_is_asked_only_where_the_words_do_not_tell():
    asked: list[str] = []

    def embed(texts):
        asked.extend(texts)
        raise AssertionError("not needed")

    assert support("Tokens live 7 days.", passage(), embed)
    assert support("Tokens live 9 days.", passage(), embed) is None
    assert asked == []


def test_sentences_that_claim_something_are_told_from_others():
    text = "Hello! The shop opens at nine. Shall I go on? These are the rules:\n\n```\ncode = 1\n```\n"
    assert [text[slice(*span)] for span in claims(text)] == ["The shop opens at nine."]
