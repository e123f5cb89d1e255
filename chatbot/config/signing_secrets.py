"""Secrets: a pair during rotation, and the file in INSTANCE_PATH for an installation that sets none."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from chatbot.config.validators import is_weak
from chatbot.system.private_files import make_folder

SECRET_FILE = "secret_key"  # noqa: S105 - its name.


@dataclass(frozen=True)
class Secrets:
    """The secret that signs, and the one before it until it retires."""

    current: str = field(repr=False)
    previous: str | None = field(default=None, repr=False)
    retire_at: datetime | None = None

    def previous_at(self, now: datetime) -> str | None:
        """The previous secret while it still counts."""
        return self.previous if self.retire_at is not None and now < self.retire_at else None


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


def derived_for_jwt(secret: str) -> str:
    """The secret that signs JWTs where only the other one is set."""
    return hmac.new(secret.encode(), b"jwt", hashlib.sha256).hexdigest()
