"""Deciding whether what was found can answer a question."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from chatbot.rag.grounding.answerability import FEATURES, Gate, Signals, features, fit, known_part, trained
from chatbot.rag.types import Passage


def passage(text: str, dense: float, evidence: float = 0.5) -> Passage:
    return Passage(1, "d", "Hours", "s", 1, 1, None, 0, len(text), text, {"dense": dense, "evidence": evidence})


def seen(question: str, *passages: Passage) -> dict[str, float]:
    return dict(zip(FEATURES, features(question, passages), strict=True))


OPENS = passage("The shop opens at nine. Ada Lovelace founded it in 1843. Dogs are welcome.", 0.7, 0.8)
OTHER = passage("Elephants drink water.", 0.2, 0.1)


def test_the_best_cosine_and_evidence_and_the_lead_are_seen():
    values = seen("When does the shop open?", OPENS, OTHER)
    assert (values["dense"], values["evidence"]) == (0.7, 0.8)
    assert values["ahead"] == pytest.approx(0.5)


def test_a_rare_word_that_is_missing_weighs_more_than_one_that_every_passage_has():
    shops = [passage(f"The shop sells thing {n}.", 0.5) for n in range(9)]
    rare = seen("Does the shop sell marzipan?", *shops)["passage"]
    common = seen("Does the shop sell thing 3?", *shops)["passage"]
    assert rare < 0.4 < common


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When was the shop founded?", 1.0),
        ("Who founded the shop?", 1.0),
        ("How many dogs are welcome?", 0.0),
        ("Are dogs welcome?", 1.0),
    ],
)
def test_what_is_asked_for_is_looked_for(question, kind):
    text = OPENS if "dogs" not in question else passage("Dogs are welcome.", 0.5)
    assert seen(question, text)["kind"] == kind


def test_a_question_with_a_not_that_no_sentence_has_is_seen():
    assert seen("When does the shop not open?", OPENS)["negated"] == 1.0
    assert seen("When does the shop open?", OPENS)["negated"] == 0.0
    assert seen("Who may not enter?", passage("Cats may not enter.", 0.5))["negated"] == 0.0


@pytest.mark.parametrize("question", ["", "???", "the of and", "营业时间是什么？"])
def test_any_question_is_looked_at(question):
    values = features(question, [OPENS])
    assert len(values) == len(FEATURES)
    assert all(value == value for value in values)


def test_without_candidates_nothing_is_seen():
    assert features("When?", []) == (0.0,) * len(FEATURES)


def rows(middle: float, count: int, seed: int) -> list[tuple[float, ...]]:
    source = random.Random(seed)
    return [tuple(source.gauss(middle, 0.1) for _ in FEATURES) for _ in range(count)]


YES, NO = rows(0.7, 200, 1), rows(0.5, 200, 2)


def test_a_gate_tells_what_it_has_learnt_apart():
    gate = fit(YES, NO, keep=0.95)
    assert sum(gate.passes(row) for row in rows(0.7, 200, 3)) >= 180
    assert sum(gate.passes(row) for row in rows(0.5, 200, 4)) <= 20


def test_as_many_of_the_answerable_pass_as_are_to_be_kept():
    gate = fit(YES, rows(0.69, 200, 5), keep=0.99)
    assert sum(gate.score(row) >= gate.threshold for row in YES if row[1] >= gate.floor) >= 0.99 * 0.97 * len(YES)


def test_without_any_evidence_nothing_passes_whatever_else_is_seen():
    gate = fit(YES, NO)
    row = [3.0] * len(FEATURES)
    assert gate.passes(row)
    row[FEATURES.index("evidence")] = gate.floor / 2
    assert not gate.passes(row)


def test_a_gate_is_stored_as_json_and_read_again():
    gate = fit(YES, NO)
    assert Gate.from_json(json.loads(json.dumps(gate.as_json()))) == gate


@pytest.mark.parametrize("stored", [None, {}, {"features": ["dense"], "bias": 1}])
def test_what_was_learnt_from_other_features_is_no_gate(stored):
    assert Gate.from_json(stored) is None


@pytest.mark.parametrize(("yes", "no"), [([], NO), (YES, [])])
def test_both_sides_are_needed(yes, no):
    with pytest.raises(ValueError, match="both"):
        fit(yes, no)


def test_features_that_never_differ_do_no_harm():
    same = (0.5,) * len(FEATURES)
    assert 0.0 <= fit([same] * 3, [same] * 3).score(same) <= 1.0


def test_fit_with_negative_evidence_learns_a_gate():
    """In a base of two documents the best cosine of a question about something else may be below 0."""
    below = [tuple(-abs(value) for value in row) for row in rows(0.1, 8, 6)]
    gate = fit(rows(0.2, 8, 7), below)
    assert not any(gate.passes(row) for row in below)
    assert fit(below, below).score(below[0]) == 0.0


CLASSIFIER = trained("all-MiniLM-L6-v2")


def answer(near: float, words: float, known: float, chunks: int, general: float = 0.15) -> str:
    signals = Signals(near, near, general, words, words, known, chunks)
    score = CLASSIFIER.score(signals)
    return "no" if score < CLASSIFIER.lowest(signals) else "yes" if score >= CLASSIFIER.high else "perhaps"


@pytest.mark.parametrize("chunks", [1, 2, 5, 30, 300])
def test_trained_classifier_has_three_answers_in_every_size(chunks):
    found = [answer(near / 100, 0.2, 0.95, chunks) for near in range(101)]
    assert found == sorted(found, key=["no", "perhaps", "yes"].index)
    assert set(found) == {"no", "perhaps", "yes"}


def test_trained_classifier_asks_for_more_in_a_larger_base():
    assert answer(0.38, 0.1, 0.95, 1) == "yes"
    assert answer(0.38, 0.1, 0.95, 3_000) != "yes"


@pytest.mark.parametrize("chunks", [1, 5, 30, 300])
def test_trained_classifier_refuses_what_is_as_near_to_the_world_in_general(chunks):
    """The capital of France is as near to sentences about countries as to any page of a shop."""
    assert answer(0.3, 0.1, 0.95, chunks, general=0.05) != "no"
    assert answer(0.3, 0.1, 0.95, chunks, general=0.45) == "no"


@pytest.mark.parametrize("chunks", [1, 30, 3_000])
def test_trained_classifier_takes_words_alone_where_the_embedder_knows_none(chunks):
    """Any two texts of Greek or Hindi are near each other for it."""
    assert answer(0.99, 0.0, 0.1, chunks) == "no"
    assert answer(0.0, 0.9, 0.1, chunks) == answer(0.99, 0.9, 0.1, chunks) == "yes"


def test_an_embedder_without_a_trained_classifier_has_none():
    assert trained("text-embedding-3-small") is None


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("Where is the shop?", 1.0),
        ("Κλείνει το κατάστημα;", 0.0),
        ("पुस्तकालय सुबह खुलता है", 0.0),
        ("ห้องสมุดเปิด", 0.0),
        ("shop 図書館", 0.5),
        ("12 34 --- !?", 0.0),
        ("", 0.0),
    ],
)
def test_the_part_of_known_words_is_that_of_latin_words_of_one_token(text, known):
    assert known_part(text, lambda _word: 1) == known


def test_a_word_of_several_tokens_is_not_known():
    assert known_part("the Donaudampfschiff sinks", lambda word: len(word) // 5 + 1) == pytest.approx(1 / 3, abs=0.4)
    assert known_part("aa bbbbbbbbbb", lambda word: len(word) // 5 + 1) == 0.5


def test_question_without_a_word_of_the_passages_is_sure_only_when_near() -> None:
    far = Signals(near=0.29, dense=0.18, general=0.18, words=0.0, met=0.0, known=0.96, chunks=1)
    assert CLASSIFIER.score(far) >= CLASSIFIER.high
    assert not CLASSIFIER.is_sure(far)
    assert CLASSIFIER.is_sure(replace(far, near=0.5))
    assert CLASSIFIER.is_sure(replace(far, words=0.5, met=0.5, near=0.6))
