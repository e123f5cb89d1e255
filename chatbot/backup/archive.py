"""The file of a backup: a zip of parts, and a manifest that says of each how long it is and what its SHA-256 is.

    manifest.json              version, schema, when, and the parts
    tables/NAME.jsonl          a row a line, as a JSON object; bytes are base64, times RFC 3339
    originals/HASH             a document's bytes, where they lie in files
    secret_key                 only if it was asked for

It appears under its name when it is whole, and only its owner may read it. Nothing in it is unpacked by its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from chatbot.db import new_id
from chatbot.system.private_files import sync_folder

FORMAT = 1
MANIFEST = "manifest.json"
SECRET = "secret_key"  # noqa: S105 - a name.
PIECE = 1024 * 1024
# Half a million originals are told in less.
LONGEST_MANIFEST = 128 * PIECE
_NAME = re.compile(r"tables/[a-z_]+\.jsonl|originals/[0-9a-f]{64}|secret_key")
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


class BackupRefused(Exception):
    """A backup cannot be made or used. The message is a sentence that says why."""


@dataclass(frozen=True)
class Part:
    """A part of a backup; `rows` counts its lines, 0 for what is not a table. `size` is in bytes."""

    name: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself. `revision` is its schema's, `created_at` RFC 3339, `database` where it is from."""

    version: str
    revision: str
    created_at: str
    database: str
    parts: tuple[Part, ...]
    format: int = FORMAT

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def named(self, beginning: str) -> list[Part]:
        """The parts below a folder."""
        return [part for part in self.parts if part.name.startswith(beginning)]


class Writer:
    """Takes parts, one after the other."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zipped = zipped
        self.parts: list[Part] = []

    def add(self, name: str, pieces: Iterable[bytes], *, lines: bool = False) -> Part:
        """Adds a part; with `lines` each piece is a row."""
        digest, size, rows = hashlib.sha256(), 0, 0
        with self._zipped.open(_member(name), "w", force_zip64=True) as out:
            for piece in pieces:
                out.write(piece)
                digest.update(piece)
                size, rows = size + len(piece), rows + lines
        part = Part(name, rows, size, digest.hexdigest())
        self.parts.append(part)
        return part

    def end(self, manifest: Manifest) -> None:
        """Says what the parts are."""
        self._zipped.writestr(_member(MANIFEST), json.dumps(asdict(manifest), indent=1))


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
    return member


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A new backup, which is there when the block has ended well, and otherwise not at all.

    Raises:
        BackupRefused: there is such a file already, or it cannot be written.
    """
    if path.exists():
        raise BackupRefused(f"There is a file {path.name} already.")
    growing = path.with_name(f".{path.name}.{new_id()}.tmp")
    try:
        descriptor = os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w", compresslevel=1) as zipped:
                yield Writer(zipped)
            file.flush()
            os.fsync(file.fileno())
        growing.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise BackupRefused(f"The backup cannot be written: {error.strerror or type(error).__name__}.") from None
    finally:
        with suppress(OSError):
            growing.unlink()


class Archive:
    """A backup that is read. Its parts were not looked at before `check`."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zipped = zipped
        self.manifest = self._manifest()

    def _manifest(self) -> Manifest:
        try:
            if self._zipped.getinfo(MANIFEST).file_size > LONGEST_MANIFEST:
                raise BackupRefused("This backup's manifest is too long to be one.")
            told: dict[str, Any] = json.loads(self._zipped.read(MANIFEST))
            if told["format"] != FORMAT:
                raise BackupRefused("This backup was made by another version, in a format that this one cannot read.")
            return Manifest(**{**told, "parts": tuple(Part(**part) for part in told["parts"])})
        except (KeyError, TypeError, ValueError, *_DAMAGE):
            raise BackupRefused("This is not a backup, or its manifest is damaged.") from None

    def check(self) -> None:
        """Compares every part with the manifest.

        Raises:
            BackupRefused: one is missing, too many, damaged, or not what a backup consists of.
        """
        parts = {part.name: part for part in self.manifest.parts}
        if sorted([*parts, MANIFEST]) != sorted(self._zipped.namelist()) or len(parts) != len(self.manifest.parts):
            raise BackupRefused("The parts of this backup are not those that its manifest names.")
        for part in parts.values():
            if not _NAME.fullmatch(part.name):
                raise BackupRefused(f"A backup has no part of the name {part.name!r}.")
            digest, size, rows = hashlib.sha256(), 0, 0
            for piece in self.pieces(part.name):
                digest.update(piece)
                size, rows = size + len(piece), rows + piece.count(b"\n")
            told = (part.size, part.sha256, part.rows if part.name.endswith(".jsonl") else rows)
            if (size, digest.hexdigest(), rows) != told:
                raise BackupRefused(f"The part {part.name} of this backup is damaged.")

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a part, a piece at a time."""
        with self._opened(name) as file:
            while piece := file.read(PIECE):
                yield piece

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a part."""
        with self._opened(name) as file:
            yield from file

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._zipped.open(name) as file:
                yield file
        except _DAMAGE:
            raise BackupRefused(f"The part {name} of this backup is damaged.") from None


@contextmanager
def reading(path: Path) -> Iterator[Archive]:
    """A backup, open while the block lasts.

    Raises:
        BackupRefused: it is none, or cannot be read.
    """
    try:
        zipped = zipfile.ZipFile(path)
    except (FileNotFoundError, PermissionError) as error:
        raise BackupRefused(f"{path} cannot be read: {error.strerror}.") from None
    except _DAMAGE:
        raise BackupRefused("This is not a backup, or it is damaged.") from None
    with zipped:
        yield Archive(zipped)
