"""The vector store against brute force, over rows that change all the time."""

from __future__ import annotations

import threading
import time

import faiss
import numpy as np
import pytest

from chatbot.rag.embeddings.embedders import LangChainEmbeddings
from chatbot.rag.vector_store import snapshot as snapshot_module
from chatbot.rag.vector_store.store import FaissStore
from tests.rag.rows import WIDTH, MemoryRows, OneHot, brute_force, same, unit

UNHEARD_OF = 1_000_000_000


@pytest.fixture
def rows() -> MemoryRows:
    return MemoryRows()


@pytest.fixture
def store(rows: MemoryRows) -> FaissStore:
    return FaissStore(LangChainEmbeddings(OneHot()), rows)


@pytest.mark.parametrize("tail_limit", [0, 7, 40, 10_000])
@pytest.mark.parametrize("seed", range(4))
def test_the_store_finds_what_brute_force_finds_after_every_change(monkeypatch, rows, store, tail_limit, seed):
    monkeypatch.setattr(snapshot_module, "TAIL_LIMIT", tail_limit)
    rng = np.random.default_rng(seed)
    for step in range(120):
        alive = list(rows.visible())
        action = rng.integers(0, 12)
        if action < 5 or not alive:
            rows.add(unit(rng, int(rng.integers(1, 9))), str(rng.choice(["a", "b", "c"])))
        elif action < 8:
            rows.remove(
                [int(i) for i in rng.choice(alive, size=min(len(alive), int(rng.integers(1, 6))), replace=False)]
            )
        elif action == 8:
            rows.purge()
        elif action == 9:
            rows.remove(rows.add(unit(rng, 2)))
        else:
            there = [i for i, row in rows.rows.items() if row.removed is None]
            rows.relabel(
                [int(i) for i in rng.choice(there, size=min(len(there), 3), replace=False)] if there else [],
                str(rng.choice(["a", "b", ""])),
            )
        if step % 3 == 0:
            continue  # Several changes come in one pull as well.
        query, k = unit(rng, 1), int(rng.integers(1, 12))
        for labels in (None, frozenset("a"), frozenset("bc"), frozenset(["nowhere"]), frozenset()):
            assert same(store.search_vector(query, k, labels), brute_force(rows, query, k, labels))
            inside, unknown = store.current().known(labels, [*rows.rows, UNHEARD_OF])
            assert inside == set(rows.visible(labels))
            assert UNHEARD_OF in unknown
            assert not {i for i, row in rows.rows.items() if row.removed is None} & set(unknown)
        assert store.size == len([row for row in rows.rows.values() if row.removed is None])
        assert store.revision == rows.newest


@pytest.mark.parametrize("tail_limit", [0, 10_000])
def test_what_is_relabelled_is_found_under_its_new_label_only_and_once(monkeypatch, rows, store, tail_limit):
    """A document that is moved into another collection, switched off, and on again."""
    monkeypatch.setattr(snapshot_module, "TAIL_LIMIT", tail_limit)
    rng = np.random.default_rng(0)
    (moved, stays), query = rows.add(unit(rng, 2), "a"), unit(rng, 1)
    for label in ("b", "", "a", "b"):
        store.search_vector(query, 9)
        rows.relabel([moved], label)
        assert sorted(i for i, _ in store.search_vector(query, 9)) == ([moved, stays] if label else [stays])
        assert [i for i, _ in store.search_vector(query, 9, frozenset("b"))] == ([moved] if label == "b" else [])
        assert store.search_vector(query, 9, frozenset([""])) == []


def test_a_search_can_be_limited_to_chosen_ids(rows, store):
    """A filter on documents: the nearest of those, however many others are nearer."""
    rng = np.random.default_rng(0)
    ids, query = rows.add(unit(rng, 200)), unit(rng, 1)
    only = np.array(ids[::20], dtype=np.int64)
    expected = [hit for hit in brute_force(rows, query, 200, None) if hit[0] in only]
    assert same(store.current().search(query, 5, None, only), expected[:5])
    assert store.current().search(query, 5, frozenset(["nowhere"]), only) == []


@pytest.mark.parametrize("tail_limit", [0, 10_000])
def test_vectors_are_given_for_what_is_there(monkeypatch, rows, store, tail_limit):
    monkeypatch.setattr(snapshot_module, "TAIL_LIMIT", tail_limit)
    rng = np.random.default_rng(0)
    first, second = rows.add(unit(rng, 5)), None
    store.current()
    second = rows.add(unit(rng, 5))
    rows.remove(first[:1])
    found = store.current().vectors([*first, *second, 99])
    assert sorted(found) == [*first[1:], *second]
    assert all(np.array_equal(found[i], rows.rows[i].vector) for i in found)
    assert sorted(store.current().ids()) == sorted(found)
    assert FaissStore(LangChainEmbeddings(OneHot()), MemoryRows()).current().vectors([1]) == {}


def test_only_what_changed_is_pulled(rows, store):
    rng = np.random.default_rng(0)
    rows.add(unit(rng, 5))
    for _ in range(3):
        store.search_vector(unit(rng, 1), 1)
    rows.add(unit(rng, 1))
    store.search_vector(unit(rng, 1), 1)
    assert rows.pulls == [(None, True), (1, False)]


def test_a_revision_the_caller_has_read_saves_asking_for_it(rows, store):
    rng = np.random.default_rng(0)
    (first,) = rows.add(unit(rng, 1))
    store.search_vector(unit(rng, 1), 1)
    rows.add(unit(rng, 1))
    assert [i for i, _ in store.search_vector(unit(rng, 1), 9, newest=1)] == [first]
    assert len(store.search_vector(unit(rng, 1), 9, newest=2)) == 2


def test_a_small_tail_is_not_merged_into_the_base_and_a_large_one_is(monkeypatch, rows, store):
    monkeypatch.setattr(snapshot_module, "TAIL_LIMIT", 10)
    rng = np.random.default_rng(0)
    rows.add(unit(rng, 20))
    store.search_vector(unit(rng, 1), 1)
    base = store._snapshot.base
    rows.add(unit(rng, 4))
    store.search_vector(unit(rng, 1), 1)
    assert store._snapshot.base is base
    assert len(store._snapshot.tail.ids) == 4
    rows.add(unit(rng, 7))
    store.search_vector(unit(rng, 1), 1)
    assert len(store._snapshot.base.ids) == 31
    assert not len(store._snapshot.tail.ids)


@pytest.mark.parametrize("in_tail", [False, True])
def test_one_allowed_chunk_is_found_among_10_000_nearer_ones(monkeypatch, rows, store, in_tail):
    """J2: who may read a chunk is decided inside the search, before the top k."""
    monkeypatch.setattr(snapshot_module, "TAIL_LIMIT", 50_000 if in_tail else 100)
    query = np.eye(1, WIDTH, dtype=np.float32)
    far = np.eye(1, WIDTH, 1, dtype=np.float32)
    rows.add(np.repeat(query, 5_000, axis=0), "theirs")
    (mine,) = rows.add(far, "mine")
    rows.add(np.repeat(query, 5_000, axis=0), "theirs")

    assert [i for i, _ in store.search_vector(query, 5, frozenset(["mine"]))] == [mine]
    assert mine not in [i for i, _ in store.search_vector(query, 5)]


def test_removed_chunks_do_not_crowd_out_what_is_left(rows, store):
    """J3"""
    query = np.eye(1, WIDTH, dtype=np.float32)
    near = rows.add(np.repeat(query, 500, axis=0))
    (left,) = rows.add(np.eye(1, WIDTH, 1, dtype=np.float32))
    store.search_vector(query, 5)
    rows.remove(near)
    assert [i for i, _ in store.search_vector(query, 5)] == [left]


def test_a_store_that_lags_behind_a_purge_reads_everything_again(rows, store):
    rng = np.random.default_rng(0)
    gone = rows.add(unit(rng, 3))
    store.search_vector(unit(rng, 1), 1)
    kept = rows.add(unit(rng, 2))
    rows.remove(gone)
    rows.purge()

    found = store.search_vector(unit(rng, 1), 9)

    assert sorted(i for i, _ in found) == kept
    assert rows.pulls[-1] == (1, True)


def test_searches_in_threads_never_find_what_was_removed_before_they_began(monkeypatch, rows, store):
    monkeypatch.setattr(snapshot_module, "TAIL_LIMIT", 30)
    rng = np.random.default_rng(0)
    rows.add(unit(rng, 200))
    stop, errors = threading.Event(), []

    def search(seed: int) -> None:
        mine = np.random.default_rng(seed)
        try:
            while not stop.is_set():
                gone = {i for i, r in list(rows.rows.items()) if r.removed is not None}
                found = store.search_vector(unit(mine, 1), 10)
                assert not gone & {i for i, _ in found}
                assert len(found) == 10
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        fresh = rows.add(unit(rng, 3))
        rows.remove([*fresh[:1], next(iter(rows.visible()))])
    stop.set()
    for thread in threads:
        thread.join()

    assert errors == []
    store.search_vector(unit(rng, 1), 1)
    assert store.size == len(rows.visible())


def test_changes_that_many_threads_notice_at_once_are_pulled_once(rows, store):
    rows.add(unit(np.random.default_rng(0), 50))
    query, barrier = np.eye(1, WIDTH, dtype=np.float32), threading.Barrier(8)
    sizes = []

    def search() -> None:
        barrier.wait()
        sizes.append(len(store.search_vector(query, 9)))

    slow = rows.changes
    rows.changes = lambda since: (time.sleep(0.05), slow(since))[1]
    threads = [threading.Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sizes == [9] * 8
    assert rows.pulls == [(None, True)]


def test_an_empty_store_finds_nothing(rows, store):
    query = np.eye(1, WIDTH, dtype=np.float32)
    assert (store.size, store.revision) == (0, None)
    assert store.search_vector(query, 5) == []
    assert store.search_vector(query, 5, frozenset("a")) == []
    assert (store.size, store.revision) == (0, 0)


def test_a_store_that_becomes_empty_and_fills_again_finds_again(monkeypatch, rows, store):
    monkeypatch.setattr(snapshot_module, "TAIL_LIMIT", 0)
    query = np.eye(1, WIDTH, dtype=np.float32)
    ids = rows.add(np.repeat(query, 3, axis=0))
    assert len(store.search_vector(query, 5)) == 3
    rows.remove(ids)
    assert store.search_vector(query, 5) == []
    again = rows.add(query)
    assert [i for i, _ in store.search_vector(query, 5)] == again


def test_a_question_of_another_dimension_finds_nothing_and_breaks_nothing(rows, store):
    """J11"""
    rows.add(unit(np.random.default_rng(0), 3))
    assert store.search_vector(np.ones((1, WIDTH + 1), dtype=np.float32), 5) == []
    assert len(store.search_vector(np.ones((1, WIDTH), dtype=np.float32), 5)) == 3


def test_more_is_asked_for_than_there_is(rows, store):
    rows.add(unit(np.random.default_rng(0), 3))
    assert len(store.search_vector(np.ones((1, WIDTH), dtype=np.float32), 1_000)) == 3


def test_equal_scores_come_in_the_order_of_their_ids(rows, store):
    query = np.eye(1, WIDTH, dtype=np.float32)
    ids = rows.add(np.repeat(query, 4, axis=0))
    assert [i for i, _ in store.search_vector(query, 4)] == ids


class TestLangChainsFace:
    @pytest.fixture(autouse=True)
    def _axes(self, rows: MemoryRows) -> None:
        rows.add(np.eye(4, WIDTH, dtype=np.float32), "a")
        rows.add(np.eye(1, WIDTH, 1, dtype=np.float32), "b")

    def test_a_similarity_search_gives_documents_with_where_they_come_from(self, store):
        (document,) = store.similarity_search("axis 2", k=1)
        assert (document.id, document.page_content) == ("3", "text 3")
        assert document.metadata["document_id"] == "doc-3"
        assert (document.metadata["char_start"], document.metadata["char_end"]) == (0, 4)

    def test_scores_are_cosines_and_the_filter_names_collections(self, store):
        ((document, score),) = store.similarity_search_with_score("1", k=1, filter=["b"])
        assert (document.id, score) == ("5", pytest.approx(1.0))

    def test_it_is_a_retriever(self, store):
        found = store.as_retriever(search_kwargs={"k": 2}).invoke("3")
        assert found[0].id == "4"
        assert len(found) == 2

    def test_passages_that_are_gone_meanwhile_are_left_out(self, rows, store, monkeypatch):
        store.search_passages("0", 1)
        monkeypatch.setattr(rows, "revision", lambda: 2)
        rows.remove([1])
        assert 1 not in [p.chunk_id for p in store.search_passages("0", 5)]

    def test_it_cannot_be_written_to(self, store):
        with pytest.raises(NotImplementedError):
            store.add_texts(["x"])
        with pytest.raises(NotImplementedError):
            FaissStore.from_texts(["x"], store.embeddings)


def test_a_search_computes_in_its_own_thread_whichever_that_is(rows, store):
    """Threads of OpenMP would wait for each other in a circle, and a fork after them hangs."""
    rng = np.random.default_rng(0)
    rows.add(unit(rng, 50))
    used = []

    def search() -> None:
        store.search_vector(unit(rng, 1), 3)
        used.append(faiss.omp_get_max_threads())

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()

    assert used == [1]
