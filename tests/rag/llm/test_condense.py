"""Making a follow-up question stand alone."""

from __future__ import annotations

import pytest

from chatbot.rag.llm.condense import join_with_last, leans_on_history, stand_alone
from chatbot.rag.types import Condensed, HistoryMessage


def said(*texts: str) -> list[HistoryMessage]:
    return [HistoryMessage(is_user=n % 2 == 0, text=text) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    "question",
    [
        "And on Saturdays?",
        "What about it?",
        "Which one is cheaper overall, monthly?",
        "Why?",
        "Und am Samstag?",
        "Can I use a wildcard there?",
    ],
)
def test_a_question_that_needs_the_conversation_is_told(question: str) -> None:
    assert leans_on_history(question)


@pytest.mark.parametrize(
    "question", ["When does the shop open on Saturdays?", "How long may customers return damaged goods?"]
)
def test_a_question_that_stands_alone_is_told(question: str) -> None:
    assert not leans_on_history(question)


def test_a_follow_up_is_joined_with_the_newest_question_that_stood_alone() -> None:
    history = said(
        "How do customers return goods?", "So.", "How is a refund paid to customers?", "By card.", "Why?", "So."
    )

    joined = join_with_last("And on Saturdays?", history)

    assert joined == "How is a refund paid to customers? And on Saturdays?"


def test_where_no_question_stood_alone_the_newest_one_is_taken() -> None:
    assert join_with_last("And then?", said("Why?", "So.", "What about it?", "Well.")) == "What about it? And then?"


def test_greetings_and_thanks_are_no_earlier_questions() -> None:
    history = said("How do customers return goods?", "So.", "Thank you!", "You are welcome.")
    assert join_with_last("And on Saturdays?", history) == "How do customers return goods? And on Saturdays?"
    assert join_with_last("And on Saturdays?", said("Hello!", "Hello.")) == "And on Saturdays?"


def test_without_an_earlier_question_the_question_stays() -> None:
    assert join_with_last("And then?", []) == "And then?"


def test_a_very_long_earlier_question_is_cut() -> None:
    joined = join_with_last("And then?", said("Explain billing accounts of customers " * 100))

    assert len(joined) == 600 + len(" And then?")


@pytest.mark.parametrize(
    "question",
    [
        "What is Redis?",
        "Who is Napoleon?",
        "What is the capital of France?",
        "Is there a moon base?",
        "How do I delete my account?",
        "How do I make a backup?",
        "Does this product have a webhook?",
    ],
)
def test_a_short_question_that_stands_alone_is_not_joined_with_the_one_before(question):
    assert not leans_on_history(question)


def test_a_question_that_stands_alone_is_searched_as_it_is() -> None:
    question = "When does the shop open on Saturdays?"
    assert stand_alone(question, said("How is a refund paid?")) == Condensed(question)


def test_a_short_follow_up_is_searched_only_with_the_question_before_it() -> None:
    condensed = stand_alone("And on Saturdays?", said("When does the shop open?"))
    assert condensed == Condensed("When does the shop open? And on Saturdays?")


def test_a_longer_follow_up_is_searched_with_the_question_before_it_and_by_itself() -> None:
    question = "Can it store random objects without declaring their fields?"
    condensed = stand_alone(question, said("Which document databases are offered?"))
    assert condensed == Condensed(f"Which document databases are offered? {question}", beside=question)
