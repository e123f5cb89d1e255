"""What /readyz tells of documents, the index and the workers."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.knowledge.documents import queue_status
from chatbot.knowledge.models import Document, WorkerRow
from tests.conftest import HOURS, add_and_ingest


def checks(app) -> dict[str, str]:
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 200
    assert answer.json["status"] == ("ok" if set(answer.json["checks"].values()) == {"ok"} else "degraded")
    return answer.json["checks"]


def change(session, statement) -> None:
    begin_write(session)
    session.execute(statement)
    session.commit()


def test_no_worker_is_told_and_is_no_reason_to_take_the_process_away(app, session):
    """N: questions are answered all the same."""
    assert checks(app)["worker"] == "No worker has ever been seen."
    queue_status.note_worker(session, "one")
    assert checks(app)["worker"] == "ok"
    change(session, update(WorkerRow).values(seen_at=utcnow() - timedelta(seconds=90)))
    assert checks(app)["worker"].startswith("No worker has been seen for 9")


def test_a_queue_that_stands_still_is_told(app, session):
    """N"""
    add_and_ingest(app, HOURS)
    assert checks(app)["ingestion"] == "ok"
    change(session, update(Document).values(status="queued", next_attempt_at=utcnow() - timedelta(hours=1)))
    assert checks(app)["ingestion"].startswith("A document waits for 360")


def test_an_index_that_is_not_loaded_yet_is_told(app):
    """P8"""
    assert checks(app)["index"] == "ok"
    add_and_ingest(app, HOURS)
    assert checks(app)["index"] == "It is loaded with the first question."
    services(app).retriever.warm_up()
    assert checks(app)["index"] == "ok"
