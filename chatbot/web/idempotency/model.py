"""The rows of Idempotency-Keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy import Uuid as SqlUuid
from sqlalchemy.orm import Mapped, mapped_column

from chatbot.db import Base, UtcDateTime, new_id, utcnow


class IdempotencyKey(Base):
    """A key a client has named, the request it named it for, and what that request has made."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("uq_idempotency_keys_user_id_visitor_key", "user_id", "visitor", "key", unique=True),
        Index("ix_idempotency_keys_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    visitor: Mapped[str] = mapped_column(String(128), default="")
    key: Mapped[str] = mapped_column(String(255))
    # A digest of method, address and body: the same key for another request is a mistake.
    request_hash: Mapped[str] = mapped_column(String(64))
    # NULL until there is an answer.
    status: Mapped[int | None]
    # The ids of what was made, as JSON.
    body: Mapped[str | None] = mapped_column(Text)
    # NULL when no request is at work.
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
