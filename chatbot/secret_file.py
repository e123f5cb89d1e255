"""The secret of an installation that sets none: made once, and kept in a file of INSTANCE_PATH."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from chatbot.private_files import make_folder
from chatbot.setting_values import is_weak

SECRET_FILE = "secret_key"  # noqa: S105 - its name.


class SecretFileDamaged(Exception):
    """The file does not hold a usable secret; the sentence says what to do."""


def kept_secret(folder: Path) -> str:
    """The secret in the folder's file, made by whichever process comes first; a link appears whole or not at all.

    Raises:
        SecretFileDamaged: what the file holds is too weak to sign with.
    """
    path = folder / SECRET_FILE
    if not path.exists():
        make_folder(path.parent)
        descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=".secret_key-")
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
        Path(made).unlink()
    secret = path.read_text(encoding="ascii", errors="replace").strip()
    if is_weak(secret):
        raise SecretFileDamaged(
            f"the file {SECRET_FILE} in INSTANCE_PATH is damaged; put a copy back, or delete it and sign in again"
        )
    return secret
