"""Titles: a conversation begins with its first question for one, and a language model words a better one afterwards."""

from __future__ import annotations

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chatbot.chat.conversations import usage
from chatbot.chat.models import ChatSession, Message, Owner
from chatbot.db import begin_write
from chatbot.errors import ChatbotError
from chatbot.rag.llm.answerers import ChatModels
from chatbot.rag.llm.small_talk import small_talk

log = structlog.get_logger(__name__)

TITLE_LENGTH = 60


def make_title(session: Session, models: ChatModels, session_id: str) -> None:
    """Has the model of the first answer word the title, if it still is the first question, as nobody has named it.

    What that takes is counted for the owner. Where the model fails the conversation keeps the title it has.
    """
    chat = session.get(ChatSession, session_id)
    said = _first_turn(session, session_id)
    if chat is None or said is None or chat.titled_by_person or chat.title != title_of(said[0].content):
        session.rollback()
        return
    question, answer = said
    if small_talk(question.content) is not None:
        session.rollback()
        return
    old, owner = chat.title, Owner(chat.user_id, chat.visitor)
    session.expunge_all()
    session.rollback()
    try:
        title, spent = models.title(answer.extra.get("model"), question.content, answer.content)
    except ChatbotError as error:
        log.warning("title_failed", session_id=session_id, code=error.code)
        return
    begin_write(session)
    if spent.total_tokens:
        usage.count(session, owner, spent, answers=0)
    if title:
        as_it_was = (ChatSession.id == session_id, ChatSession.title == old, ChatSession.titled_by_person.is_(False))
        session.execute(update(ChatSession).where(*as_it_was).values(title=title_of(title)))
    session.commit()


def _first_turn(session: Session, session_id: str) -> tuple[Message, Message] | None:
    """The question a conversation began with, and its answer, which is complete or only too long."""
    query = select(Message).where(Message.chat_session_id == session_id, Message.position.in_((0, 1)))
    found = session.scalars(query.order_by(Message.position)).all()
    if len(found) != 2 or found[1].is_user:
        return None
    question, answer = found
    is_whole = answer.status == "complete" or answer.extra.get("finish_reason") == "length"
    return (question, answer) if is_whole else None


def title_of(text: str) -> str:
    """A conversation's first title: its first question, on one line, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= TITLE_LENGTH:
        return line
    cut = line[:TITLE_LENGTH].rpartition(" ")[0] or line[:TITLE_LENGTH]
    return f"{cut}…"
