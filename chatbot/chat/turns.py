"""A turn: the short transaction in which a question is stored, and the one in which its answer is.

Between the two no database connection is held: what the reply needs travels in a `Turn` of plain values.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chatbot.auth.guard import Caller
from chatbot.chat.models import ChatSession, Message
from chatbot.db import begin_write, new_id, utcnow
from chatbot.errors import NotFound
from chatbot.rag.prompts import PROMPT_VERSION
from chatbot.rag.types import Ask, Citation, Found, HistoryMessage, Usage

HISTORY_MESSAGES = 20
TITLE_LENGTH = 60


class ChatSessionNotFound(NotFound):
    code, detail = "chat_session_not_found", "There is no such conversation."


@dataclass(frozen=True)
class Turn:
    """A stored question on its way to an answer."""

    session_id: str
    question: Message
    answer_id: str
    answer_position: int
    ask: Ask


@dataclass
class Answer:
    """An answer as it grows."""

    model: str
    text: str = ""
    question: str | None = None
    found: Found | None = None
    grounding: str = "fallback"
    citations: list[Citation] = field(default_factory=list)
    usage: Usage | None = None
    timings_ms: dict[str, int] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """The contract's metadata of an answer, as far as it has come."""
        found = self.found
        return {
            "model": self.model,
            "context_used": self.grounding != "fallback",
            "retrieved_docs": retrieved_docs(found),
            "grounding": self.grounding_object(),
            "citations": [asdict(citation) for citation in self.citations],
            "usage": asdict(self.usage) | {"total_tokens": self.usage.total_tokens} if self.usage else None,
            "timings_ms": self.timings_ms,
            "question": self.question,
            "prompt_version": PROMPT_VERSION,
        }

    def grounding_object(self) -> dict[str, Any]:
        """How well the answer stands on documents."""
        top, threshold = (self.found.top_score, self.found.threshold) if self.found else (None, None)
        return {"status": self.grounding, "top_score": top, "threshold": threshold}


def retrieved_docs(found: Found | None) -> list[dict[str, Any]]:
    """The passages as the contract shows them."""
    return [asdict(passage) for passage in found.passages] if found else []


def begin_turn(
    session: Session, caller: Caller, text: str, session_id: str | None, collections: frozenset[str] | None
) -> Turn:
    """Stores the question in the caller's conversation, or in a new one.

    Raises:
        ChatSessionNotFound: the conversation is not theirs.
    """
    begin_write(session)
    if session_id is None:
        session_id = _new_session(session, caller, text)
    position = _take_places(session, caller.user_id, session_id)
    earlier = _earlier(session, session_id)
    question = Message(
        id=new_id(),
        chat_session_id=session_id,
        parent_id=earlier[-1].id if earlier else None,
        position=position,
        author=caller.username,
        content=text,
    )
    session.add(question)
    session.commit()
    ask = Ask(text, tuple(HistoryMessage(m.is_user, m.content) for m in earlier if m.content), collections)
    return Turn(session_id, question, new_id(), position + 1, ask)


def _new_session(session: Session, caller: Caller, text: str) -> str:
    chat = ChatSession(id=new_id(), user_id=caller.user_id, title=title_of(text))
    session.add(chat)
    session.flush()
    return chat.id


def title_of(text: str) -> str:
    """A conversation's first title: its first question, on one line, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= TITLE_LENGTH:
        return line
    cut = line[:TITLE_LENGTH].rpartition(" ")[0] or line[:TITLE_LENGTH]
    return f"{cut}…"


def _take_places(session: Session, user_id: str, session_id: str) -> int:
    """Takes the places of the question and its answer; ownership stands in the WHERE."""
    after = session.scalar(
        update(ChatSession)
        .where(ChatSession.id == session_id, ChatSession.user_id == user_id)
        .values(next_position=ChatSession.next_position + 2, updated_at=utcnow())
        .returning(ChatSession.next_position)
    )
    if after is None:
        session.rollback()
        raise ChatSessionNotFound()
    return int(after) - 2


def _earlier(session: Session, session_id: str) -> list[Message]:
    """The newest messages of a conversation, oldest first."""
    newest = select(Message).where(Message.chat_session_id == session_id).order_by(Message.position.desc())
    return list(session.scalars(newest.limit(HISTORY_MESSAGES)))[::-1]


def store_answer(session: Session, turn: Turn, answer: Answer, status: str) -> Message | None:
    """Stores the answer in its place. None when the conversation was deleted in the meantime."""
    begin_write(session)
    if session.get(ChatSession, turn.session_id) is None:
        session.rollback()
        return None
    message = Message(
        id=turn.answer_id,
        chat_session_id=turn.session_id,
        parent_id=_still_there(session, turn.question.id),
        position=turn.answer_position,
        is_user=False,
        content=answer.text,
        status=status,
        extra=answer.metadata(),
        # Never before its question, however coarse the clock.
        created_at=max(utcnow(), turn.question.created_at + timedelta(microseconds=1)),
    )
    session.add(message)
    session.execute(update(ChatSession).where(ChatSession.id == turn.session_id).values(updated_at=message.created_at))
    session.commit()
    return message


def _still_there(session: Session, message_id: str) -> str | None:
    return session.scalar(select(Message.id).where(Message.id == message_id))
