"""Passwords: PBKDF2-SHA256, the rules, and a bound on how many are hashed at once.

A hash takes about 150 ms of a core by design; without the bound fifty logins at once would starve everything else.

A password is hashed as it came, its UTF-8 unmodified: nothing is trimmed, cut, folded or normalised. NIST SP 800-63B
suggests to normalise Unicode; here what was typed is what counts, and a letter that is written in two ways is two
letters. Only the rules for new passwords look at a folded form.
"""

from __future__ import annotations

import os
import secrets
import string
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

from chatbot.errors import FieldError, Invalid, Unavailable
from chatbot.system.threadpool import run_in_thread

MIN_LENGTH, MAX_LENGTH = 8, 128
WAIT_SECONDS = 10.0
# The product's own name, and what a finger runs along.
_PRODUCT = "chatbot"
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
)


class Busy(Unavailable):
    code, detail = "busy", "Too many sign-ins at once; try again."


class Places:
    """At most `inside` passwords are hashed at once and `waiting` wait for it; who comes then is sent away at once.

    Both hold a server thread each, so their sum has to leave enough of them for everything else.
    """

    def __init__(self, inside: int, waiting: int) -> None:
        self.inside, self.waiting = inside, waiting
        self._inside = threading.BoundedSemaphore(inside)
        self._all = threading.BoundedSemaphore(inside + waiting)
        self._thread = threading.local()

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """A place to wait, for a thread that will hash: who is to be sent away is so before anything else is done.

        Raises:
            Busy: all are taken.
        """
        if getattr(self._thread, "has_one", False):
            yield
            return
        if not self._all.acquire(blocking=False):
            raise Busy(retry_after=2)
        self._thread.has_one = True
        try:
            yield
        finally:
            self._thread.has_one = False
            self._all.release()

    @contextmanager
    def enter(self) -> Iterator[None]:
        """A place inside, after a wait perhaps.

        Raises:
            Busy: there was no place to wait, or none inside in time.
        """
        with self.reserve():
            if not self._inside.acquire(timeout=WAIT_SECONDS):
                raise Busy(retry_after=2)
            try:
                yield
            finally:
                self._inside.release()


def places_for(threads: int, processes: int, cores: int) -> Places:
    """For each of these web processes: half its threads, and inside as many as leave a core to everything else."""
    half = max(1, threads // 2)
    inside = min(max(1, (cores - 1) // processes), half)
    return Places(inside, half - inside)


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_places = places_for(threads=32, processes=1, cores=usable_cores())


def bound_hashing(threads: int, processes: int) -> None:
    """Sets the bound of this process, which is one of so many web processes with so many threads."""
    global _places
    _places = places_for(threads, processes, usable_cores())


def reserve() -> AbstractContextManager[None]:
    """Around what will hash a password in the end: it is refused now, with Busy, rather than when that is reached."""
    return _places.reserve()


def hash_password(password: str, iterations: int) -> str:
    """The salted hash as one string, `pbkdf2:sha256:ITERATIONS$salt$hash`.

    Raises:
        Busy: too many passwords are being hashed.
    """
    with _places.enter():
        return run_in_thread(generate_password_hash, password, method=f"pbkdf2:sha256:{iterations}")


def verify_password(stored: str | None, password: str, iterations: int) -> bool:
    """Whether the password is right. An unknown account costs the same: a hash nobody knows is checked instead.

    Raises:
        Busy: too many passwords are being hashed.
    """
    with _places.enter():
        right = run_in_thread(check_password_hash, stored or _nobodys_hash(iterations), password)
        return right and stored is not None


def needs_rehash(stored: str, iterations: int) -> bool:
    """Whether the stored hash was made with other parameters than today's."""
    return not stored.startswith(f"pbkdf2:sha256:{iterations}$")


def weaknesses(password: str, *names: str) -> list[FieldError]:
    """What the rules have against a password: its length, or that it is among the first to be tried.

    No composition rules, after NIST SP 800-63B section 3.1.1.2.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return [FieldError("/password", f"Use {MIN_LENGTH} to {MAX_LENGTH} characters.")]
    folded = fold(password)
    if folded.isdigit() or folded in common_passwords() or _is_pattern(folded) or _is_name(folded, names):
        return [FieldError("/password", "This password is too easy to guess.")]
    return []


def _is_pattern(folded: str) -> bool:
    """One or two characters over and over, or a piece of the alphabet or of a keyboard, in either direction."""
    repeated = any(folded == (folded[:n] * len(folded))[: len(folded)] for n in (1, 2))
    return repeated or any(folded in row or folded[::-1] in row for row in _ROWS)


def _is_name(folded: str, names: tuple[str, ...]) -> bool:
    """The user's own name or the product's, with or without digits and signs around it."""
    around = string.digits + string.punctuation + " "
    known = {fold(name) for name in (_PRODUCT, *names)}
    cores = {name.strip(around) for name in known} - {""}
    return folded in known or folded.strip(around) in cores


def refuse_weak(password: str, password2: str, username: str, email: str, *names: str) -> None:
    """Applies the rules to a new password and its repetition; `names` are further ones of the user.

    Raises:
        Invalid: with the code `password_too_common` where the password could be guessed.
    """
    if password != password2:
        raise Invalid(errors=[FieldError("/password2", "The two passwords differ.")])
    found = weaknesses(password, username, email, email.partition("@")[0], *names)
    if found:
        raise Invalid(code="password_too_common" if "guess" in found[0].detail else None, errors=found)


def fold(text: str) -> str:
    """NFKC and case-folded: how names and common passwords are compared."""
    return unicodedata.normalize("NFKC", text).casefold()


@cache
def common_passwords() -> frozenset[str]:
    """The 30,000 passwords that everybody tries first, folded; zxcvbn's list, read when first needed."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(map(fold, FREQUENCY_LISTS["passwords"]))


@cache
def _nobodys_hash(iterations: int) -> str:
    """It has the form of a hash and is made of chance: to compute one would cost the first caller a second hash."""
    return f"pbkdf2:sha256:{iterations}${secrets.token_hex(8)}${secrets.token_hex(32)}"
