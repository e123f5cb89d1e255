"""A conversation is held for one answer at a time, by a lease that whoever makes the answer prolongs.

An answer whose process was killed leaves the lease behind. When that has run out, the answer is stored as interrupted,
empty, in the place and with the id that were promised: by the next question in the conversation, or by the sweep.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.orm import Session

from chatbot.chat.conversations.answers import Answer
from chatbot.chat.models import ChatSession, Message, Owner
from chatbot.db import begin_write, utcnow
from chatbot.errors import Conflict, NotFound

# A conversation whose answer's process has died is free again after this; a living one prolongs it several times.
LEASE = timedelta(seconds=30)
# So many conversations are settled in one transaction of the sweep.
BATCH = 100


class ChatSessionNotFound(NotFound):
    code, detail = "chat_session_not_found", "There is no such conversation."


class ReplyInProgress(Conflict):
    code, detail = "reply_in_progress", "A question is being answered in this conversation; wait for it, or stop it."


def acquire_lease(
    session: Session, owner: Owner, session_id: str, question_id: str, answer_id: str, places: int
) -> int:
    """Takes a conversation for one answer to one question, and so many places in it, of which it gives the first.

    It is held until the answer is stored. Whoever makes the answer says now and then that they are still at it;
    after LEASE without a word the conversation is free again. Ownership stands in the WHERE.

    Raises:
        ChatSessionNotFound: the conversation is not theirs.
        ReplyInProgress: another answer is under way in it.
    """
    after = _taken(session, owner, session_id, question_id, answer_id, places)
    if after is None and _settle(session, 1, ChatSession.id == session_id, owner.takes_part(ChatSession)):
        after = _taken(session, owner, session_id, question_id, answer_id, places)
    if after is not None:
        return after - places
    theirs = select(ChatSession.id).where(ChatSession.id == session_id, owner.takes_part(ChatSession))
    if session.scalar(theirs) is None:
        raise ChatSessionNotFound()
    raise ReplyInProgress(retry_after=1)


def _taken(
    session: Session, owner: Owner, session_id: str, question_id: str, answer_id: str, places: int
) -> int | None:
    now = utcnow()
    free = or_(ChatSession.answering_id.is_(None), ChatSession.answering_id == answer_id)
    taken = (
        update(ChatSession)
        .where(ChatSession.id == session_id, owner.takes_part(ChatSession), free)
        .values(
            next_position=ChatSession.next_position + places,
            updated_at=now,
            answering_id=answer_id,
            answering_to=question_id,
            answering_until=now + LEASE,
            stop_asked=False,
        )
        .returning(ChatSession.next_position)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(taken)


def recover_abandoned(session: Session) -> int:
    """Stores the answers whose processes were killed, as interrupted. So many there were."""
    settled = 0
    while True:
        begin_write(session)
        found = _settle(session, BATCH)
        session.commit()
        settled += found
        if found < BATCH:
            return settled


def _settle(session: Session, most: int, *where: ColumnElement[bool]) -> int:
    """In the caller's transaction."""
    lost = select(ChatSession.id, ChatSession.answering_id, ChatSession.answering_to, ChatSession.next_position).where(
        ChatSession.answering_id.is_not(None), ChatSession.answering_until < utcnow(), *where
    )
    chats = session.execute(lost.limit(most).with_for_update(skip_locked=not where)).all()
    for chat in chats:
        # It was held since, so the last place that was given in it is the answer's.
        _store_lost(session, chat.id, chat.answering_id, chat.answering_to, chat.next_position - 1)
    free = update(ChatSession).where(ChatSession.id.in_([chat.id for chat in chats])).values(answering_id=None)
    session.execute(free.execution_options(synchronize_session=False))
    return len(chats)


def _store_lost(session: Session, chat_id: str, answer_id: str, question_id: str | None, position: int) -> None:
    taken = (Message.id == answer_id) | ((Message.chat_session_id == chat_id) & (Message.position == position))
    there = session.scalar(select(Message.id).where(Message.id == (question_id or "")))
    if there is None or session.scalar(select(Message.id).where(taken).limit(1)) is not None:
        return
    row = {
        "id": answer_id,
        "chat_session_id": chat_id,
        "parent_id": question_id,
        "position": position,
        "is_user": False,
        "content": "",
        "status": "interrupted",
        "extra": Answer(model="").metadata() | {"model": None},
    }
    session.execute(insert(Message).values(row))
