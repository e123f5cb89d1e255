"""Conversations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy import Uuid as SqlUuid
from sqlalchemy.orm import Mapped, mapped_column

from chatbot.db import Base, UtcDateTime, new_id, utcnow


class ChatSession(Base):
    """A conversation of one user."""

    __tablename__ = "chat_sessions"
    __table_args__ = (
        Index("ix_chat_sessions_user_id_updated_at_id", "user_id", "updated_at", "id"),
        Index("ix_chat_sessions_updated_at", "updated_at"),
    )

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    # The place of the next message; counted up under the row's lock, so that places are unique and in order.
    next_position: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


class Message(Base):
    """A question or an answer. `extra` is the metadata of the contract."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("chat_session_id", "position"),
        Index("ix_messages_created_at", "created_at"),
        Index("ix_messages_parent_id", "parent_id"),
    )

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    chat_session_id: Mapped[str] = mapped_column(ForeignKey("chat_sessions.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id", ondelete="SET NULL"))
    position: Mapped[int]
    is_user: Mapped[bool] = mapped_column(default=True)
    author: Mapped[str | None] = mapped_column(String(150))
    content: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20), default="complete")
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
