"""The classifier that ships is the one that the stored observations train, and it keeps what docs/search.md says."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from bench.answerability import train
from chatbot.rag.grounding.answerability import trained

ROWS = [json.loads(line) for line in train.OBSERVATIONS.read_text("utf-8").splitlines()]
CLASSIFIER = trained("all-MiniLM-L6-v2")
assert CLASSIFIER


def told(name: str, label: str, smallest: int = 1) -> dict[str, tuple[float, float]]:
    """By the size of the base, the part of a set's questions that is told nothing was found, and that is answered."""
    found = defaultdict(list)
    for row in ROWS:
        if (row["set"], row["label"]) == (name, label):
            signals = train._signals(row)
            score = CLASSIFIER.score(signals)
            found[train._size(row["chunks"])].append((score < CLASSIFIER.lowest(signals), CLASSIFIER.is_sure(signals)))
    return {
        size: (sum(low for low, _ in values) / len(values), sum(high for _, high in values) / len(values))
        for size, values in found.items()
        if len(values) >= smallest
    }


def test_shipped_classifier_is_what_the_observations_train():
    again = train.train(ROWS)
    assert CLASSIFIER.weights == pytest.approx(again.weights, abs=1e-3)
    for name in ("bias", "low", "low_unknown", "high"):
        assert getattr(CLASSIFIER, name) == pytest.approx(getattr(again, name), abs=1e-3)


@pytest.mark.parametrize("name", ["everyday-en", "page-en", "documentation", "own pages"])
def test_far_questions_are_shown_a_passage_in_at_most_fifteen_percent_at_every_size(name):
    sizes = told(name, "far", smallest=30)
    assert sizes
    for size, (fallback, grounded) in sizes.items():
        assert 1 - fallback <= 0.15, size
        assert grounded <= 0.03, size


def test_everyday_questions_fall_back_in_at_most_ten_percent_at_every_size():
    sizes = told("everyday-en", "yes")
    assert len(sizes) == 5
    assert {size for size, (fallback, _) in sizes.items() if fallback > 0.1} == set()
