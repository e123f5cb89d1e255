"""Files and folders that only their owner may read, whatever the process's umask is.

The instance folder holds password hashes, conversations and links that reset passwords. Nobody reaches what is below
a folder of mode 0700, and what the application creates in it is private as well.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import IO, Any

FOLDER, FILE = 0o700, 0o600
OTHERS = 0o077


def make_folder(folder: Path) -> None:
    """Creates a folder, and those above it that are missing, for their owner only."""
    for each in reversed([folder, *folder.parents]):
        if not each.exists():
            each.mkdir(mode=FOLDER, exist_ok=True)


def umask() -> None:
    """Lets this process create nothing that others may read."""
    os.umask(OTHERS)


def open_private(path: Path, mode: str) -> IO[Any]:
    """Opens a file as `open` does; one that is created belongs to its owner only."""
    encoding = None if "b" in mode else "utf-8"
    return open(path, mode, encoding=encoding, opener=lambda name, flags: os.open(name, flags, FILE))


def create_private(path: Path) -> None:
    """Creates an empty file unless it is there: for libraries that would create it readable by everybody."""
    if not path.exists():
        # Where it cannot be created, the library says so in its own way.
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, FILE))


def tighten(folder: Path) -> list[Path]:
    """Takes a folder, and all that is in it, from others; gives what belongs to somebody else and stays open.

    What is below a private folder is out of reach, and is not looked at. The folder itself comes last, so that what
    was interrupted is done by the next process.
    """
    refused = [path for child in _children(folder) for path in _tighten(child)]
    return refused + _close(folder)


def _tighten(path: Path) -> list[Path]:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        # Another process is at work in there.
        return []
    if stat.S_ISLNK(mode) or not mode & OTHERS:
        return []
    refused = [found for child in _children(path) for found in _tighten(child)] if stat.S_ISDIR(mode) else []
    return refused + _close(path)


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _close(path: Path) -> list[Path]:
    try:
        mode = stat.S_IMODE(path.lstat().st_mode)
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)
    except FileNotFoundError:
        return []
    except OSError:
        return [path]
    return []


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
