"""What can be done with an account: sign up, sign in, refresh, sign out, verify, change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chatbot.auth import passwords, tokens
from chatbot.auth.addresses import canonical_email, canonical_username
from chatbot.auth.models import TokenFamily, User
from chatbot.config import Settings
from chatbot.db import begin_write, detached, new_id, utcnow
from chatbot.errors import Conflict, FieldError, Forbidden, Invalid, Unauthorized
from chatbot.mail.service import queue_mail

log = structlog.get_logger(__name__)

VERIFY_LIFETIME = timedelta(days=3)
VERIFY_MAIL = "verify_email"


class EmailTaken(Conflict):
    code, detail = "email_taken", "There is an account with this e-mail address."


class UsernameTaken(Conflict):
    code, detail = "username_taken", "This user name is taken."


class InvalidCredentials(Unauthorized):
    code, detail = "invalid_credentials", "The e-mail address or the password is not right."


class AccountDisabled(Forbidden):
    code, detail = "account_disabled", "This account is disabled."


class TokenReused(Unauthorized):
    code, detail = "token_reuse_detected", "This token was used before; sign in again."


class LastAdmin(Conflict):
    code, detail = "last_admin", "This is the last administrator; name another one first."


@dataclass(frozen=True)
class TokenPair:
    """An access and a refresh token of one family, and how many seconds the access token lives."""

    access: str
    refresh: str
    expires_in: int


def sign_up(session: Session, settings: Settings, fields: dict[str, Any]) -> tuple[User, str]:
    """Creates an account and queues its verification mail in one transaction.

    Returns the user and the id of the mail to wake the worker for.

    Raises:
        Invalid: the password breaks the rules, or a name is not usable.
        EmailTaken, UsernameTaken: there is such an account.
    """
    user = _new_user(settings, fields)
    begin_write(session)
    _refuse_taken(session, user)
    session.add(user)
    try:
        session.flush()
    except IntegrityError:  # Somebody else was quicker between the look and the write.
        session.rollback()
        _refuse_taken(session, user)
        raise EmailTaken() from None
    mail = queue_mail(session, VERIFY_MAIL, user.id, user.email)
    session.commit()
    return user, mail.id


def create_admin(session: Session, settings: Settings, email: str, username: str, password: str) -> User:
    """Creates an administrator whose address counts as confirmed.

    Raises:
        Invalid, EmailTaken, UsernameTaken: as for `sign_up`.
    """
    fields = {"email": email, "username": username, "password": password, "password2": password}
    user = _new_user(settings, fields)
    user.is_admin = user.is_verified = True
    begin_write(session)
    _refuse_taken(session, user)
    session.add(user)
    session.commit()
    return user


def _new_user(settings: Settings, fields: dict[str, Any]) -> User:
    email = canonical_email(fields["email"])
    username, key = canonical_username(fields["username"])
    if fields["password"] != fields["password2"]:
        raise Invalid(errors=[FieldError("/password2", "The two passwords differ.")])
    found = passwords.weaknesses(fields["password"], username, email, email.partition("@")[0])
    if found:
        raise Invalid(code="password_too_common" if "guess" in found[0].detail else None, errors=found)
    return User(
        username=username,
        username_key=key,
        email=email,
        password_hash=passwords.hash_password(fields["password"], settings.password_iterations),
        first_name=fields.get("first_name", ""),
        last_name=fields.get("last_name", ""),
    )


def _refuse_taken(session: Session, user: User) -> None:
    if session.scalar(select(User.id).where(User.email == user.email)):
        raise EmailTaken()
    if session.scalar(select(User.id).where(User.username_key == user.username_key)):
        raise UsernameTaken()


def log_in(session: Session, settings: Settings, email: str, password: str) -> tuple[User, TokenPair]:
    """Checks a password and begins a token family. The hash is computed exactly once, whoever asks.

    Raises:
        InvalidCredentials: unknown address or wrong password; nobody can tell which.
        AccountDisabled: the password is right and the account is disabled.
    """
    user = _find_for_login(session, email)  # No connection is held while the hash is computed.
    stored = user.password_hash if user else None
    right = passwords.verify_password(stored, password, settings.password_iterations)
    if user is None or not right:
        raise InvalidCredentials()
    if not user.is_active:
        raise AccountDisabled()
    fresh = _rehashed(user.password_hash, password, settings.password_iterations)
    begin_write(session)
    if fresh is not None:
        values = {"password_hash": fresh}
        session.execute(update(User).where(User.id == user.id, User.password_hash == user.password_hash).values(values))
    pair = _begin_family(session, settings, user.id)
    session.commit()
    return user, pair


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


def _rehashed(stored: str, password: str, iterations: int) -> str | None:
    return passwords.hash_password(password, iterations) if passwords.needs_rehash(stored, iterations) else None


def _begin_family(session: Session, settings: Settings, user_id: str) -> TokenPair:
    now = utcnow()
    family = TokenFamily(id=new_id(), user_id=user_id, current_jti=new_id(), expires_at=now + settings.session_lifetime)
    session.add(family)
    return _pair(settings, user_id, family.id, family.current_jti, settings.session_lifetime)


def _pair(settings: Settings, user_id: str, family_id: str, jti: str, family_left: timedelta) -> TokenPair:
    lifetime = min(settings.refresh_lifetime, family_left)
    refresh = tokens.issue_refresh(user_id, family_id, jti, lifetime)
    access = tokens.issue_access(user_id, family_id)
    return TokenPair(access, refresh, int(settings.access_lifetime.total_seconds()))


def refresh(session: Session, settings: Settings, token: str) -> TokenPair:
    """Spends a refresh token and gives the next pair of its family.

    One UPDATE decides who wins, so of many callers with one token exactly one gets a pair. A token that was spent
    before revokes the whole family: either the caller or somebody before them had stolen it.

    Raises:
        InvalidToken: the token or its family is not usable.
        TokenReused: the token was spent before.
    """
    claims = tokens.read(token, "refresh")
    now, jti = utcnow(), new_id()
    begin_write(session)
    expires_at = session.scalar(
        update(TokenFamily)
        .where(TokenFamily.id == claims.family_id, TokenFamily.current_jti == claims.jti)
        .where(TokenFamily.revoked_at.is_(None), TokenFamily.expires_at > now)
        .where(TokenFamily.user_id.in_(select(User.id).where(User.id == claims.user_id, User.is_active)))
        .values(current_jti=jti, last_used_at=now)
        .returning(TokenFamily.expires_at)
    )
    if expires_at is None:
        raise _refused(session, claims)
    session.commit()
    return _pair(settings, claims.user_id, claims.family_id, jti, expires_at - now)


def _refused(session: Session, claims: tokens.Claims) -> Unauthorized:
    """Tells a spent token from a dead family, and revokes the family of a spent one."""
    spent = (TokenFamily.id == claims.family_id, TokenFamily.current_jti != claims.jti)
    revoked = _revoke(session, *spent, because="reuse")
    session.commit()
    if not revoked:
        return tokens.InvalidToken()
    log.warning("refresh_reused", user_id=claims.user_id, family_id=claims.family_id)
    return TokenReused()


def log_out(session: Session, user_id: str, token: str) -> None:
    """Ends the family of a refresh token of this user. A token that is not theirs ends nothing.

    Raises:
        InvalidToken: it is not a refresh token.
    """
    claims = tokens.read(token, "refresh")
    begin_write(session)
    _revoke(session, TokenFamily.id == claims.family_id, TokenFamily.user_id == user_id, because="logout")
    session.commit()


def log_out_everywhere(session: Session, user_id: str) -> None:
    """Ends every family of a user."""
    begin_write(session)
    _revoke(session, TokenFamily.user_id == user_id, because="logout_all")
    session.commit()


def _revoke(session: Session, *which: Any, because: str) -> int:
    values = {"revoked_at": utcnow(), "revoked_because": because}
    done = session.execute(update(TokenFamily).where(*which, TokenFamily.revoked_at.is_(None)).values(values))
    assert isinstance(done, CursorResult)  # noqa: S101 - an UPDATE's result has a row count.
    return done.rowcount


def get_user(session: Session, user_id: str) -> User:
    """The user's row.

    Raises:
        InvalidToken: the account was deleted since the guard has looked.
    """
    user = session.scalar(select(User).where(User.id == user_id))
    if user is None:
        raise tokens.InvalidToken()
    return user


def change_profile(session: Session, user_id: str, changes: dict[str, str]) -> User:
    """Changes names.

    Raises:
        UsernameTaken: somebody else has that user name.
    """
    begin_write(session)
    user = get_user(session, user_id)
    if "username" in changes:
        name, key = canonical_username(changes.pop("username"))
        if session.scalar(select(User.id).where(User.username_key == key, User.id != user_id)):
            raise UsernameTaken()
        user.username, user.username_key = name, key
    for field, value in changes.items():
        setattr(user, field, value)
    try:
        session.commit()
    except IntegrityError:  # Somebody else was quicker between the look and the write.
        session.rollback()
        raise UsernameTaken() from None
    return user


def delete_account(session: Session, settings: Settings, user_id: str, password: str) -> None:
    """Deletes an account and everything of theirs; the database cascades.

    Raises:
        InvalidCredentials: the password is not right.
        LastAdmin: nobody would be left to administer.
    """
    stored = session.scalar(select(User.password_hash).where(User.id == user_id))
    session.rollback()
    if not passwords.verify_password(stored, password, settings.password_iterations):
        raise InvalidCredentials()
    begin_write(session)
    user = get_user(session, user_id)
    if user.is_admin and not _other_admins(session, user_id):
        raise LastAdmin()
    session.delete(user)
    session.commit()


def _other_admins(session: Session, user_id: str) -> set[str]:
    """Who else administers. The rows are locked, or two administrators could leave at the same moment."""
    query = select(User.id).where(User.is_admin, User.is_active).order_by(User.id).with_for_update()
    return set(session.scalars(query)) - {user_id}


def verification_token(settings: Settings, user: User) -> str:
    """The token of a verification link; it dies when the address changes."""
    return tokens.sign(settings.secret(), tokens.VERIFY_EMAIL, user.id, tokens.fingerprint(user.email))


def verify_email(session: Session, settings: Settings, token: str) -> User:
    """Marks the address as confirmed; a second use changes nothing.

    Raises:
        InvalidToken: with the code `invalid_or_expired_token`.
    """
    user_id, state = tokens.unsign(settings.secret(), tokens.VERIFY_EMAIL, token, VERIFY_LIFETIME)
    begin_write(session)
    user = session.scalar(select(User).where(User.id == user_id))
    if user is None or not tokens.same(state, tokens.fingerprint(user.email)):
        raise tokens.InvalidToken("The link is not valid or has expired.", code="invalid_or_expired_token")
    user.is_verified = True
    session.commit()
    return user


def resend_verification(session: Session, email: str) -> str | None:
    """Queues another verification mail where there is an unconfirmed account; the mail's id, or None."""
    try:
        address = canonical_email(email)
    except Invalid:
        return None
    begin_write(session)
    user = session.scalar(select(User).where(User.email == address, User.is_active, User.is_verified.is_(False)))
    mail = queue_mail(session, VERIFY_MAIL, user.id, user.email) if user else None
    session.commit()
    return mail.id if mail else None


def forget_dead_families(session: Session) -> int:
    """Deletes families whose every token has expired; a revoked one stays until then."""
    begin_write(session)
    done = session.execute(delete(TokenFamily).where(TokenFamily.expires_at < utcnow() - timedelta(minutes=5)))
    session.commit()
    assert isinstance(done, CursorResult)  # noqa: S101 - a DELETE's result has a row count.
    return done.rowcount
