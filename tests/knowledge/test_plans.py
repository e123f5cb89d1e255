"""What SQLite reads for a document and for a question: their own rows, however many others there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import event

from chatbot.current import services
from chatbot.knowledge.documents import service
from tests.conftest import HOURS, add_and_ingest
from tests.knowledge.conftest import add, found, ingest_now, long_text

WHOLE_GENERATION = re.compile(r"\bchunks USING .*\(generation_id=\?( AND (added|removed)_revision[=>]\?)?\)")


@contextmanager
def plans(app: Flask) -> Iterator[list[str]]:
    """How each statement that is run meanwhile is to be carried out."""
    seen: list[str] = []

    def explain(_conn: Any, cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            rows = cursor.connection.cursor()
            rows.execute(f"EXPLAIN QUERY PLAN {statement}", parameters[0] if many else parameters)
            seen.extend(f"{row[3]}   {statement}" for row in rows.fetchall())

    with services(app).sessions() as session:
        engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", explain)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", explain)


def whole_generation(app: Flask, work: Callable[[], object]) -> list[str]:
    with plans(app) as seen:
        work()
    assert any("chunks" in plan for plan in seen)
    return [plan for plan in seen if WHOLE_GENERATION.search(plan)]


def test_a_new_version_reads_the_chunks_of_its_own_document(sqlite_app: Flask) -> None:
    document_id = add(sqlite_app, HOURS)

    assert whole_generation(sqlite_app, lambda: ingest_now(sqlite_app, document_id)) == []


def test_a_deletion_reads_the_chunks_of_its_own_document(sqlite_app: Flask) -> None:
    document_id = add_and_ingest(sqlite_app, HOURS).id

    def delete() -> None:
        with services(sqlite_app).sessions() as session:
            service.delete_document(session, document_id)

    assert whole_generation(sqlite_app, delete) == []


def test_a_search_reads_what_it_has_found(sqlite_app: Flask) -> None:
    add_and_ingest(sqlite_app, long_text(25))
    assert len(found(sqlite_app, "alpha", 20)) == 20

    assert whole_generation(sqlite_app, lambda: found(sqlite_app, "alpha", 20)) == []
