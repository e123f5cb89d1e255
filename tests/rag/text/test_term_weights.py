"""What a passage's words say about a question."""

from __future__ import annotations

import pytest

from chatbot.rag.text.term_weights import WHOLE, Weights, idf, part_of_a_term


def weights(question: str, chunks: int = 5, **having: int) -> Weights:
    return Weights(question, ["en"], chunks, having)


def test_a_common_word_says_little_in_a_base_of_five_where_a_rare_one_says_much():
    found = weights("How do I start the gasket?", start=1, gasket=1)
    assert found["gasket"] > 2 * found["start"] > 0


def test_a_number_says_twice_as_much_as_a_word_as_rare():
    found = weights("zyxel 4711")
    assert found["4711"] == pytest.approx(4 * found["zyxel"])


def test_a_large_base_decides_by_its_own_counts():
    found = weights("gasket valve", chunks=100_000, gasket=30_000, valv=30)
    assert found["valv"] > 10 * found["gasket"]


@pytest.mark.parametrize(
    "question",
    ["Wie kann ich das machen?", "¿Cómo puedo hacerlo?", "Comment puis-je faire ?", "Πώς μπορώ; Γιατί; Πού;"],
)
def test_words_of_asking_say_little_in_other_languages_too(question):
    assert weights(question).possible < weights("Zahnkrone Dichtung Pumpe").possible / 2


def test_a_question_of_common_words_cannot_reach_the_whole():
    found = weights("keep the time", keep=1, time=1)
    assert found["keep"] + found["time"] < found.known
    assert found.known == WHOLE * idf(1_005, 0) ** 2


def test_words_that_the_base_lacks_count_only_for_what_was_possible():
    found = weights("gasket quokka zebra marmot", gasket=1)
    assert found.possible > 3 * found["gasket"]
    assert found.known == WHOLE * idf(1_005, 0) ** 2


def test_nothing_is_divided_by_zero():
    assert weights("").possible > 0
    assert part_of_a_term(1, 0, 1.0) > part_of_a_term(1, 50, 1.0) > 0
    assert idf(1, 5) > 0
