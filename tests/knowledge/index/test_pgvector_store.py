"""The vectors of all processes in PostgreSQL (pgvector), beside those in the memory of each (FAISS)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import text, update

from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.index import pgvector_store
from chatbot.knowledge.index.pgvector_store import TableVectors
from chatbot.knowledge.models import ChunkRow
from chatbot.knowledge.tasks import ingest_document, sweep_documents
from chatbot.rag.vector_store.store import FaissStore
from tests.conftest import HOURS, RETURNS, MakeApp, add_and_ingest
from tests.knowledge.conftest import add, collections_of, found, long_text

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def rows(app: Flask, query: str) -> list[tuple[object, ...]]:
    with services(app).sessions() as session:
        return [tuple(row) for row in session.execute(text(query))]


def held(app: Flask) -> TableVectors:
    store = services(app).retriever.index().store
    current = store.current()
    assert isinstance(current, TableVectors)
    return current


@pytest.fixture
def build(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Builds the approximate index, which so few vectors would not get."""
    monkeypatch.setattr(pgvector_store, "EXACT_BELOW", 1)

    def built() -> None:
        held(app)
        assert pgvector_store.build_index(services(app).sessions, 1)
        services(app).retriever._active = None
        assert held(app).indexed

    yield built
    with services(app).sessions() as session:
        pgvector_store.drop(session, 1)


def test_both_stores_find_the_same(app: Flask) -> None:
    add_and_ingest(app, long_text(40))
    index = services(app).retriever.index()
    query = index.store.query_vector("alpha section 7")
    in_memory = FaissStore(index.store.embeddings, index.rows).current()

    there, here = held(app).search(query, 20, None), in_memory.search(query, 20, None)

    assert [score for _, score in there] == pytest.approx([score for _, score in here], abs=1e-5)
    assert {chunk for chunk, _ in there} == {chunk for chunk, _ in here}
    assert set(held(app).ids()) == set(in_memory.ids())


def test_it_follows_what_is_added_replaced_switched_off_and_deleted(app: Flask) -> None:
    document = add_and_ingest(app, HOURS)
    assert found(app, "When does the shop open?", mode="dense")
    client, before = services(app).sessions, held(app).size

    with client() as session:
        begin_write(session)
        session.execute(update(ChunkRow).values(removed_revision=2))
        session.execute(text("UPDATE generations SET revision = 2"))
        session.commit()

    assert (before, held(app).size) == (1, 0)
    assert found(app, "When does the shop open?", mode="dense") == []
    assert document.id


def test_whoever_comes_together_brings_it_up_to_date_once(app: Flask) -> None:
    """M10"""
    add_and_ingest(app, long_text(60))
    sessions, revisions = services(app).sessions, []
    threads = [threading.Thread(target=lambda: revisions.append(pgvector_store.follow(sessions, 1))) for _ in range(6)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert revisions == [1] * 6
    assert rows(app, "SELECT count(*), count(DISTINCT chunk_id) FROM chunk_vectors") == [(held(app).size,) * 2]


def test_the_approximate_index_finds_what_comparing_all_finds(app: Flask, build: Callable[[], None]) -> None:
    add_and_ingest(app, long_text(60))
    index = services(app).retriever.index()
    query = index.store.query_vector("alpha section 7")
    exact = held(app).search(query, 10, None)

    build()

    near = held(app).search(query, 10, None)
    assert [score for _, score in near] == pytest.approx([score for _, score in exact], abs=1e-5)


def test_with_the_index_too_a_filter_works_inside_the_search(app: Flask, build: Callable[[], None]) -> None:
    """J2: one readable passage behind nearer ones."""
    add_and_ingest(app, HOURS)
    mine = add_and_ingest(app, RETURNS, collection="mine")
    build()

    passages = services(app).retriever.search("When does the shop open?", 1, collections_of(app, "mine"))[0]

    assert [passage.document_id for passage in passages] == [mine.id]


def test_a_build_that_was_killed_is_made_anew(app: Flask, build: Callable[[], None]) -> None:
    add_and_ingest(app, long_text(30))
    build()
    with services(app).sessions() as session:
        begin_write(session)
        name = pgvector_store.index_name(1)
        session.execute(text(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass('{name}')"))
        session.commit()

    assert pgvector_store.build_index(services(app).sessions, 1)
    assert not pgvector_store.build_index(services(app).sessions, 1)


def test_a_damaged_vector_does_not_end_every_search(app: Flask) -> None:
    """M7"""
    add_and_ingest(app, HOURS)
    add_and_ingest(app, RETURNS)
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(ChunkRow).where(ChunkRow.id == 1).values(embedding=b"1234"))
        session.commit()

    assert len(found(app, "When does the shop open?", mode="dense")) == 1


def test_a_question_of_another_dimension_finds_nothing(app: Flask) -> None:
    add_and_ingest(app, HOURS)

    assert held(app).search(np.ones((1, 7), dtype=np.float32), 3, None) == []


def test_moving_from_faiss_is_a_setting_and_a_command(make_app: MakeApp, database_url: str, tmp_path: Path) -> None:
    before = make_app(database_url=database_url, vector_store="faiss")
    add_and_ingest(before, HOURS)
    after = make_app(database_url=database_url, instance_path=tmp_path / "other")

    told = after.test_cli_runner().invoke(args=["index", "migrate-to-pgvector"])

    assert (told.exit_code, told.output) == (0, "1 vector(s) of generation 1 in pgvector.\n")
    assert found(after, "When does the shop open?", mode="dense") == found(
        before, "When does the shop open?", mode="dense"
    )


def test_a_worker_brings_new_documents_in_and_builds_the_index(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgvector_store, "EXACT_BELOW", 1)
    document = add(app, HOURS)

    with app.app_context():
        ingest_document.run(document)
        assert rows(app, "SELECT count(*) FROM chunk_vectors") == [(1,)]
        sweep_documents.run()

    assert held(app).indexed
    with services(app).sessions() as session:
        pgvector_store.drop(session, 1)


def test_dropping_a_generation_takes_its_index_along(app: Flask, build: Callable[[], None]) -> None:
    add_and_ingest(app, HOURS)
    build()

    with services(app).sessions() as session:
        pgvector_store.drop(session, 1)

    assert rows(app, f"SELECT to_regclass('{pgvector_store.index_name(1)}')") == [(None,)]
