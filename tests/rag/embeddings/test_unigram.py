"""Cutting text into pieces of a unigram model."""

from __future__ import annotations

import math

import pytest

from chatbot.rag.embeddings.unigram import Unigram

PIECES = {
    "\u2581": -3.0,
    "\u2581un": -2.0,
    "\u2581unable": -6.0,
    "able": -2.5,
    "a": -4.0,
    "b": -4.0,
    "l": -4.0,
    "e": -4.0,
}


@pytest.fixture
def unigram() -> Unigram:
    pieces = ["<s>", "</s>", "<unk>", *PIECES]
    return Unigram(pieces, [0.0, 0.0, 0.0, *PIECES.values()], 0, 1, 2, {0xFF41: "a", 0xAD: "", 0x9: " "})


def named(unigram: Unigram, text: str, limit: int = 100) -> list[str]:
    names = ["<s>", "</s>", "<unk>", *PIECES]
    return [names[n] for n in unigram.ids(text, limit)]


def test_most_probable_pieces_are_taken(unigram):
    assert named(unigram, "unable") == ["<s>", "\u2581un", "able", "</s>"]
    assert named(unigram, "able") == ["<s>", "\u2581", "able", "</s>"]


def test_every_cut_is_the_best_of_all_cuts(unigram):
    def best(text: str) -> float:
        if not text:
            return 0.0
        ends = (end for end in range(1, len(text) + 1) if text[:end] in PIECES)
        return max((PIECES[text[:end]] + best(text[end:]) for end in ends), default=-math.inf)

    for word in ("unable", "able", "ababel", "unbale", "ableable", "unun", "e"):
        found = [PIECES[piece] for piece in named(unigram, word)[1:-1] if piece in PIECES]
        if best("\u2581" + word) > -math.inf:
            assert sum(found) == pytest.approx(best("\u2581" + word))


def test_unknown_characters_side_by_side_are_one_token(unigram):
    assert named(unigram, "axyb") == ["<s>", "\u2581", "a", "<unk>", "b", "</s>"]


def test_names_of_tokens_are_not_tokens_in_a_text(unigram):
    assert named(unigram, "</s>")[1:-1] == ["\u2581", "<unk>"]


def test_characters_that_stand_for_others_are_replaced_before_words_are_cut(unigram):
    assert named(unigram, "\uff41ble\tun\xadable") == named(unigram, "able unable")


def test_combined_letters_count_as_composed_ones(unigram):
    assert named(unigram, "e\u0301") == named(unigram, "é")


def test_text_beyond_the_limit_is_left_out(unigram):
    assert named(unigram, "able " * 50, 6) == ["<s>", "\u2581", "able", "\u2581", "able", "</s>"]
    assert unigram.count("able " * 50) == 100


def test_count_is_the_number_of_tokens_between_the_ends(unigram):
    for text in ("", " ", "able", "unable able xyz", "a" * 500):
        assert unigram.count(text) == len(unigram.ids(text, 10_000)) - 2
