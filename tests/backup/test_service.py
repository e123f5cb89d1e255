"""Backups made while everything runs, and databases made from them."""

from __future__ import annotations

import json
import threading
import zipfile
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from chatbot.backup import service
from chatbot.backup.archive import BackupRefused, Manifest, reading, writing
from chatbot.chat.models import Message
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.extensions import db
from chatbot.knowledge.documents.blobs import content_of, forget
from chatbot.knowledge.documents.service import delete_document, get_document
from chatbot.knowledge.maintenance import verify
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation
from tests.chat.asking import ask
from tests.conftest import HOURS, PASSWORD, RETURNS, Person, add_and_ingest, sign_up
from tests.knowledge.conftest import add, ingest_now
from tests.knowledge.parsing.makers import pdf_of_streams
from tests.knowledge.parsing.test_warnings import RED_SQUARE, WORDS


def rows(app: Flask) -> dict[str, list[str]]:
    """Every row of what a backup has, in an order that no database decides; revisions count on by themselves."""
    found = {}
    with services(app).sessions() as session:
        for table in service.tables():
            kept = [column for column in table.columns if column.name not in ("revision", "purged_revision")]
            found[table.name] = sorted(str(tuple(row)) for row in session.execute(select(*kept)))
    return found


def back_up(app: Flask, path: Path, **kwargs) -> Path:
    with services(app).sessions() as session:
        assert service.create(session, path, **kwargs) == []
    return path


def restore(app: Flask, path: Path, **kwargs) -> None:
    with reading(path) as archive, services(app).sessions() as session:
        service.restore(session, archive, **kwargs)


def is_whole(app: Flask) -> bool:
    """What `flask knowledge verify` and `flask index verify` say."""
    held = verify.vectors_held(services(app).retriever)
    with services(app).sessions() as session:
        results = list(verify.verify(session, (*verify.KNOWLEDGE, held)))
    assert results
    return not any(result.open for result in results)


def lived_in(app: Flask) -> Person:
    """A house with people, conversations, ratings, and documents: a changed one, a deleted one, and one that waits."""
    ada = sign_up(app, "ada")
    sign_up(app, "root", admin=True)
    add_and_ingest(app, HOURS, "Öffnungszeiten 🕘")
    ingest_now(app, add(app, pdf_of_streams(WORDS, RED_SQUARE), "scan.pdf"))
    gone = add_and_ingest(app, RETURNS, "Returns")
    first = ask(app, ada, "When is it open?").json
    ask(app, ada, "And on Saturdays?", chat_session_id=first["chat_session_id"])
    regenerate = f"/api/chat/messages/{first['message']['id']}/regenerate/"
    assert app.test_client().post(regenerate, json={}, headers=ada.headers).status_code == 200
    with app.app_context(), services(app).sessions() as session:
        delete_document(session, gone.id)
    return ada


@pytest.fixture
def other(make_app, tmp_path) -> Flask:
    """Another application, on SQLite, with nothing in it."""
    return make_app(instance_path=tmp_path / "other")


def test_a_backup_restored_elsewhere_is_the_same(app, other, tmp_path):
    """M14: from either kind of database into SQLite."""
    ada = lived_in(app)
    before = rows(app)
    assert "pages_not_read" in str(before["document_versions"])
    restore(other, back_up(app, tmp_path / "b.zip"))
    assert rows(other) == before
    assert is_whole(other)
    login = other.test_client().post("/api/users/login/", json={"email": ada.email, "password": PASSWORD})
    assert login.status_code == 200
    again = Person(ada.id, ada.email, login.json["access"], "")
    assert ask(other, again, "When does the shop open on Saturdays?").json["message"]["metadata"]["context_used"]


def test_a_backup_of_sqlite_moves_into_either_kind_and_numbers_go_on(app, other, tmp_path):
    """M14: from SQLite into either kind of database."""
    lived_in(other)
    restore(app, back_up(other, tmp_path / "b.zip"))
    assert rows(app) == rows(other)
    assert is_whole(app)
    add_and_ingest(app, "The cellar holds four hundred bottles.", "Cellar")
    assert is_whole(app)


def test_a_restore_replaces_only_when_it_is_asked_to(app, tmp_path):
    """M14: into the database it is from, where processes hold an index of the time after."""
    lived_in(app)
    path = back_up(app, tmp_path / "b.zip")
    before = rows(app)
    later = add_and_ingest(app, "The cellar holds four hundred bottles.", "Cellar")
    sign_up(app, "bob")
    retriever = services(app).retriever
    assert later.id in {p.document_id for p in retriever.search("bottles in the cellar", 5)[0]}
    with pytest.raises(BackupRefused, match="not empty"):
        restore(app, path)
    restore(app, path, replace=True)
    assert rows(app) == before
    assert is_whole(app)
    assert later.id not in {p.document_id for p in retriever.search("bottles in the cellar", 5)[0]}


def test_a_restore_that_fails_changes_nothing(app, tmp_path, monkeypatch):
    """M14: all or nothing, at the very last moment too."""
    lived_in(app)
    path = back_up(app, tmp_path / "b.zip")
    add_and_ingest(app, "The cellar holds four hundred bottles.", "Cellar")
    before = rows(app)

    def crash(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(service, "_after", crash)
    with pytest.raises(KeyboardInterrupt):
        restore(app, path, replace=True)
    assert rows(app) == before
    assert is_whole(app)


def test_a_backup_under_writes_is_one_moment(app, other, tmp_path):
    """M14"""
    person = sign_up(app, "ada")
    add_and_ingest(app, HOURS)
    stop, troubles = threading.Event(), []

    def live() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            document = add_and_ingest(
                app, f"Rule {number}: the {number}th lamp is lit at dusk. {RETURNS}", f"Rule {number}"
            )
            answer = ask(app, person, f"When is lamp {number} lit?")
            if answer.status_code != 200:
                troubles.append(answer.json)
            if number % 2:
                with app.app_context(), services(app).sessions() as session:
                    delete_document(session, document.id)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        paths = [back_up(app, tmp_path / f"{n}.zip") for n in range(5)]
    finally:
        stop.set()
        thread.join()
    assert troubles == []
    for path in paths:
        restore(other, path, replace=True)
        assert is_whole(other)
        with services(other).sessions() as session:
            odd = select(func.count()).select_from(Message).where(Message.is_user.is_(False), Message.content == "")
            assert session.scalar(odd) == 0


def test_originals_in_files_come_along(make_app, other, tmp_path):
    """M14"""
    app = make_app(file_storage="disk")
    document = add_and_ingest(app, HOURS)
    path = back_up(app, tmp_path / "b.zip")
    restore(other, path)
    with services(other).sessions() as session:
        version = session.scalars(select(DocumentVersion)).one()
        assert version.in_file
        assert content_of(session, version) == HOURS.encode()
        assert get_document(session, document.id).status == "ready"
    assert is_whole(other)


def test_an_original_that_is_missing_is_told(make_app, tmp_path):
    app = make_app(file_storage="disk")
    add_and_ingest(app, HOURS)
    (file,) = (tmp_path / "originals").glob("??/*")
    file.unlink()
    with services(app).sessions() as session:
        assert service.create(session, tmp_path / "b.zip") == [file.name]


def test_a_document_that_goes_meanwhile_is_in_no_backup(make_app, other, tmp_path, monkeypatch):
    """M14: its bytes go with it, so the moment is taken anew."""
    app = make_app(file_storage="disk")
    add_and_ingest(app, HOURS)
    document = add_and_ingest(app, RETURNS)
    real, moments = service.schema_of, []

    def delete_after_the_snapshot(session):
        revision = real(session)
        if not moments:
            with app.app_context(), services(app).sessions() as another:
                delete_document(another, document.id)
                forget(another, [file.name for file in (tmp_path / "originals").glob("??/*")])
        moments.append(revision)
        return revision

    monkeypatch.setattr(service, "schema_of", delete_after_the_snapshot)
    path = back_up(app, tmp_path / "b.zip")
    monkeypatch.undo()
    assert len(moments) == 2
    restore(other, path)
    assert is_whole(other)


def test_a_backup_of_another_schema_is_refused_with_what_to_do(app, tmp_path):
    """O6"""
    path = back_up(app, tmp_path / "b.zip")
    for revision, what in (("0001", "Install the version that made it"), ("9999", "with the version that made it")):
        with services(app).sessions() as session:
            begin_write(session)
            session.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
            session.commit()
        with pytest.raises(BackupRefused) as refused:
            restore(app, path)
        assert revision in str(refused.value)
        assert what in str(refused.value)
    with services(app).sessions() as session:
        begin_write(session)
        with reading(path) as archive:
            session.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": archive.manifest.revision})
        session.commit()


def test_what_derives_from_rows_is_not_in_a_backup(app, tmp_path):
    add_and_ingest(app, HOURS)
    with zipfile.ZipFile(back_up(app, tmp_path / "b.zip")) as zipped:
        names = zipped.namelist()
    assert {"tables/users.jsonl", "tables/chunks.jsonl", "manifest.json"} <= set(names)
    assert [
        name for name in names if "chunk_terms" in name or "vector" in name or "workers" in name or "index" in name
    ] == []


def test_every_table_with_rows_of_its_own_is_in_a_backup(sqlite_app):
    """A new table comes along without being told."""
    assert {table.name for table in service.tables()} | {"workers", "index_files"} == set(db.metadata.tables)


def test_revisions_go_on_after_a_restore(app, tmp_path):
    """Every process that holds an index notices, and reads everything again."""
    add_and_ingest(app, HOURS)
    path = back_up(app, tmp_path / "b.zip")
    add_and_ingest(app, RETURNS)
    add_and_ingest(app, "More.")
    with services(app).sessions() as session:
        newest = session.scalars(select(Generation.revision)).one()
    restore(app, path, replace=True)
    with services(app).sessions() as session:
        generation = session.scalars(select(Generation)).one()
        assert generation.revision == generation.purged_revision == newest + 1
        assert session.scalars(select(func.count(ChunkRow.id))).one() == 1
        assert session.scalars(select(func.count(Document.id))).one() == 1


def test_a_row_that_is_not_of_this_version_is_refused(app, tmp_path):
    """A backup that was written by hand, with the right sums, is still not taken on trust."""
    add_and_ingest(app, HOURS)
    path = back_up(app, tmp_path / "b.zip")
    for change in (lambda row: row.pop("title"), lambda row: row.update(uploaded_at="yesterday")):
        forged = tmp_path / "forged.zip"
        forged.unlink(missing_ok=True)
        _forge(path, forged, "tables/documents.jsonl", change)
        with pytest.raises(BackupRefused, match="documents"):
            restore(app, forged, replace=True)
    assert is_whole(app)


def _forge(source: Path, target: Path, name: str, change) -> None:
    """The same backup with its first row of a table changed, and a manifest that says so."""
    with reading(source) as archive, writing(target) as writer:
        for part in archive.manifest.parts:
            lines = list(archive.lines(part.name)) if part.rows else list(archive.pieces(part.name))
            if part.name == name:
                row = json.loads(lines[0])
                change(row)
                lines[0] = json.dumps(row).encode() + b"\n"
            writer.add(part.name, lines, lines=part.name.endswith(".jsonl"))
        made = archive.manifest
        writer.end(Manifest(made.version, made.revision, made.created_at, made.database, tuple(writer.parts)))
