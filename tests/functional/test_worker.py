"""Workers that are killed, and workers on Redis."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from sqlalchemy import select

from chatbot.current import services
from chatbot.knowledge.models import ChunkRow, Document
from tests.conftest import MakeApp, add_and_ingest
from tests.functional.house import ProcessFleet, wait_for

TITLES = ("Harbour", "Orchard", "Railway")


def long_text(title: str) -> str:
    """Some forty chunks, none like another."""
    paragraphs = [
        f"{title} rule {n}: whoever comes to the {title.lower()} at hour {n % 24} signs list {n * 7}. "
        f"The keeper number {n} writes the name into book {n * 3} and hands out badge {n * 11}, valid for {n + 2} days."
        for n in range(80)
    ]
    return "\n\n".join(paragraphs)


def test_a_worker_killed_in_the_middle_leaves_nothing_undone_and_nothing_twice(
    house: ProcessFleet, admin: dict[str, str], make_app: MakeApp
) -> None:
    """N4, M10"""
    for title in TITLES:
        house.add(admin, title, long_text(title))
    quoted = ", ".join(f"'{title}'" for title in TITLES)
    of_ours = f"FROM chunks c JOIN documents d ON d.id = c.document_id WHERE d.title IN ({quoted})"
    half_done = f"SELECT 1 {of_ours} AND d.status = 'processing'"
    wait_for(lambda: halted(house, half_done), 90, "the first chunks of a document")

    house.kill("worker")
    house.start("worker")

    ready = f"SELECT count(*) FROM documents WHERE title IN ({quoted}) AND status = 'ready'"
    wait_for(lambda: house.rows(ready)[0][0] == len(TITLES), 180, "all documents are ready")
    seen = "c.removed_revision IS NULL AND c.added_revision IS NOT NULL"
    columns = "d.title, c.ordinal, c.char_start, c.char_end, c.text_hash"
    disturbed = house.rows(f"SELECT {columns} {of_ours} AND {seen} ORDER BY 1, 2")
    assert disturbed == undisturbed(make_app)
    assert house.rows(f"SELECT count(*) {of_ours}")[0][0] == len(disturbed)


def halted(house: ProcessFleet, when: str) -> bool:
    """Whether the query finds something while the worker stands still; then it stays so."""
    house.signal("worker", signal.SIGSTOP, group=True)
    if house.rows(when):
        return True
    house.signal("worker", signal.SIGCONT, group=True)
    return False


def undisturbed(make_app: MakeApp) -> list[tuple[object, ...]]:
    """The chunks of the same documents where nothing went wrong."""
    app = make_app()
    for title in TITLES:
        add_and_ingest(app, long_text(title), title=title)
    columns = (Document.title, ChunkRow.ordinal, ChunkRow.char_start, ChunkRow.char_end, ChunkRow.text_hash)
    query = select(*columns).join(Document, Document.id == ChunkRow.document_id).order_by(*columns[:2])
    with app.app_context(), services(app).sessions() as session:
        return [tuple(row) for row in session.execute(query)]


@pytest.fixture
def house_on_redis(tmp_path: Path, models_path: Path, redis_server: str):  # type: ignore[no-untyped-def]
    house = ProcessFleet(tmp_path / "redis-house", models_path, REDIS_URL=redis_server)
    try:
        house.start("web", "worker")
        house.ready()
        yield house
    finally:
        house.close()


def test_with_redis_the_worker_gets_letters_and_documents(house_on_redis: ProcessFleet) -> None:
    """There is no beat here: what arrives came through the broker."""
    admin = house_on_redis.admin("root")
    house_on_redis.sign_up("mary")

    assert "Confirm your e-mail address" in house_on_redis.letter_to("mary@example.com", 20)
    assert house_on_redis.add(admin, "Tides", "The tide turns at noon.", wait=20)["status"] == "ready"
    assert not (house_on_redis.folder / "broker").exists()
    wait_for(lambda: house_on_redis.rows("SELECT name FROM workers"), 20, "the worker says that it is there")
