"""The order of candidates: meaning, and the question's own words."""

from __future__ import annotations

import pytest

from chatbot.rag.ranking import WORDS_WEIGHT, best
from chatbot.rag.types import Passage


def passage(chunk_id: int, text: str, dense: float, title: str = "T") -> Passage:
    """A candidate as a search finds it."""
    return Passage(0, "d", title, "s.md", 1, chunk_id, None, 0, len(text), text, {"dense": dense})


def test_a_passage_with_the_questions_words_comes_before_a_slightly_nearer_one():
    found = best(
        "How do I upload files?", [passage(1, "Sending forms.", 0.60), passage(2, "Upload files so.", 0.55)], 2
    )
    assert [p.chunk_id for p in found] == [2, 1]
    assert [p.rank for p in found] == [1, 2]


def test_a_much_nearer_passage_stays_first():
    found = best("How do I upload files?", [passage(1, "Sending forms.", 0.9), passage(2, "Upload files so.", 0.5)], 2)
    assert [p.chunk_id for p in found] == [1, 2]


def test_all_three_scores_are_told():
    (only,) = best("upload files", [passage(1, "An upload.", 0.5)], 1)
    assert only.scores == {
        "dense": 0.5,
        "keyword": 0.5,
        "fused": pytest.approx((0.5 + WORDS_WEIGHT / 2) / (1 + WORDS_WEIGHT), abs=1e-4),
    }


def test_the_title_and_the_source_count_as_words_of_the_passage():
    (only,) = best("opening hours", [passage(1, "From nine to five.", 0.5, title="Opening hours")], 1)
    assert only.scores["keyword"] == 1


def test_a_question_without_words_of_its_own_is_ranked_by_meaning_alone():
    found = best("What is it?", [passage(1, "one", 0.4), passage(2, "two", 0.5)], 2)
    assert [(p.chunk_id, p.scores["fused"]) for p in found] == [(2, 0.4167), (1, 0.3333)]


def test_a_script_without_spaces_is_compared_in_pairs_of_characters():
    found = best("商店几点开门", [passage(1, "天气很好", 0.50), passage(2, "我们的商店九点开门", 0.45)], 2)
    assert [p.chunk_id for p in found] == [2, 1]


def test_equal_candidates_keep_one_order():
    rows = [passage(n, "same", 0.5) for n in (3, 1, 2)]
    assert [p.chunk_id for p in best("other", rows, 3)] == [1, 2, 3]
