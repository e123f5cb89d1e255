"""What one process writes, every process finds, and what was removed nobody finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import structlog
from sqlalchemy import func, select

from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.documents import service
from chatbot.knowledge.documents.service import NewDocument
from chatbot.knowledge.index.chunk_reader import ChunkReader
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion
from chatbot.knowledge.parsing.clean import clean_title
from chatbot.rag.grounding.answerability import trained
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import add, counting, found, ingest_now, visible

QUESTION = "When is the shop open?"


@pytest.fixture
def other(make_app, app, database_url, tmp_path):
    """Another process on the same database: an application that shares nothing else."""
    return make_app(database_url=database_url, instance_path=services(app).settings.instance_path)


def delete(app, document_id: str) -> service.Receipt:
    with services(app).sessions() as session:
        return service.delete_document(session, document_id)


def purge(app) -> int:
    with services(app).sessions() as session:
        return service.purge(session)


def count(app, model) -> int:
    with services(app).sessions() as session:
        return session.scalars(select(func.count()).select_from(model)).one()


def test_another_process_finds_what_was_added_and_misses_what_was_removed_at_once(app, other):
    """M12, J3"""
    assert found(other, QUESTION) == []
    id_ = add_and_ingest(app, HOURS).id
    assert found(other, QUESTION) == [HOURS]
    stays = add_and_ingest(app, RETURNS).id
    assert found(other, QUESTION) == [HOURS, RETURNS]
    assert delete(app, id_).chunks == 1
    assert found(other, QUESTION) == found(app, QUESTION) == [RETURNS]
    delete(other, stays)
    assert found(app, QUESTION) == []


def test_a_chunk_removed_between_the_search_and_its_reading_is_not_given(app, other, monkeypatch):
    """J3: the index may be a moment behind, the rows are not."""
    id_ = add_and_ingest(app, HOURS).id
    real = ChunkReader.read

    def late(self, ids):
        monkeypatch.undo()
        delete(other, id_)
        return real(self, ids)

    monkeypatch.setattr(ChunkReader, "read", late)
    assert found(app, QUESTION) == []


def test_a_document_switched_off_in_its_row_is_not_given(app, session):
    id_ = add_and_ingest(app, HOURS).id
    assert found(app, QUESTION) == [HOURS]
    begin_write(session)
    session.get_one(Document, id_).is_active = False
    session.commit()
    assert found(app, QUESTION) == []


def test_langchains_call_asks_the_rows_for_the_newest_revision(app, other):
    retriever = services(app).retriever
    add_and_ingest(app, HOURS)
    found(app, QUESTION)
    store = retriever.index().store
    add_and_ingest(other, RETURNS)
    assert [d.page_content for d in store.similarity_search(QUESTION)] == [HOURS, RETURNS]


def test_a_purge_leaves_no_row_of_what_was_removed(app):
    id_ = add_and_ingest(app, HOURS).id
    add_and_ingest(app, RETURNS)
    delete(app, id_)

    assert purge(app) == 1

    assert (count(app, Document), count(app, DocumentVersion), count(app, ChunkRow)) == (1, 1, 1)
    assert purge(app) == 0
    assert found(app, QUESTION) == [RETURNS]


def test_a_deletion_leaves_no_text_behind_even_before_the_purge(app, session):
    id_ = add_and_ingest(app, HOURS, filename="secret.md").id
    delete(app, id_)
    version = session.scalars(select(DocumentVersion)).one()
    chunk = session.scalars(select(ChunkRow)).one()
    assert (version.content, version.text, version.filename) == (b"", "", "")
    assert (chunk.text, chunk.embedding, chunk.headings) == ("", b"", [])


def test_a_process_that_lags_behind_a_purge_reads_everything_again(app, other):
    id_ = add_and_ingest(app, HOURS).id
    add_and_ingest(app, RETURNS)
    assert len(found(other, QUESTION)) == 2
    delete(app, id_)
    purge(app)
    assert found(other, QUESTION) == [RETURNS]
    assert services(other).retriever.index_stats()["vectors"] == 1


def test_a_purge_in_the_middle_of_a_pull_hides_no_removal(app, other, monkeypatch):
    """What was removed and purged while a process reads the changes must not stay in its index for good."""
    id_ = add_and_ingest(app, HOURS).id
    add_and_ingest(app, RETURNS)
    assert len(found(other, QUESTION)) == 2
    delete(app, id_)
    real = ChunkReader._added

    def and_purge(self, *args):
        monkeypatch.undo()
        rows = real(self, *args)
        purge(app)
        return rows

    monkeypatch.setattr(ChunkReader, "_added", and_purge)
    assert found(other, QUESTION) == [RETURNS]
    assert services(other).retriever.index_stats()["vectors"] == 1


def test_ids_are_never_given_again_after_a_purge(app):
    id_ = add_and_ingest(app, HOURS).id
    (before,) = [c.id for c in visible(app)]
    delete(app, id_)
    purge(app)
    add_and_ingest(app, RETURNS)
    (after,) = [c.id for c in visible(app)]
    assert after > before


def test_one_allowed_chunk_is_found_among_many_nearer_ones(app):
    """J1, J2"""
    for n in range(30):
        add_and_ingest(app, f"{HOURS} Copy {n}.", collection="theirs")
    pond = "The duck pond behind the shop freezes in winter, and nobody feeds the ducks or the geese before spring."
    mine = add_and_ingest(app, pond, collection="mine").collection_id
    for mode in ("hybrid", "dense", "keyword"):
        assert found(app, QUESTION, collections=frozenset([mine]), mode=mode) == [pond]
        assert pond not in found(app, QUESTION, mode=mode)
        assert found(app, QUESTION, collections=frozenset(), mode=mode) == []


def test_only_passages_above_the_threshold_answer_and_the_best_score_is_told(make_app):
    app = make_app(relevance_threshold=0.36)
    add_and_ingest(app, HOURS)
    retriever = services(app).retriever
    good, bad = retriever.find(QUESTION, 5), retriever.find("Who won the chess championship of 1972?", 5)
    assert [p.text for p in good.passages] == [HOURS]
    assert good.top_score == good.passages[0].scores["evidence"] >= good.threshold == 0.36
    assert (bad.passages, bad.top_score < bad.threshold) == ((), True)


def test_without_a_threshold_the_trained_classifier_has_three_answers(app, monkeypatch):
    add_and_ingest(app, HOURS)
    retriever = services(app).retriever
    yes, no = retriever.find(QUESTION, 5), retriever.find("Who won the chess championship of 1972?", 5)
    classifier = replace(trained("all-MiniLM-L6-v2"), high=1.1)
    monkeypatch.setattr("chatbot.knowledge.retrieval.retriever.trained", lambda _: classifier)
    perhaps = retriever.find(QUESTION, 5)
    assert ([p.text for p in yes.passages], yes.unsure) == ([HOURS], False)
    assert ([p.text for p in perhaps.passages], perhaps.unsure) == ([HOURS], True)
    assert (no.passages, no.unsure, [p.text for p in no.nearest]) == ((), False, [HOURS])
    assert no.top_score < no.lower_threshold <= perhaps.top_score < perhaps.threshold
    assert yes.top_score >= yes.threshold
    assert set(yes.searched.signals) == {"near", "dense", "general", "words", "met", "known", "chunks"}
    assert yes.searched.signals["chunks"] == 1


def test_multilingual_embedder_knows_every_word_and_is_not_compared_with_english_sentences(app):
    embedder = counting(app)
    add_and_ingest(app, "Das Geschäft öffnet um neun Uhr.")
    english = services(app).retriever.find("Wann öffnet das Geschäft?", 5).searched.signals
    embedder.multilingual = True
    multilingual = services(app).retriever.find("Wann öffnet das Geschäft?", 5).searched.signals
    assert english["known"] < 1
    assert english["general"] != 0
    assert (multilingual["known"], multilingual["general"]) == (1.0, 0.0)


def test_the_classifier_is_told_the_size_of_what_may_be_read(app):
    mine = add_and_ingest(app, HOURS, collection="mine").collection_id
    for n in range(3):
        add_and_ingest(app, f"Song {n} is sung at night.", collection="others")
    found = services(app).retriever.find(QUESTION, 5, frozenset([mine]))
    if services(app).retriever.kind == "faiss":
        assert found.searched.signals["chunks"] == 1
    assert services(app).retriever.find(QUESTION, 5).searched.signals["chunks"] == 4


def test_before_the_first_document_nothing_is_found(app):
    nothing = services(app).retriever.find(QUESTION, 5)
    assert (nothing.passages, nothing.top_score) == ((), None)


def test_the_threshold_of_the_settings_comes_before_the_generations(make_app):
    app = make_app(relevance_threshold=0.9)
    assert services(app).retriever.find(QUESTION, 5).threshold == 0.9
    add_and_ingest(app, HOURS)
    found_ = services(app).retriever.find(QUESTION, 5)
    assert (found_.passages, found_.threshold) == ((), 0.9)


def test_warming_up_loads_the_vectors(app):
    add_and_ingest(app, HOURS)
    retriever = services(app).retriever
    retriever.warm_up()
    in_memory = {"kind": "flat", "vectors": 1, "memory_bytes": 384 * 4, "revision": 1}
    in_the_database = {"kind": "pgvector", "vectors": 1, "memory_bytes": 0, "revision": 1}
    assert retriever.index_stats() == (in_memory if retriever.kind == "faiss" else in_the_database)


def test_an_application_with_another_embedding_model_serves_the_old_generation_and_warns(sqlite_app, make_app):
    """J11"""
    add_and_ingest(sqlite_app, HOURS)
    instance = services(sqlite_app).settings.instance_path
    other = make_app(instance_path=instance, embedding_model="text-embedding-3-small", openai_api_key="sk-test")
    with structlog.testing.capture_logs() as logs:
        assert found(other, QUESTION) == [HOURS]
        assert found(other, QUESTION) == [HOURS]
    (warning,) = [entry for entry in logs if entry["event"] == "embedding_model_kept"]
    assert (warning["configured"], warning["serving"]) == ("text-embedding-3-small", "all-MiniLM-L6-v2")
    id_ = add(other, RETURNS)
    assert ingest_now(other, id_) == "ready"
    assert found(sqlite_app, "refund") == [RETURNS, HOURS]


def test_an_application_with_the_same_model_does_not_warn(sqlite_app):
    add_and_ingest(sqlite_app, HOURS)
    with structlog.testing.capture_logs() as logs:
        found(sqlite_app, QUESTION)
    assert [entry for entry in logs if entry["event"] == "embedding_model_kept"] == []


def test_a_question_that_comes_twice_is_embedded_once(sqlite_app):
    embedder = counting(sqlite_app)
    add_and_ingest(sqlite_app, HOURS)
    embedder.texts.clear()
    found(sqlite_app, QUESTION)
    found(sqlite_app, QUESTION)
    assert embedder.texts == [QUESTION]


class TestSyncFile:
    @pytest.fixture
    def sync(self, sqlite_app):
        def sync(content: str, source: str = "docs/a.md", **fields):
            with services(sqlite_app).sessions() as session:
                new = NewDocument(content.encode(), filename="a.md", source=source, **fields)
                outcome, document, to_ingest = service.sync_file(session, new)
                return outcome, document.id, to_ingest

        return sync

    def test_a_file_is_known_by_its_source(self, sync):
        assert (first := sync(HOURS))[::2] == ("added", True)
        assert sync(HOURS) == ("unchanged", first[1], False)
        assert sync(RETURNS) == ("changed", first[1], True)

    def test_the_same_content_under_another_name_is_unchanged(self, sync):
        first = sync(HOURS)
        assert sync(HOURS, "docs/copy.md") == ("unchanged", first[1], False)

    def test_each_collection_has_its_own(self, sync):
        assert sync(HOURS)[1] != sync(HOURS, collection="other")[1]

    def test_a_deleted_file_is_added_again(self, sync, sqlite_app):
        first = sync(HOURS)
        delete(sqlite_app, first[1])
        assert sync(HOURS)[0] == "added"

    def test_a_file_that_cannot_be_read_is_refused_before_anything_is_stored(self, sync, sqlite_app):
        with pytest.raises(service.FileRefused):
            sync(" ")
        assert count(sqlite_app, Document) == 0


@pytest.mark.parametrize(
    ("text", "title"),
    [("a\n\tb", "a b"), ("\u202eevil\u200b", "evil"), ("x" * 300, "x" * 200), ("\0", ""), ("  é 👋 ", "é 👋")],
)
def test_a_title_is_one_visible_line(text, title):
    assert clean_title(text) == title
