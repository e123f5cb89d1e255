"""API keys of programs, and the short-lived tokens they sign for the visitors of an embedding product.

A key is random and long, so its plain SHA-256 is enough to look it up by; the key itself is never stored.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.orm import Session

from chatbot.auth import events
from chatbot.auth.client_info import UNKNOWN_CLIENT, ClientInfo
from chatbot.auth.credentials import tokens
from chatbot.auth.models import SCOPES, ApiKey, User
from chatbot.db import begin_write, utcnow
from chatbot.errors import Conflict, FieldError, Invalid, NotFound
from chatbot.web.pagination import Page, newest_first

PREFIX = "cb_"
MAX_KEYS = 50
# The calendar's last year cannot be written in every time zone; a database may read it in another than ours.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
CHAT, READ, WRITE, VISITORS, EVERYTHING = SCOPES


class KeyNotFound(NotFound):
    code, detail = "api_key_not_found", "There is no such API key."


class TooManyKeys(Conflict):
    code, detail = "too_many_api_keys", f"An account has at most {MAX_KEYS} API keys; revoke one first."


def create_key(
    session: Session,
    user_id: str,
    name: str,
    scopes: list[str],
    expires_at: datetime | None,
    origin: ClientInfo = UNKNOWN_CLIENT,
) -> tuple[ApiKey, str]:
    """A new key: its row, and the key itself, which nobody can ask for again.

    Raises:
        Invalid: it would have expired already, or never would.
        InvalidToken: the account was deleted since the guard has looked.
        TooManyKeys: the account has its share.
    """
    if expires_at is not None:
        _check_expiry(expires_at)
    secret = PREFIX + secrets.token_urlsafe(32)
    begin_write(session)
    # The account's row is locked, so that two requests at once cannot both see room for one more.
    if session.scalar(select(User.id).where(User.id == user_id).with_for_update()) is None:
        raise tokens.InvalidToken()
    if (session.scalar(select(func.count()).where(ApiKey.user_id == user_id)) or 0) >= MAX_KEYS:
        session.rollback()
        raise TooManyKeys()
    ordered = [scope for scope in SCOPES if scope in scopes]
    key = ApiKey(
        user_id=user_id, name=name, prefix=secret[:11], key_hash=digest(secret), scopes=ordered, expires_at=expires_at
    )
    session.add(key)
    session.flush()
    events.record(session, "key_created", origin, user_id, key_id=key.id, scopes=ordered)
    session.commit()
    return key, secret


def _check_expiry(expires_at: datetime) -> None:
    if expires_at <= utcnow():
        raise Invalid(errors=[FieldError("/expires_at", "This is in the past.")])
    if expires_at >= NEVER:
        raise Invalid(errors=[FieldError("/expires_at", "Use a year before 9999, or leave this out.")])


def list_keys(session: Session, user_id: str, limit: int, cursor: str | None) -> Page:
    """The keys of an account, newest first."""
    query = select(ApiKey).where(ApiKey.user_id == user_id)
    return newest_first(session, query, ApiKey.created_at, ApiKey.id, limit, cursor)


def revoke_key(session: Session, user_id: str, key_id: str, origin: ClientInfo = UNKNOWN_CLIENT) -> None:
    """Deletes a key; it and every visitor token it has signed fail from the next request on.

    Raises:
        KeyNotFound: there is none, or it is somebody else's.
    """
    begin_write(session)
    done = session.execute(delete(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == user_id))
    assert isinstance(done, CursorResult)  # noqa: S101 - a DELETE's result has a row count.
    if done.rowcount == 0:
        session.rollback()
        raise KeyNotFound()
    events.record(session, "key_revoked", origin, user_id, key_id=key_id)
    session.commit()


def digest(secret: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()
