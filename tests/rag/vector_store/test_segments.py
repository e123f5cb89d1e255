"""Parts with lists, against comparing each row."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from chatbot.rag.vector_store import compaction, segments
from chatbot.rag.vector_store.compaction import Ended, Merged, new_base
from chatbot.rag.vector_store.segments import Allowed, Part
from tests.conftest import ROOT
from tests.rag.clustered import COUNT, clustered, flat, listed


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are many here."""
    monkeypatch.setattr(compaction, "APPROXIMATE_ABOVE", 500)
    monkeypatch.setattr(compaction, "PIECE", 700)
    monkeypatch.setattr(segments, "PROBES", 12)
    monkeypatch.setattr(segments, "COMPARE_ALL", 20)


@pytest.fixture(scope="module")
def query() -> np.ndarray:
    return clustered(1, seed=5)


def true(part: Part, query: np.ndarray, k: int, mask: np.ndarray | None = None) -> list[int]:
    scores = part.vectors @ query[0]
    if mask is not None:
        scores[~mask] = -9
    return part.ids[np.argsort(-scores)[:k]].tolist()


def test_above_a_size_rows_are_put_into_lists_and_below_it_they_are_not():
    assert (listed(flat(500)).kind, listed(flat(501)).kind) == ("flat", "ivf")


def test_lists_hold_every_row_once_with_its_id_its_label_and_its_vector():
    before, part = flat(), listed(flat())
    order = np.argsort(part.ids)
    assert part.lists is not None
    assert part.lists.starts[0] == 0
    assert part.lists.starts[-1] == COUNT
    assert np.array_equal(part.ids[order], before.ids)
    assert np.array_equal(part.vectors[order], before.vectors)
    assert part.labels[order].tolist() == before.labels.tolist()


def test_nearly_all_of_the_true_nearest_are_found_and_scores_are_exact_cosines():
    part, queries = listed(flat()), clustered(100, seed=5)
    hits = [part.search(query[None, :], 8, None) for query in queries]
    shares = [
        len({i for i, _ in found} & set(true(part, query[None, :], 8))) / 8
        for found, query in zip(hits, queries, strict=True)
    ]
    assert np.mean(shares) >= 0.98
    for found, query in zip(hits, queries, strict=True):
        here, places = part.places(np.array([i for i, _ in found]))
        assert here.tolist() == [i for i, _ in found]
        assert np.allclose([s for _, s in found], part.vectors[places] @ query, atol=1e-6)
        assert [s for _, s in found] == sorted((s for _, s in found), reverse=True)


def test_looking_at_all_lists_finds_what_comparing_all_finds(monkeypatch, query):
    monkeypatch.setattr(segments, "PROBES", 10_000)
    part = listed(flat())
    assert [i for i, _ in part.search(query, 50, None)] == true(part, query, 50)


@pytest.mark.parametrize("share", [0.002, 0.05, 0.2, 0.6])
def test_a_filter_works_inside_the_search_whatever_it_leaves(share):
    """J2"""
    part, rng = listed(flat()), np.random.default_rng(3)
    mask = rng.random(COUNT) < share
    found, nearest = 0, 0
    for query in clustered(50, seed=5):
        hits = [i for i, _ in part.search(query[None, :], 8, Allowed(mask))]
        assert len(hits) == min(8, mask.sum())
        assert set(hits) <= set(part.ids[mask].tolist())
        found, nearest = found + len(set(hits) & set(true(part, query[None, :], 8, mask))), nearest + len(hits)
    assert found / nearest >= (0.98 if mask.sum() > segments.COMPARE_ALL else 1)


def test_where_a_filter_leaves_little_more_lists_are_looked_at(monkeypatch, query):
    part, rng = listed(flat()), np.random.default_rng(3)
    little = Allowed(rng.random(COUNT) < 0.05)
    many = len(part._candidates(part.lists, query, little))
    monkeypatch.setattr(segments, "FARTHER", 1)
    assert many > 2 * len(part._candidates(part.lists, query, little)) > 0


def test_what_is_allowed_far_from_the_question_is_found_all_the_same(query):
    """A collection about something else: none of its rows is in the lists that are nearest."""
    part = listed(flat())
    far = np.argsort(part.vectors @ query[0])[:40]
    mask = np.zeros(COUNT, dtype=bool)
    mask[far] = True
    assert Allowed(mask).count > segments.COMPARE_ALL
    hits = part.search(query, 40, Allowed(mask))
    assert [i for i, _ in hits] == true(part, query, 40, mask)


def test_a_filter_does_not_change_the_scores_of_what_it_leaves(monkeypatch, query):
    monkeypatch.setattr(segments, "PROBES", 10_000)
    part = listed(flat())
    everything = part.search(query, COUNT, None)
    for share in (0.1, 0.9):
        mask = np.random.default_rng(1).random(COUNT) < share
        left = set(part.ids[mask].tolist())
        assert part.search(query, 100, Allowed(mask)) == [hit for hit in everything if hit[0] in left][:100]


def test_new_rows_go_into_the_lists_that_are_there_until_they_have_doubled():
    first = listed(flat(1_000))
    second = listed(first, flat(500, seed=1, first=2_000))
    third = listed(second, flat(600, seed=2, first=4_000))
    assert second.lists.centres is first.lists.centres
    assert (len(second), len(second.lists.centres)) == (1_500, len(first.lists.centres))
    assert third.lists.centres is not first.lists.centres
    assert third.lists.trained_on == 2_100
    assert len(third.lists.centres) > len(first.lists.centres)


def test_a_merge_leaves_out_what_is_gone_and_keeps_each_row_in_its_list():
    first = listed(flat(1_000))
    gone = np.random.default_rng(0).random(1_000) < 0.3
    merged = new_base(Merged.of((first, gone), (flat(40, seed=1, first=5_000), None))).in_memory()
    fresh = listed(Part.of(first.ids, first.vectors, first.labels))
    assert sorted(merged.ids) == sorted([*first.ids[~gone], *flat(40, first=5_000).ids])
    for chunk_id in first.ids[~gone][:50]:
        place = merged.places(np.array([chunk_id]))[1][0]
        assert np.array_equal(merged.vectors[place], fresh.vectors[fresh.places(np.array([chunk_id]))[1][0]])
    assert merged.lists.centres is first.lists.centres
    nearest = np.argmax(merged.vectors @ merged.lists.centres.T, axis=1)
    belongs = np.repeat(np.arange(len(merged.lists.centres)), np.diff(merged.lists.starts))
    assert np.array_equal(nearest, belongs)


def test_rows_that_are_all_the_same_can_be_put_into_lists(query):
    part = listed(Part.of(np.arange(2_000), np.repeat(query, 2_000, axis=0), np.full(2_000, "a", dtype=object)))
    assert part.kind == "ivf"
    assert [s for _, s in part.search(query, 5, None)] == pytest.approx([1.0] * 5, abs=1e-5)


def test_labels_of_parts_are_told_apart_after_a_merge():
    one = Part.of(np.array([1, 2]), clustered(2), np.array(["b", "a"], dtype=object))
    two = Part.of(np.array([3, 4]), clustered(2), np.array(["c", "b"], dtype=object))
    both = listed(one, two)
    assert dict(zip(both.ids.tolist(), both.labels.tolist(), strict=True)) == {1: "b", 2: "a", 3: "c", 4: "b"}
    assert both.ids[both.labelled(frozenset(["b", "nowhere"]))].tolist() == [1, 4]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


BUILDING = """
import os, threading, time
from chatbot.rag.vector_store import compaction as merging
from tests.rag.clustered import flat, listed
merging.APPROXIMATE_ABOVE = 500
"""


def test_a_process_can_fork_after_it_has_made_lists():
    """A fork after threads of OpenMP have worked hangs for ever."""
    code = BUILDING + (
        "thread = threading.Thread(target=listed, args=(flat(3_000),)); thread.start(); thread.join()\n"
        "listed(flat(3_000))\n"
        "child = os.fork()\n"
        "if child == 0:\n    print(listed(flat(3_000)).kind, flush=True); os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    assert run(code) == "ivf\n"


def test_a_process_that_ends_does_not_wait_for_a_base_that_is_being_made():
    code = BUILDING + (
        "def work():\n"
        "    try:\n        while True: listed(flat(5_000))\n"
        "    except merging.Ended:\n        print('ended', flush=True)\n"
        "threading.Thread(target=work).start()\n"
        "time.sleep(0.2)\n"
    )
    assert run(code) == "ended\n"


def test_a_base_is_not_begun_when_the_process_is_over(monkeypatch):
    class Over:
        def is_alive(self) -> bool:
            return False

    monkeypatch.setattr(compaction.threading, "main_thread", Over)
    with pytest.raises(Ended):
        listed(flat())
