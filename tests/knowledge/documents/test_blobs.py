"""Originals in files: there before their row, gone after the last one, and read whatever the setting."""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select

from chatbot.current import services
from chatbot.knowledge.documents import blobs, service, updates
from chatbot.knowledge.documents.service import NewDocument
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.models import Document, DocumentVersion
from tests.conftest import HOURS, RETURNS
from tests.knowledge.conftest import add, found, ingest_now
from tests.knowledge.parsing.makers import make_pdf

QUESTION = "When is the shop open?"


@pytest.fixture
def app(make_app, database_url):
    return make_app(database_url=database_url, file_storage="disk")


@pytest.fixture
def folder(app) -> Path:
    return services(app).settings.instance_path / "originals"


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def place(data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return f"{digest[:2]}/{digest}"


def versions(app) -> list[DocumentVersion]:
    with services(app).sessions() as session:
        return list(session.scalars(select(DocumentVersion).order_by(DocumentVersion.id)))


def content(app, version: DocumentVersion) -> bytes:
    with services(app).sessions() as session:
        return blobs.content_of(session, session.get_one(DocumentVersion, version.id))


def replace(app, id_: str, text: str) -> None:
    with services(app).sessions() as session:
        updates.replace_content(session, id_, NewDocument(text.encode()))


def delete(app, id_: str) -> service.Receipt:
    with services(app).sessions() as session:
        return service.delete_document(session, id_)


def purge(app) -> None:
    with services(app).sessions() as session:
        service.purge(session)


def test_the_bytes_lie_in_a_file_by_their_hash_and_the_row_is_empty(app, folder):
    data = make_pdf(HOURS)
    id_ = add(app, data, "hours.pdf")
    (version,) = versions(app)
    assert files(folder) == [place(data)]
    assert (version.in_file, version.size_bytes, content(app, version)) == (True, len(data), data)
    with services(app).sessions() as session:
        assert session.scalar(select(DocumentVersion.content)) == b""
    assert ingest_now(app, id_) == "ready"
    assert found(app, QUESTION) == [HOURS]


def test_both_kinds_are_read_whatever_the_setting(app, make_app, database_url, folder):
    add(app, HOURS)
    other = make_app(database_url=database_url)
    add(other, RETURNS)
    kinds = [(version.in_file, content(app, version), content(other, version)) for version in versions(app)]
    assert kinds == [(True, HOURS.encode(), HOURS.encode()), (False, RETURNS.encode(), RETURNS.encode())]
    assert files(folder) == [place(HOURS.encode())]


def test_a_file_goes_with_the_last_version_that_has_its_hash(app, folder):
    first, other = add(app, HOURS), add(app, HOURS, collection="internal")
    replace(app, first, RETURNS)
    assert files(folder) == sorted([place(HOURS.encode()), place(RETURNS.encode())])
    assert delete(app, first).size_bytes == len(HOURS) + len(RETURNS)
    assert files(folder) == [place(HOURS.encode())]
    assert ingest_now(app, other) == "ready"
    delete(app, other)
    assert files(folder) == []


def test_an_earlier_version_is_restored_from_its_file(app, folder):
    id_ = add(app, HOURS)
    replace(app, id_, RETURNS)
    with services(app).sessions() as session:
        updates.restore(session, id_, 1)
    assert ingest_now(app, id_) == "ready"
    assert found(app, QUESTION) == [HOURS]


def test_what_a_crash_has_left_behind_is_purged_and_nothing_else(app, folder):
    """H13"""
    add(app, HOURS)
    orphan = folder / place(b"nobody has this")
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"nobody has this")
    young, old = orphan.with_name(f"a{blobs.GROWING}"), orphan.with_name(f"b{blobs.GROWING}")
    for path in (young, old):
        path.write_bytes(b"half a fi")
    os.utime(old, (0, 0))
    purge(app)
    assert files(folder) == sorted([place(HOURS.encode()), young.relative_to(folder).as_posix()])


def test_a_document_whose_row_is_not_committed_is_no_document(app, folder, monkeypatch):
    """H13: the process dies between the file and the row."""

    def die(*_args):
        raise KeyboardInterrupt

    with services(app).sessions() as session:
        monkeypatch.setattr(session, "commit", die)
        with pytest.raises(KeyboardInterrupt):
            service.add_document(session, NewDocument(HOURS.encode()))
    assert versions(app) == []
    monkeypatch.undo()
    purge(app)
    assert files(folder) == []
    assert ingest_now(app, add(app, HOURS)) == "ready"


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_file_that_was_lost_fails_with_its_own_code_and_can_be_brought_again(app, folder, root, harm):
    id_ = add(app, HOURS)
    path = folder / place(HOURS.encode())
    path.unlink() if harm == "gone" else path.write_bytes(b"x")
    assert ingest_now(app, id_) == "failed"
    answer = app.test_client().get(f"/api/knowledge/documents/{id_}/content/", headers=root.headers)
    assert (answer.status_code, answer.json["code"]) == (404, "original_missing")
    with services(app).sessions() as session:
        assert session.get_one(Document, id_).error_code == "original_missing"
    assert add(app, HOURS) == id_
    replace(app, id_, RETURNS)
    assert ingest_now(app, id_) == "ready"


def test_a_disk_that_takes_nothing_is_told_and_nothing_is_stored(app, folder, root):
    """M8"""
    folder.write_text("in the way")
    answer = app.test_client().post(
        "/api/knowledge/documents/", json={"title": "T", "content": HOURS}, headers=root.headers
    )
    assert (answer.status_code, answer.json["code"]) == (503, "storage_full")
    assert answer.headers["Retry-After"]
    assert versions(app) == []
    folder.unlink()
    assert ingest_now(app, add(app, HOURS)) == "ready"


def test_adding_and_deleting_the_same_content_at_once_never_leaves_a_row_without_its_file(app, folder):
    """M9"""
    raised: list[BaseException] = []

    def churn() -> None:
        try:
            for _ in range(12):
                id_ = add(app, HOURS)
                with services(app).sessions() as session:
                    ingest.ingest(session, services(app).embedders, id_, 60)
                with services(app).sessions() as session:
                    blobs.sweep(session)
                with suppress(service.DocumentNotFound):
                    delete(app, id_)
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
    with services(app).sessions() as session:
        failed = select(Document.error_code).where(Document.error_code == "original_missing")
        assert session.scalars(failed).all() == []
    left = {version.content_hash for version in versions(app) if version.in_file}
    assert {path.partition("/")[2] for path in files(folder)} == left
