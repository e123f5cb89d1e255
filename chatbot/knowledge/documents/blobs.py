"""The bytes of documents as they came: in their row, or in a file that bears their hash.

With FILE_STORAGE=disk a file lies in instance/originals/<two digits>/<SHA-256> before the row that names it commits,
and is deleted after the last such row has. Each row says where its bytes are, so both kinds are read whatever the
setting. Writing and deleting the file of a hash wait for each other until their transactions end: on SQLite every
transaction that writes does, on PostgreSQL a lock on the hash makes them. A crash leaves at most a file that nobody
names, and the nightly purge finds it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from chatbot.db import begin_write, new_id
from chatbot.errors import Conflict, NotFound, StorageFull
from chatbot.knowledge.models import DocumentVersion
from chatbot.system.private_files import make_folder, open_private, sync_folder

log = structlog.get_logger(__name__)

GROWING = ".growing"
# A file that grows for longer than this belongs to a process that has died.
ABANDONED_SECONDS = 24 * 3600


class OriginalMissing(NotFound):
    code = "original_missing"
    detail = "The original of this document is missing or damaged on the server's disk; add the file again."


class TextNotReady(Conflict):
    code, detail = "text_not_ready", "This version has no text yet, or could not be read."


class NotFetched(TextNotReady):
    detail = "This version has not been fetched from its URL yet, or could not be."


@dataclass(frozen=True)
class Originals:
    """Where files are, and whether new bytes go there."""

    folder: Path
    in_files: bool

    def place(self, content_hash: str) -> Path:
        return self.folder / content_hash[:2] / content_hash


def attach(engine: Engine, folder: Path, *, in_files: bool) -> None:
    """Says where the originals of the documents in this database are. Every session on the engine knows it then."""
    engine.update_execution_options(originals=Originals(folder, in_files))


def _originals(session: Session) -> Originals:
    found: Originals = session.get_bind().get_execution_options()["originals"]
    return found


def keep(session: Session, version: DocumentVersion, data: bytes) -> None:
    """Gives a version its bytes, their hash and their size, in the transaction that writes the row.

    Raises:
        StorageFull: the file could not be written.
    """
    for column, value in kept(session, data).items():
        setattr(version, column, value)


def kept(session: Session, data: bytes) -> dict[str, object]:
    """The columns of a version with these bytes, to be written in the same transaction.

    Raises:
        StorageFull: the file could not be written.
    """
    originals, content_hash = _originals(session), hashlib.sha256(data).hexdigest()
    if originals.in_files:
        _lock(session, content_hash)
        _write(originals.place(content_hash), data)
    return {
        "content_hash": content_hash,
        "size_bytes": len(data),
        "in_file": originals.in_files,
        "content": b"" if originals.in_files else data,
    }


def content_of(session: Session, version: DocumentVersion) -> bytes:
    """The bytes of a version. Nothing else reads them.

    Raises:
        OriginalMissing: its file is not there, or is not what it was.
        NotFetched: it is a page of the web, and not here yet.
    """
    if not version.content_hash:
        raise NotFetched()
    if not version.in_file:
        return version.content
    try:
        data = _originals(session).place(version.content_hash).read_bytes()
    except OSError as error:
        log.error("original_missing", content_hash=version.content_hash, error=type(error).__name__)
        raise OriginalMissing() from None
    if hashlib.sha256(data).hexdigest() != version.content_hash:
        log.error("original_damaged", content_hash=version.content_hash)
        raise OriginalMissing()
    return data


def file_of(session: Session, content_hash: str) -> Path:
    """Where the bytes of that hash lie, if they lie in a file."""
    return _originals(session).place(content_hash)


def put_back(session: Session, content_hash: str, data: bytes) -> None:
    """Writes the file of an original that a backup has, before the row that names it is there.

    Raises:
        StorageFull: it could not be written.
    """
    _write(file_of(session, content_hash), data)


def hashes_in_files(session: Session, document_id: str) -> list[str]:
    """The hashes of a document's versions whose bytes are in files: what `forget` is to look at when they are gone."""
    mine = (DocumentVersion.document_id == document_id, DocumentVersion.in_file)
    return list(session.scalars(select(DocumentVersion.content_hash).where(*mine).distinct()))


def forget(session: Session, hashes: Iterable[str]) -> int:
    """Deletes the files that no row names any more; gives their number. To be called after the commit."""
    originals, gone = _originals(session), 0
    for content_hash in hashes:
        begin_write(session)
        _lock(session, content_hash)
        named = (DocumentVersion.content_hash == content_hash, DocumentVersion.in_file)
        if session.scalar(select(DocumentVersion.id).where(*named).limit(1)) is None:
            with suppress(FileNotFoundError):
                originals.place(content_hash).unlink()
                gone += 1
        session.rollback()
    return gone


def sweep(session: Session) -> int:
    """Deletes the files that no row names, and those that were never finished; gives the number of the former."""
    folder = _originals(session).folder
    for path in folder.glob(f"??/*{GROWING}"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                path.unlink()
    there = {path.name for path in folder.glob("??/*") if path.suffix != GROWING}
    if not there:
        return 0
    named = set(session.scalars(select(DocumentVersion.content_hash).where(DocumentVersion.in_file).distinct()))
    session.rollback()
    return forget(session, sorted(there - named))


def _lock(session: Session, content_hash: str) -> None:
    if session.get_bind().dialect.name == "postgresql":
        key = int.from_bytes(bytes.fromhex(content_hash[:16]), signed=True)
        session.execute(select(func.pg_advisory_xact_lock(key)))


def _write(path: Path, data: bytes) -> None:
    """Writes a file that is there as a whole or not at all, and survives a power cut."""
    growing = path.with_name(f"{path.name}.{new_id()}{GROWING}")
    try:
        if path.exists() and path.read_bytes() == data:
            return
        make_folder(path.parent)
        with open_private(growing, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        growing.replace(path)
        # In each of these folders a name may be new: the file's, that folder's, and the one of all.
        for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
            sync_folder(folder)
    except OSError as error:
        log.error("original_not_stored", error=type(error).__name__)
        with suppress(OSError):
            growing.unlink()
        raise StorageFull(retry_after=60) from None
