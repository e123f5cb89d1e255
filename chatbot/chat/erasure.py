"""What becomes of the words of an account that is deleted, in conversations of others and in what was made of them.

Their own conversations go with the account, by the database. In those of others their questions, and the answers to
them, become empty and nobody's; ids, order and parents stay, so that the messages of others keep their places. What
was searched for a later answer may repeat their words, so it is forgotten, and so are the traces of those answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ColumnElement, Delete, Select, Subquery, Update, and_, delete, func, or_, select, true, update
from sqlalchemy.orm import Session, aliased

from chatbot.chat.conversations.answers import erased_answer
from chatbot.chat.gaps.service import shown_question
from chatbot.chat.models import ChatSession, Message, MessageTrace
from chatbot.chat.replies.answer_cache import AnswerCache
from chatbot.db import utcnow
from chatbot.knowledge.documents.curated import forget_cases

_NOTHING_SAID: dict[str, Any] = {"rating": None, "comment": None, "rated_at": None, "rated_by": None}
_EMPTY: dict[str, Any] = {"content": "", "author": None, "author_id": None} | _NOTHING_SAID
# So many ids stand in one statement.
BATCH = 500


def erase(session: Session, user_id: str, answers: AnswerCache) -> Callable[[], None]:
    """Takes an account's words out, in the transaction that deletes it; gives what is to be done after the commit."""
    theirs = Message.author_id == user_id
    first = _first_places(theirs & Message.chat_session_id.not_in(_owned_by(user_id)))
    _mark(session, theirs, first)
    _forget_cases(session, user_id)
    kept = _cached(session, user_id, first)
    _forget_searches(session, first)
    _empty(session, theirs)
    _execute(session, update(Message).where(Message.rated_by == user_id).values(_NOTHING_SAID))

    def afterwards() -> None:
        for message_id in kept:
            answers.forget(message_id)

    return afterwards


def _owned_by(user_id: str) -> Select[str]:
    return select(ChatSession.id).where(ChatSession.user_id == user_id)


def _first_places(theirs: ColumnElement[bool]) -> Subquery:
    """The conversations of others in which they asked, and the place of their first question."""
    query = select(Message.chat_session_id, func.min(Message.position).label("place")).where(theirs)
    return query.group_by(Message.chat_session_id).subquery()


def _mark(session: Session, theirs: ColumnElement[bool], first: Subquery) -> None:
    """Locks the conversations, and tells whoever makes an answer in one of them just now."""
    chats = ChatSession.id.in_(select(first.c.chat_session_id))
    session.execute(select(ChatSession.id).where(chats).order_by(ChatSession.id).with_for_update()).all()
    _execute(session, update(ChatSession).where(chats).values(erased_at=utcnow()))
    answered_now = ChatSession.answering_to.in_(select(Message.id).where(theirs))
    _execute(session, update(ChatSession).where(chats, answered_now).values(stop_asked=true()))


def _forget_cases(session: Session, user_id: str) -> None:
    """Questions of theirs that were put into a stored set, as they were asked or searched, unless others asked them."""
    question = aliased(Message)
    theirs = or_(question.author_id == user_id, question.chat_session_id.in_(_owned_by(user_id)))
    asked = select(question.content).where(question.is_user, theirs)
    searched = (
        select(Message.extra["question"].as_string())
        .join(question, question.id == Message.parent_id)
        .where(Message.is_user.is_(False), theirs)
    )
    said = {shown_question(text) for query in (asked, searched) for text in session.scalars(query) if text}
    others = and_(question.is_user, ~theirs)
    forget_cases(
        session, said, lambda text: session.scalar(select(question.id).where(others, question.content == text).limit(1))
    )


def _cached(session: Session, user_id: str, first: Subquery) -> list[str]:
    """The answers that may be kept for identical questions with their words: theirs, and later ones in the same
    conversations, whose names hold what was said before."""
    own = Message.chat_session_id.in_(_owned_by(user_id))
    later = Message.id.in_(_later(first))
    return list(session.scalars(select(Message.id).where(Message.is_user.is_(False), or_(own, later))))


def _later(first: Subquery) -> Select[str]:
    behind = and_(Message.chat_session_id == first.c.chat_session_id, Message.position > first.c.place)
    return select(Message.id).join(first, behind).where(Message.is_user.is_(False))


def _forget_searches(session: Session, first: Subquery) -> None:
    ids = list(session.scalars(_later(first)))
    for some in _batches(ids):
        _execute(session, delete(MessageTrace).where(MessageTrace.message_id.in_(some)))
        for id_, extra in session.execute(select(Message.id, Message.extra).where(Message.id.in_(some))).all():
            _execute(session, update(Message).where(Message.id == id_).values(extra=extra | {"question": None}))


def _empty(session: Session, theirs: ColumnElement[bool]) -> None:
    questions = list(session.scalars(select(Message.id).where(theirs)))
    for some in _batches(questions):
        answers = and_(Message.parent_id.in_(some), Message.is_user.is_(False))
        _execute(session, update(Message).where(answers).values(_EMPTY | {"extra": erased_answer()}))
        _execute(session, update(Message).where(Message.id.in_(some)).values(_EMPTY | {"extra": {"deleted": True}}))


def _batches(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


def _execute(session: Session, statement: Update | Delete) -> None:
    session.execute(statement.execution_options(synchronize_session=False))
