"""Many files brought up to date at once become what each would have become by itself."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select, update

from chatbot.current import services
from chatbot.errors import ChatbotError
from chatbot.knowledge.documents import sync
from chatbot.knowledge.documents.service import NewDocument, delete_document, sync_file
from chatbot.knowledge.documents.sync import Synced, sync_files
from chatbot.knowledge.models import Document, DocumentVersion
from tests.conftest import HOURS, RETURNS, MakeApp
from tests.knowledge.conftest import ingest_now

# These say when something was done, or which number it has.
OF_THE_WAY = {"id", "document_id", "collection_id", "uploaded_at", "updated_at", "created_at", "next_attempt_at"}


def files(number: int = 5, **fields: Any) -> list[NewDocument]:
    return [
        NewDocument(f"This is text number {n}.".encode(), filename=f"{n}.md", source=f"texts/{n}.md", **fields)
        for n in range(number)
    ]


def synced(app: Flask, some: Sequence[NewDocument]) -> list[Synced | ChatbotError]:
    with services(app).sessions() as session:
        return sync_files(session, some)


def at_once(app: Flask, lots: Sequence[Sequence[NewDocument]]) -> None:
    threads = [threading.Thread(target=synced, args=(app, lot)) for lot in lots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def outcomes(done: Sequence[Synced | ChatbotError]) -> list[str]:
    return [one.outcome if isinstance(one, Synced) else one.code for one in done]


def one_by_one(app: Flask, some: Sequence[NewDocument]) -> list[str]:
    found = []
    for new in some:
        with services(app).sessions() as session:
            try:
                found.append(sync_file(session, new)[0])
            except ChatbotError as error:
                found.append(error.code)
    return found


def all_rows(app: Flask) -> list[tuple[Any, ...]]:
    tables = (Document.__table__, DocumentVersion.__table__)
    columns = [column for table in tables for column in table.columns if column.name not in OF_THE_WAY]
    query = select(*columns).join(DocumentVersion, DocumentVersion.document_id == Document.id)
    with services(app).sessions() as session:
        return sorted((tuple(row) for row in session.execute(query)), key=repr)


def test_a_mixed_lot_becomes_what_each_would_have_become(app: Flask, make_app: MakeApp, tmp_path: Path) -> None:
    alone = make_app(instance_path=tmp_path / "alone")
    first, changed = files(4), NewDocument(RETURNS.encode(), filename="1.md", source="texts/1.md")
    lot = [
        *first[:1],
        changed,
        NewDocument(HOURS.encode(), filename="hours.md", source="a/hours.md", extra={"team": "shop"}, title=" Open\n"),
        NewDocument(HOURS.encode(), filename="again.md", source="b/again.md"),
        NewDocument(HOURS.encode(), filename="hours.md", source="a/hours.md", collection="other", is_active=False),
        NewDocument(b"Another text.", filename="c.md", source="a/hours.md"),
        NewDocument(b"\x7fELF", filename="program", source="program"),
        NewDocument(b" ", filename="empty.md", source="empty.md"),
    ]

    assert outcomes(synced(app, first)) == one_by_one(alone, first) == ["added"] * 4
    together = outcomes(synced(app, lot))

    assert together == one_by_one(alone, lot)
    assert together == [
        "unchanged",
        "changed",
        "added",
        "unchanged",
        "added",
        "changed",
        "unsupported",
        "no_text",
    ]
    assert all_rows(app) == all_rows(alone)


def test_new_ones_take_one_commit_and_unchanged_ones_none(sqlite_app: Flask) -> None:
    commits: list[int] = []
    with services(sqlite_app).sessions() as session:
        event.listen(session.get_bind(), "commit", lambda _connection: commits.append(1))

    synced(sqlite_app, files(50))
    assert len(commits) == 1

    done = synced(sqlite_app, files(50))
    assert outcomes(done) == ["unchanged"] * 50
    assert {one.status for one in done if isinstance(one, Synced)} == {"queued"}
    assert len(commits) == 1


def test_one_that_failed_is_queued_again(app: Flask) -> None:
    done = synced(app, files(3))
    ids = [one.document_id for one in done if isinstance(one, Synced)]
    with services(app).sessions() as session:
        sync.begin_write(session)
        session.execute(
            update(Document).where(Document.id == ids[1]).values(Document.failed_values("gave_up", "for a test"))
        )
        session.commit()

    again = synced(app, files(3))

    assert [one.to_ingest for one in again if isinstance(one, Synced)] == [False, True, False]
    assert ingest_now(app, ids[1]) == "ready"


def test_a_deleted_one_comes_back(app: Flask) -> None:
    done = synced(app, files(2))
    for one in done:
        assert isinstance(one, Synced)
        with services(app).sessions() as session:
            delete_document(session, one.document_id)

    assert outcomes(synced(app, files(2))) == ["added", "added"]


def test_of_what_does_not_fit_altogether_the_first_go_in(make_app: MakeApp, database_url: str | None) -> None:
    """H11"""
    app = make_app(database_url=database_url, max_documents=3)

    assert outcomes(synced(app, files(5))) == ["added"] * 3 + ["quota_exceeded"] * 2


def test_originals_are_in_files_where_they_are_to_be(make_app: MakeApp, database_url: str | None) -> None:
    app = make_app(database_url=database_url, file_storage="disk")

    synced(app, files(5))

    folder = services(app).settings.instance_path / "originals"
    assert sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file()) == [n.data for n in files(5)]
    with services(app).sessions() as session:
        assert set(session.execute(select(DocumentVersion.content, DocumentVersion.in_file)).all()) == {(b"", True)}


def test_killed_before_the_commit_nothing_is_there_and_again_all_is(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N4"""

    class Killed(BaseException):
        pass

    def dies(*_args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(sync, "Synced", dies)
        patch.setattr(sync, "insert", dies)
        with pytest.raises(Killed):
            synced(app, files(3))
    assert all_rows(app) == []

    assert outcomes(synced(app, files(3))) == ["added"] * 3


def test_of_two_who_bring_the_same_files_with_other_contents_one_is_the_first(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M10: two documents for one file would both answer, the outdated one too."""
    real, gate = sync._known, threading.Barrier(2)

    def known(*args: Any) -> Any:
        found = real(*args)
        gate.wait(10)
        return found

    monkeypatch.setattr(sync, "_known", known)
    lots = [[replace(new, data=f"{word} {n}".encode()) for n, new in enumerate(files(3))] for word in ("old", "new")]
    at_once(app, lots)
    with services(app).sessions() as session:
        found = session.execute(select(Document.source, func.count()).group_by(Document.source)).all()
    assert sorted(tuple(row) for row in found) == [(f"texts/{n}.md", 1) for n in range(3)]


@pytest.mark.parametrize("file_storage", ["db", "disk"])
def test_many_who_bring_the_same_at_once_bring_it_once(
    make_app: MakeApp, database_url: str | None, file_storage: str
) -> None:
    """M10"""
    app = make_app(database_url=database_url, file_storage=file_storage)
    lots = [files(10), files(10)[::-1], [replace(new, collection="other") for new in files(10)[::-1]]]
    at_once(app, lots)

    with services(app).sessions() as session:
        assert session.scalar(select(func.count()).select_from(Document)) == 20
        assert session.scalar(select(func.count()).select_from(DocumentVersion)) == 20
