"""Who is asking, and what identifies them: the claims of a token, or an API key.

The database is asked at every request, so a revoked session, a deleted key, a disabled account or a lost role counts
from the next request on, in every process. Nothing here knows Flask.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, or_, select, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from chatbot.auth.credentials import keys, tokens
from chatbot.auth.models import ApiKey, TokenFamily, User
from chatbot.db import Sessions, begin_write, utcnow
from chatbot.errors import ChatbotError, Unauthorized, Unavailable

# The last use of a session or key is told to the minute; writing it at every request would cost a commit each.
SEEN_EVERY = timedelta(minutes=1)


class SessionEnded(Unauthorized):
    code, detail = "session_ended", "The session or the key has ended."


class RoleChanged(Unauthorized):
    code, detail = "role_changed", "The account's role has changed; begin anew."


@dataclass(frozen=True)
class Caller:
    """Who is asking, as plain values.

    `via` is how they are known: a `session` (an access token of a family), an API `key`, or a `visitor` token that a
    key has signed. `credential_id` is the id of the family or of the key. A visitor acts for the key's owner, in
    conversations of their own, and perhaps in fewer collections and with a daily budget of tokens.
    """

    user_id: str
    credential_id: str
    username: str
    is_admin: bool
    is_verified: bool
    via: str = "session"
    scopes: frozenset[str] | None = None
    visitor: str = ""
    collections: frozenset[str] | None = None
    daily_tokens: int | None = None
    seen_at: datetime | None = None


_ACCOUNT = (User.id.label("user_id"), User.username, User.is_admin, User.is_verified)
# Built once: every request asks it.
_PERSON = (
    select(*_ACCOUNT, TokenFamily.id.label("credential_id"), TokenFamily.last_used_at)
    .join(TokenFamily, TokenFamily.user_id == User.id)
    .where(TokenFamily.id == bindparam("family"), User.id == bindparam("user"))
    .where(TokenFamily.revoked_at.is_(None), TokenFamily.expires_at > bindparam("now"), User.is_active)
)


def of_key(session: Session, secret: str) -> Caller:
    """The owner of an API key.

    Raises:
        InvalidToken: the key or its owner's account is not usable.
    """
    return _key_owner(session, ApiKey.key_hash == keys.digest(secret))


def of_claims(session: Session, claims: tokens.Claims) -> Caller:
    """Who the claims of an access token or of a visitor's token stand for.

    Raises:
        InvalidToken: the token's session or key, or the account is not usable.
    """
    if claims.kind == "visitor":
        return _visitor(session, claims)
    return _person(session, claims.family_id, claims.user_id)


def _person(session: Session, family_id: str, user_id: str) -> Caller:
    asked = {"family": family_id, "user": user_id, "now": utcnow()}
    row = session.connection().execute(_PERSON, asked).one_or_none()
    return _caller(row, via="session")


def _key_owner(session: Session, *which: ColumnElement[bool]) -> Caller:
    alive = (or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > utcnow()), User.is_active)
    key = (ApiKey.id.label("credential_id"), ApiKey.last_used_at, ApiKey.scopes)
    query = select(*_ACCOUNT, *key).join(ApiKey, ApiKey.user_id == User.id)
    row = session.connection().execute(query.where(*which, *alive)).one_or_none()
    return _caller(row, via="key", scopes=frozenset(row.scopes) if row else None)


def _signer(session: Session, *which: ColumnElement[bool]) -> Caller:
    """The owner of a key that may sign for visitors."""
    owner = _key_owner(session, *which)
    if not owner.scopes or owner.scopes.isdisjoint((keys.VISITORS, keys.EVERYTHING)):
        raise tokens.InvalidToken()
    return owner


def _visitor(session: Session, claims: tokens.Claims) -> Caller:
    """A visitor has the chat of the key's owner, and nothing of the owner's roles."""
    owner = _signer(session, ApiKey.id == claims.family_id, User.id == claims.user_id)
    return replace(
        owner,
        via="visitor",
        username=claims.visitor,
        visitor=claims.visitor,
        is_admin=False,
        scopes=frozenset([keys.CHAT]),
        collections=claims.collections,
        daily_tokens=claims.daily_tokens,
    )


def _caller(row: Any, **how: Any) -> Caller:
    if row is None:
        raise tokens.InvalidToken()
    who = (row.user_id, row.credential_id, row.username, row.is_admin, row.is_verified)
    return Caller(*who, seen_at=row.last_used_at, **how)


def still_allowed(sessions: Sessions, who: Caller) -> ChatbotError | None:
    """Why a caller who was let pass may not go on: None while session or key, account and role are what they were.

    For long streams. The expiry of an access token is not looked at: what has begun may come to its end.
    """
    try:
        with sessions() as session:
            if who.via == "session":
                now = _person(session, who.credential_id, who.user_id)
            else:
                key_of = _signer if who.via == "visitor" else _key_owner
                now = key_of(session, ApiKey.id == who.credential_id, User.id == who.user_id)
    except tokens.InvalidToken:
        return SessionEnded()
    except SQLAlchemyError:
        return Unavailable()
    # A visitor has nothing of the owner's role.
    return None if who.via == "visitor" or now.is_admin == who.is_admin else RoleChanged()


def note_use(sessions: Sessions, who: Caller) -> None:
    """Stores that the caller's session or key is in use, at most once a minute."""
    now = utcnow()
    if who.seen_at is not None and now - who.seen_at < SEEN_EVERY:
        return
    table = TokenFamily if who.via == "session" else ApiKey
    # A busy database may lose the note, and the request goes on.
    with contextlib.suppress(OperationalError), sessions() as session:
        begin_write(session)
        session.execute(update(table).where(table.id == who.credential_id).values(last_used_at=now))
        session.commit()
