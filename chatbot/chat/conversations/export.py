"""What this package has stored about a person, for them to take along; their visitors' conversations included."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.auth.models import User
from chatbot.chat.conversations.views import views
from chatbot.chat.models import ChatMember, ChatSession, DailyUsage, Message, MessageTrace
from chatbot.chat.schemas import ChatSessionSchema, MessageSchema
from chatbot.knowledge.documents.collections import Reader

_chat = ChatSessionSchema()
_messages = MessageSchema(many=True)


def conversations(session: Session, user_id: str) -> Iterator[tuple[str, dict[str, object]]]:
    """(file name, content) of each conversation, read one by one, of those of others in which the person takes part,
    and of what answers have cost each day."""
    is_admin = session.scalar(select(User.is_admin).where(User.id == user_id))
    reader = Reader(user_id, bool(is_admin))
    ids = session.scalars(select(ChatSession.id).where(ChatSession.user_id == user_id).order_by(ChatSession.created_at))
    for chat_id in ids.all():
        chat = session.get(ChatSession, chat_id)
        # One that is deleted in the meantime is not there any more.
        if chat is not None:
            yield f"conversations/{chat_id}.json", _with_messages(session, reader, chat)
    yield "memberships.json", {"conversations": _memberships(session, user_id)}
    yield "usage.json", {"days": _usage(session, user_id)}


def _with_messages(session: Session, reader: Reader, chat: ChatSession) -> dict[str, object]:
    query = select(Message).where(Message.chat_session_id == chat.id).order_by(Message.position)
    messages = _messages.dump(views(session, reader, session.scalars(query).all()))
    shape: dict[str, object] = _chat.dump({"chat": chat, "message_count": len(messages)})
    return shape | {"visitor": chat.visitor, "messages": messages, "traces": _traces(session, chat.id)}


def _traces(session: Session, chat_id: str) -> list[dict[str, object]]:
    """How the answers were made, as it is stored: of documents only their ids."""
    query = select(MessageTrace).join(Message).where(Message.chat_session_id == chat_id).order_by(Message.position)
    return [
        {
            "message_id": row.message_id,
            "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
            "trace": row.trace,
        }
        for row in session.scalars(query)
    ]


def _memberships(session: Session, user_id: str) -> list[dict[str, object]]:
    query = select(ChatMember, ChatSession.title).join(ChatSession).where(ChatMember.user_id == user_id)
    return [
        {
            "chat_session_id": member.chat_session_id,
            "title": title,
            "created_at": member.created_at.isoformat().replace("+00:00", "Z"),
        }
        for member, title in session.execute(query.order_by(ChatMember.created_at))
    ]


def _usage(session: Session, user_id: str) -> list[dict[str, object]]:
    query = select(DailyUsage).where(DailyUsage.user_id == user_id).order_by(DailyUsage.day, DailyUsage.visitor)
    return [
        {"day": row.day.isoformat(), "visitor": row.visitor}
        | {name: getattr(row, name) for name in ("answers", "tokens", "cost_micros", "unpriced")}
        for row in session.scalars(query)
    ]
