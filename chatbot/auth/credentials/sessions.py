"""Sessions of people: signing in begins a token family, refreshing goes on with it, signing out ends it.

A refresh token is spent once. Using a spent one again ends the whole family, its access tokens included, because
either the caller or somebody before them had stolen it. Within the leeway (`REFRESH_LEEWAY_SECONDS`, 0 by default)
the direct parent of the newest token may be shown again, for a client whose answer was lost, and gets the same
successor.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, CursorResult, delete, select, update
from sqlalchemy.orm import Session

from chatbot.auth import events
from chatbot.auth.client_info import UNKNOWN_CLIENT, ClientInfo
from chatbot.auth.credentials import passwords
from chatbot.auth.credentials.email_addresses import canonical_email
from chatbot.auth.credentials.tokens import Claims, Grant, InvalidToken
from chatbot.auth.models import TokenFamily, User
from chatbot.config import Settings
from chatbot.db import begin_write, detached, new_id, utcnow
from chatbot.errors import Forbidden, Invalid, NotFound, Unauthorized
from chatbot.web.pagination import Page, newest_first


class InvalidCredentials(Unauthorized):
    code, detail = "invalid_credentials", "The e-mail address or the password is not right."


class AccountDisabled(Forbidden):
    code, detail = "account_disabled", "This account is disabled."


class TokenReused(Unauthorized):
    code, detail = "token_reuse_detected", "This token was used before; sign in again."


class SessionNotFound(NotFound):
    code, detail = "session_not_found", "There is no such session."


def log_in(
    session: Session, settings: Settings, email: str, password: str, origin: ClientInfo = UNKNOWN_CLIENT
) -> tuple[User, Grant]:
    """Checks a password and begins a family. The hash is computed exactly once, whoever asks.

    What changed while it was computed counts: nobody gets in with a password that was replaced meanwhile.

    Raises:
        InvalidCredentials: unknown address or wrong password; nobody can tell which.
        AccountDisabled: the password is right and the account is disabled.
    """
    user = _find_for_login(session, email)  # No connection is held while the hash is computed.
    stored, iterations = user.password_hash if user else None, settings.password_iterations
    right = passwords.verify_password(stored, password, iterations)
    if user is None or not right:
        _note_failure(session, user, origin)
        raise InvalidCredentials()
    if not user.is_active:
        _note_failure(session, user, origin, because="disabled")
        raise AccountDisabled()
    rehash = passwords.needs_rehash(user.password_hash, iterations)
    fresh = passwords.hash_password(password, iterations) if rehash else None
    begin_write(session)
    if not _unchanged(session, user):
        session.rollback()
        return log_in(session, settings, email, password, origin)
    if fresh is not None:
        session.execute(update(User).where(User.id == user.id).values(password_hash=fresh))
    grant = _begin_family(session, settings, user.id, origin)
    events.record(session, "logged_in", origin, user.id)
    session.commit()
    return user, grant


def _find_for_login(session: Session, email: str) -> User | None:
    try:
        address = canonical_email(email)
    except Invalid:
        return None
    user = session.scalar(select(User).where(User.email == address))
    if user is None:
        session.rollback()
        return None
    return detached(session, user)


def _unchanged(session: Session, user: User) -> bool:
    """Whether the account is as it was read; its row is locked, and two logins at once do not both see room for one."""
    as_read = (User.id == user.id, User.password_hash == user.password_hash, User.is_active)
    # Without the key, whose lock would wait for everybody who writes an event of this account, and they for us.
    return session.scalar(select(User.id).where(*as_read).with_for_update(key_share=True)) is not None


def _note_failure(session: Session, user: User | None, origin: ClientInfo, because: str = "credentials") -> None:
    begin_write(session)
    events.record(session, "login_failed", origin, user.id if user else None, by_owner=False, because=because)
    session.commit()


def _begin_family(session: Session, settings: Settings, user_id: str, origin: ClientInfo) -> Grant:
    _make_room(session, settings.max_sessions - 1, user_id, origin)
    now = utcnow()
    family = TokenFamily(
        id=new_id(),
        user_id=user_id,
        current_jti=new_id(),
        device=origin.device,
        network=origin.network,
        created_at=now,
        last_used_at=now,
        expires_at=now + settings.session_lifetime,
    )
    session.add(family)
    session.flush()
    return _grant(settings, family, now)


def _make_room(session: Session, room: int, user_id: str, origin: ClientInfo) -> None:
    """Ends the sessions that were not used for longest, so that no more than `room` are left."""
    newest = select(TokenFamily.id).where(*_alive(user_id)).order_by(TokenFamily.last_used_at.desc())
    too_many = list(session.scalars(newest.offset(room)))
    if too_many:
        revoke(session, TokenFamily.id.in_(too_many), because="too_many")
        events.record(session, "sessions_capped", origin, user_id, ended=len(too_many))


def _grant(settings: Settings, family: TokenFamily, now: datetime) -> Grant:
    """What the tokens of a family say as its row stands: asked twice, it is the same refresh token."""
    issued_at = family.rotated_at or family.created_at
    refresh_until = min(issued_at + settings.refresh_lifetime, family.expires_at)
    access_for = min(settings.access_lifetime, family.expires_at - now)
    return Grant(family.user_id, family.id, family.current_jti, issued_at, refresh_until, access_for)


def refresh(session: Session, settings: Settings, claims: Claims, origin: ClientInfo = UNKNOWN_CLIENT) -> Grant:
    """Spends a refresh token and returns what the next pair of its family says.

    One UPDATE decides who wins, so of many callers with one token exactly one gets a pair.

    Raises:
        InvalidToken: its family is not usable.
        TokenReused: the token was spent before; its family has ended.
    """
    begin_write(session)
    now = utcnow()
    family = _rotate(session, claims, now, origin) or _replayed(session, claims, now, settings.refresh_leeway_seconds)
    if family is None:
        raise _refused(session, claims, origin)
    session.commit()
    return _grant(settings, family, now)


def _rotate(session: Session, claims: Claims, now: datetime, origin: ClientInfo) -> TokenFamily | None:
    """The family with its token spent, or None when the token is not its newest."""
    spend = (
        update(TokenFamily)
        .where(TokenFamily.id == claims.family_id, TokenFamily.current_jti == claims.jti, *_alive(claims.user_id))
        .where(_is_active(claims.user_id))
        .values(
            parent_jti=TokenFamily.current_jti,
            current_jti=new_id(),
            rotations=TokenFamily.rotations + 1,
            rotated_at=now,
            last_used_at=now,
            network=origin.network,
            device=origin.device,
        )
        .returning(TokenFamily)
    )
    return session.scalars(spend, execution_options={"populate_existing": True}).one_or_none()


def _replayed(session: Session, claims: Claims, now: datetime, leeway: int) -> TokenFamily | None:
    """The family when the token is the direct parent of its newest one, spent no longer ago than the leeway."""
    if leeway == 0:
        return None
    query = select(TokenFamily).where(
        TokenFamily.id == claims.family_id,
        TokenFamily.parent_jti == claims.jti,
        TokenFamily.rotated_at >= now - timedelta(seconds=leeway),
        *_alive(claims.user_id),
        _is_active(claims.user_id),
    )
    return session.scalar(query.execution_options(populate_existing=True))


def _refused(session: Session, claims: Claims, origin: ClientInfo) -> Unauthorized:
    """Tells a spent token from a dead family, and ends the family of a spent one."""
    spent = (TokenFamily.id == claims.family_id, TokenFamily.current_jti != claims.jti)
    revoked = revoke(session, *spent, because="reuse")
    if revoked:
        events.record(session, "refresh_reused", origin, claims.user_id, by_owner=False, session_id=claims.family_id)
    session.commit()
    return TokenReused() if revoked else InvalidToken()


def _alive(user_id: str) -> tuple[ColumnElement[bool], ...]:
    return (TokenFamily.user_id == user_id, TokenFamily.revoked_at.is_(None), TokenFamily.expires_at > utcnow())


def _is_active(user_id: str) -> ColumnElement[bool]:
    return TokenFamily.user_id.in_(select(User.id).where(User.id == user_id, User.is_active))


def log_out(session: Session, user_id: str, claims: Claims, origin: ClientInfo = UNKNOWN_CLIENT) -> None:
    """Ends the family of a refresh token of this user. A token that is not theirs ends nothing."""
    begin_write(session)
    if revoke(session, TokenFamily.id == claims.family_id, TokenFamily.user_id == user_id, because="logout"):
        events.record(session, "logged_out", origin, user_id, session_id=claims.family_id)
    session.commit()


def log_out_everywhere(session: Session, user_id: str, origin: ClientInfo = UNKNOWN_CLIENT) -> None:
    """Ends every family of a user."""
    begin_write(session)
    ended = revoke(session, TokenFamily.user_id == user_id, because="logout_all")
    events.record(session, "logged_out_everywhere", origin, user_id, ended=ended)
    session.commit()


def list_sessions(session: Session, user_id: str, limit: int, cursor: str | None) -> Page:
    """The live sessions of a user, the one used last first."""
    query = select(TokenFamily).where(*_alive(user_id))
    return newest_first(session, query, TokenFamily.last_used_at, TokenFamily.id, limit, cursor)


def end_session(session: Session, user_id: str, session_id: str, origin: ClientInfo = UNKNOWN_CLIENT) -> None:
    """Ends one live session of a user.

    Raises:
        SessionNotFound: there is none, or it is somebody else's.
    """
    begin_write(session)
    if not revoke(session, TokenFamily.id == session_id, *_alive(user_id), because="ended"):
        session.rollback()
        raise SessionNotFound()
    events.record(session, "session_ended", origin, user_id, session_id=session_id)
    session.commit()


def revoke(session: Session, *which: ColumnElement[bool], because: str) -> int:
    """Ends families inside the caller's transaction; gives how many were alive."""
    values: dict[str, object] = {"revoked_at": utcnow(), "revoked_because": because}
    alive = (TokenFamily.revoked_at.is_(None), TokenFamily.expires_at > utcnow())
    done = session.execute(update(TokenFamily).where(*which, *alive).values(values))
    assert isinstance(done, CursorResult)  # noqa: S101 - an UPDATE's result has a row count.
    return done.rowcount


def forget_dead_families(session: Session) -> int:
    """Deletes families whose every token has expired; a revoked one stays until then."""
    begin_write(session)
    done = session.execute(delete(TokenFamily).where(TokenFamily.expires_at < utcnow() - timedelta(minutes=5)))
    session.commit()
    assert isinstance(done, CursorResult)  # noqa: S101 - a DELETE's result has a row count.
    return done.rowcount
