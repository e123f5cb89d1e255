"""Accounts: signing up, the profile, leaving, and what an administrator does with other people's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, and_, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chatbot.auth import events
from chatbot.auth.client_info import UNKNOWN_CLIENT, ClientInfo
from chatbot.auth.credentials import passwords, sessions, tokens
from chatbot.auth.credentials.email_addresses import canonical_email, canonical_username
from chatbot.auth.credentials.sessions import InvalidCredentials
from chatbot.auth.models import TokenFamily, User
from chatbot.auth.recovery import VERIFY_MAIL
from chatbot.config import Settings
from chatbot.db import begin_write
from chatbot.errors import Conflict, NotFound
from chatbot.mail.service import queue_mail
from chatbot.web.pagination import Page, newest_first

# Deletes what is an account's in the caller's transaction, and gives what is to be done after its commit.
Eraser = Callable[[Session, str], Callable[[], None]]


class EmailTaken(Conflict):
    code, detail = "email_taken", "There is an account with this e-mail address."


class UsernameTaken(Conflict):
    code, detail = "username_taken", "This user name is taken."


class LastAdmin(Conflict):
    code, detail = "last_admin", "This is the last administrator; name another one first."


class AccountNotFound(NotFound):
    code, detail = "account_not_found", "There is no such account."


def sign_up(
    session: Session, settings: Settings, fields: dict[str, object], origin: ClientInfo = UNKNOWN_CLIENT
) -> tuple[User, str]:
    """Creates an account and queues its confirmation e-mail in one transaction.

    Returns the user and the id of the e-mail to wake the worker for.

    Raises:
        Invalid: the password breaks the rules, or a name is not usable.
        EmailTaken, UsernameTaken: there is such an account.
    """
    user = _new_user(settings, fields)
    _add(session, user)
    mail = queue_mail(session, VERIFY_MAIL, user.id, user.email, origin.language)
    events.record(session, "signed_up", origin, user.id)
    session.commit()
    return user, mail.id


def create_admin(
    session: Session, settings: Settings, email: str, username: str, password: str, origin: ClientInfo = UNKNOWN_CLIENT
) -> User:
    """Creates an administrator whose address counts as confirmed.

    Raises:
        Invalid, EmailTaken, UsernameTaken: as for `sign_up`.
    """
    fields = {"email": email, "username": username, "password": password, "password2": password}
    user = _new_user(settings, fields)
    user.is_admin = user.is_verified = True
    _add(session, user)
    events.record(session, "admin_created", origin, user.id, by_owner=False)
    session.commit()
    return user


def _new_user(settings: Settings, fields: dict[str, Any]) -> User:
    email = canonical_email(fields["email"])
    username, key = canonical_username(fields["username"])
    names = (fields.get("first_name", ""), fields.get("last_name", ""))
    passwords.refuse_weak(fields["password"], fields["password2"], username, email, *names)
    return User(
        username=username,
        username_key=key,
        email=email,
        password_hash=passwords.hash_password(fields["password"], settings.password_iterations),
        first_name=names[0],
        last_name=names[1],
    )


def _add(session: Session, user: User) -> None:
    """Begins the transaction in which an account is stored."""
    begin_write(session)
    _refuse_taken(session, user)
    session.add(user)
    try:
        session.flush()
    except IntegrityError:  # Somebody else was quicker between the look and the write.
        session.rollback()
        _refuse_taken(session, user)
        raise EmailTaken() from None


def _refuse_taken(session: Session, user: User) -> None:
    if session.scalar(select(User.id).where(User.email == user.email)):
        raise EmailTaken()
    if session.scalar(select(User.id).where(User.username_key == user.username_key)):
        raise UsernameTaken()


def get_user(session: Session, user_id: str) -> User:
    """The user's row.

    Raises:
        InvalidToken: the account was deleted since the guard has looked.
    """
    user = session.scalar(select(User).where(User.id == user_id))
    if user is None:
        raise tokens.InvalidToken()
    return user


def change_profile(
    session: Session, user_id: str, changes: dict[str, str], origin: ClientInfo = UNKNOWN_CLIENT
) -> User:
    """Changes names.

    Raises:
        InvalidToken: the account was deleted since the guard has looked.
        UsernameTaken: somebody else has that user name.
    """
    begin_write(session)
    # Locked as a change of the name will lock it, or it could be deleted between the look and the write.
    user = session.scalar(select(User).where(User.id == user_id).with_for_update())
    if user is None:
        raise tokens.InvalidToken()
    fields = sorted(changes)
    if "username" in changes:
        name, key = canonical_username(changes.pop("username"))
        if session.scalar(select(User.id).where(User.username_key == key, User.id != user_id)):
            raise UsernameTaken()
        user.username, user.username_key = name, key
    for field, value in changes.items():
        setattr(user, field, value)
    try:
        events.record(session, "profile_changed", origin, user_id, fields=fields)
        session.commit()
    except IntegrityError:  # Somebody else was quicker between the look and the write.
        session.rollback()
        raise UsernameTaken() from None
    return user


def delete_account(
    session: Session, settings: Settings, user_id: str, password: str, origin: ClientInfo = UNKNOWN_CLIENT
) -> None:
    """Deletes an account and everything of theirs: by the database, and by what was attached with `attach_erasers`.

    Raises:
        InvalidCredentials: the password is not right.
        LastAdmin: nobody would be left to administer.
    """
    stored = session.scalar(select(User.password_hash).where(User.id == user_id))
    session.rollback()
    if not passwords.verify_password(stored, password, settings.password_iterations):
        raise InvalidCredentials("The password is not right.")
    begin_write(session)
    _remove(session, get_user(session, user_id), origin)


def attach_erasers(engine: Engine, erasers: Sequence[Eraser]) -> None:
    """Says what deletes an account's words where the database does not. Every session on the engine knows it then."""
    engine.update_execution_options(erasers=tuple(erasers))


def _remove(session: Session, user: User, origin: ClientInfo = UNKNOWN_CLIENT) -> None:
    """Deletes an account and commits. What tells of it stays, without saying whose it was.

    Raises:
        LastAdmin: nobody would be left to administer.
    """
    afterwards: list[Callable[[], None]] = []
    if _may_go(session, user):
        erasers: tuple[Eraser, ...] = session.get_bind().get_execution_options()["erasers"]
        afterwards = [erase(session, user.id) for erase in erasers]
        events.forget_requests(session, user.id)
        # The id of a request may be of the client's own choice.
        events.record(session, "account_deleted", replace(origin, request_id=None), None, was_admin=user.is_admin)
        session.delete(user)
    session.commit()
    for finish in afterwards:
        finish()


def delete_user(session: Session, name: str, origin: ClientInfo = UNKNOWN_CLIENT) -> None:
    """Deletes somebody's account and everything of theirs.

    Raises:
        AccountNotFound: there is no such account.
        LastAdmin: nobody would be left to administer.
    """
    begin_write(session)
    _remove(session, find_user(session, name), origin)


def find_user(session: Session, name: str) -> User:
    """The account with this address or user name.

    Raises:
        AccountNotFound: there is none.
    """
    which = User.email == canonical_email(name) if "@" in name else User.username_key == passwords.fold(name)
    user = session.scalar(select(User).where(which))
    if user is None:
        raise AccountNotFound()
    return user


def list_users(session: Session, q: str | None, limit: int, cursor: str | None) -> Page:
    """Accounts, the newest first; `q` looks into addresses and user names."""
    query = select(User)
    if q:
        query = query.where(or_(User.email.icontains(q, autoescape=True), User.username.icontains(q, autoescape=True)))
    return newest_first(session, query, User.created_at, User.id, limit, cursor)


def set_active(session: Session, name: str, active: bool, origin: ClientInfo = UNKNOWN_CLIENT) -> User:
    """Enables or disables an account. Disabling ends its sessions; its keys are refused until it is enabled again.

    Raises:
        AccountNotFound: there is no such account.
        LastAdmin: nobody would be left to administer.
    """
    begin_write(session)
    user = find_user(session, name)
    if not active:
        if not _may_go(session, user):
            raise AccountNotFound()
        sessions.revoke(session, TokenFamily.user_id == user.id, because="disabled")
    user.is_active = active
    events.record(session, "account_enabled" if active else "account_disabled", origin, user.id, by_owner=False)
    session.commit()
    return user


def set_admin(session: Session, name: str, admin: bool, origin: ClientInfo = UNKNOWN_CLIENT) -> User:
    """Makes an account an administrator, or an ordinary user again, from the next request on.

    Raises:
        AccountNotFound: there is no such account.
        LastAdmin: nobody would be left to administer.
    """
    begin_write(session)
    user = find_user(session, name)
    if not admin and not _may_go(session, user):
        raise AccountNotFound()
    user.is_admin = admin
    events.record(session, "admin_granted" if admin else "admin_withdrawn", origin, user.id, by_owner=False)
    session.commit()
    return user


def revoke_sessions(session: Session, name: str, origin: ClientInfo = UNKNOWN_CLIENT) -> int:
    """Ends every session of an account; gives how many were alive.

    Raises:
        AccountNotFound: there is no such account.
    """
    begin_write(session)
    user = find_user(session, name)
    ended = sessions.revoke(session, TokenFamily.user_id == user.id, because="revoked")
    events.record(session, "sessions_revoked", origin, user.id, by_owner=False, ended=ended)
    session.commit()
    return ended


def _may_go(session: Session, user: User) -> bool:
    """Whether the account is still there, so that it can lose what it has.

    Its row and the administrators' are locked and read again, or two who leave at the same moment would count on each
    other.

    Raises:
        LastAdmin: nobody would be left to administer.
    """
    which = select(User).where(or_(User.id == user.id, and_(User.is_admin, User.is_active))).order_by(User.id)
    fresh = session.scalars(which.with_for_update().execution_options(populate_existing=True)).all()
    if [row.id for row in fresh if row.is_admin and row.is_active] == [user.id]:
        session.rollback()
        raise LastAdmin()
    return user in fresh
