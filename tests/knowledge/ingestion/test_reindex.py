"""A generation built beside the one that answers: whatever happens on the way, it ends complete."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select, update

from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.knowledge.documents import service
from chatbot.knowledge.documents.service import NewDocument
from chatbot.knowledge.index.activation import GenerationRefused, activate, drop, generations, lacking
from chatbot.knowledge.ingestion import chunks, ingest, reindex
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation
from chatbot.rag.errors import BadEmbeddings, EmbedderUnavailable
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import CountingEmbedder, add, counting, found, ingest_now, long_text

SMALL = 60


class Killed(BaseException):
    """The process is gone: nothing of ours runs any more."""


class OtherEmbedder(CountingEmbedder):
    """Another model: the same words, other vectors."""

    name = "another-model"

    def embed(self, texts: Any, questions: int = 0) -> np.ndarray:
        return np.roll(super().embed(texts), 7, axis=1)


def with_other(app) -> OtherEmbedder:
    embedders = services(app).embedders
    embedders._made[OtherEmbedder.name] = OtherEmbedder(services(app).settings)
    return embedders._made[OtherEmbedder.name]


def begun(app, model: str | None = None, chunk_tokens: int | None = SMALL, number: int | None = None):
    with services(app).sessions() as session:
        return reindex.begin(session, services(app).embedders, model, chunk_tokens, number)


def built(app, *args, threads: int = 1, **kwargs) -> int:
    """Builds a generation; gives its number."""
    generation, owner = begun(app, *args, **kwargs)
    reindex.build(services(app).sessions, services(app).embedders, generation, owner, threads=threads)
    return generation.id


COLUMNS = (
    "document_id",
    "version_id",
    "version",
    "ordinal",
    "char_start",
    "char_end",
    "page",
    "headings",
    "text",
    "tokens",
    "text_hash",
    "embedding",
    "added_revision",
    "removed_revision",
)


def rows(app, generation_id: int, *without: str) -> list[list[Any]]:
    """Everything that is stored of a generation, but for the rows' own numbers."""
    names = [name for name in COLUMNS if name not in without]
    query = select(ChunkRow).where(ChunkRow.generation_id == generation_id)
    with services(app).sessions() as session:
        chunks = session.scalars(query.order_by(ChunkRow.version_id, ChunkRow.ordinal)).all()
        return [[getattr(chunk, name) for name in names] for chunk in chunks]


def silence(app, generation_id: int) -> None:
    """The lease of a build that was killed has run out."""
    with services(app).sessions() as session:
        begin_write(session)
        values = {"lease_until": utcnow() - timedelta(seconds=1)}
        session.execute(update(Generation).where(Generation.id == generation_id).values(values))
        session.commit()


def generation(app, generation_id: int) -> Generation:
    with services(app).sessions() as session:
        return session.get_one(Generation, generation_id)


def missing(app, generation_id: int) -> int:
    with services(app).sessions() as session:
        return len(lacking(session, generation_id))


def put_content(app, document_id: str, content: str) -> None:
    with services(app).sessions() as session:
        service.put_content(session, document_id, NewDocument(content.encode(), filename="a.md"))


def delete(app, document_id: str) -> None:
    with services(app).sessions() as session:
        service.delete_document(session, document_id)


def test_a_generation_is_built_beside_the_one_that_answers_and_changes_no_answer(app, embedder):
    ids = [add_and_ingest(app, long_text(3, f"word{n}")).id for n in range(3)]
    before = rows(app, 1), found(app, "word1 number 2", 1)

    number = built(app)

    assert (rows(app, 1), found(app, "word1 number 2", 1)) == before
    made = generation(app, number)
    assert (made.active, made.lease_owner, made.lease_until, made.built_at is not None) == (None, None, None, True)
    assert (made.chunk_tokens, made.revision) == (SMALL, 3)
    assert {row[0] for row in rows(app, number)} == set(ids)
    assert len(rows(app, number)) > len(rows(app, 1))
    assert [g.chunks for g in _listed(app)] == [len(before[0]), len(rows(app, number))]


def _listed(app):
    with services(app).sessions() as session:
        return generations(session)


def test_nothing_is_parsed_again(app, embedder, monkeypatch):
    add_and_ingest(app, HOURS)
    monkeypatch.setattr(ingest, "extract_text", lambda *_, **_named: pytest.fail("it was parsed"))
    assert missing(app, built(app)) == 0


def test_vectors_are_taken_from_any_generation_of_the_same_embedder(app, embedder):
    add_and_ingest(app, HOURS)
    add_and_ingest(app, long_text(2))
    embedder.texts.clear()
    number = built(app, chunk_tokens=229)
    assert embedder.texts == ["dimension"]
    assert [row[11] for row in rows(app, number)] == [row[11] for row in rows(app, 1)]


def test_another_embedder_embeds_everything_itself(app, embedder):
    add_and_ingest(app, HOURS)
    other = with_other(app)
    number = built(app, OtherEmbedder.name)
    assert len(other.texts) == 2
    assert generation(app, number).embedder == "another-model"
    assert [row[11] for row in rows(app, number)] != [row[11] for row in rows(app, 1)]


STEPS = [
    (reindex, "embed"),
    (chunks, "new_chunk"),
    (chunks, "fill_vectors"),
    (chunks, "_report"),
    (chunks, "_checkpoint"),
    (reindex, "show"),
    (reindex, "lock_versions"),
    (reindex, "_finished"),
    (reindex, "_next_round"),
]


@pytest.mark.parametrize("call", [1, 3])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_a_build_killed_at_any_step_and_resumed_equals_an_undisturbed_one(
    app, embedder, monkeypatch, module, step, when, call
):
    """M4, M6"""
    monkeypatch.setattr(chunks, "CHECKPOINT", 2)
    for n in range(2):
        add_and_ingest(app, long_text(4, f"word{n}"))
    undisturbed = rows(app, built(app, chunk_tokens=61))
    real, calls = getattr(module, step), []

    def dies(*args):
        calls.append(1)
        if len(calls) < call:
            return real(*args)
        if when == "after":
            real(*args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, step, dies)
        try:
            number = built(app)
        except Killed:
            number = max(g.id for g in _listed(app))
    assert found(app, "word0 number 1")
    silence(app, number)

    assert built(app, number=number) == number

    # 61 tokens cut these texts as 60 do.
    assert rows(app, number) == undisturbed != []
    assert generation(app, number).built_at is not None
    assert missing(app, number) == 0


@pytest.mark.parametrize("stop", ["killed", "embedder_away"])
def test_the_same_arguments_continue_an_unfinished_build_and_embed_nothing_twice(app, embedder, monkeypatch, stop):
    for n in range(4):
        add_and_ingest(app, long_text(2, f"word{n}"))
    real, calls = reindex.show, []

    def dies(*args):
        calls.append(1)
        if len(calls) == 3:
            raise Killed if stop == "killed" else EmbedderUnavailable
        real(*args)

    embedder.texts.clear()
    with monkeypatch.context() as patch:
        patch.setattr(reindex, "show", dies)
        with pytest.raises((Killed, EmbedderUnavailable)):
            built(app)
    if stop == "killed":
        silence(app, 2)
    assert built(app) == 2
    texts = [text for text in embedder.texts if text != "dimension"]
    assert len(texts) == len(set(texts)) == len({row[10] for row in rows(app, 2)})


def test_many_threads_build_what_one_builds(app, embedder):
    for n in range(6):
        add_and_ingest(app, long_text(2, f"word{n}"))
    alone, threaded = built(app), built(app, chunk_tokens=61, threads=3)
    assert rows(app, threaded, "added_revision") == rows(app, alone, "added_revision")


def test_two_builds_do_not_work_on_the_same_generation_and_the_second_says_so(app, embedder):
    add_and_ingest(app, HOURS)
    first, owner = begun(app)
    with pytest.raises(GenerationRefused, match="Generation 2 is being built by another process"):
        begun(app)
    reindex.build(services(app).sessions, services(app).embedders, first, owner)
    assert begun(app)[0].id == first.id  # It is free again.


def test_a_build_whose_lease_was_taken_writes_nothing_more(app, embedder):
    add_and_ingest(app, HOURS)
    slow, owner = begun(app)
    silence(app, slow.id)
    begun(app)
    with pytest.raises(reindex.BuildLost):
        reindex.build(services(app).sessions, services(app).embedders, slow, owner)
    assert rows(app, slow.id) == []
    assert generation(app, slow.id).lease_owner is not None  # The other one's.


def test_the_lease_is_prolonged_by_each_batch(app, embedder, monkeypatch):
    monkeypatch.setattr(chunks, "CHECKPOINT", 1)
    add_and_ingest(app, long_text(3))
    ends, real = [], chunks.fill_vectors

    def note(*args):
        ends.append(generation(app, 2).lease_until)
        real(*args)

    monkeypatch.setattr(chunks, "fill_vectors", note)
    built(app)
    assert ends == sorted(set(ends))
    assert len(ends) >= 3


def test_documents_that_come_change_and_go_meanwhile_are_caught_up(app, embedder, monkeypatch):
    ids = [add_and_ingest(app, f"{HOURS} Shop {n}.").id for n in range(3)]
    real, calls = reindex.embed, []

    def and_meanwhile(*args):
        calls.append(1)
        if len(calls) == 2:
            delete(app, ids[0])
            put_content(app, ids[1], "The shop opens at eleven.")
            ingest_now(app, ids[1])
            ingest_now(app, add(app, RETURNS))
        real(*args)

    monkeypatch.setattr(reindex, "embed", and_meanwhile)
    number = built(app)
    texts = sorted(row[8] for row in rows(app, number) if row[13] is None)
    assert texts == sorted([f"{HOURS} Shop 2.", "The shop opens at eleven.", RETURNS])
    assert missing(app, number) == 0


def test_a_document_whose_new_version_failed_keeps_its_old_one_in_the_next_generation(app, embedder):
    """J3: what answers now answers after the activation too."""
    id_ = add_and_ingest(app, "The shop opens at nine.").id
    put_content(app, id_, "The shop opens at eleven.")
    embedder.error = BadEmbeddings()
    assert ingest_now(app, id_) == "failed"
    embedder.error = None
    assert [row[8] for row in rows(app, built(app))] == ["The shop opens at nine."]


def test_a_document_that_is_switched_off_is_built_and_not_found(app, embedder):
    add_and_ingest(app, HOURS, is_active=False)
    add_and_ingest(app, RETURNS)
    number = built(app)
    assert [row[8] for row in rows(app, number)] == [HOURS, RETURNS]
    with services(app).sessions() as session:
        activate(session, services(app).embedders, number)
    assert found(app, "When is the shop open?") == [RETURNS]


def test_the_languages_of_the_documents_are_noted_with_the_generation(app, embedder):
    """A question is stemmed in each of them."""
    add_and_ingest(app, "Der Laden ist von neun bis fünf Uhr geöffnet, und am Samstag öffnet er erst um zehn Uhr.")
    assert generation(app, built(app)).languages == generation(app, 1).languages != []


def test_a_built_generation_is_brought_up_to_date_by_its_number(app, embedder):
    add_and_ingest(app, HOURS)
    number = built(app)
    add_and_ingest(app, RETURNS)
    assert missing(app, number) == 1
    assert built(app, chunk_tokens=None, number=number) == number
    assert missing(app, number) == 0


def test_a_document_without_a_text_ends_the_build_with_a_reason(app, embedder):
    id_ = add_and_ingest(app, HOURS).id
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(DocumentVersion).where(DocumentVersion.document_id == id_).values(text=None))
        session.commit()
    with pytest.raises(reindex.BuildStuck, match="1 document"):
        built(app)
    assert (generation(app, 2).built_at, generation(app, 2).lease_owner) == (None, None)


@pytest.mark.parametrize("tokens", [39, 233])
def test_chunks_that_do_not_fit_the_embedder_are_refused(sqlite_app, tokens):
    with pytest.raises(GenerationRefused, match="40 to 232 tokens"):
        begun(sqlite_app, chunk_tokens=tokens)


def test_vectors_of_another_dimension_than_the_generation_are_refused(sqlite_app):
    """J11"""
    embedder = counting(sqlite_app)
    add_and_ingest(sqlite_app, HOURS)
    number = built(sqlite_app)
    embedder.spoil = lambda vectors: vectors[:, :100]
    with pytest.raises(BadEmbeddings):
        begun(sqlite_app, number=number)


def test_the_active_generation_is_not_built(sqlite_app):
    add_and_ingest(sqlite_app, HOURS)
    with pytest.raises(GenerationRefused, match="active"):
        begun(sqlite_app, number=1)
    with pytest.raises(GenerationRefused, match="no generation 7"):
        begun(sqlite_app, number=7)


def test_a_generation_dropped_or_activated_while_it_is_built_gets_nothing_more(app, embedder):
    add_and_ingest(app, HOURS)
    slow, owner = begun(app)
    silence(app, slow.id)
    with services(app).sessions() as session:
        drop(session, slow.id)
    with pytest.raises(reindex.BuildLost):
        reindex.build(services(app).sessions, services(app).embedders, slow, owner)
    assert rows(app, slow.id) == []


def test_builds_and_ingestion_at_once_lose_nothing(app, embedder):
    """M10"""
    for n in range(4):
        add_and_ingest(app, long_text(2, f"old{n}"))
    ids = [add(app, long_text(2, f"new{n}")) for n in range(4)]
    worker = threading.Thread(target=lambda: [ingest_now(app, id_) for id_ in ids])
    worker.start()
    number = built(app, threads=2)
    worker.join()
    assert built(app, number=number) == number
    with services(app).sessions() as session:
        ready = session.scalars(select(func.count()).where(Document.status == "ready")).one()
    assert ready == 8 == len({row[0] for row in rows(app, number)})
