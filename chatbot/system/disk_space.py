"""A disk that is full: how it is told from other failures, and how much there is left.

What could not be written was not written at all: a transaction is rolled back, a file is renamed into its place only
when it is whole. So whoever meets a full disk says so and comes again; nothing has to be mended afterwards.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

FULL = "The server's disk is full."
# A file system with less than that left takes no document any more, and one with less than the other soon will not.
FULL_BYTES, LOW_BYTES = 1 << 20, 50 << 20
_OPTION = "disk"
# No space, a quota that is used up, and a process that may not write files as long as this one.
_FILES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SQLITE = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_SHMSIZE}
)
_POSTGRESQL = "53100"


def is_full(error: BaseException | None) -> bool:
    """Whether a file or a database could not be written because there is no room."""
    if isinstance(error, DBAPIError):
        error = error.orig
    if isinstance(error, OSError):
        return error.errno in _FILES
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) in _SQLITE
    return getattr(error, "sqlstate", None) == _POSTGRESQL


@dataclass(frozen=True)
class DiskSpace:
    """The file system below a folder."""

    folder: Path

    def free(self) -> int | None:
        """How many bytes are left; None where it cannot be told."""
        try:
            found = os.statvfs(self.folder)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize if found.f_blocks else None

    def state(self) -> str:
        """`ok`, or a sentence."""
        free = self.free()
        if free is None or free >= LOW_BYTES:
            return "ok"
        return FULL if free < FULL_BYTES else f"Only {free >> 20} MB are free on the server's disk."


def attach(engine: Engine, disk: DiskSpace) -> None:
    """Lets every session on the engine know the disk beside the database."""
    engine.update_execution_options(**{_OPTION: disk})


def disk_of(session: Session) -> DiskSpace:
    """The disk of the session's application."""
    found: DiskSpace = session.get_bind().get_execution_options()[_OPTION]
    return found
