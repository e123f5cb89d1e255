"""Getting (back) into an account by mail: confirming the address, a forgotten password, and changing a known one.

The tokens in e-mails are signed for one purpose and bound to what they change, so a used one is dead: a reset link to
the password's hash, a confirmation link to the address.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from chatbot.auth import events
from chatbot.auth.client_info import UNKNOWN_CLIENT, ClientInfo
from chatbot.auth.credentials import passwords, sessions, tokens
from chatbot.auth.credentials.email_addresses import canonical_email
from chatbot.auth.credentials.sessions import InvalidCredentials
from chatbot.auth.models import ApiKey, TokenFamily, User, that_stay
from chatbot.config import Settings
from chatbot.db import begin_write, detached, new_id
from chatbot.errors import Conflict, Invalid
from chatbot.mail.service import queue_mail

VERIFY_LIFETIME = timedelta(days=3)
RESET_LIFETIME = timedelta(hours=1)
VERIFY_MAIL = "verify_email"
RESET_MAIL = "reset_password"
CHANGED_MAIL = "password_changed"


class PasswordChangedMeanwhile(Conflict):
    code, detail = "password_changed_meanwhile", "The password was changed by another request."


def verification_token(settings: Settings, user: User) -> str:
    """The token of a confirmation link; it dies when the address changes."""
    return tokens.sign(settings.mail_secrets(), tokens.VERIFY_EMAIL, user.id, tokens.fingerprint(user.email))


def verify_email(session: Session, settings: Settings, token: str, origin: ClientInfo = UNKNOWN_CLIENT) -> User:
    """Marks the address as confirmed; a second use changes nothing.

    Raises:
        InvalidToken: with the code `invalid_or_expired_token`.
    """
    user_id, state = tokens.unsign(settings.mail_secrets(), tokens.VERIFY_EMAIL, token, VERIFY_LIFETIME)
    begin_write(session)
    user = session.scalar(select(User).where(User.id == user_id, User.is_active).with_for_update(key_share=True))
    if user is None or not tokens.same(state, tokens.fingerprint(user.email)):
        session.rollback()
        raise tokens.invalid_link()
    if not user.is_verified:
        user.is_verified = True
        events.record(session, "email_verified", origin, user_id)
    session.commit()
    return user


def resend_verification(session: Session, email: str, origin: ClientInfo = UNKNOWN_CLIENT) -> str:
    """Queues another confirmation e-mail where there is an unconfirmed account.

    Gives the id of the e-mail; where none was queued, an id of nothing, so that neither case takes longer.
    """
    begin_write(session)
    user = _find(session, email)
    mail = None
    if user and not user.is_verified:
        mail = queue_mail(session, VERIFY_MAIL, user.id, user.email, origin.language)
    session.commit()
    return mail.id if mail else new_id()


def forgot_password(session: Session, email: str, origin: ClientInfo = UNKNOWN_CLIENT) -> str:
    """Queues a reset e-mail where there is an active account; what it gives is as for `resend_verification`."""
    begin_write(session)
    user = _find(session, email)
    mail = queue_mail(session, RESET_MAIL, user.id, user.email, origin.language) if user else None
    events.record(session, "password_reset_asked", origin, user.id if user else None, by_owner=False)
    session.commit()
    return mail.id if mail else new_id()


def _find(session: Session, email: str) -> User | None:
    try:
        address = canonical_email(email)
    except Invalid:
        return None
    return session.scalar(that_stay(select(User).where(User.email == address, User.is_active)))


def reset_token(settings: Settings, user: User) -> str:
    """The token of a reset link. It dies when the password or the address changes, so it is good for one reset."""
    return tokens.sign(settings.mail_secrets(), tokens.RESET_PASSWORD, user.id, _reset_state(user))


def _reset_state(user: User) -> str:
    return tokens.fingerprint(user.email, user.password_hash)


def reset_password(
    session: Session, settings: Settings, token: str, password: str, password2: str, origin: ClientInfo = UNKNOWN_CLIENT
) -> str:
    """Sets a password by a reset link and ends every session. Who reads the mail owns the address: it is confirmed.

    API keys that were made before anybody had confirmed the address are deleted; those of a confirmed account stay.

    Gives the id of the notice e-mail.

    Raises:
        InvalidToken: with the code `invalid_or_expired_token`; also for the second of two who use it at once.
        Invalid: the password breaks the rules; the link stays usable.
    """
    user_id, state = tokens.unsign(settings.mail_secrets(), tokens.RESET_PASSWORD, token, RESET_LIFETIME)
    user = session.scalar(select(User).where(User.id == user_id, User.is_active))
    if user is None or not tokens.same(state, _reset_state(user)):
        session.rollback()
        raise tokens.invalid_link()
    user = detached(session, user)
    mail_id = _set_password(session, settings, user, password, password2, origin, because="password_reset")
    if mail_id is None:
        raise tokens.invalid_link()
    return mail_id


def change_password(
    session: Session,
    settings: Settings,
    user_id: str,
    current: str,
    password: str,
    password2: str,
    *,
    keep: str | None = None,
    origin: ClientInfo = UNKNOWN_CLIENT,
) -> str:
    """Sets another password and ends every session but `keep`. Gives the id of the notice e-mail.

    Raises:
        InvalidCredentials: the current password is not right.
        Invalid: the new one breaks the rules.
        PasswordChangedMeanwhile: somebody else was quicker.
    """
    user = session.scalar(select(User).where(User.id == user_id))
    if user is None:
        session.rollback()
        raise tokens.InvalidToken()
    user = detached(session, user)
    if not passwords.verify_password(user.password_hash, current, settings.password_iterations):
        raise InvalidCredentials("The password is not right.")
    mail_id = _set_password(session, settings, user, password, password2, origin, because="password_changed", keep=keep)
    if mail_id is None:
        raise PasswordChangedMeanwhile()
    return mail_id


def _set_password(
    session: Session,
    settings: Settings,
    user: User,
    password: str,
    password2: str,
    origin: ClientInfo,
    *,
    because: str,
    keep: str | None = None,
) -> str | None:
    """Replaces the password the user had when they were read: the notice's id, or None when it is another by now."""
    passwords.refuse_weak(password, password2, user.username, user.email, user.first_name, user.last_name)
    fresh = passwords.hash_password(password, settings.password_iterations)
    values = {"password_hash": fresh} | ({"is_verified": True} if because == "password_reset" else {})
    begin_write(session)
    done = session.execute(
        update(User).where(User.id == user.id, User.password_hash == user.password_hash, User.is_active).values(values)
    )
    assert isinstance(done, CursorResult)  # noqa: S101 - an UPDATE's result has a row count.
    if done.rowcount == 0:
        session.rollback()
        return None
    others = () if keep is None else (TokenFamily.id != keep,)
    sessions.revoke(session, TokenFamily.user_id == user.id, *others, because=because)
    detail: dict[str, Any] = {}
    if because == "password_reset" and not user.is_verified:
        # Until now nobody has shown to own the address: what somebody else has made for themselves here ends as well.
        detail["keys_deleted"] = _delete_keys(session, user.id)
    mail = queue_mail(session, CHANGED_MAIL, user.id, user.email, origin.language)
    events.record(session, because, origin, user.id, **detail)
    session.commit()
    return mail.id


def _delete_keys(session: Session, user_id: str) -> int:
    done = session.execute(delete(ApiKey).where(ApiKey.user_id == user_id))
    assert isinstance(done, CursorResult)  # noqa: S101 - a DELETE's result has a row count.
    return done.rowcount
