"""Snapshot files beside a real database: they make a start quick, and never an answer wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from flask import Flask
from sqlalchemy import func, select, update

from chatbot.backup import service as backup
from chatbot.backup.archive import reading
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.extensions import db
from chatbot.knowledge.documents import service
from chatbot.knowledge.documents.updates import edit_document
from chatbot.knowledge.index import activation, snapshot_registry
from chatbot.knowledge.index.chunk_reader import ChunkReader
from chatbot.knowledge.models import ChunkRow, Document, Generation, IndexFile
from chatbot.rag.vector_store import compaction
from chatbot.rag.vector_store import snapshot as snapshot_module
from chatbot.rag.vector_store.snapshot_file import SnapshotHeader, SnapshotStore
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import found

QUESTION = "When is the shop open?"
DUCKS = "The ducks of the pond behind the shop eat grass and seeds, and sleep in the reeds."

Again = Callable[[], Flask]


@pytest.fixture
def again(make_app, database_url, tmp_path: Path) -> Again:
    """Another process on the same machine and the same database."""
    return lambda: make_app(database_url=database_url, instance_path=tmp_path, vector_store="faiss")


@pytest.fixture
def app(again: Again) -> Flask:
    return again()


@pytest.fixture
def pulls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, int, bool]]:
    """What is read from the rows: since when, how many rows, and whether all there are."""
    noted, real = [], ChunkReader.changes

    def changes(self, since):
        made = real(self, since)
        noted.append((since, len(made.ids), made.complete))
        return made

    monkeypatch.setattr(ChunkReader, "changes", changes)
    return noted


def write(app: Flask, number: int = 1) -> Path:
    retriever = services(app).retriever
    with services(app).sessions() as session:
        generation = session.get_one(Generation, number)
    return retriever.write_file(generation)[1].path


def files(app: Flask) -> list[str]:
    return sorted(path.name for path in (Path(app.instance_path) / "index").glob("*.*"))


def in_session(app: Flask, call, *args):
    with services(app).sessions() as session:
        return call(session, *args)


def count(app: Flask, model) -> int:
    return in_session(app, lambda session: session.scalar(select(func.count()).select_from(model)))


def test_a_start_from_a_file_reads_only_what_changed_since(app, again, pulls):
    gone = add_and_ingest(app, HOURS, filename="old.md").id
    add_and_ingest(app, RETURNS)
    path = write(app)
    in_session(app, service.delete_document, gone)
    add_and_ingest(app, HOURS + " Closed in August.")
    pulls.clear()

    other = again()

    assert found(other, QUESTION) == [HOURS + " Closed in August.", RETURNS]
    assert [pull[1:] for pull in pulls] == [(1, False)]
    assert services(other).retriever.index_stats()["vectors"] == 2
    assert path.name.startswith("1-2-")
    assert files(app) == [path.name]


def test_who_may_find_a_chunk_is_what_the_rows_say_not_the_file(app, again):
    """J1: a document that was moved, and one that was switched off, after the file was written."""
    moved, off = (
        add_and_ingest(app, HOURS, collection="theirs").id,
        add_and_ingest(app, RETURNS, collection="theirs").id,
    )
    write(app)
    there = in_session(app, edit_document, moved, {"collection": "mine"}).collection_id
    in_session(app, edit_document, off, {"is_active": False})
    other = again()
    assert found(other, QUESTION, mode="dense") == [HOURS]
    assert found(other, QUESTION, collections=frozenset([there]), mode="dense") == [HOURS]


def test_the_nightly_purge_leaves_what_a_file_has_to_be_told(app, again, pulls):
    gone = add_and_ingest(app, HOURS).id
    add_and_ingest(app, RETURNS)
    write(app)
    in_session(app, service.delete_document, gone)
    assert in_session(app, service.purge) == 0
    pulls.clear()
    assert found(again(), QUESTION) == [RETURNS]
    assert [complete for _, _, complete in pulls] == [False]
    assert (count(app, Document), count(app, ChunkRow)) == (2, 2)

    write(app)

    assert in_session(app, service.purge) == 1
    assert (count(app, Document), count(app, ChunkRow)) == (1, 1)
    pulls.clear()
    assert found(again(), QUESTION) == [RETURNS]
    assert pulls == []


def test_a_file_of_rows_that_a_purge_has_overtaken_is_not_kept(app):
    """A process that started from it could not be told what is gone."""
    gone = add_and_ingest(app, HOURS).id
    revision = in_session(app, lambda session: session.get_one(Generation, 1).revision)
    in_session(app, service.delete_document, gone)
    in_session(app, service.purge)
    notes = snapshot_registry.SqlSnapshotRegistry(services(app).sessions, 1)
    assert notes.note("0" * 16, revision) is False
    assert notes.note("1" * 16, revision + 1) is True
    assert notes.tokens() == {"1" * 16}


def test_a_file_that_nobody_wrote_anew_for_days_is_not_waited_for(app, again, pulls):
    """The machine that has it may be gone; if it comes back it reads the rows."""
    gone = add_and_ingest(app, HOURS).id
    add_and_ingest(app, RETURNS)
    write(app)
    old = update(IndexFile).values(created_at=utcnow() - snapshot_registry.KEPT - timedelta(hours=1))
    in_session(app, lambda session: (begin_write(session), session.execute(old), session.commit()))
    assert in_session(app, service.purge) == 0
    assert count(app, IndexFile) == 1  # It is still up to date.
    in_session(app, service.delete_document, gone)
    assert in_session(app, service.purge) == 1
    assert count(app, IndexFile) == 0
    pulls.clear()
    assert found(again(), QUESTION) == [RETURNS]
    assert pulls == [(None, 1, True)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_that_is_newer_than_a_database_that_was_copied_back_is_not_read(app, again, tmp_path, pulls):
    """M14: the rows of the lost days have given their numbers to others, and revisions have gone beyond the file's."""
    add_and_ingest(app, RETURNS)
    write(app)
    with app.app_context():
        db.engine.dispose()
    shutil.copy(tmp_path / "chatbot.db", tmp_path / "copy.db")
    add_and_ingest(app, HOURS)
    path = write(app)
    with app.app_context():
        db.engine.dispose()
    for file in tmp_path.glob("chatbot.db*"):
        file.unlink()
    shutil.copy(tmp_path / "copy.db", tmp_path / "chatbot.db")
    back = again()
    add_and_ingest(back, DUCKS)
    add_and_ingest(back, DUCKS + " In winter they fly away.")
    pulls.clear()

    other = again()

    assert set(found(other, "Do ducks fly?", mode="dense")) == {DUCKS, DUCKS + " In winter they fly away.", RETURNS}
    assert HOURS not in found(other, QUESTION, mode="dense")
    assert pulls == [(None, 3, True)]
    assert path.exists()
    assert path.name not in [write(other).name]
    assert path.name not in files(other)


def test_after_a_restore_the_index_is_read_from_the_rows(app, again, tmp_path, pulls):
    """M14"""
    add_and_ingest(app, RETURNS)
    write(app)
    in_session(app, backup.create, tmp_path / "b.zip")
    add_and_ingest(app, HOURS)
    write(app)
    with reading(tmp_path / "b.zip") as archive, services(app).sessions() as session:
        backup.restore(session, archive, replace=True)
    pulls.clear()
    assert found(again(), QUESTION) == [RETURNS]
    assert [(since, complete) for since, _, complete in pulls] == [(None, True)]
    assert count(app, IndexFile) == 0


def test_the_file_of_a_generation_that_was_dropped_goes_with_the_next_one(app):
    add_and_ingest(app, HOURS)
    first = write(app)
    with services(app).sessions() as session:
        begin_write(session)
        session.add(Generation(embedder="x", dimension=384, chunk_tokens=9, threshold=0.0, built_at=utcnow()))
        session.commit()
        begin_write(session)
        session.get_one(Generation, 1).active = None
        session.flush()
        session.get_one(Generation, 2).active = 1
        session.commit()
        activation.drop(session, 1)
    notes = snapshot_registry.SqlSnapshotRegistry(services(app).sessions, 2)
    shelf = SnapshotStore(first.parent, SnapshotHeader(2, "x", 384), notes)
    assert snapshot_registry.SqlSnapshotRegistry(services(app).sessions, 1).note("late", 99) is False
    with shelf.writing():
        shelf._sweep()
    assert files(app) == []


def test_a_damaged_file_costs_time_and_no_answer(app, again):
    """M7"""
    add_and_ingest(app, HOURS)
    path = write(app)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    path.write_bytes(data)
    other = again()
    with structlog.testing.capture_logs() as logs:
        assert found(other, QUESTION) == [HOURS]
    (warning,) = [entry for entry in logs if entry["event"] == "snapshot_file_refused"]
    assert (warning["file"], warning["reason"]) == (path.name, "its vectors are damaged")


def test_a_database_beside_another_ones_files_leaves_them(app, make_app, tmp_path):
    add_and_ingest(app, HOURS)
    path = write(app)
    other = make_app(instance_path=tmp_path / "other")
    add_and_ingest(other, RETURNS)
    add_and_ingest(other, RETURNS + " Or exchanged.")
    folder = tmp_path / "other" / "index"
    folder.mkdir()
    shutil.copy(path, folder / path.name)
    assert HOURS not in found(make_app(instance_path=tmp_path / "other"), QUESTION, mode="dense")


def test_stats_say_how_vectors_are_searched(app, monkeypatch):
    monkeypatch.setattr(compaction, "APPROXIMATE_ABOVE", 2)
    monkeypatch.setattr(snapshot_module, "TAIL_LIMIT", 1)
    for text in (HOURS, RETURNS, DUCKS):
        add_and_ingest(app, text)
    retriever = services(app).retriever
    store = retriever.index().store
    store._upkeep = False
    store.current()
    store.write()
    told = retriever.index_stats()
    assert (told["kind"], told["vectors"], told["memory_bytes"]) == ("ivf", 3, 0)
    assert found(app, QUESTION)[0] == HOURS


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestTheCommand:
    def run(self, app: Flask, *args: str):
        return app.test_cli_runner().invoke(args=["index", "snapshot", *args])

    def test_it_says_what_it_wrote(self, app):
        add_and_ingest(app, HOURS)
        add_and_ingest(app, RETURNS)
        told = self.run(app)
        (name,) = files(app)
        assert told.exit_code == 0, told.output
        assert told.stdout.startswith(f"{Path(app.instance_path) / 'index' / name}: 2 vector(s) of generation 1 at ")
        assert "revision 2, flat, 0.0 MB, in 0." in told.stdout
        assert self.run(app, "--generation", "1").exit_code == 0
        assert len(files(app)) == 1

    def test_what_cannot_be_written_is_said(self, app, make_app, monkeypatch):
        assert "There is no document yet." in self.run(app).output
        id_ = add_and_ingest(app, HOURS).id
        assert "There is no generation 7" in self.run(app, "--generation", "7").output
        shelf = services(app).retriever.index().store._shelf
        with shelf.writing():
            assert "Another process is writing one" in self.run(app).output
        in_session(app, service.delete_document, id_)
        refused = self.run(app)
        assert (refused.exit_code, "There is no vector yet." in refused.output) == (1, True)
        (Path(app.instance_path) / "index" / "lock").unlink()
        (Path(app.instance_path) / "index").rmdir()
        (Path(app.instance_path) / "index").write_text("no folder")
        add_and_ingest(app, HOURS)
        assert self.run(app).exit_code == 1
