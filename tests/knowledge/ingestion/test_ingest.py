"""From a queued row to chunks that answer, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update
from structlog.contextvars import get_contextvars

from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.knowledge.documents import service
from chatbot.knowledge.documents.service import NewDocument
from chatbot.knowledge.ingestion import chunks, claims, ingest, publish
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation
from chatbot.knowledge.parsing import runner
from chatbot.rag.errors import (
    BadEmbeddings,
    EmbedderDamaged,
    EmbedderMisconfigured,
    EmbedderNotInstalled,
    EmbedderUnavailable,
)
from tests.conftest import HOURS, RETURNS, ROOT
from tests.knowledge.conftest import add, counting, found, ingest_now, long_text, visible
from tests.knowledge.parsing.makers import make_docx, make_pdf, rezipped


class Killed(BaseException):
    """The process is gone: nothing of ours runs any more."""


def document(app, document_id: str) -> Document:
    with services(app).sessions() as session:
        return session.get_one(Document, document_id)


def change(app, document_id: str, **values) -> None:
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(Document).where(Document.id == document_id).values(**values))
        session.commit()


def silence(app, document_id: str) -> None:
    """The worker's lease has run out."""
    change(app, document_id, lease_until=utcnow() - timedelta(seconds=1))


def chunk_rows(app, document_id: str) -> int:
    with services(app).sessions() as session:
        return session.scalars(
            select(func.count(ChunkRow.id)).where(ChunkRow.document_id == document_id, ChunkRow.text != "")
        ).one()


def put_content(app, document_id: str, content: str) -> None:
    with services(app).sessions() as session:
        service.put_content(session, document_id, NewDocument(content.encode(), filename="a.md"))


# States and columns


def test_a_document_goes_from_queued_to_ready_and_its_columns_tell(app, embedder):
    id_ = add(app, long_text(3), title="Alpha")
    before = document(app, id_)
    assert (before.status, before.version, before.attempts, before.chunk_count) == ("queued", 1, 0, 0)

    assert ingest_now(app, id_) == "ready"

    after = document(app, id_)
    assert (after.status, after.chunk_count, after.chunks_done, after.chunks_total) == ("ready", 3, 3, 3)
    assert (after.lease_owner, after.lease_until, after.error_code, after.blocked_because) == (None, None, None, None)
    assert after.attempts == 1


def test_each_chunk_is_its_place_in_the_text_of_the_version(app, embedder):
    id_ = add(app, "# Ünïcode 👋\n\n" + HOURS * 4 + "\n\n## More\n\n" + RETURNS * 4)
    ingest_now(app, id_)
    with services(app).sessions() as session:
        text = session.scalars(select(DocumentVersion.text).where(DocumentVersion.document_id == id_)).one()
    chunks = visible(app)
    assert [text[c.char_start : c.char_end] for c in chunks] == [c.text for c in chunks]
    assert chunks[-1].headings == ["Ünïcode 👋", "More"]
    assert [c.ordinal for c in chunks] == list(range(len(chunks)))


def test_chunks_of_a_pdf_know_their_page(app, embedder):
    id_ = add(app, make_pdf(HOURS, RETURNS), "two.pdf")
    ingest_now(app, id_)
    assert {c.page for c in visible(app)} <= {1, 2}
    assert visible(app)[0].page == 1


def test_what_is_embedded_stands_behind_the_documents_title(app, embedder):
    ingest_now(app, add(app, "# Start\n\n" + HOURS, title="Manual"))
    assert embedder.texts[-1] == f"Manual\n# Start\n\n{HOURS}"


def test_a_chunk_whose_heading_is_in_another_chunk_is_embedded_with_it(app, embedder):
    assert chunks.in_context("Manual", ["Guide", "Start"], "Body", embedder) == "Manual: Start\nBody"
    assert chunks.in_context("Manual", ["Guide", "Start"], "# Start\nBody", embedder) == "Manual\n# Start\nBody"


def test_a_context_that_is_too_long_is_cut_so_that_the_chunk_keeps_its_room(app, embedder):
    context = chunks.in_context("T " + "word " * 60, [], "Body", embedder).removesuffix("\nBody")
    assert context.startswith("T word")
    assert embedder.count_tokens(context) == chunks.CONTEXT_TOKENS


def test_a_file_in_a_folder_is_called_by_its_place_and_anything_else_by_its_title():
    assert chunks.label_of("Uploads", "docs/tutorial/uploads.md", "uploads.md") == "docs/tutorial/uploads"
    assert chunks.label_of("Uploads", "uploads.md", "uploads.md") == "Uploads"
    assert chunks.label_of("Uploads", "https://example.com/up.html", "") == "Uploads"


def test_a_document_without_a_title_takes_the_one_it_has_inside(app, embedder):
    id_ = add(app, make_pdf(HOURS, title="Opening hours"), "scan.pdf")
    ingest_now(app, id_)
    assert document(app, id_).title == "Opening hours"


def test_a_title_that_was_given_stays(app, embedder):
    id_ = add(app, make_pdf(HOURS, title="Other"), "scan.pdf", title="Mine")
    ingest_now(app, id_)
    assert document(app, id_).title == "Mine"


def test_a_ready_document_is_not_ingested_again(app, embedder):
    id_ = add(app, HOURS)
    ingest_now(app, id_)
    assert ingest_now(app, id_) is None
    assert ingest_now(app, "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a") is None


def test_an_inactive_document_is_ingested_and_never_found(app, embedder):
    id_ = add(app, HOURS, is_active=False)
    assert ingest_now(app, id_) == "ready"
    assert document(app, id_).chunk_count == 1
    assert found(app, "When is the shop open?") == []


# Failures and waits


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (make_pdf(""), "scan.pdf", "no_text"),
        (b"%PDF-1.7 nothing", "a.pdf", "damaged"),
        (make_pdf("secret", password="pw"), "a.pdf", "encrypted"),
        (rezipped(make_docx(HOURS), {"word/document.xml": b"<broken"}), "a.docx", "damaged"),
        (b"<html><script>1</script></html>", "a.html", "no_text"),
        ("\u200b\u2060".encode(), "a.txt", "no_text"),
    ],
)
def test_a_file_that_cannot_be_read_fails_with_its_reason(app, embedder, data, name, code):
    """H5, H8"""
    id_ = add(app, data, name)
    assert ingest_now(app, id_) == "failed"
    failed = document(app, id_)
    assert (failed.status, failed.error_code) == ("failed", code)
    assert failed.error_detail
    assert failed.lease_owner is None
    assert visible(app) == []


def test_warning_of_the_parser_is_logged_with_the_document(app, embedder, monkeypatch):
    bound = []
    monkeypatch.setattr(runner.log, "warning", lambda *words: bound.append((words, get_contextvars())))
    id_ = add(app, make_pdf("Alpha", "Beta").replace(b"/Count 2", b"/Count 3"), filename="a.pdf")

    assert ingest_now(app, id_) == "ready"

    (words, context), *others = bound
    assert words == ("document_partly_read: %s", "Form fields, notes and layers are read of 2 of 3 pages")
    assert (context["document_id"], others) == (id_, [])


@pytest.mark.parametrize(
    "error",
    [
        EmbedderUnavailable(),
        EmbedderMisconfigured(),
        EmbedderNotInstalled("a-wheel", "requirements-embedder.txt"),
        EmbedderDamaged(Path("model.safetensors"), "requirements-embedder.txt"),
    ],
)
def test_with_the_embedder_away_a_document_waits_and_no_attempt_is_burned(app, embedder, error):
    """L11"""
    id_ = add(app, HOURS)
    embedder.error = error
    for _ in range(claims.MAX_ATTEMPTS + 2):
        assert ingest_now(app, id_) == "queued"
        waiting = document(app, id_)
        assert (waiting.status, waiting.attempts, waiting.lease_owner) == ("queued", 0, None)
        assert waiting.blocked_because == (error.hint or str(error))
        assert waiting.next_attempt_at > utcnow()
        assert ingest_now(app, id_) is None  # It is not due yet.
        change(app, id_, next_attempt_at=utcnow())
    embedder.error = None
    assert ingest_now(app, id_) == "ready"
    assert document(app, id_).blocked_because is None


def test_a_text_without_anything_to_embed_has_no_text(app, embedder, monkeypatch):
    """H8: no empty chunks"""
    monkeypatch.setattr(chunks, "split", lambda *_: [])
    id_ = add(app, HOURS)
    assert ingest_now(app, id_) == "failed"
    assert document(app, id_).error_code == "no_text"


def test_vectors_that_cannot_be_used_fail_the_document_and_nothing_is_indexed(app, embedder):
    """L10"""
    ingest_now(app, add(app, RETURNS))
    id_ = add(app, HOURS)
    embedder.error = BadEmbeddings()
    assert ingest_now(app, id_) == "failed"
    assert document(app, id_).error_code == "bad_embeddings"
    assert chunk_rows(app, id_) == 0


def test_vectors_of_another_dimension_than_the_index_are_refused(app, embedder):
    """J11"""
    ingest_now(app, add(app, RETURNS))
    embedder.spoil = lambda vectors: vectors[:, :100]
    id_ = add(app, HOURS)
    assert ingest_now(app, id_) == "failed"
    assert document(app, id_).error_code == "bad_embeddings"
    embedder.spoil = lambda vectors: vectors
    assert len(found(app, "refund")) == 1


def test_an_unexpected_error_is_tried_again_later_and_counts(app, embedder):
    id_ = add(app, HOURS)
    embedder.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        ingest_now(app, id_)
    waiting = document(app, id_)
    assert (waiting.status, waiting.attempts) == ("queued", 1)
    assert "tried again" in waiting.blocked_because


def test_an_unexpected_error_after_the_lease_was_lost_leaves_the_other_worker_alone(app, embedder, monkeypatch):
    id_ = add(app, HOURS)

    def lose(*_args):
        change(app, id_, lease_owner="another")
        raise ZeroDivisionError

    monkeypatch.setattr(ingest, "embed", lose)
    with pytest.raises(ZeroDivisionError):
        ingest_now(app, id_)
    assert (document(app, id_).status, document(app, id_).lease_owner) == ("processing", "another")


def test_a_document_that_kills_its_worker_again_and_again_is_set_aside(app, embedder, monkeypatch):
    id_ = add(app, HOURS)

    def die(*_args, **_named):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "extract_text", die)
        for _ in range(claims.MAX_ATTEMPTS):
            with pytest.raises(Killed):
                ingest_now(app, id_)
            silence(app, id_)
    assert ingest_now(app, id_) == "failed"
    assert (document(app, id_).error_code, document(app, id_).error_detail) == ("gave_up", ingest.GAVE_UP)


def test_a_failed_document_that_comes_again_is_tried_again(app, embedder):
    id_ = add(app, HOURS)
    embedder.error = BadEmbeddings()
    ingest_now(app, id_)
    embedder.error = None
    assert add(app, HOURS) == id_
    assert document(app, id_).status == "queued"
    assert ingest_now(app, id_) == "ready"
    assert document(app, id_).error_code is None


# Crashes


STEPS = [
    (ingest, "claim_document"),
    (ingest, "_read"),
    (ingest, "_store_text"),
    (ingest, "ensure_generation"),
    (chunks, "_report"),
    (chunks, "new_chunk"),
    (chunks, "fill_vectors"),
    (chunks, "_checkpoint"),
    (publish, "next_revision"),
    (publish, "is_active"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_a_worker_killed_at_any_step_is_resumed_by_the_next_one(app, embedder, monkeypatch, module, step, when):
    """M4, N4"""
    monkeypatch.setattr(chunks, "CHECKPOINT", 2)
    id_ = add(app, long_text(5))
    real = getattr(module, step)

    def dies(*args):
        if when == "after":
            real(*args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, step, dies)
        with pytest.raises(Killed):
            ingest_now(app, id_)
    assert visible(app) == []
    assert found(app, "alpha number 1") == []
    if document(app, id_).status == "processing":
        assert ingest_now(app, id_) is None  # The lease still holds.
        silence(app, id_)

    assert ingest_now(app, id_) == "ready"

    assert [c.ordinal for c in visible(app)] == list(range(5))
    assert document(app, id_).chunk_count == document(app, id_).chunks_done == 5


@pytest.mark.parametrize("batches", range(4))
def test_committed_batches_are_not_embedded_again_after_a_kill(app, embedder, monkeypatch, batches):
    monkeypatch.setattr(chunks, "CHECKPOINT", 2)
    id_ = add(app, long_text(6))
    real, calls = chunks.fill_vectors, []

    def dies(*args):
        if len(calls) == batches:
            raise Killed
        calls.append(1)
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(chunks, "fill_vectors", dies)
        patch.setattr(ingest, "publish", lambda *_: dies())
        with pytest.raises(Killed):
            ingest_now(app, id_)
    assert document(app, id_).chunks_done == 2 * batches
    silence(app, id_)

    assert ingest_now(app, id_) == "ready"

    texts = [text for text in embedder.texts if text != "dimension"]
    assert len(texts) == len(set(texts)) == 6


WORKER = """
import os, sys
from pathlib import Path
from chatbot.app import create_app
from chatbot.current import services
from chatbot.config import load_settings
from chatbot.knowledge.ingestion import chunks, ingest
from chatbot.rag.embeddings.embedders import LocalEmbedder

instance, models, document_id, batches, url = sys.argv[1:]
chunks.CHECKPOINT = 2
app = create_app(load_settings(
    _env_file=None, instance_path=Path(instance), models_path=Path(models), log_level="ERROR",
    database_url=url or None, secret_key="s3cret-" + "x1y2z3" * 8,
))
if batches:
    real, calls = chunks.fill_vectors, []
    def stops(*args):
        if len(calls) == int(batches):
            print("now", flush=True)
            sys.stdin.read()
        calls.append(1)
        real(*args)
    chunks.fill_vectors = stops
with services(app).sessions() as session:
    print(ingest.ingest(session, services(app).embedders, document_id, 60), flush=True)
"""


def run_worker(app, models_path, database_url, document_id: str, batches: str) -> subprocess.Popen:
    instance = services(app).settings.instance_path
    arguments = [
        sys.executable,
        "-c",
        WORKER,
        str(instance),
        str(models_path),
        document_id,
        batches,
        database_url or "",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def test_a_process_killed_with_sigkill_is_resumed_and_nothing_differs(app, embedder, models_path, database_url):
    """N4: the same chunks as in an undisturbed run, and no committed batch is embedded twice."""
    text = long_text(7)
    id_ = add(app, text)
    with run_worker(app, models_path, database_url, id_, "2") as victim:
        assert victim.stdout.readline() == "now\n"
        victim.send_signal(signal.SIGKILL)
    assert (document(app, id_).status, document(app, id_).chunks_done) == ("processing", 4)
    assert visible(app) == []
    silence(app, id_)

    assert ingest_now(app, id_) == "ready"

    assert len(embedder.texts) == 3
    other = add(app, text, collection="undisturbed")
    ingest_now(app, other)
    resumed = [c for c in visible(app) if c.document_id == id_]
    undisturbed = [c for c in visible(app) if c.document_id == other]
    columns = ("ordinal", "char_start", "char_end", "text", "text_hash", "tokens", "headings")
    assert [[getattr(c, name) for name in columns] for c in resumed] == [
        [getattr(c, name) for name in columns] for c in undisturbed
    ]


# Leases


def test_a_lease_that_holds_keeps_others_away_and_one_that_ran_out_does_not(app, embedder, session):
    id_ = add(app, HOURS)
    first = claims.claim_document(session, id_, timedelta(seconds=60))
    assert first is not None
    assert ingest.due_documents(session) == []
    session.rollback()
    assert ingest_now(app, id_) is None
    silence(app, id_)
    assert ingest.due_documents(session) == [id_]
    session.rollback()
    assert ingest_now(app, id_) == "ready"


OVERTAKEN = [(ingest, "_store_text"), (ingest, "ensure_generation"), (chunks, "fill_vectors"), (ingest, "publish")]


@pytest.mark.parametrize(("module", "step"), OVERTAKEN, ids=[step for _, step in OVERTAKEN])
def test_a_worker_whose_lease_was_taken_writes_nothing_more(app, embedder, monkeypatch, module, step):
    """N5"""
    monkeypatch.setattr(chunks, "CHECKPOINT", 2)
    id_ = add(app, long_text(4))
    real = getattr(module, step)

    def is_overtaken(*args):
        monkeypatch.undo()
        silence(app, id_)
        monkeypatch.setattr(chunks, "CHECKPOINT", 2)
        assert ingest_now(app, id_) == "ready"
        change(app, id_, title="Of the other worker")
        return real(*args)

    monkeypatch.setattr(module, step, is_overtaken)
    revision = document(app, id_).version
    assert ingest_now(app, id_) is None
    assert document(app, id_).version == revision
    assert (document(app, id_).status, document(app, id_).title) == ("ready", "Of the other worker")
    assert [c.ordinal for c in visible(app)] == list(range(4))
    assert chunk_rows(app, id_) == 4


def test_a_lease_is_prolonged_by_each_batch(app, embedder, monkeypatch):
    monkeypatch.setattr(chunks, "CHECKPOINT", 1)
    id_ = add(app, long_text(3))
    ends = []
    real = chunks.fill_vectors

    def note(*args):
        ends.append(document(app, id_).lease_until)
        real(*args)

    monkeypatch.setattr(chunks, "fill_vectors", note)
    ingest_now(app, id_)
    assert ends == sorted(set(ends))
    assert len(ends) == 3


def at_once(count: int, work) -> list:
    """Runs `work(n)` in threads that begin together; gives what they return or raise."""
    barrier, results = threading.Barrier(count), [None] * count

    def run(n: int) -> None:
        barrier.wait()
        try:
            results[n] = work(n)
        except BaseException as error:
            results[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_document_delivered_to_several_workers_is_ingested_once(app, embedder):
    """N6"""
    id_ = add(app, long_text(3))
    results = at_once(6, lambda _n: ingest_now(app, id_))
    assert sorted(results, key=str) == [None] * 5 + ["ready"]
    assert len([t for t in embedder.texts if t != "dimension"]) == 3


def test_workers_in_parallel_lose_no_chunk(app, embedder):
    """M10: as many chunks in SQL as in the index. The first generation is made once, too."""
    ids = [add(app, long_text(3, f"word{n}")) for n in range(6)]
    assert at_once(6, lambda n: ingest_now(app, ids[n])) == ["ready"] * 6
    found(app, "word", 1)
    assert len(visible(app)) == 18 == services(app).retriever.index_stats()["vectors"]
    with services(app).sessions() as session:
        assert session.scalars(select(func.count(Generation.id))).one() == 1


@pytest.mark.parametrize("collection_is_new", [True, False])
def test_the_same_content_added_by_many_at_once_is_one_document(app, collection_is_new):
    """H10: also when all of them make the collection."""
    if not collection_is_new:
        add(app, RETURNS, collection="shared")
    for n in range(5):
        results = at_once(8, lambda _n, n=n: add(app, f"{HOURS} {n}", collection="shared"))
        assert len(set(results)) == 1


# Deletion and new versions


def test_a_document_deleted_while_it_is_ingested_ends_deleted_or_never_half(app, embedder, monkeypatch):
    """M9"""
    monkeypatch.setattr(chunks, "CHECKPOINT", 1)
    ingest_now(app, add(app, "Something else that stays here."))
    for n in range(30):
        id_ = add(app, long_text(2, f"round{n}"))

        def work(who: int, id_=id_, n=n):
            if who == 0:
                return ingest_now(app, id_)
            time.sleep(n % 10 * 0.004)
            with services(app).sessions() as session:
                return service.delete_document(session, id_).chunks

        ingested, removed = at_once(2, work)
        assert ingested in (None, "ready")
        assert removed in (0, 2)
        assert document(app, id_).status == "deleted"
        assert chunk_rows(app, id_) == 0
    assert len(visible(app)) == 1
    assert found(app, "round", 50) == ["Something else that stays here."]
    assert services(app).retriever.index_stats()["vectors"] == 1


def test_a_new_version_replaces_the_old_one_only_when_it_is_ready(app, embedder, monkeypatch):
    """J3"""
    id_ = add(app, "The shop opens at nine.")
    ingest_now(app, id_)
    put_content(app, id_, "The shop opens at eleven.")
    assert document(app, id_).status == "queued"
    assert found(app, "When does the shop open?") == ["The shop opens at nine."]

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "publish", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            ingest_now(app, id_)
    assert found(app, "When does the shop open?") == ["The shop opens at nine."]
    silence(app, id_)

    assert ingest_now(app, id_) == "ready"
    assert found(app, "When does the shop open?") == ["The shop opens at eleven."]
    assert document(app, id_).version == 2


def test_a_new_version_that_fails_leaves_the_old_one_answering(app, embedder):
    id_ = add(app, "The shop opens at nine.")
    ingest_now(app, id_)
    put_content(app, id_, "The shop opens at eleven.")
    embedder.error = BadEmbeddings()
    assert ingest_now(app, id_) == "failed"
    embedder.error = None
    assert found(app, "When does the shop open?") == ["The shop opens at nine."]


def test_a_worker_busy_with_an_old_version_gives_way_to_the_new_one(app, embedder, monkeypatch):
    id_ = add(app, "The shop opens at nine.")
    real = ingest.publish

    def is_late(*args):
        put_content(app, id_, "The shop opens at eleven.")
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "publish", is_late)
        assert ingest_now(app, id_) is None
    assert document(app, id_).status == "queued"
    assert ingest_now(app, id_) == "ready"
    assert [c.text for c in visible(app)] == ["The shop opens at eleven."]
    assert chunk_rows(app, id_) == 1


def test_chunks_that_did_not_change_are_not_embedded_again(app, embedder):
    id_ = add(app, long_text(5))
    ingest_now(app, id_)
    before = {c.ordinal: bytes(_vector(app, c.id)) for c in visible(app)}
    embedder.texts.clear()

    put_content(app, id_, long_text(5).replace("alpha number 3", "beta number 3"))
    ingest_now(app, id_)

    assert len(embedder.texts) == 1
    assert "beta number 3" in embedder.texts[0]
    after = {c.ordinal: bytes(_vector(app, c.id)) for c in visible(app)}
    assert [n for n in range(5) if before[n] != after[n]] == [3]


def _vector(app, chunk_id: int) -> bytes:
    with services(app).sessions() as session:
        return session.scalars(select(ChunkRow.embedding).where(ChunkRow.id == chunk_id)).one()


def test_a_text_that_stands_twice_in_a_document_is_embedded_once(app, embedder):
    ingest_now(app, add(app, "# Same\n\n" + HOURS * 4 + "\n\n# Same\n\n" + HOURS * 4 + "\n"))
    assert len(visible(app)) == 2
    assert len([t for t in embedder.texts if t != "dimension"]) == 1


def test_the_stored_vectors_have_length_one(app, embedder):
    ingest_now(app, add(app, HOURS))
    vector = np.frombuffer(_vector(app, visible(app)[0].id), "<f4")
    assert vector.shape == (384,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_two_workers_that_make_the_first_generation_make_one(app, monkeypatch):
    counting(app)
    ids = [add(app, HOURS), add(app, RETURNS)]
    barrier = threading.Barrier(2)
    real = ingest.ensure_generation

    def at_the_same_time(session, embedders):
        barrier.wait(5)
        return real(session, embedders)

    monkeypatch.setattr(ingest, "ensure_generation", at_the_same_time)
    assert at_once(2, lambda n: ingest_now(app, ids[n])) == ["ready", "ready"]
    with services(app).sessions() as session:
        assert session.scalars(select(Generation.active)).all() == [1]


def test_splitting_a_long_text_renews_the_lease(app, embedder, monkeypatch):
    """N5"""
    id_ = add(app, HOURS)
    renewed = []
    monkeypatch.setattr(claims.time, "monotonic", iter(range(0, 10**6, 100)).__next__)
    before = claims.Batch.renew
    monkeypatch.setattr(claims.Batch, "renew", lambda *args: renewed.append(1) or before(*args))
    ingest_now(app, id_)
    # The text and the only batch renew it once each; the others are renewals during the split.
    assert len(renewed) > 2
    assert document(app, id_).status == "ready"
