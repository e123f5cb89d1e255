"""Snapshot files: a base as a file that the processes of a machine map, so that a start does not read all rows.

    magic | ids, labels, lists, vectors, each at a multiple of 64 bytes | JSON about them | its length and sum | magic

SQL stays the truth, and every file may be deleted at any time. A file is written under a temporary name, flushed to
the disk, renamed, and never changed: who has mapped one that is deleted keeps its pages. All of a file is compared
with its checksums (CRC-32) before it is used; that took half a second for a gigabyte, and brings it into memory.

What a file says is only believed if the database knows its token. It is noted there once the file is complete, and a
database that was put back to an earlier state has no note of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import structlog

from chatbot.rag.vector_store.compaction import Base
from chatbot.rag.vector_store.segments import Lists, Part, named
from chatbot.system.private_files import make_folder, open_private
from chatbot.system.threadpool import run_in_thread

log = structlog.get_logger(__name__)

MAGIC = b"CHATVEC1"
VERSION = 1
SUFFIX = ".vectors"
LOCK = "lock"
_TRAILER = struct.Struct("<QI8s")
_ALIGNED = 64
# Bytes that are summed up or written in one piece.
_PIECE = 32 * 1024 * 1024
# What each section holds.
_TYPES = {"ids": "<i8", "codes": "<i4", "sorted": "<i8", "centres": "<f4", "starts": "<i8", "vectors": "<f4"}


class Unusable(Exception):
    """The file cannot be used; the sentence says why."""


@dataclass(frozen=True)
class SnapshotHeader:
    """Which vectors a file holds: of which generation, made by which embedder, with how many numbers each."""

    generation: int
    embedder: str
    dimension: int


class SnapshotRegistry(Protocol):
    """What the database knows of the files."""

    def tokens(self) -> frozenset[str]:
        """The tokens of all files that were completed, of any generation."""
        ...

    def note(self, token: str, revision: int) -> bool:
        """Notes a file; gives whether changes after its revision can still be told."""
        ...

    def forget(self, tokens: frozenset[str]) -> None:
        """Files that are gone."""
        ...


@dataclass(frozen=True)
class LoadedSnapshot:
    """A file that was opened: a base, and the revision of the rows it was made from."""

    path: Path
    revision: int
    part: Part


def reached(step: str) -> None:
    """A step of the publishing is done; tests end the process here."""


class SnapshotStore:
    """The snapshot files of one generation in a folder of this machine."""

    def __init__(self, folder: Path, about: SnapshotHeader, notes: SnapshotRegistry) -> None:
        self._folder, self._about, self._notes = folder, about, notes
        # Files that were refused are not read again.
        self._refused: set[str] = set()

    def newest(self, upto: int, after: int = -1) -> LoadedSnapshot | None:
        """The newest file that is whole and of rows between two revisions."""
        found = sorted(self._files(), key=_revision_of, reverse=True)
        found = [path for path in found if after < _revision_of(path) <= upto and path.name not in self._refused]
        tokens = self._notes.tokens() if found else frozenset()
        for path in found:
            if _token_of(path) not in tokens:
                # Not yet, or of another database.
                continue
            try:
                return opened(path, self._about)
            except (Unusable, OSError) as error:
                self._refused.add(path.name)
                log.warning("snapshot_file_refused", file=path.name, reason=str(error) or type(error).__name__)
        return None

    @contextlib.contextmanager
    def writing(self) -> Iterator[bool]:
        """Whether this process may write; only one of the machine does at a time, and a killed one no more."""
        make_folder(self._folder)
        with open_private(self._folder / LOCK, "ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def publish(self, base: Base, revision: int) -> Path | None:
        """Writes a base as the generation's file, in `writing()`; None if the rows have gone on too far meanwhile.

        Raises:
            OSError: the disk is full, or cannot be written to.
            Ended: the process comes to its end.
        """
        self._sweep()
        token = secrets.token_hex(8)
        path = self._folder / f"{self._about.generation}-{revision}-{token}{SUFFIX}"
        part = path.with_suffix(".part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                _write(file, self._about, base, revision)
                reached("written")
                run_in_thread(os.fsync, file.fileno())
            reached("flushed")
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        reached("renamed")
        _flush_folder(self._folder)
        if not self._notes.note(token, revision):
            path.unlink()
            return None
        reached("noted")
        self._sweep(keep=path)
        return path

    def _sweep(self, keep: Path | None = None) -> None:
        """Deletes what nobody opens any more: parts of killed writers, files that are not known, and those before
        `keep`."""
        tokens, gone = self._notes.tokens(), set()
        for path in [*self._folder.glob("*.part"), *self._folder.glob(f"*{SUFFIX}")]:
            mine = path.name.startswith(f"{self._about.generation}-")
            if path.suffix != SUFFIX or _token_of(path) not in tokens or (keep is not None and mine and path != keep):
                path.unlink(missing_ok=True)
                gone.add(_token_of(path))
                reached("deleted")
        if gone & tokens:
            self._notes.forget(frozenset(gone & tokens))

    def _files(self) -> list[Path]:
        return [path for path in self._folder.glob(f"{self._about.generation}-*{SUFFIX}") if _revision_of(path) >= 0]


def _token_of(path: Path) -> str:
    return path.stem.rpartition("-")[2]


def _revision_of(path: Path) -> int:
    number = path.stem.split("-")[1] if path.stem.count("-") == 2 else ""
    return int(number) if number.isdecimal() else -1


def _flush_folder(folder: Path) -> None:
    """A name is only there after a power cut if its folder was flushed as well."""
    number = os.open(folder, os.O_RDONLY)
    try:
        run_in_thread(os.fsync, number)
    finally:
        os.close(number)


# Writing


def _write(file: BinaryIO, about: SnapshotHeader, base: Base, revision: int) -> None:
    file.write(MAGIC)
    ids = base.ids
    sections = {
        "ids": _section(file, "ids", [ids]),
        "codes": _section(file, "codes", [base.codes]),
        "sorted": _section(file, "sorted", [np.argsort(ids)]),
    }
    if base.lists is not None:
        sections["centres"] = _section(file, "centres", [base.lists.centres])
        sections["starts"] = _section(file, "starts", [base.lists.starts])
    reached("half")
    sections["vectors"] = _section(file, "vectors", base.pieces())
    told = {
        "version": VERSION,
        **asdict(about),
        "revision": revision,
        "count": len(ids),
        "names": list(base.merged.names),
        "lists": len(base.lists.centres) if base.lists else 0,
        "sections": sections,
        "trained_on": base.lists.trained_on if base.lists else 0,
    }
    text = json.dumps(told).encode()
    file.write(text)
    file.write(_TRAILER.pack(len(text), zlib.crc32(text), MAGIC))
    file.flush()


def _section(file: BinaryIO, name: str, pieces: Any) -> list[int]:
    """Writes arrays; gives where they begin, how many bytes they have, and their checksum."""
    file.write(b"\0" * (-file.tell() % _ALIGNED))
    begin, total = file.tell(), 0
    for piece in pieces:
        array: Any = np.ascontiguousarray(piece, dtype=_TYPES[name])
        data = memoryview(array).cast("B")
        total = run_in_thread(zlib.crc32, data, total)
        run_in_thread(file.write, data)
    return [begin, file.tell() - begin, total]


# Reading


def opened(path: Path, about: SnapshotHeader) -> LoadedSnapshot:
    """Maps a file, after all of it was compared with its checksums.

    Raises:
        Unusable: it is cut off, damaged, of another format, or not about these vectors.
        OSError: it cannot be read, or is gone.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < len(MAGIC) + _TRAILER.size:
            raise Unusable("it is cut off")
        mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    told = _told(mapped, about)
    arrays = {name: _array(mapped, name, *section) for name, section in told["sections"].items() if name in _TYPES}
    return LoadedSnapshot(path, int(told["revision"]), _part(path, told, arrays))


def _told(mapped: mmap.mmap, about: SnapshotHeader) -> dict[str, Any]:
    """What the file says of itself, if it is one of ours about these vectors."""
    length, total, magic = _TRAILER.unpack(mapped[-_TRAILER.size :])
    text = mapped[-_TRAILER.size - length : -_TRAILER.size] if length < len(mapped) - _TRAILER.size else b""
    if magic != MAGIC or mapped[: len(MAGIC)] != MAGIC or zlib.crc32(text) != total:
        raise Unusable("it is cut off or damaged")
    told: dict[str, Any] = json.loads(text)
    if told.get("version") != VERSION:
        raise Unusable(f"it has the format {told.get('version')}, not {VERSION}")
    for name, value in asdict(about).items():
        if told.get(name) != value:
            raise Unusable(f"its {name} is {told.get(name)}, not {value}")
    return told


def _array(mapped: mmap.mmap, name: str, begin: int, length: int, total: int) -> Any:
    data, summed = memoryview(mapped)[begin : begin + length], 0
    for at in range(0, length, _PIECE):
        summed = run_in_thread(zlib.crc32, data[at : at + _PIECE], summed)
    if len(data) != length or summed != total:
        raise Unusable(f"its {name} are damaged")
    return np.frombuffer(data, dtype=_TYPES[name])


def _part(path: Path, told: dict[str, Any], arrays: dict[str, Any]) -> Part:
    count, dimension, lists = told["count"], told["dimension"], told["lists"]
    sizes = {"ids": count, "codes": count, "sorted": count, "vectors": count * dimension}
    if lists:
        sizes |= {"centres": lists * dimension, "starts": lists + 1}
    if {name: len(array) for name, array in arrays.items()} != sizes:
        raise Unusable("its parts do not fit together")
    vectors = arrays["vectors"].reshape(count, dimension)
    found = Lists(arrays["centres"].reshape(lists, dimension), arrays["starts"], told["trained_on"]) if lists else None
    return Part(arrays["ids"], arrays["codes"], named(told["names"]), vectors, found, arrays["sorted"], str(path))
