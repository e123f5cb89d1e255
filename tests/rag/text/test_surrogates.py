"""Texts of a model become ones that can be stored and sent."""

from __future__ import annotations

import itertools

import pytest

from chatbot.rag.text.surrogates import WellFormed, well_formed

HORSE, HIGH, LOW = "\N{HORSE FACE}", "\ud83d", "\udc34"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("", ""),
        ("K\u00f6ln " + HORSE, "K\u00f6ln " + HORSE),
        (HIGH + LOW, HORSE),
        (HIGH, "\ufffd"),
        (LOW, "\ufffd"),
        (LOW + HIGH, "\ufffd\ufffd"),
        ("a\x00b", "a\ufffdb"),
        (f"{HORSE}{HIGH}{LOW}\x00{HIGH}", f"{HORSE}{HORSE}\ufffd\ufffd"),
    ],
)
def test_halves_of_a_character_are_put_together_and_a_half_alone_is_replaced(text: str, whole: str) -> None:
    assert well_formed(text) == whole


@pytest.mark.parametrize(
    "text", [f"Hay{HIGH}{LOW}!", f"{HIGH}{HIGH}{LOW}", f"a{LOW}{HIGH}", "plain", f"{HIGH}\x00{LOW}"]
)
def test_it_makes_no_difference_where_a_text_is_cut(text: str) -> None:
    for cuts in itertools.product([False, True], repeat=len(text)):
        pieces, piece = [], ""
        for letter, cut in zip(text, cuts, strict=True):
            piece += letter
            if cut:
                pieces, piece = [*pieces, piece], ""
        whole = WellFormed()
        assert "".join([*map(whole.feed, [*pieces, piece]), whole.end()]) == well_formed(text)
