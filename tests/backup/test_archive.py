"""The file of a backup: whole or not there, and checked before anything is done with it."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from chatbot.backup.archive import MANIFEST, BackupRefused, Manifest, reading, writing


def made(path: Path, *names: str) -> Path:
    """A backup with parts of these names."""
    with writing(path) as writer:
        for name in names or ("tables/users.jsonl", "secret_key"):
            writer.add(name, [b'{"a": 1}\n', b'{"a": 2}\n'], lines=name.endswith(".jsonl"))
        writer.end(Manifest("1.0", "0005", "2030-01-31T12:00:00+00:00", "sqlite", tuple(writer.parts)))
    return path


def checked(path: Path) -> None:
    with reading(path) as archive:
        archive.check()


def rewritten(path: Path, **changes: bytes | None) -> Path:
    """The zip anew, with some members changed or left out, as somebody could who has the file."""
    with zipfile.ZipFile(path) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    members |= {name.replace("__", "/").replace("_jsonl", ".jsonl"): data for name, data in changes.items()}
    with zipfile.ZipFile(path, "w") as zipped:
        for name, data in members.items():
            if data is not None:
                zipped.writestr(name, data)
    return path


def test_what_was_written_is_read_again(tmp_path):
    path = made(tmp_path / "b.zip")
    checked(path)
    with reading(path) as archive:
        assert list(archive.lines("tables/users.jsonl")) == [b'{"a": 1}\n', b'{"a": 2}\n']
        assert (archive.manifest.rows, [part.name for part in archive.manifest.named("tables/")]) == (
            2,
            ["tables/users.jsonl"],
        )


def test_only_its_owner_may_read_it_and_nothing_else_is_left(tmp_path):
    path = made(tmp_path / "b.zip")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_backup_that_is_cut_off_is_not_there(tmp_path):
    """M14: whatever ends it."""

    def lines():
        yield b"{}\n"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), writing(tmp_path / "b.zip") as writer:
        writer.add("tables/users.jsonl", lines(), lines=True)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(tmp_path):
    """M8"""
    with pytest.raises(BackupRefused, match="No space left"), writing(tmp_path / "b.zip"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays(tmp_path):
    path = made(tmp_path / "b.zip")
    before = path.read_bytes()
    with pytest.raises(BackupRefused, match="already"), writing(path):
        pass
    assert path.read_bytes() == before


def test_each_flipped_byte_is_noticed(tmp_path):
    """M7: wherever it is."""
    path = made(tmp_path / "b.zip")
    data = path.read_bytes()
    whole = 0
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :])
        try:
            with reading(path) as archive:
                archive.check()
                # A flag or a date of the zip that says nothing of the parts.
                assert list(archive.lines("tables/users.jsonl")) == [b'{"a": 1}\n', b'{"a": 2}\n']
                assert list(archive.pieces("secret_key")) == [b'{"a": 1}\n{"a": 2}\n']
                whole += 1
        except BackupRefused:
            pass
    assert whole < len(data) / 14


@pytest.mark.parametrize("length", [0, 1, 100, -1, -30])
def test_a_file_that_was_cut_is_no_backup(tmp_path, length):
    path = made(tmp_path / "b.zip")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BackupRefused):
        checked(path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tables__users_jsonl": b'{"a": 1}\n'}, "damaged"),
        ({"tables__users_jsonl": None}, "not those"),
        ({"tables__more_jsonl": b"{}\n"}, "not those"),
        ({"..__evil": b"x"}, "not those"),
        ({"manifest.json": b"[]"}, "manifest"),
        ({"manifest.json": b'{"format": 2}'}, "another version"),
        ({"manifest.json": b"{"}, "manifest"),
        ({"manifest.json": None}, "manifest"),
    ],
    ids=["changed", "missing", "more", "climbing", "a-list", "newer", "no-json", "no-manifest"],
)
def test_parts_that_are_not_those_of_the_manifest_are_refused(tmp_path, changes, why):
    """H: a zip from outside."""
    path = rewritten(made(tmp_path / "b.zip"), **changes)
    with pytest.raises(BackupRefused, match=why):
        checked(path)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "originals/../../x", "tables/Users.jsonl", "other"])
def test_a_name_that_no_backup_has_is_refused_although_the_manifest_tells_it(tmp_path, name):
    """H: nothing is unpacked by its name."""
    path = made(tmp_path / "b.zip", name)
    with pytest.raises(BackupRefused, match="no part of the name"):
        checked(path)


def test_a_part_twice_is_refused(tmp_path):
    path = made(tmp_path / "b.zip")
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as zipped:
        zipped.writestr("secret_key", b"another")
    with pytest.raises(BackupRefused, match="not those"):
        checked(path)


def test_the_manifest_says_what_people_ask(tmp_path):
    with zipfile.ZipFile(made(tmp_path / "b.zip")) as zipped:
        told = json.loads(zipped.read(MANIFEST))
    assert {"format", "version", "revision", "created_at", "database", "parts"} == set(told)
    assert {"name", "rows", "size", "sha256"} == set(told["parts"][0])
