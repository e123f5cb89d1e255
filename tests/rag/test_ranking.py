"""The order of what two searches have found, and what can carry an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from chatbot.rag.ranking import CERTAIN, DEPTH, WORDS_WEIGHT, diversify, explained, fuse, min_max_normalize, relevance
from chatbot.rag.text.content_words import content_words
from chatbot.rag.types import Passage


def passage(
    chunk_id: int, text: str = "text", dense: float | None = 0.5, title: str = "T", fused: float = 0.0
) -> Passage:
    """A candidate as a search finds it."""
    scores = {"dense": dense, "keyword": None, "fused": fused}
    return Passage(0, "d", title, "s.md", 1, chunk_id, None, 0, len(text), text, scores)


def judged(question: str, passages: list[Passage]) -> list[Passage]:
    """The passages with their evidence for a question."""
    wanted = content_words(question)
    texts = {p.chunk_id: f"{p.title} {p.source} {p.text}" for p in passages}
    return [
        replace(p, scores=p.scores | {"evidence": relevance(wanted, texts[p.chunk_id], p.scores["dense"])})
        for p in passages
    ]


def leg(*hits: tuple[int, float], floor: float = 0.0) -> list[tuple[int, float]]:
    """A leg's hits, best first, and then so many of no worth that it has looked to its depth."""
    return [*hits, *((1000 + n, floor) for n in range(DEPTH - len(hits)))]


def test_what_both_legs_find_comes_before_what_one_finds():
    near, shares = leg((1, 0.6), (2, 0.5)), {3: 0.5, 2: 0.45}
    assert [chunk_id for chunk_id, _ in fuse(near, shares, 0.5)][:3] == [2, 1, 3]


def test_how_far_a_hit_is_ahead_counts_and_not_only_its_place():
    """Reciprocal ranks could not tell these two apart."""
    behind = dict(fuse(leg((1, 0.6), (2, 0.59)), {2: 0.6, 1: 0.59}, 0.5))
    ahead = dict(fuse(leg((1, 0.6), (2, 0.1)), {2: 0.6, 1: 0.59}, 0.5))
    assert behind[1] == pytest.approx(behind[2], abs=0.01)
    assert ahead[1] - ahead[2] > 0.3


@pytest.mark.parametrize(("share", "first"), [(0.1, 1), (0.3, 1), (0.9, 2), (1.0, 2)])
def test_words_that_reached_little_do_not_outweigh_the_vectors_however_far_ahead_they_are(share, first):
    assert fuse(leg((1, 0.6), (2, 0.3)), {2: share}, 0.5)[0][0] == first


def test_words_that_reached_all_weigh_by_the_odds():
    fused = dict(fuse([(1, 0.6)], {2: 1.0}, 0.5))
    odds = 1 / (CERTAIN - 1)
    assert fused == {2: pytest.approx(odds / (odds + 1)), 1: pytest.approx(1 / (odds + 1))}


def test_the_weight_of_the_vectors_is_what_the_embedder_knows():
    half = CERTAIN / 2
    known, unknown = (dict(fuse([(1, 0.6)], {2: half}, weight)) for weight in (0.5, 0.1))
    assert known[1] == pytest.approx(known[2])
    assert unknown[2] == pytest.approx(9 * unknown[1])


def test_words_of_which_a_part_stands_nowhere_in_the_base_weigh_less():
    weights = [dict(fuse([(1, 0.6)], {2: 1.0}, 0.5, met))[2] for met in (1.0, 0.5, 0.1, 0.0)]
    assert weights == sorted(weights, reverse=True)
    assert len(set(weights)) == 4
    assert weights[-1] == 0.0


def test_a_leg_that_found_nothing_leaves_it_all_to_the_other():
    assert fuse([], {2: 0.4}, 0.3) == [(2, 1.0)]
    assert fuse([(1, 0.6)], {}, 0.3) == [(1, 1.0)]
    assert fuse([(1, 0.6)], {2: 0.0}, 0.3) == [(1, 1.0), (2, 0.0)]
    assert fuse([], {}, 0.3) == []


def test_equal_hits_keep_one_order():
    assert [i for i, _ in fuse([(3, 0.5), (1, 0.5), (2, 0.5)], {}, 0.3)] == [1, 2, 3]


def test_a_leg_is_stretched_from_its_floor_to_its_best():
    full = [(n, 1.0 - n / 1000) for n in range(DEPTH)]
    assert min_max_normalize(full)[0] == (0, 1.0)
    assert min_max_normalize(full)[-1] == (DEPTH - 1, 0.0)
    assert min_max_normalize([(1, 8.0), (2, 2.0)]) == [(1, 1.0), (2, 0.25)]
    assert min_max_normalize([(1, 0.5), (2, -0.5)]) == [(1, 1.0), (2, 0.0)]
    assert min_max_normalize([]) == []


def test_the_evidence_is_the_cosine_and_the_part_of_the_questions_words():
    (only,) = judged("upload files", [passage(1, "An upload.", 0.5)])
    assert only.scores["evidence"] == pytest.approx((0.5 + WORDS_WEIGHT / 2) / (1 + WORDS_WEIGHT), abs=1e-4)
    assert (only.scores["dense"], only.scores["keyword"], only.scores["fused"]) == (0.5, None, 0.0)


def test_the_title_and_the_source_count_as_words_of_the_passage():
    (titled,) = judged("opening hours", [passage(1, "From nine to five.", 0.5, title="Opening hours")])
    (bare,) = judged("opening hours", [passage(1, "From nine to five.", 0.5)])
    assert titled.scores["evidence"] > bare.scores["evidence"]


def test_a_question_without_words_of_its_own_is_judged_by_meaning_alone():
    assert judged("What is it?", [passage(1, "one", 0.5)])[0].scores["evidence"] == 0.4167


def test_a_script_without_spaces_is_compared_in_pairs_of_characters():
    weather, shop = judged("商店几点开门", [passage(1, "天气很好"), passage(2, "我们的商店九点开门")])
    assert shop.scores["evidence"] > weather.scores["evidence"]


def test_a_passage_found_by_words_alone_has_only_these_as_evidence():
    (only,) = judged("upload files", [passage(1, "upload files", None)])
    assert only.scores["evidence"] == pytest.approx(WORDS_WEIGHT / (1 + WORDS_WEIGHT), abs=1e-4)


SAME, OTHER = np.array([1.0, 0.0], dtype="f4"), np.array([0.0, 1.0], dtype="f4")


def test_without_variety_the_best_are_taken_as_they_are():
    found = diversify([passage(1, fused=0.9), passage(2, fused=0.8), passage(3, fused=0.7)], {}, 2, 0.0)
    assert [(p.rank, p.chunk_id) for p in found] == [(1, 1), (2, 2)]


def test_with_variety_what_says_the_same_gives_way_to_what_says_something_else():
    candidates = [passage(1, fused=0.9), passage(2, fused=0.88), passage(3, fused=0.7)]
    vectors = {1: SAME, 2: SAME, 3: OTHER}
    assert [p.chunk_id for p in diversify(candidates, vectors, 2, 0.3)] == [1, 3]
    assert [p.chunk_id for p in diversify(candidates, vectors, 3, 0.3)] == [1, 3, 2]


def test_a_passage_whose_vector_is_not_there_is_like_no_other():
    assert [p.chunk_id for p in diversify([passage(1, fused=0.9), passage(2, fused=0.8)], {1: SAME}, 5, 0.5)] == [1, 2]


def test_each_passage_that_was_looked_at_says_why_it_was_kept_or_dropped():
    looked_at = [passage(n, fused=1 - n / 10) for n in range(1, 6)]
    written = passage(9, fused=1.5)
    written = type(written)(**{**vars(written), "scores": {**written.scores, "curated": 0.95}})
    candidates, fit = [written, *looked_at], [written, *looked_at[:4]]
    reasons = [
        (c.chunk_id, c.kept, c.reason)
        for c in explained(candidates, fit, [written, looked_at[0], looked_at[2]], "gate")
    ]
    assert reasons == [
        (9, True, "curated"),
        (1, True, "best"),
        (2, False, "similar"),
        (3, True, "variety"),
        (4, False, "rank"),
        (5, False, "gate"),
    ]
