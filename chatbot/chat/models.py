"""Conversations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Date,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    and_,
    false,
    select,
    text,
)
from sqlalchemy import Uuid as SqlUuid
from sqlalchemy.orm import Mapped, mapped_column

from chatbot.auth.callers import Caller
from chatbot.db import Base, UtcDateTime, new_id, utcnow


class ChatSession(Base):
    """A conversation of one user, or of a visitor of theirs."""

    __tablename__ = "chat_sessions"
    __table_args__ = (
        Index("ix_chat_sessions_user_id_visitor_updated_at_id", "user_id", "visitor", "updated_at", "id"),
        Index("ix_chat_sessions_updated_at", "updated_at"),
        Index(
            "ix_chat_sessions_answering_until",
            "answering_until",
            sqlite_where=text("answering_id IS NOT NULL"),
            postgresql_where=text("answering_id IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    # Whose it is among the visitors of the user's product; empty for the user's own.
    visitor: Mapped[str] = mapped_column(String(128), default="")
    title: Mapped[str] = mapped_column(String(200))
    # A title that a person has written is never written over.
    titled_by_person: Mapped[bool] = mapped_column(default=False, server_default=false())
    # The place of the next message; counted up under the row's lock, so that places are unique and in order.
    next_position: Mapped[int] = mapped_column(default=0)
    # The answer that is under way, and until when that counts unless whoever makes it says so again: one at a time.
    answering_id: Mapped[str | None] = mapped_column(SqlUuid(as_uuid=False))
    answering_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The question it answers: an answer whose process is killed is stored below it
    # (chatbot/chat/conversations/leases.py).
    answering_to: Mapped[str | None] = mapped_column(SqlUuid(as_uuid=False))
    # Somebody wants that answer to stop; whichever process makes it finds this here.
    stop_asked: Mapped[bool] = mapped_column(default=False, server_default=false())
    # When the words of an account that was deleted were last taken out of it (chatbot/chat/erasure.py).
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


class ChatMember(Base):
    """Somebody who takes part in a conversation beside its owner."""

    __tablename__ = "chat_members"
    __table_args__ = (Index("ix_chat_members_user_id", "user_id"),)

    chat_session_id: Mapped[str] = mapped_column(ForeignKey("chat_sessions.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


class Message(Base):
    """A question or an answer. `extra` is the metadata of the contract."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("chat_session_id", "position"),
        Index("ix_messages_created_at", "created_at"),
        Index("ix_messages_parent_id", "parent_id"),
        Index("ix_messages_author_id", "author_id"),
        Index("ix_messages_rated_by", "rated_by"),
    )

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    chat_session_id: Mapped[str] = mapped_column(ForeignKey("chat_sessions.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id", ondelete="SET NULL"))
    position: Mapped[int]
    is_user: Mapped[bool] = mapped_column(default=True)
    # The name its author had, and the account they have; a visitor has a name only. Whoever deletes the account takes
    # both out (chatbot/chat/erasure.py); a reference could not do that, and SQLite cannot add one to a table with rows.
    author: Mapped[str | None] = mapped_column(String(150))
    author_id: Mapped[str | None] = mapped_column(SqlUuid(as_uuid=False))
    content: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20), default="complete")
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", JSON, default=dict)
    # What a person said of an answer: up or down, in words, when, and who.
    rating: Mapped[str | None] = mapped_column(String(10))
    comment: Mapped[str | None] = mapped_column(Text)
    rated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rated_by: Mapped[str | None] = mapped_column(SqlUuid(as_uuid=False))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)

    @property
    def feedback(self) -> dict[str, object] | None:
        """The contract's feedback of an answer; None until somebody has said something of it."""
        if self.rated_at is None:
            return None
        return {"rating": self.rating, "comment": self.comment, "at": self.rated_at}


class MessageTrace(Base):
    """How an answer was made (chatbot/chat/replies/traces.py); gone with its message."""

    __tablename__ = "message_traces"

    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    trace: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


class DailyUsage(Base):
    """What answers have cost an account, or a visitor of theirs, on a day (UTC)."""

    __tablename__ = "daily_usage"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    visitor: Mapped[str] = mapped_column(String(128), primary_key=True, default="")
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    answers: Mapped[int] = mapped_column(default=0)
    tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    # Millionths of a US dollar; what has no known price is not in it, and is counted.
    cost_micros: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    unpriced: Mapped[int] = mapped_column(default=0, server_default="0")


@dataclass(frozen=True)
class Owner:
    """Whose something is: the user's own, or that of one visitor of the user's product. Neither sees the other's."""

    user_id: str
    visitor: str = ""

    @classmethod
    def of(cls, caller: Caller) -> Owner:
        return cls(caller.user_id, caller.visitor)

    def owns(self, model: type[ChatSession] | type[DailyUsage]) -> ColumnElement[bool]:
        """What stands in the WHERE of every query."""
        return and_(model.user_id == self.user_id, model.visitor == self.visitor)

    def takes_part(self, model: type[ChatSession]) -> ColumnElement[bool]:
        """The same for what members of a conversation may do as well; a visitor is never one."""
        if self.visitor:
            return self.owns(model)
        theirs = select(ChatMember.chat_session_id).where(ChatMember.user_id == self.user_id)
        return self.owns(model) | model.id.in_(theirs)
