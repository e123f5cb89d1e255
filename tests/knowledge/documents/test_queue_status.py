"""The queue is visible: places, reasons, and workers that are there or not."""

from __future__ import annotations

import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError

from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.knowledge import tasks
from chatbot.knowledge.documents import queue_status
from chatbot.knowledge.ingestion import claims, ingest
from chatbot.knowledge.models import Document, WorkerRow
from chatbot.rag.errors import EmbedderUnavailable
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import add, counting, ingest_now

DOCUMENTS = "/api/knowledge/documents/"


def get(client, person, id_: str) -> tuple[str, int | None, str | None]:
    body = client.get(f"{DOCUMENTS}{id_}/", headers=person.headers).json
    return body["status"], body["queue_position"], body["blocked_because"]


def seen(app, name: str = "a", ago: float = 0) -> None:
    """A worker that was seen so many seconds ago."""
    with services(app).sessions() as session:
        queue_status.note_worker(session, name)
        begin_write(session)
        before = utcnow() - timedelta(seconds=ago)
        session.execute(update(WorkerRow).where(WorkerRow.name == name).values(seen_at=before))
        session.commit()


def names(app) -> list[str]:
    with services(app).sessions() as session:
        return sorted(session.scalars(select(WorkerRow.name)))


def test_places_are_counted_among_what_waits_in_the_order_it_is_taken(client, app, root):
    seen(app)
    add_and_ingest(app, "This one is ready.")
    ids = [add(app, text) for text in (HOURS, RETURNS, "A third text.")]
    assert [get(client, root, id_) for id_ in ids] == [("queued", n, None) for n in (1, 2, 3)]
    with services(app).sessions() as session:
        assert ingest.due_documents(session) == ids
    ingest_now(app, ids[0])
    assert [get(client, root, id_)[:2] for id_ in ids] == [("ready", None), ("queued", 1), ("queued", 2)]
    listed = client.get(DOCUMENTS, headers=root.headers).json["items"]
    assert [item["queue_position"] for item in listed] == [2, 1, None, None]


def test_a_document_that_waits_without_any_worker_says_so(client, app, root):
    id_ = add(app, HOURS)
    assert get(client, root, id_) == ("queued", 1, "No worker has ever been seen.")
    seen(app)
    assert get(client, root, id_) == ("queued", 1, None)


def test_a_worker_that_fell_silent_is_named_with_the_time(client, app, root):
    seen(app, ago=90)
    status, place, reason = get(client, root, add(app, HOURS))
    assert (status, place) == ("queued", 1)
    assert reason is not None
    assert reason.startswith("No worker has been seen for 9")
    assert reason.endswith(" s.")


def test_the_reason_of_a_wait_is_kept_before_that_of_the_worker(client, app, root):
    counting(app).error = EmbedderUnavailable()
    id_ = add(app, HOURS)
    assert ingest_now(app, id_) == "queued"
    assert "embedding service" in (get(client, root, id_)[2] or "")


def test_a_document_whose_worker_died_waits_too(client, app, root):
    id_ = add(app, HOURS)
    with services(app).sessions() as session:
        assert claims.claim_document(session, id_, timedelta(seconds=60))
    assert get(client, root, id_) == ("processing", None, None)
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(Document).values(lease_until=utcnow() - timedelta(seconds=1)))
        session.commit()
    assert get(client, root, id_) == ("processing", None, "No worker has ever been seen.")


def test_a_ready_document_needs_no_worker(client, app, root):
    assert get(client, root, add_and_ingest(app, HOURS).id) == ("ready", None, None)


def test_workers_that_were_not_seen_for_a_day_are_forgotten(app):
    seen(app, "old", ago=25 * 3600)
    seen(app, "silent", ago=3600)
    seen(app, "here")
    assert names(app) == ["here", "silent"]
    with services(app).sessions() as session:
        assert queue_status.workers(session) == 1


def test_stats_tell_languages_and_workers(client, app, root):
    seen(app)
    add_and_ingest(app, HOURS)
    add_and_ingest(app, RETURNS)
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(Document).values(language="en"))
        session.commit()
    body = client.get("/api/knowledge/stats/", headers=root.headers).json
    assert (body["languages"], body["workers"]) == ({"en": 2}, 1)


def worker_of(app, queues: list[str]):
    """What Celery's signal hands out when a worker is ready."""
    consuming = SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=dict.fromkeys(queues))))
    return SimpleNamespace(app=consuming, hostname="celery@here")


@pytest.mark.parametrize(("queues", "noted"), [(["default", "ingest"], 1), (["mail"], 0)], ids=["ingest", "mail"])
def test_a_worker_that_takes_documents_is_heard_until_it_ends(app, queues, noted):
    tasks._begin_heartbeat(worker_of(app, queues))
    beating = [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
    tasks._end_heartbeat()
    for thread in beating:
        thread.join()
    assert len(names(app)) == len(beating) == noted
    assert all(name.startswith("celery@here/") for name in names(app))


def test_a_database_that_is_away_does_not_end_the_heartbeat(app, monkeypatch, caplog):
    def away(_name):
        tasks._over.set()
        raise OperationalError("x", None, Exception())

    monkeypatch.setattr(tasks, "note_worker", away)
    tasks._over.clear()
    tasks._heartbeat("a")
    assert "worker_not_noted" in caplog.text


def test_a_message_for_a_document_that_is_done_costs_one_read(app, monkeypatch):
    """N6"""
    id_ = add(app, HOURS)
    assert ingest_now(app, id_) == "ready"
    statements = []
    with services(app).sessions() as session:
        engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    with app.app_context():
        tasks.ingest_document.run(id_)

    assert [statement[:6] for statement in statements if statement != "BEGIN"] == ["SELECT"]
