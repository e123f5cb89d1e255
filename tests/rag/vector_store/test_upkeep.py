"""A store that makes new bases beside its searches, writes them for others, and begins with what others wrote."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import structlog

from chatbot.rag.embeddings.embedders import LangChainEmbeddings
from chatbot.rag.vector_store import compaction, segments, snapshot_file
from chatbot.rag.vector_store import snapshot as snapshot_module
from chatbot.rag.vector_store import store as store_module
from chatbot.rag.vector_store.snapshot_file import SnapshotHeader, SnapshotStore
from chatbot.rag.vector_store.store import FaissStore
from tests.conftest import ROOT
from tests.rag.rows import WIDTH, MemoryNotes, MemoryRows, OneHot, brute_force, same, unit

SETTLE_SECONDS = 30


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of rows are many; every list is looked at, so that each search can be compared with brute force."""
    monkeypatch.setattr(compaction, "APPROXIMATE_ABOVE", 300)
    monkeypatch.setattr(compaction, "PIECE", 100)
    monkeypatch.setattr(segments, "PROBES", 10_000)
    monkeypatch.setattr(segments, "COMPARE_ALL", 20)
    monkeypatch.setattr(snapshot_module, "TAIL_LIMIT", 40)
    monkeypatch.setattr(store_module, "FILE_ABOVE", 100)
    monkeypatch.setattr(store_module, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(store_module, "AFTER_ERROR_SECONDS", 0.05)


@pytest.fixture
def rows() -> MemoryRows:
    return MemoryRows()


@pytest.fixture
def notes(rows: MemoryRows) -> MemoryNotes:
    return MemoryNotes(rows)


Make = Callable[..., FaissStore]


@pytest.fixture
def make(rows: MemoryRows, notes: MemoryNotes, tmp_path: Path) -> Make:
    def store(shelf: bool = True, upkeep: bool = False) -> FaissStore:
        kept = SnapshotStore(tmp_path / "index", SnapshotHeader(1, "one-hot", WIDTH), notes) if shelf else None
        return FaissStore(LangChainEmbeddings(OneHot()), rows, kept, upkeep=upkeep)

    return store


def settled(store: FaissStore, kind: str = "ivf") -> None:
    """Waits until the base is of a kind and nothing is being made."""
    until = time.monotonic() + SETTLE_SECONDS
    while store.current().kind != kind or store._busy or store._is_due(store.current()):
        assert time.monotonic() < until, (store.kind, store._busy)
        time.sleep(0.01)


def check(store: FaissStore, rows: MemoryRows, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for labels in (None, frozenset("a"), frozenset("bc"), frozenset(["nowhere"])):
        query = unit(rng, 1)
        assert same(store.search_vector(query, 9, labels), brute_force(rows, query, 9, labels))
    assert store.size == len([row for row in rows.rows.values() if row.removed is None])


@pytest.mark.parametrize("shelf", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_the_store_finds_what_brute_force_finds_while_bases_are_made(rows, make, shelf, seed):
    store, rng = make(shelf, upkeep=True), np.random.default_rng(seed)
    rows.add(unit(rng, 400), "a")
    for step in range(150):
        alive = list(rows.visible())
        action = rng.integers(0, 8)
        if action < 4:
            rows.add(unit(rng, int(rng.integers(1, 30))), str(rng.choice(["a", "b", "c"])))
        elif action < 6:
            rows.remove([int(i) for i in rng.choice(alive, size=int(rng.integers(1, 20)), replace=False)])
        elif action == 6:
            rows.relabel([int(i) for i in rng.choice(alive, size=5, replace=False)], str(rng.choice(["a", "b", ""])))
        elif step % 3 == 0:
            rows.purge()
        check(store, rows, step)
    settled(store)
    check(store, rows)
    assert len(store.current().base) > 300


def test_a_process_that_starts_with_a_file_reads_what_changed_since_and_nothing_else(rows, make):
    first, rng = make(), np.random.default_rng(0)
    ids = rows.add(unit(rng, 500), "a")
    first.current()
    assert first.write().kind == "ivf"
    rows.add(unit(rng, 3), "b")
    rows.remove(ids[:2])
    rows.relabel(ids[2:4], "c")
    rows.pulls.clear()

    second = make()

    check(second, rows)
    assert rows.pulls == [(1, False)]
    assert second.own_bytes == (3 + 2) * WIDTH * 4
    assert sorted(second.current().ids()) == sorted(i for i, row in rows.rows.items() if row.removed is None)


def test_vectors_are_given_out_of_a_file_as_well(rows, make):
    first, rng = make(), np.random.default_rng(0)
    ids = rows.add(unit(rng, 500))
    first.current()
    first.write()
    rows.remove(ids[:1])
    more = rows.add(unit(rng, 1))
    found = make().current().vectors([*ids[:5], *more, 9_999])
    assert sorted(found) == [*ids[1:5], *more]
    assert all(np.array_equal(found[i], rows.rows[i].vector) for i in found)


def test_searches_go_on_in_the_old_snapshot_and_see_new_rows_while_a_base_is_made(rows, make, monkeypatch):
    begun, go_on, real = threading.Event(), threading.Event(), compaction._centres

    def slow(*args):
        begun.set()
        assert go_on.wait(SETTLE_SECONDS)
        return real(*args)

    monkeypatch.setattr(compaction, "_centres", slow)
    store, rng = make(upkeep=True), np.random.default_rng(0)
    ids = rows.add(unit(rng, 400), "a")
    check(store, rows)
    assert begun.wait(SETTLE_SECONDS)

    rows.add(unit(rng, 60), "b")
    check(store, rows)
    rows.remove(ids[:10])
    check(store, rows)
    assert store.current().kind == "flat"

    go_on.set()
    settled(store)
    assert store.current().kind == "ivf"
    check(store, rows)


@pytest.mark.parametrize("shelf", [True, False])
def test_what_is_removed_and_purged_while_a_base_is_made_is_not_in_it(rows, make, monkeypatch, shelf):
    """J3"""
    begun, go_on, real = threading.Event(), threading.Event(), compaction._centres

    def slow(*args):
        begun.set()
        assert go_on.wait(SETTLE_SECONDS)
        return real(*args)

    monkeypatch.setattr(compaction, "_centres", slow)
    store, rng = make(shelf, upkeep=True), np.random.default_rng(0)
    ids = rows.add(unit(rng, 400), "a")
    check(store, rows)
    assert begun.wait(SETTLE_SECONDS)
    rows.remove(ids[:10])
    rows.purge()
    go_on.set()
    settled(store)
    check(store, rows)
    assert not set(ids[:10]) & set(store.current().ids().tolist())


def test_what_is_deleted_is_hidden_at_once_and_dropped_at_the_next_merge(rows, make):
    """J3"""
    store, rng = make(upkeep=True), np.random.default_rng(0)
    ids = rows.add(unit(rng, 400))
    settled(store)
    rows.remove(ids[:30])
    found = store.current()
    assert (len(found.base), len(found.removed), found.size) == (400, 30, 370)
    assert not set(ids[:30]) & {i for i, _ in found.search(unit(rng, 1), 400, None)}
    rows.remove(ids[30:60])
    settled(store)
    assert (len(store.current().base), len(store.current().removed)) == (340, 0)
    check(store, rows)


def test_one_process_makes_a_base_and_the_others_take_it_over(rows, make, tmp_path):
    """M11"""
    rng = np.random.default_rng(0)
    stores = [make(upkeep=True) for _ in range(4)]
    rows.add(unit(rng, 400), "a")
    for _ in range(4):
        for store in stores:
            settled(store)
            check(store, rows)
        rows.add(unit(rng, 60), "b")
    for store in stores:
        settled(store)
    (file,) = (tmp_path / "index").glob("*.vectors")
    assert {store.current().base.file for store in stores} == {str(file)}
    assert {store.own_bytes for store in stores} == {0}


def test_a_large_index_without_lists_takes_over_an_older_file_that_has_them(rows, make):
    rng = np.random.default_rng(0)
    late, writer = make(upkeep=True), make()
    rows.add(unit(rng, 400))
    writer.current()
    late._upkeep = False
    late.current()
    rows.add(unit(rng, 5))
    late.current()
    writer.write()
    late._upkeep = True
    rows.pulls.clear()
    settled(late)
    assert (late.current().base_revision, rows.pulls) == (1, [(1, False)])
    check(late, rows)


@pytest.mark.parametrize("count", [150, 500])
def test_a_damaged_file_is_left_and_the_index_is_made_from_the_rows(rows, make, tmp_path, count):
    """M7"""
    first, rng = make(), np.random.default_rng(0)
    rows.add(unit(rng, count), "a")
    first.current()
    path = first.write().path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    path.write_bytes(data)

    with structlog.testing.capture_logs() as logs:
        second = make(upkeep=True)
        check(second, rows)
        settled(second, "ivf" if count > 300 else "flat")
    assert "snapshot_file_refused" in [entry["event"] for entry in logs]
    check(second, rows)
    (file,) = (tmp_path / "index").glob("*.vectors")
    assert file != path
    check(make(), rows)


def test_a_file_from_before_a_purge_is_left(rows, make):
    """What was removed and purged since could not be told."""
    first, rng = make(), np.random.default_rng(0)
    ids = rows.add(unit(rng, 400), "a")
    first.current()
    first.write()
    rows.remove(ids[:20])
    rows.purge()
    second = make()
    check(second, rows)
    assert rows.pulls[-1] == (1, True)


def test_a_file_of_a_database_that_was_put_back_is_left(rows, notes, make):
    """M14: the same numbers, other rows, and revisions that have gone beyond the file's again."""
    first, rng = make(), np.random.default_rng(0)
    rows.add(unit(rng, 400), "a")
    early = (rows.newest, dict(rows.rows), rows._last, set(notes.known))
    rows.add(unit(rng, 50), "b")
    first.current()
    first.write()
    rows.newest, rows.rows, rows._last, notes.known = early
    for _ in range(3):
        rows.add(unit(rng, 30), "c")
    check(make(), rows)


def test_a_full_disk_costs_the_file_and_no_answer(rows, make, tmp_path, monkeypatch):
    """M8"""
    store, rng = make(upkeep=True), np.random.default_rng(0)
    real = snapshot_file.os.fsync
    monkeypatch.setattr(snapshot_file.os, "fsync", no_space)
    rows.add(unit(rng, 400), "a")
    until = time.monotonic() + SETTLE_SECONDS
    with structlog.testing.capture_logs() as logs:
        while store.current().kind != "ivf":
            check(store, rows)
            assert time.monotonic() < until
    assert "snapshot_file_not_written" in [entry["event"] for entry in logs]
    assert list((tmp_path / "index").glob("*.*")) == []

    monkeypatch.setattr(snapshot_file.os, "fsync", real)
    settled(store)
    assert store.current().base.file is not None
    check(store, rows)


def no_space(_number: int) -> None:
    raise OSError(28, "No space left on device")


def test_an_error_while_a_base_is_made_ends_no_search(rows, make, monkeypatch):
    monkeypatch.setattr(compaction, "_centres", lambda *_: 1 / 0)
    store = make(upkeep=True)
    rows.add(unit(np.random.default_rng(0), 400), "a")
    until = time.monotonic() + SETTLE_SECONDS
    with structlog.testing.capture_logs() as logs:
        while "index_not_renewed" not in [entry["event"] for entry in logs]:
            check(store, rows)
            assert time.monotonic() < until
    store._upkeep = False
    check(store, rows)


def test_without_upkeep_nothing_is_made_and_everything_is_found(rows, make, tmp_path):
    store, rng = make(), np.random.default_rng(0)
    rows.add(unit(rng, 400), "a")
    for _ in range(5):
        rows.add(unit(rng, 50), "b")
        check(store, rows)
    assert store.current().kind == "flat"
    assert not (tmp_path / "index").exists()


def test_an_index_that_shrinks_has_no_lists_any_more(rows, make):
    store, rng = make(upkeep=True), np.random.default_rng(0)
    ids = rows.add(unit(rng, 400), "a")
    settled(store)
    rows.remove(ids[:200])
    settled(store, "flat")
    check(store, rows)


def test_the_memory_of_sets_of_labels_never_lets_more_through(rows, make, monkeypatch):
    """J2: many collections are asked for at once."""
    monkeypatch.setattr(snapshot_module, "MASKS", 3)
    store, rng = make(), np.random.default_rng(0)
    for label in "abcdefgh":
        rows.add(unit(rng, 20), label)
    for label in "abcdefghabcdefgh":
        found = store.search_vector(unit(rng, 1), 200, frozenset(label))
        assert {rows.rows[i].label for i, _ in found} == {label}
        assert len(found) == 20


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import sys, gevent, numpy as np
from pathlib import Path
from chatbot.rag.vector_store import compaction as merging, snapshot, store as stores
from chatbot.rag.embeddings.embedders import LangChainEmbeddings
from chatbot.rag.vector_store.snapshot_file import SnapshotHeader, SnapshotStore
from tests.rag.rows import MemoryNotes, MemoryRows, OneHot, unit
merging.APPROXIMATE_ABOVE, stores.FILE_ABOVE, snapshot.TAIL_LIMIT = 300, 100, 40
rows, rng = MemoryRows(), np.random.default_rng(0)
rows.add(unit(rng, 8_000), "a")
shelf = SnapshotStore(Path(sys.argv[1]), SnapshotHeader(1, "one-hot", 8), MemoryNotes(rows))
store, found = stores.FaissStore(LangChainEmbeddings(OneHot()), rows, shelf, upkeep=True), []
real, during = merging._centres, []
def noted(*args):
    before, made = len(found), real(*args)
    during.append(len(found) - before)
    return made
merging._centres = noted
def ask():
    while store.kind != "ivf" or store._busy:
        rows.add(unit(rng, 1), "a")
        found.append((store.kind, len(store.search_vector(unit(rng, 1), 9)) == 9, store.size == len(rows.rows)))
        gevent.sleep(0)
gevent.joinall([gevent.spawn(ask) for _ in range(3)])
whole = all(full and seen for _, full, seen in found)
print(during[0] > 3, whole, store.kind, store.own_bytes < 320_000)
"""


def test_greenlets_go_on_asking_while_a_base_is_made(tmp_path):
    """K15"""
    command = [sys.executable, "-c", GREENLETS, str(tmp_path / "index")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True True ivf True"
