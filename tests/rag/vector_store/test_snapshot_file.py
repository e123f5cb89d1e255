"""Snapshot files: what is written is what is read, and nothing else is ever believed."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import structlog

from chatbot.rag.vector_store import compaction, snapshot_file
from chatbot.rag.vector_store.compaction import Merged, new_base
from chatbot.rag.vector_store.snapshot_file import MAGIC, SnapshotHeader, SnapshotStore, Unusable, opened
from tests.conftest import ROOT
from tests.rag.clustered import WIDTH, clustered, flat
from tests.rag.rows import MemoryNotes, MemoryRows

ABOUT = SnapshotHeader(3, "all-MiniLM-L6-v2", WIDTH)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "APPROXIMATE_ABOVE", 500)
    monkeypatch.setattr(compaction, "PIECE", 300)


@pytest.fixture
def notes() -> MemoryNotes:
    return MemoryNotes(MemoryRows())


@pytest.fixture
def shelf(tmp_path: Path, notes: MemoryNotes) -> SnapshotStore:
    return SnapshotStore(tmp_path / "index", ABOUT, notes)


def publish(shelf: SnapshotStore, revision: int, count: int = 800, seed: int = 0) -> Path | None:
    with shelf.writing() as mine:
        assert mine
        return shelf.publish(new_base(Merged.of((flat(count, seed), None))), revision)


def there(shelf: SnapshotStore) -> list[str]:
    return sorted(path.name for path in shelf._folder.iterdir() if path.name != snapshot_file.LOCK)


@pytest.mark.parametrize(("count", "kind"), [(800, "ivf"), (400, "flat"), (1, "flat")])
def test_what_was_written_is_what_is_mapped(shelf, count, kind):
    path, before = publish(shelf, 7, count), flat(count)
    kept = shelf.newest(7)
    part = kept.part
    assert (kept.path, kept.revision, part.kind, part.own_bytes) == (path, 7, kind, 0)
    here, places = part.places(before.ids)
    assert np.array_equal(here, before.ids)
    assert np.array_equal(part.vectors[places], before.vectors)
    assert part.labels[places].tolist() == before.labels.tolist()
    assert not part.vectors.flags.writeable
    assert there(shelf) == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_newest_file_up_to_a_revision_is_taken(shelf, notes):
    publish(shelf, 7)
    assert shelf.newest(6) is None
    assert shelf.newest(9, after=7) is None
    publish(shelf, 8)
    assert shelf.newest(9).revision == 8
    assert len(there(shelf)) == len(notes.known) == 1


@pytest.mark.parametrize("part", ["magic", "ids", "codes", "sorted", "centres", "starts", "vectors", "told", "trailer"])
def test_a_flipped_bit_is_noticed_wherever_it_is(shelf, part):
    """M7"""
    path = publish(shelf, 7)
    data = bytearray(path.read_bytes())
    length = struct.unpack("<QI8s", data[-20:])[0]
    sections = snapshot_file._told(bytes(data), ABOUT)["sections"]
    places = {"magic": 3, "told": len(data) - 20 - length // 2, "trailer": len(data) - 15}
    at = places[part] if part in places else sections[part][0] + sections[part][1] // 2
    data[at] ^= 4
    path.unlink()
    path.write_bytes(data)
    with structlog.testing.capture_logs() as logs:
        assert shelf.newest(7) is None
        assert shelf.newest(7) is None
    (warning,) = logs
    assert (warning["event"], warning["file"]) == ("snapshot_file_refused", path.name)


@pytest.mark.parametrize("left", [0, 8, 19, 28, 5_000, -1, -20, -2_000])
def test_a_file_that_was_cut_off_is_noticed(shelf, left):
    """M7"""
    path = publish(shelf, 7)
    os.truncate(path, left if left >= 0 else path.stat().st_size + left)
    assert shelf.newest(7) is None


def test_a_file_that_is_gone_or_is_something_else_is_no_file(shelf, notes):
    """M7"""
    path = publish(shelf, 7)
    path.unlink()
    assert shelf.newest(7) is None
    path.write_bytes(os.urandom(5_000))
    assert shelf.newest(7) is None
    (path.parent / "notes.vectors").write_text("mine")
    (path.parent / "3-8.vectors").write_text("mine")
    assert shelf.newest(9) is None
    assert SnapshotStore(path.parent / "nowhere", ABOUT, notes).newest(9) is None


@pytest.mark.parametrize(
    ("about", "why"),
    [
        (SnapshotHeader(4, ABOUT.embedder, WIDTH), "its generation is 3, not 4"),
        (SnapshotHeader(3, "another", WIDTH), "its embedder is all-MiniLM-L6-v2, not another"),
        (SnapshotHeader(3, ABOUT.embedder, 384), "its dimension is 16, not 384"),
    ],
)
def test_a_file_about_other_vectors_is_refused(shelf, about, why):
    """M7, J11"""
    with pytest.raises(Unusable, match=why):
        opened(publish(shelf, 7), about)


def rewritten(path: Path, old: bytes, new: bytes) -> None:
    """Another text about a file, with the right sum."""
    data = path.read_bytes()
    length = struct.unpack("<QI8s", data[-20:])[0]
    text = data[-20 - length : -20].replace(old, new)
    path.unlink()
    path.write_bytes(data[: -20 - length] + text + struct.pack("<QI8s", len(text), zlib.crc32(text), MAGIC))


def test_a_file_of_another_format_is_refused(shelf):
    path = publish(shelf, 7)
    rewritten(path, b'"version": 1', b'"version": 0')
    with pytest.raises(Unusable, match="it has the format 0, not 1"):
        opened(path, ABOUT)


def test_parts_that_do_not_fit_together_are_refused(shelf):
    path = publish(shelf, 7)
    rewritten(path, b'"count": 800', b'"count": 801')
    with pytest.raises(Unusable, match="do not fit"):
        opened(path, ABOUT)


def test_a_file_that_the_database_does_not_know_is_not_read(shelf, notes):
    """M5: a database that was put back to an earlier state knows nothing of the files of its lost future."""
    publish(shelf, 7)
    notes.known.clear()
    assert shelf.newest(7) is None
    (token,) = (path.stem.split("-")[2] for path in shelf._folder.glob("*.vectors"))
    notes.known.add(token)
    assert shelf.newest(7).revision == 7


def test_whoever_writes_deletes_what_nobody_knows_and_what_is_older(shelf, notes):
    other = SnapshotStore(shelf._folder, SnapshotHeader(4, ABOUT.embedder, WIDTH), notes)
    kept, old = publish(other, 1), publish(shelf, 7)
    (shelf._folder / "3-9-0123456789abcdef.vectors").write_bytes(b"of another database")
    (shelf._folder / "3-9-0123456789abcdef.part").write_bytes(b"of a writer that was killed")
    new = publish(shelf, 8)
    assert there(shelf) == sorted([kept.name, new.name])
    assert len(notes.known) == 2
    assert not old.exists()


def test_a_file_that_is_deleted_or_replaced_can_still_be_searched(shelf):
    """M11: its pages stay for who has mapped it."""
    publish(shelf, 7)
    part, query = shelf.newest(7).part, clustered(1, seed=5)
    before = part.search(query, 20, None)
    publish(shelf, 8, seed=1)
    assert not Path(part.file).exists()
    assert part.search(query, 20, None) == before


def test_one_process_writes_at_a_time(shelf):
    with shelf.writing() as mine, SnapshotStore(shelf._folder, ABOUT, shelf._notes).writing() as theirs:
        assert (mine, theirs) == (True, False)
    with shelf.writing() as mine:
        assert mine


def test_a_full_disk_leaves_the_file_before_and_nothing_else(shelf, monkeypatch):
    """M8"""
    before = publish(shelf, 7)
    monkeypatch.setattr(snapshot_file.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        publish(shelf, 8)
    assert there(shelf) == [before.name]
    monkeypatch.undo()
    monkeypatch.setattr(compaction, "APPROXIMATE_ABOVE", 500)
    assert publish(shelf, 8) is not None


def no_space(_number: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_file_whose_rows_were_purged_meanwhile_is_not_published(shelf, notes):
    notes.rows.purged = 8
    assert publish(shelf, 7) is None
    assert there(shelf) == []


STEPS = ("half", "written", "flushed", "renamed", "noted", "deleted")
KILLED = """
import os, pathlib, signal, sys
from chatbot.rag.vector_store import compaction as merging, snapshot_file
from tests.rag.clustered import flat
merging.APPROXIMATE_ABOVE, merging.PIECE = 500, 300

class Notes:
    def tokens(self): return frozenset((folder / "notes").read_text().split())
    def note(self, token, revision):
        with (folder / "notes").open("a") as file: file.write(token + "\\n")
        return True
    def forget(self, tokens): pass

def reached(step):
    if step == folder.name: os.kill(os.getpid(), signal.SIGKILL)

snapshot_file.reached = reached
for name in sys.argv[1:]:
    folder = pathlib.Path(name)
    header = snapshot_file.SnapshotHeader(3, "all-MiniLM-L6-v2", 16)
    shelf = snapshot_file.SnapshotStore(folder / "index", header, Notes())
    child = os.fork()
    if child == 0:
        with shelf.writing() as mine:
            shelf.publish(merging.new_base(merging.Merged.of((flat(800, 1), None))), 8)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_writer_that_is_killed_at_any_step_leaves_the_file_before_or_the_new_one(tmp_path):
    """M5, M6"""
    shelves = {step: SnapshotStore(tmp_path / step / "index", ABOUT, MemoryNotes(MemoryRows())) for step in STEPS}
    for step, shelf in shelves.items():
        publish(shelf, 7)
        (tmp_path / step / "notes").write_text("\n".join(shelf._notes.known) + "\n")
    command = [sys.executable, "-c", KILLED, *(str(tmp_path / step) for step in STEPS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.split(), done.stderr) == ([str(-signal.SIGKILL)] * len(STEPS), "")

    for step, shelf in shelves.items():
        shelf._notes.known = set((tmp_path / step / "notes").read_text().split())
        kept = shelf.newest(9)
        assert kept.revision == (8 if step in ("noted", "deleted") else 7), step
        assert np.array_equal(kept.part.vectors[kept.part.sorted], clustered(800, kept.revision - 7))
        path = publish(shelf, 9)
        assert there(shelf) == [path.name]
        assert shelf.newest(9).revision == 9
