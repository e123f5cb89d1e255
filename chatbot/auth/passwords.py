"""Passwords: PBKDF2-SHA256, the rules, and a bound on how many are hashed at once.

A hash takes about 150 ms of a core by design; without the bound fifty logins at once would starve everything else.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

from chatbot.errors import FieldError, Unavailable

MIN_LENGTH, MAX_LENGTH = 8, 128
WAIT_SECONDS = 10.0
_slots = threading.BoundedSemaphore(2)


def hash_password(password: str, iterations: int) -> str:
    """The salted hash as one string, `pbkdf2:sha256:ITERATIONS$salt$hash`.

    Raises:
        Unavailable: too many passwords are being hashed.
    """
    with _slot():
        return generate_password_hash(password, method=f"pbkdf2:sha256:{iterations}")


def verify_password(stored: str | None, password: str, iterations: int) -> bool:
    """Whether the password is right. An unknown account costs the same: a hash nobody knows is checked instead."""
    with _slot():
        return check_password_hash(stored or _nobodys_hash(iterations), password) and stored is not None


def needs_rehash(stored: str, iterations: int) -> bool:
    """Whether the stored hash was made with other parameters than today's."""
    return not stored.startswith(f"pbkdf2:sha256:{iterations}$")


def weaknesses(password: str, *names: str) -> list[FieldError]:
    """What the rules have against a password: its length, that it is common, only digits, or the user's own name.

    No composition rules, after NIST SP 800-63B section 3.1.1.2.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return [FieldError("/password", f"Use {MIN_LENGTH} to {MAX_LENGTH} characters.")]
    folded = fold(password)
    own = {fold(name) for name in names if name}
    if password.isdigit() or folded in common_passwords() or folded in own:
        return [FieldError("/password", "This password is too easy to guess.")]
    return []


def fold(text: str) -> str:
    """NFKC and case-folded: how names and common passwords are compared."""
    return unicodedata.normalize("NFKC", text).casefold()


@cache
def common_passwords() -> frozenset[str]:
    """The 30,000 passwords that everybody tries first, folded; zxcvbn's list, read when first needed."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(map(fold, FREQUENCY_LISTS["passwords"])) | {"chatbot", "chatbot1", "chatbot123"}


@contextmanager
def _slot() -> Iterator[None]:
    if not _slots.acquire(timeout=WAIT_SECONDS):
        raise Unavailable("Too many sign-ins at once; try again.", code="busy", retry_after=2)
    try:
        yield
    finally:
        _slots.release()


@cache
def _nobodys_hash(iterations: int) -> str:
    return generate_password_hash("nobody has this password", method=f"pbkdf2:sha256:{iterations}")
