"""A turn: the short transaction in which a question is stored, and the one in which its answer is.

Between the two no database connection is held: what the reply needs travels in a `Turn` of plain values. With an
Idempotency-Key the turn is noted beside the key: who sends the question again gets its answer, or, where there is
none, has the same question answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, insert, null, select, update
from sqlalchemy.orm import Session

from chatbot.auth.callers import Caller
from chatbot.auth.credentials.tokens import InvalidToken
from chatbot.chat.conversations import usage
from chatbot.chat.conversations.answers import Answer, erased_answer
from chatbot.chat.conversations.leases import LEASE, ChatSessionNotFound, acquire_lease
from chatbot.chat.conversations.messages import MessageNotFound, my_message, path_to
from chatbot.chat.conversations.titles import title_of
from chatbot.chat.conversations.views import views
from chatbot.chat.models import ChatSession, Message, MessageTrace, Owner
from chatbot.chat.schemas import MessageView
from chatbot.db import begin_write, new_id, utcnow
from chatbot.errors import FieldError, Forbidden, Invalid
from chatbot.knowledge.documents.collections import Reader, readable
from chatbot.rag.types import Ask, HistoryMessage
from chatbot.web.idempotency import service as idempotency
from chatbot.web.idempotency.service import Held, Made

HISTORY_MESSAGES = 20
# By so much the clocks of two servers may differ here.
CLOCKS_DIFFER = timedelta(minutes=1)


class CollectionNotAllowed(Forbidden):
    code, detail = "collection_not_allowed", "This token may not search in that collection."


@dataclass(frozen=True)
class Turn:
    """A stored question on its way to an answer."""

    owner: Owner
    session_id: str
    question: Message
    answer_id: str
    answer_position: int
    ask: Ask
    key_id: str | None = None
    begun_at: datetime = field(default_factory=utcnow)


@dataclass(frozen=True)
class Place:
    """A stored question, the id its answer is to have, and the answer's place in the conversation."""

    question: Message
    answer_id: str
    position: int

    def made(self) -> Made:
        """What is noted beside an Idempotency-Key."""
        return {
            "user_message_id": self.question.id,
            "message_id": self.answer_id,
            "position": str(self.position),
        }


def begin_turn(
    session: Session,
    caller: Caller,
    text: str,
    session_id: str | None,
    collections: frozenset[str] | None,
    budget: int | None = None,
    key: Held | None = None,
    parent_id: str | None = None,
) -> Turn:
    """Stores the question in the caller's conversation, or in a new one. `budget` is the account's, in tokens a day.

    The question goes below the message `parent_id`, or below the newest one; with the conversation's own id for
    `parent_id` it stands at the beginning of a branch of its own.

    Raises:
        InvalidToken: the account was deleted a moment ago.
        ChatSessionNotFound: the conversation is not theirs.
        MessageNotFound: the message to go below is not in it.
        Invalid: the message to go below is a question that has an answer.
        ReplyInProgress: a question is being answered in that conversation.
        CollectionNotAllowed: their token does not reach there.
        CollectionNotFound: there is no such collection, or not for them.
        QuotaExceeded: today's tokens are used up.
        IdempotencyInProgress: another request has taken the key.
    """
    return _begin(
        session,
        caller,
        collections,
        budget,
        key,
        lambda: _new_question(session, caller, text, session_id, parent_id),
    )


def begin_again(
    session: Session,
    caller: Caller,
    message_id: str,
    collections: frozenset[str] | None,
    budget: int | None = None,
    key: Held | None = None,
) -> Turn:
    """Has a question of the caller answered once more, beside the answers it has. The message may be one of those.

    Raises:
        MessageNotFound: there is no such message, or its question was deleted.
        InvalidToken, ReplyInProgress, CollectionNotAllowed, CollectionNotFound, QuotaExceeded, IdempotencyInProgress:
            as for `begin_turn`.
    """
    owner = Owner.of(caller)
    return _begin(session, caller, collections, budget, key, lambda: _asked_again(session, owner, message_id))


def _begin(
    session: Session,
    caller: Caller,
    collections: frozenset[str] | None,
    budget: int | None,
    key: Held | None,
    find_place: Callable[[], Place],
) -> Turn:
    owner, reader = Owner.of(caller), Reader.of(caller)
    _refuse_ungranted(reader, collections)
    begin_write(session)
    if not usage.hold_account(session, owner):
        raise InvalidToken()
    usage.check_budget(session, caller, budget)
    searched = readable(session, reader, collections)
    if key is not None and key.made:
        place = _noted(session, owner, key.made)
        acquire_lease(session, owner, place.question.chat_session_id, place.question.id, place.answer_id, places=0)
    else:
        place = find_place()
    question = place.question
    earlier = path_to(session, question.parent_id, HISTORY_MESSAGES)
    key_id = key.id if key is not None else None
    idempotency.note(session, key_id, place.made())
    session.commit()
    if question in session:
        session.expunge(question)
    said = tuple(HistoryMessage(m.is_user, m.content) for m in earlier if m.content)
    ask = Ask(question.content, said, searched)
    return Turn(owner, question.chat_session_id, question, place.answer_id, place.position, ask, key_id)


def _refuse_ungranted(reader: Reader, asked: frozenset[str] | None) -> None:
    if asked is not None and reader.granted is not None and not asked <= reader.granted:
        raise CollectionNotAllowed()


def _new_question(session: Session, caller: Caller, text: str, session_id: str | None, parent_id: str | None) -> Place:
    owner, question_id, answer_id, parent = Owner.of(caller), new_id(), new_id(), None
    if session_id is None and parent_id is not None:
        session_id = my_message(session, owner, parent_id).chat_session_id
    if session_id is None:
        session_id, position = _new_session(session, owner, text, question_id, answer_id), 0
    else:
        position = acquire_lease(session, owner, session_id, question_id, answer_id, places=2)
        parent = _parent(session, session_id, parent_id)
    question = Message(
        id=question_id,
        chat_session_id=session_id,
        parent_id=parent,
        position=position,
        is_user=True,
        author=caller.username,
        author_id=None if caller.visitor else caller.user_id,
        content=text,
        status="complete",
        extra={},
        created_at=utcnow(),
    )
    session.connection().execute(_NEW_MESSAGE, _row_of(question))
    return Place(question, answer_id, position + 1)


# Built once, and without mapped objects: what every question does takes a fifth of the time so.
_TABLES = Message.metadata.tables
_NEW_MESSAGE = insert(_TABLES[Message.__tablename__])
_NEW_TRACE = insert(_TABLES[MessageTrace.__tablename__])
_NEW_SESSION = insert(_TABLES[ChatSession.__tablename__])
_THERE = select(Message.id).where(Message.id.in_(bindparam("ids", expanding=True)))


def _row_of(message: Message) -> dict[str, Any]:
    """A new message as a row."""
    names = (
        "id",
        "chat_session_id",
        "parent_id",
        "position",
        "is_user",
        "author",
        "author_id",
        "content",
        "status",
        "created_at",
    )
    return {name: getattr(message, name) for name in names} | {"metadata": message.extra}


def _parent(session: Session, session_id: str, parent_id: str | None) -> str | None:
    """The message that a question goes below: the one that was named, or else the newest."""
    there = select(Message.id).where(Message.chat_session_id == session_id)
    if parent_id is None:
        return session.scalar(there.order_by(Message.position.desc()).limit(1))
    if parent_id == session_id:
        return None
    named = session.scalar(select(Message).where(Message.chat_session_id == session_id, Message.id == parent_id))
    if named is None:
        raise MessageNotFound()
    answers = select(Message.id).where(Message.parent_id == named.id, ~Message.is_user)
    # Below a question that was never answered is the only way on.
    if named.is_user and session.scalar(answers.limit(1)) is not None:
        raise Invalid(errors=[FieldError("/parent_id", "A question goes below an answer; this message is a question.")])
    return parent_id


def _asked_again(session: Session, owner: Owner, message_id: str) -> Place:
    message = my_message(session, owner, message_id)
    question = message if message.is_user else session.get(Message, message.parent_id or "")
    # That of an account that was deleted is empty.
    if question is None or not question.content:
        raise MessageNotFound("The question of this answer was deleted.")
    answer_id = new_id()
    position = acquire_lease(session, owner, question.chat_session_id, question.id, answer_id, places=1)
    return Place(question, answer_id, position)


def _new_session(session: Session, owner: Owner, text: str, question_id: str, answer_id: str) -> str:
    """A new conversation, held for its first answer, with the places of that and of its question taken."""
    now, id_ = utcnow(), new_id()
    row = {
        "id": id_,
        "user_id": owner.user_id,
        "visitor": owner.visitor,
        "title": title_of(text),
        "next_position": 2,
        "answering_id": answer_id,
        "answering_to": question_id,
        "answering_until": now + LEASE,
        "created_at": now,
        "updated_at": now,
    }
    session.connection().execute(_NEW_SESSION, row)
    return id_


def _noted(session: Session, owner: Owner, made: Made) -> Place:
    """The question that an earlier request has stored, and the id and the place its answer was to have."""
    mine = select(Message).join(ChatSession).where(owner.takes_part(ChatSession))
    question = session.scalar(mine.where(Message.id == made["user_message_id"]))
    if question is None:
        raise ChatSessionNotFound()
    return Place(question, made["message_id"], int(made.get("position", question.position + 1)))


def earlier_answer(session: Session, caller: Caller, key: Held) -> tuple[MessageView, MessageView] | None:
    """The question and the answer that an earlier request with the key has stored, if the answer says anything, as the
    caller may see them now.

    Raises:
        ChatSessionNotFound: the conversation was deleted, or is not theirs.
    """
    if not key.made:
        return None
    place = _noted(session, Owner.of(caller), key.made)
    answer = session.get(Message, place.answer_id)
    seen = None
    if answer is not None and (answer.content or answer.status == "complete"):
        question, reply = views(session, Reader.of(caller), [place.question, answer])
        seen = question, reply
    session.expunge_all()
    session.rollback()
    return seen


def store_answer(
    session: Session, turn: Turn, answer: Answer, status: str, trace: dict[str, Any] | None = None
) -> Message | None:
    """Stores the answer in its place, what it has cost, and how it was made. None when the conversation was deleted in
    the meantime.

    An answer that says nothing costs nothing, and its key goes to whoever sends the question again.
    """
    begin_write(session)
    says_something = bool(answer.text) or status == "complete"
    if says_something or answer.spent.total_tokens:
        asker_is_there = usage.count(session, turn.owner, answer.spent)
    else:
        asker_is_there = usage.hold_account(session, turn.owner)
    # Never before its question, however coarse the clock.
    now = max(utcnow(), turn.question.created_at + timedelta(microseconds=1))
    connection = session.connection()
    chat = connection.execute(_LET_GO, {"chat": turn.session_id, "answer": turn.answer_id, "now": now}).one_or_none()
    if chat is None:
        session.commit()
        return None
    text, metadata = answer.text, answer.metadata()
    if not asker_is_there:
        text, metadata, trace = "", erased_answer(), None
    elif chat.erased_at is not None and chat.erased_at > turn.begun_at - CLOCKS_DIFFER:
        # Somebody who took part was deleted meanwhile; what was searched may have their words in it.
        metadata, trace = metadata | {"question": None}, None
    there = set(connection.scalars(_THERE, {"ids": [turn.question.id, turn.answer_id]}))
    message = Message(
        id=turn.answer_id,
        chat_session_id=turn.session_id,
        parent_id=turn.question.id if turn.question.id in there else None,
        position=turn.answer_position,
        is_user=False,
        content=text,
        status=status,
        extra=metadata,
        created_at=now,
    )
    # A question that is answered once more has a place with an answer that failed.
    message = (_replaced if turn.answer_id in there else _inserted)(session, message, trace)
    if says_something:
        idempotency.finish(session, turn.key_id, 200)
    session.commit()
    return message


def _replaced(session: Session, message: Message, trace: dict[str, Any] | None) -> Message:
    message = session.merge(message)
    session.flush()
    if trace is not None:
        session.merge(MessageTrace(message_id=message.id, trace=trace))
    return message


def _inserted(session: Session, message: Message, trace: dict[str, Any] | None) -> Message:
    connection = session.connection()
    connection.execute(_NEW_MESSAGE, _row_of(message))
    if trace is not None:
        connection.execute(_NEW_TRACE, {"message_id": message.id, "trace": trace})
    return message


# The conversation is free for its next question, unless another one has it already.
_LET_GO = (
    update(_TABLES[ChatSession.__tablename__])
    .where(ChatSession.id == bindparam("chat"))
    .values(
        updated_at=bindparam("now"),
        answering_id=case((ChatSession.answering_id == bindparam("answer"), null()), else_=ChatSession.answering_id),
    )
    .returning(ChatSession.erased_at)
)
