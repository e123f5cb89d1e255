"""Group conversations: who takes part in a conversation beside its owner.

A member reads, asks, stops and rates; each asks in their own collections and pays from their own budget. Only the
owner adds and removes members, renames and deletes. A member may leave.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from chatbot.auth.accounts import AccountNotFound
from chatbot.auth.callers import Caller, still_allowed
from chatbot.auth.credentials.passwords import fold
from chatbot.auth.models import User, that_stay
from chatbot.chat.conversations.leases import ChatSessionNotFound
from chatbot.chat.models import ChatMember, ChatSession, Owner
from chatbot.db import Sessions, begin_write
from chatbot.errors import ChatbotError, Conflict, Forbidden, NotFound, Unavailable

MOST_MEMBERS = 50


class OwnerRequired(Forbidden):
    code, detail = "owner_required", "Only the owner of the conversation may do that."


class NotAMember(NotFound):
    code, detail = "member_not_found", "That account does not take part in this conversation."


class TooManyMembers(Conflict):
    code, detail = "too_many_members", f"A conversation has at most {MOST_MEMBERS} members beside its owner."


def check_owner(session: Session, owner: Owner, session_id: str) -> None:
    """Raises:
    ChatSessionNotFound: there is no such conversation, or they do not take part in it.
    OwnerRequired: it is somebody else's, in which they take part.
    """
    there = select(ChatSession.id).where(ChatSession.id == session_id)
    if session.scalar(there.where(owner.takes_part(ChatSession))) is None:
        raise ChatSessionNotFound()
    if session.scalar(there.where(owner.owns(ChatSession))) is None:
        raise OwnerRequired()


def still_takes_part(sessions: Sessions, who: Caller, session_id: str) -> ChatbotError | None:
    """Why a caller may not go on reading an answer of a conversation. None while they are who they were and take part.

    For long streams: a member may be removed, and the conversation deleted, while an answer is made.
    """
    if error := still_allowed(sessions, who):
        return error
    mine = select(ChatSession.id).where(ChatSession.id == session_id, Owner.of(who).takes_part(ChatSession))
    try:
        with sessions() as session:
            return None if session.scalar(mine) is not None else ChatSessionNotFound()
    except SQLAlchemyError:
        return Unavailable()


def names_of(session: Session, session_ids: Collection[str]) -> dict[str, list[str]]:
    """The user names of the members of each conversation, in the order in which they came."""
    query = select(ChatMember.chat_session_id, User.username).join(User, User.id == ChatMember.user_id)
    query = query.where(ChatMember.chat_session_id.in_(session_ids)).order_by(ChatMember.created_at, User.username)
    found: dict[str, list[str]] = {}
    for session_id, name in session.execute(query):
        found.setdefault(session_id, []).append(name)
    return found


def list_members(session: Session, owner: Owner, session_id: str) -> list[str]:
    """The members of a conversation in which one takes part.

    Raises:
        ChatSessionNotFound: as for `check_owner`.
    """
    mine = select(ChatSession.id).where(ChatSession.id == session_id, owner.takes_part(ChatSession))
    if session.scalar(mine) is None:
        raise ChatSessionNotFound()
    return names_of(session, [session_id]).get(session_id, [])


def add_member(session: Session, owner: Owner, session_id: str, username: str) -> Sequence[str]:
    """Lets somebody take part; who does already, or is the owner, changes nothing.

    Raises:
        ChatSessionNotFound, OwnerRequired: as for `check_owner`.
        AccountNotFound: there is no such account.
        TooManyMembers: there are as many as there may be.
    """
    begin_write(session)
    check_owner(session, owner, session_id)
    user_id = session.scalar(that_stay(select(User.id).where(User.username_key == fold(username), User.is_active)))
    if user_id is None:
        raise AccountNotFound()
    names = names_of(session, [session_id]).get(session_id, [])
    known = session.get(ChatMember, (session_id, user_id)) is not None or user_id == owner.user_id
    if not known:
        if len(names) >= MOST_MEMBERS:
            raise TooManyMembers()
        session.add(ChatMember(chat_session_id=session_id, user_id=user_id))
    try:
        session.commit()
    except IntegrityError:
        # Somebody else has added them, or deleted the conversation, at this moment.
        session.rollback()
    return list_members(session, owner, session_id)


def remove_member(session: Session, owner: Owner, session_id: str, username: str) -> None:
    """Ends somebody's part in a conversation; members may end their own.

    Raises:
        ChatSessionNotFound, OwnerRequired: as for `check_owner`.
        NotAMember: they do not take part.
    """
    begin_write(session)
    user_id = session.scalar(select(User.id).where(User.username_key == fold(username)))
    there = select(ChatSession.id).where(ChatSession.id == session_id, owner.takes_part(ChatSession))
    if session.scalar(there) is None:
        raise ChatSessionNotFound()
    leaves = user_id == owner.user_id and not owner.visitor
    if not leaves:
        check_owner(session, owner, session_id)
    gone = delete(ChatMember).where(ChatMember.chat_session_id == session_id, ChatMember.user_id == user_id)
    removed = session.scalar(gone.returning(ChatMember.user_id))
    session.commit()
    if removed is None:
        raise NotAMember()
