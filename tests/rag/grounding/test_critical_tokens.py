"""Numbers, days, months and technical names."""

from __future__ import annotations

import pytest

from chatbot.rag.grounding.critical_tokens import facts, names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It opens at nine.", "Es öffnet um 9."),
        ("on Monday", "montags"),
        ("in octubre", "October"),
        ("1,000 users", "mille utilisateurs pour le site"),
        ("half past five in the afternoon", "17:30"),
        ("in two weeks", "in 14 days"),
        ("version 3.11", "Version 3.11."),
    ],
)
def test_the_same_fact_is_the_same_in_every_language(one, other):
    assert facts(one) == facts(other)
    assert facts(one)


@pytest.mark.parametrize(
    ("one", "other"), [("at nine", "at ten"), ("3.11", "3.1"), ("Monday", "Tuesday"), ("5", "50"), ("ipv4", "ipv6")]
)
def test_different_facts_are_different(one, other):
    assert facts(one) != facts(other)


def test_words_that_mean_something_else_as_well_are_no_facts():
    assert facts("One may march on.") == set()


def test_technical_names_are_told_from_words():
    text = "Set docs_url with OAuth2 on PostgreSQL over HTTP, Ada."
    assert names(text) == ["docs_url", "OAuth2", "PostgreSQL", "HTTP"]
