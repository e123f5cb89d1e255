"""What tokens say: the claims of JWTs, and the signed, single-purpose tokens that go out by mail.

JWTs themselves are signed and checked in `jwts.py`; nothing here knows Flask.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from itsdangerous import BadSignature, URLSafeTimedSerializer

from chatbot.config.signing_secrets import Secrets
from chatbot.db import utcnow
from chatbot.errors import Unauthorized

VERIFY_EMAIL = "verify-email"
RESET_PASSWORD = "reset-password"  # noqa: S105 - a purpose.
_SUBJECT = re.compile(r"[\x21-\x7e]{1,128}")


class InvalidToken(Unauthorized):
    """The token is not usable; nobody is told why."""

    code, detail = "invalid_token", "The token is not valid."


@dataclass(frozen=True)
class Claims:
    """What a checked JWT says. `family_id` is the id of the key that has signed a visitor's token."""

    kind: str
    user_id: str
    family_id: str
    jti: str
    visitor: str = ""
    collections: frozenset[str] | None = None
    daily_tokens: int | None = None


@dataclass(frozen=True)
class Grant:
    """What the next pair of tokens of a family says."""

    user_id: str
    family_id: str
    jti: str
    issued_at: datetime
    refresh_until: datetime
    access_for: timedelta


def is_visitor(name: object) -> bool:
    """Whether this can name a visitor: 1 to 128 printable ASCII characters without spaces."""
    return isinstance(name, str) and bool(_SUBJECT.fullmatch(name))


def fingerprint(*state: object) -> str:
    """A digest of the state that a mail token is bound to; when the state changes the token is dead."""
    return hashlib.sha256("\x1f".join(map(str, state)).encode()).hexdigest()[:32]


def sign(secrets: Secrets, purpose: str, user_id: str, state: str) -> str:
    """A token for one purpose, bound to the state of the account."""
    return str(_serializer(secrets, purpose).dumps([user_id, state]))


def unsign(secrets: Secrets, purpose: str, token: str, lifetime: timedelta) -> tuple[str, str]:
    """The user id and the state of a token of this purpose.

    Raises:
        InvalidToken: wrong purpose, signature, age or shape; all the same to the caller.
    """
    try:
        user_id, state = _serializer(secrets, purpose).loads(token, max_age=int(lifetime.total_seconds()))
        return str(UUID(user_id)), str(state)
    except (BadSignature, ValueError, TypeError, AttributeError, RecursionError):
        raise invalid_link() from None


def invalid_link() -> InvalidToken:
    """The one answer to a link that is wrong, old or used."""
    return InvalidToken("The link is not valid or has expired.", code="invalid_or_expired_token")


def same(one: str, other: str) -> bool:
    """Compares two secrets in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def _serializer(secrets: Secrets, purpose: str) -> URLSafeTimedSerializer:
    previous = secrets.previous_at(utcnow())
    # The last one signs; all of them are tried.
    usable = [secrets.current] if previous is None else [previous, secrets.current]
    return URLSafeTimedSerializer(usable, salt=f"chatbot.{purpose}", signer_kwargs={"digest_method": hashlib.sha256})
