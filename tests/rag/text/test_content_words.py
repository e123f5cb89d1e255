"""Words for comparing texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.rag.text.content_words import content_words, coverage


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("OPENING Hours", "opening hours"),
        ("refunds", "refund"),
        ("boxes", "box"),
        ("opened", "opening"),
        ("the shop's", "shop"),
        ("Straße", "STRASSE"),
        ("ﬁle", "file"),
        ("don't stop", "stop don't"),
        ("all about the shops", "shop"),
    ],
)
def test_words_that_mean_the_same_are_the_same(one, other):
    assert content_words(one) == content_words(other)


@pytest.mark.parametrize("text", ["", "the and of a", "... --- !!!", "__"])
def test_a_text_without_content_has_no_words(text):
    assert content_words(text) == set()


def test_names_with_dots_and_dashes_stay_whole():
    assert {"app.test_cli_runner", "utf-8", "42"} <= content_words("Call app.test_cli_runner with utf-8, 42!")


def test_a_short_word_keeps_its_ending():
    assert content_words("gas bed") == {"gas", "bed"}


def test_coverage_is_the_part_of_the_wanted_words():
    assert coverage({"shop", "open", "nine", "moon"}, "The shop opens at nine.") == 0.75
    assert coverage(set(), "anything") == 0.0


@given(st.text(max_size=200))
def test_a_text_covers_itself(text):
    wanted = content_words(text)
    assert coverage(wanted, text) == (1.0 if wanted else 0.0)
