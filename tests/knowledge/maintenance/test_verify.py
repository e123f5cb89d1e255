"""What does not agree is found, named, and mended where it can be."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import delete, select, text, update

from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.index import activation
from chatbot.knowledge.index.chunk_reader import ChunkReader
from chatbot.knowledge.maintenance import verify
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import found, ingest_now, long_text, visible
from tests.knowledge.index.test_activation import activate, other
from tests.knowledge.ingestion.test_reindex import built, put_content
from tests.knowledge.ingestion.test_reindex import delete as delete_document

__all__ = ["other"]

QUESTION = "When is the shop open?"


def results(app, *, fix: bool = False) -> dict[str, verify.Result]:
    checks = (*verify.KNOWLEDGE, verify.vectors_held(services(app).retriever))
    with services(app).sessions() as session:
        return {result.name: result for result in verify.verify(session, checks, fix=fix)}


def wrong(app) -> dict[str, list[str]]:
    return {name: [str(f) for f in r.findings] for name, r in results(app).items() if r.findings}


def execute(app, *statements) -> None:
    with services(app).sessions() as session:
        begin_write(session)
        for statement in statements:
            session.execute(statement)
        session.commit()


def status(app, document_id: str) -> str:
    with services(app).sessions() as session:
        return session.get_one(Document, document_id).status


@pytest.fixture
def ids(app) -> list[str]:
    """Three documents with several chunks, and a history of a change and a deletion."""
    ids = [add_and_ingest(app, long_text(3, f"word{n}")).id for n in range(3)]
    put_content(app, ids[0], HOURS)
    ingest_now(app, ids[0])
    delete_document(app, add_and_ingest(app, RETURNS).id)
    return ids


def test_rows_that_agree_are_found_to(app, ids):
    """M4, M10: as many chunks in SQL as in the index."""
    found_ = results(app)
    assert [name for name, result in found_.items() if result.findings] == []
    assert [result.looked_at for result in found_.values()] == [7, 3, 7, 7, 3, 7, 10, 7]


def test_generations_beside_each_other_agree_before_and_after_a_switch(app, ids):
    number = built(app)
    assert wrong(app) == {}
    activate(app, number)
    assert wrong(app) == {}
    with services(app).sessions() as session:
        activation.rollback(session)
    assert wrong(app) == {}


def test_before_the_first_document_there_is_nothing_to_check(app):
    assert results(app) == {}


def _of(chunk: ChunkRow):
    return update(ChunkRow).where(ChunkRow.id == chunk.id)


def lose_a_chunk(app, ids):
    (chunk, *_) = [c for c in visible(app) if c.document_id == ids[1]]
    return [delete(ChunkRow).where(ChunkRow.id == chunk.id)]


def lose_all_chunks(app, ids):
    """M4"""
    return [delete(ChunkRow).where(ChunkRow.document_id == ids[1])]


def miscount(app, ids):
    return [update(Document).where(Document.id == ids[1]).values(chunk_count=99)]


def shift_an_offset(app, ids):
    (chunk, *_) = [c for c in visible(app) if c.document_id == ids[1]]
    return [_of(chunk).values(char_start=chunk.char_start + 1)]


def lose_the_text(app, ids):
    return [update(DocumentVersion).where(DocumentVersion.document_id == ids[1]).values(text=None)]


def change_the_text(app, ids):
    return [update(DocumentVersion).where(DocumentVersion.document_id == ids[1]).values(text="Something else.")]


def cut_a_vector(app, ids):
    (chunk, *_) = [c for c in visible(app) if c.document_id == ids[1]]
    return [_of(chunk).values(embedding=b"\0" * 100)]


def spoil_a_vector(app, ids):
    (chunk, *_) = [c for c in visible(app) if c.document_id == ids[1]]
    return [_of(chunk).values(embedding=np.full(384, np.nan, "<f4").tobytes())]


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (lose_a_chunk, verify.DOCUMENTS),
        (lose_all_chunks, verify.DOCUMENTS),
        (miscount, verify.DOCUMENTS),
        (shift_an_offset, verify.OFFSETS),
        (lose_the_text, verify.OFFSETS),
        (change_the_text, verify.OFFSETS),
        (cut_a_vector, verify.VECTORS),
        (spoil_a_vector, verify.VECTORS),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_damaged_document_is_found_and_ingested_again(app, other, ids, damage, check):
    before = [(c.document_id, c.ordinal, c.text) for c in visible(app)]
    found(other, QUESTION)
    execute(app, *damage(app, ids))
    assert wrong(app)[check.name] == [f"document {ids[1]}"]
    assert len(results(app)) == 8  # A vector that cannot be loaded does not end it.
    assert status(app, ids[1]) == "ready"  # Looking changes nothing.

    assert results(app, fix=True)[check.name].done == "1 document(s) wait for a worker"

    assert status(app, ids[1]) == "queued"
    assert wrong(app) == {}
    assert ingest_now(app, ids[1]) == "ready"
    assert wrong(app) == {}
    assert [(c.document_id, c.ordinal, c.text) for c in visible(app)] == before
    found(other, QUESTION)
    assert services(other).retriever.index_stats()["vectors"] == len(before)


def test_what_is_deleted_or_outdated_and_still_visible_is_removed_in_every_process(app, other, ids):
    """M5, J3"""
    found(other, QUESTION)
    execute(
        app,
        update(ChunkRow).where(ChunkRow.text == "").values(removed_revision=None, text="back", embedding=b"\0" * 1536),
        update(ChunkRow).where(ChunkRow.version == 1, ChunkRow.document_id == ids[0]).values(removed_revision=None),
    )
    assert len(wrong(app)[verify.STRAYS.name]) == 4
    assert results(app, fix=True)[verify.STRAYS.name].done == "4 chunk(s) removed"
    assert wrong(app) == {}
    assert "back" not in [c.text for c in visible(app)]


def test_an_original_that_is_not_what_came_in_is_told_and_left_to_a_person(app, ids):
    execute(app, update(DocumentVersion).where(DocumentVersion.document_id == ids[2]).values(content=b"other"))
    assert wrong(app) == {verify.ORIGINALS.name: [f"document {ids[2]}"]}
    mended = results(app, fix=True)[verify.ORIGINALS.name]
    assert (mended.done, mended.open) == ("", True)
    assert status(app, ids[2]) == "ready"


def test_a_text_is_kept_when_its_original_is_damaged_too(app, ids):
    execute(app, update(DocumentVersion).where(DocumentVersion.document_id == ids[1]).values(content=b"other"))
    execute(app, *miscount(app, ids))
    results(app, fix=True)
    assert ingest_now(app, ids[1]) == "ready"
    assert len([c for c in visible(app) if c.document_id == ids[1]]) == 3


def _number(app) -> str:
    return "rowid" if services(app).sessions().get_bind().dialect.name == "sqlite" else "chunk_id"


def test_chunks_that_the_keyword_index_lacks_are_indexed(app, ids):
    lost = visible(app)[1].id
    execute(app, text(f"DELETE FROM chunk_terms WHERE {_number(app)} = {lost}"))
    assert wrong(app) == {verify.UNINDEXED.name: [f"chunk {lost}"]}
    assert results(app, fix=True)[verify.UNINDEXED.name].done == "1 chunk(s) indexed"
    assert wrong(app) == {}


def test_what_is_no_chunk_is_taken_out_of_the_keyword_index(sqlite_app):
    """PostgreSQL's table refers to its chunks and cannot have such a row."""
    add_and_ingest(sqlite_app, HOURS)
    execute(sqlite_app, text("INSERT INTO chunk_terms (rowid, terms) VALUES (999, 'shop')"))
    assert wrong(sqlite_app) == {verify.LEFTOVER_TERMS.name: ["chunk 999"]}
    assert results(sqlite_app, fix=True)[verify.LEFTOVER_TERMS.name].done == "1 entries deleted"
    assert wrong(sqlite_app) == {}


def test_an_index_that_lacks_a_chunk_is_found(sqlite_app, monkeypatch):
    add_and_ingest(sqlite_app, HOURS)
    real = ChunkReader._added
    monkeypatch.setattr(ChunkReader, "_added", lambda self, *args: [rows[1:] for rows in real(self, *args)])
    assert len(wrong(sqlite_app)["the index in memory holds exactly the visible chunks"]) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_vector_that_pgvector_lacks_or_has_too_many_is_found_and_mended(app, ids):
    name = "pgvector holds exactly the visible chunks"
    assert wrong(app) == {}
    execute(app, text("DELETE FROM chunk_vectors WHERE chunk_id = (SELECT min(chunk_id) FROM chunk_vectors)"))
    assert len(wrong(app)[name]) == 1

    assert results(app, fix=True)[name].done == "every vector will be read again"

    assert wrong(app) == {}


def test_a_finding_that_was_deleted_meanwhile_is_left_alone(app, ids):
    with services(app).sessions() as session:
        generation = session.scalars(select(Generation)).one()
        session.expunge(generation)
        session.rollback()
        delete_document(app, ids[1])
        verify._queue_again(session, generation, [verify.Finding(ids[1])])
    assert status(app, ids[1]) == "deleted"
