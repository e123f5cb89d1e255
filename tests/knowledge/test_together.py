"""Many small new texts that go in at once, whatever happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from chatbot.db import begin_write, utcnow
from chatbot.knowledge import service, together
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation
from chatbot.knowledge.tasks import sweep_documents
from chatbot.knowledge.together import ingest_together
from tests.conftest import HOURS, MakeApp
from tests.knowledge.conftest import add, found, ingest_now

TEXTS = [f"# Rule {n}\n\nWhoever enters room {n} closes door {n + 100}." for n in range(6)]


class Killed(BaseException):
    """The process is gone: nothing of ours runs any more."""


def add_all(app: Flask) -> list[str]:
    return [add(app, content, filename=f"rules/{n}.md") for n, content in enumerate(TEXTS)]


def at_once(app: Flask, lease: float = 60) -> int:
    with app.extensions["sessions"]() as session:
        return ingest_together(session, app.extensions["embedders"], lease)


def all_rows(app: Flask) -> list[tuple[Any, ...]]:
    """Everything about documents and chunks that must not depend on the way they took."""
    columns = (
        Document.title, Document.source, Document.status, Document.version, Document.language, Document.chunk_count,
        Document.chunks_done, Document.chunks_total, Document.lease_owner, Document.blocked_because,
        DocumentVersion.text, DocumentVersion.media_type, DocumentVersion.simhash, DocumentVersion.instruction_score,
        ChunkRow.ordinal, ChunkRow.char_start, ChunkRow.char_end, ChunkRow.headings, ChunkRow.text, ChunkRow.tokens,
        ChunkRow.text_hash, ChunkRow.embedding, ChunkRow.page, ChunkRow.removed_revision,
    )  # fmt: skip
    query = select(*columns).select_from(Document).join(DocumentVersion, DocumentVersion.document_id == Document.id)
    query = query.join(ChunkRow, ChunkRow.version_id == DocumentVersion.id)
    with app.extensions["sessions"]() as session:
        return [tuple(row) for row in session.execute(query.order_by(Document.source, ChunkRow.ordinal))]


def statuses(app: Flask) -> list[str]:
    with app.extensions["sessions"]() as session:
        return list(session.scalars(select(Document.status).order_by(Document.source)))


def silence(app: Flask) -> None:
    """The worker's leases have run out."""
    with app.extensions["sessions"]() as session:
        begin_write(session)
        session.execute(update(Document).values(lease_until=utcnow() - timedelta(seconds=1)))
        session.commit()


def sweep(app: Flask) -> None:
    with app.app_context():
        sweep_documents.run()


def test_they_become_what_each_would_have_become_by_itself(app: Flask, make_app: MakeApp, tmp_path: Path) -> None:
    alone = make_app(instance_path=tmp_path / "alone")
    for document_id in add_all(alone):
        ingest_now(alone, document_id)
    add_all(app)

    assert at_once(app) == len(TEXTS)

    assert all_rows(app) == all_rows(alone)
    best = [found(one, "Who closes door 103?", k=1, mode="keyword") for one in (app, alone)]
    assert best == [[TEXTS[3]]] * 2
    with app.extensions["sessions"]() as session:
        assert session.scalars(select(Generation.revision)).one() == 1


def test_one_that_cannot_be_read_fails_alone(app: Flask) -> None:
    ids = add_all(app)
    with app.extensions["sessions"]() as session:
        begin_write(session)
        mine = DocumentVersion.document_id == ids[3]
        session.execute(update(DocumentVersion).where(mine).values(content=b" "))
        session.commit()

    sweep(app)

    assert statuses(app) == ["ready", "ready", "ready", "failed", "ready", "ready"]


@pytest.mark.parametrize("step", ["ensure_generation", "fill_vectors", "next_revision", "_write_chunks"])
def test_killed_at_any_step_nothing_is_half_there_and_the_next_one_finishes(
    app: Flask, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N4, M6"""
    add_all(app)

    def dies(*_args: object) -> None:
        raise Killed()

    with monkeypatch.context() as patch:
        patch.setattr(together, step, dies)
        with pytest.raises(Killed):
            at_once(app)
    with app.extensions["sessions"]() as session:
        assert session.scalar(select(func.count(ChunkRow.id))) == 0
    silence(app)
    sweep(app)

    assert statuses(app) == ["ready"] * len(TEXTS)
    assert len(all_rows(app)) == len(TEXTS)


def test_one_that_is_deleted_meanwhile_stays_deleted(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """M9"""
    ids = add_all(app)
    real: Callable[..., None] = together.fill_vectors

    def deletes(*args: Any) -> None:
        real(*args)
        with app.extensions["sessions"]() as session:
            service.delete_document(session, ids[2])

    monkeypatch.setattr(together, "fill_vectors", deletes)

    assert at_once(app) == len(TEXTS) - 1

    assert sorted(statuses(app)) == ["deleted", *["ready"] * (len(TEXTS) - 1)]
    assert not [text for text in found(app, "Who closes door 102?") if "102" in text]


def test_two_workers_share_them_and_do_nothing_twice(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """M10, N6"""
    monkeypatch.setattr(together, "MOST", 2)
    monkeypatch.setattr(together, "FEWEST", 1)
    add_all(app)
    done: list[int] = []

    def work() -> None:
        while number := at_once(app):
            done.append(number)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(done) == len(TEXTS)
    assert statuses(app) == ["ready"] * len(TEXTS)
    assert len(all_rows(app)) == len(TEXTS)


def test_an_embedder_that_is_away_leaves_them_waiting_with_a_reason(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L11"""
    from chatbot.rag.errors import EmbedderUnavailable

    add_all(app)

    def away(*_args: object) -> None:
        raise EmbedderUnavailable()

    with monkeypatch.context() as patch:
        patch.setattr(together, "fill_vectors", away)
        assert at_once(app) == 0

    assert statuses(app) == ["queued"] * len(TEXTS)
    sweep(app)
    assert statuses(app) == ["ready"] * len(TEXTS)


def test_what_is_large_or_new_content_or_was_tried_goes_its_own_way(app: Flask) -> None:
    ids = add_all(app)
    for document_id in ids[:2]:
        ingest_now(app, document_id)
        with app.extensions["sessions"]() as session:
            service.put_content(session, document_id, service.NewDocument(HOURS.encode(), filename="a.md"))
    add(app, "word " * 3000, filename="rules/large.md")

    assert at_once(app) == len(TEXTS) - 2

    assert statuses(app) == ["queued", "queued", "ready", "ready", "ready", "ready", "queued"]


def test_a_few_are_not_taken_together(app: Flask) -> None:
    add(app, HOURS)

    assert at_once(app) == 0
    assert statuses(app) == ["queued"]
