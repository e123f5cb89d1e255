"""Answers without a model: what is said stands in the passages, word for word, and is cited."""

from __future__ import annotations

import re

import pytest

from chatbot.rag.embeddings.embedders import LocalEmbedder
from chatbot.rag.grounding.citations import CitedText
from chatbot.rag.llm import extractive
from chatbot.rag.types import Passage

HOURS = "We like visitors. The shop opens at nine in the morning. Parking is behind the house."
OPENS = "The shop opens at nine in the morning."
RETURNS = "Goods can be returned within thirty days. The refund is paid to the card that was used."
INSTALL = "Anybody can do it. Run this command to install the tool:\n```sh\npip install tool\n```\nThen restart."


def passages(*texts: str) -> list[Passage]:
    return [
        Passage(n, f"d{n}", "T", "S", 1, n, None, 0, len(text), text, {"dense": 0.8 - n / 10})
        for n, text in enumerate(texts, 1)
    ]


def answer(question: str, found: list[Passage], embedder: LocalEmbedder) -> list[str]:
    return [piece for q in extractive.quotations(question, found, embedder) for piece in q.pieces]


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("When does the shop open?", "The shop opens at nine in the morning."),
        ("Where can I park?", "Parking is behind the house."),
        ("How long can I return goods?", "Goods can be returned within thirty days."),
    ],
)
def test_the_first_thing_said_answers_the_question(embedder, question, says):
    first = answer(question, passages(HOURS, RETURNS), embedder)[0]
    assert says in first
    assert first in HOURS or first in RETURNS


@pytest.mark.parametrize("question", ["When does the shop open?", "Is there a refund?", "How do I install it?"])
def test_everything_said_stands_in_the_passages_and_is_cited_as_verified(embedder, question):
    found = passages(HOURS, RETURNS, INSTALL)

    text = "".join(answer(question, found, embedder))

    cited = CitedText(found)
    citations = [*cited.feed(text).citations, *cited.end().citations]
    assert cited.text == text
    assert citations
    assert all(c.verified and c.quote in found[c.marker - 1].text for c in citations)
    said = re.sub(r"\s*\[\d\]\s*", "", text)
    assert len(said) == sum(len(re.sub(r"^\s+", "", text[c.answer_start : c.answer_end])) for c in citations)


def test_a_passage_of_headings_alone_is_quoted_by_them(embedder):
    found = passages("# Open from nine to five\n\n## Closed on Sundays")
    assert answer("When is it closed?", found, embedder)[0] == "Closed on Sundays"


RENEWING = "Renewing a card takes two days.\n\n1. Fill in the form.\n2. Pay five euros.\n3. Collect the card."


@pytest.mark.parametrize(
    ("question", "how"),
    [
        ("How do I renew a card?", True),
        ("Wie verlängere ich die Karte?", True),
        ("Comment renouveler la carte ?", True),
        ("¿Cómo se renueva la tarjeta?", True),
        ("How long does it take?", False),
        ("Wie viele Tage dauert es?", False),
        ("Wie lange dauert es?", False),
        ("Comment s'appelle la carte ?", False),
        ("¿Cómo se llama la tarjeta?", False),
    ],
)
def test_all_steps_are_shown_to_who_asks_how_to_do_something(question, how):
    quotable = [RENEWING[start:end] for (start, end), _ in extractive._quotable(RENEWING, question)]
    assert any(text.startswith("1.") and "3." in text for text in quotable) == how


def test_code_is_said_with_the_line_that_introduces_it(embedder):
    said = "".join(answer("What is the command to install the tool?", passages(INSTALL), embedder))
    assert "```sh\npip install tool\n```" in said
    assert "Run this command to install the tool:" in said


def test_the_same_sentence_in_two_passages_is_said_once(embedder):
    said = "".join(answer("When does the shop open?", passages(OPENS, OPENS), embedder))
    assert said.count("opens at nine") == 1


@pytest.mark.parametrize("found", [[], ["| Only | a header |\n|---|---|"]])
def test_where_there_is_nothing_to_say_nothing_is_said(embedder, found):
    assert answer("Anything?", passages(*found), embedder) == []


def test_the_answer_is_the_same_every_time(embedder):
    found = passages(HOURS, RETURNS)
    assert answer("Can I park?", found, embedder) == answer("Can I park?", found, embedder)


PLANS = "| Plan | Members | Price |\n|---|---|---|\n| Basic | 5 | 4 euros |\n| Team | 50 | 19 euros |\n| Firm | 500 | 99 euros |"  # noqa: E501
HALLS = "Hall | Seats\nNorth hall | 80\nSouth hall | 120"
WINS = "Team | Wins\nTeam: Foxes; Wins: 3\nTeam: Bears; Wins: 7\nTeam: Owls; Wins: 9"


@pytest.mark.parametrize(
    ("table", "question", "header", "row"),
    [
        (
            PLANS,
            "What does the Team plan cost?",
            "| Plan | Members | Price |\n|---|---|---|\n",
            "| Team | 50 | 19 euros |",
        ),
        (HALLS, "How many seats has the south hall?", "Hall | Seats\n", "South hall | 120"),
        (WINS, "How many wins have the Owls?", "", "Team: Owls; Wins: 9"),
    ],
    ids=["markdown", "pipes", "labelled"],
)
def test_a_row_is_said_alone_with_the_header_of_its_table(embedder, table, question, header, row):
    first = extractive.quotations(question, passages(table), embedder)[0]
    assert (first.before, first.text) == (header, row)


def test_a_header_is_never_said_alone(embedder):
    for question in ("Plan, members, price?", "Which hall, which seats?"):
        said = extractive.quotations(question, passages(PLANS, HALLS), embedder)
        assert not {q.text for q in said} & {"| Plan | Members | Price |", "Hall | Seats"}


FERRY = (
    "Tariffs of the ferry:\n\n| Ticket | Summer price | Winter price |\n|---|---|---|\n"
    "| Adult | 60 crowns | 40 crowns |\n| Horse | 95 crowns | 70 crowns |\n| Cart | 45 crowns | 20 crowns |\n"
)
STEPS = (
    "The tap drips.\n\nTo change the washer:\n\n1. Close the main valve.\n2. Unscrew the handle.\n"
    "3. Put in the new washer.\n4. Open the valve.\n\nWashers are sold in bags of ten."
)


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("What is the winter price for a horse?", "| Horse | 95 crowns | 70 crowns |"),
        ("How much is it for a cart in summer?", "| Cart | 45 crowns | 20 crowns |"),
    ],
)
def test_a_row_is_shown_below_the_header_of_its_table(embedder, question, row):
    said = "".join(answer(question, passages(FERRY), embedder))
    assert said.startswith(f"| Ticket | Summer price | Winter price |\n|---|---|---|\n{row}\n\n[1]")


def test_a_row_whose_header_is_in_another_chunk_is_shown_alone(embedder):
    rows = "| Horse | 95 crowns | 70 crowns |\n| Cart | 45 crowns | 20 crowns |\n"
    assert answer("What does a horse cost?", passages(rows), embedder)[0] == "| Horse | 95 crowns | 70 crowns |"


def test_a_question_how_to_do_something_gets_all_steps_in_order(embedder):
    said = "".join(answer("How do I put in a new washer?", passages(STEPS), embedder))
    places = [said.index(step) for step in ("To change", "1. Close", "2. Unscrew", "3. Put in", "4. Open")]
    assert places == sorted(places)


def test_a_question_about_one_step_gets_that_step(embedder):
    said = "".join(answer("Which valve is closed?", passages(STEPS), embedder))
    assert "1. Close the main valve." in said
    assert "2. Unscrew" not in said


def test_what_is_crossed_out_is_not_said(embedder):
    text = "~~The entrance fee is 20 euros.~~\n\nThe entrance fee is 25 euros.\n\n- ~~Closed on Mondays~~"
    assert "20 euros" not in "".join(answer("What is the entrance fee?", passages(text), embedder))


@pytest.mark.parametrize(
    ("text", "question", "says"),
    [
        (
            "Deleting an account\n\nAn owner deletes it under Settings. Invoices are kept.",
            "How do I delete my account?",
            "Settings",
        ),
        (
            "Konto löschen\n\nDer Inhaber löscht das Konto in den Einstellungen.",
            "Wie kann ich mein Konto löschen?",
            "Einstellungen",
        ),
        ("Payment methods\n\nWe take Visa and cash.", "What are the payment methods?", "Visa"),
    ],
)
def test_title_above_a_paragraph_is_never_quoted_alone(embedder, text, question, says):
    assert says in "".join(answer(question, passages(text), embedder))


def test_short_paragraph_with_a_figure_is_no_title(embedder):
    first = answer("When is it closed?", passages("Closed on 24 December\n\nThe cafe is next door."), embedder)[0]
    assert first == "Closed on 24 December"


def test_sentence_that_refers_back_goes_with_the_one_before_it(embedder):
    text = "The API allows 120 requests a minute for each key. Above that it answers 429 with a Retry-After header."
    assert answer("Why do I get error 429?", passages(text), embedder)[0] == text


def test_a_passage_of_headings_is_not_quoted_beside_one_that_says_something(embedder):
    found = passages("# When does the shop open?", HOURS)
    assert OPENS in answer("When does the shop open?", found, embedder)[0]
