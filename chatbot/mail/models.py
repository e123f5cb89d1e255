"""The queue of e-mails."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy import Uuid as SqlUuid
from sqlalchemy.orm import Mapped, mapped_column

from chatbot.db import Base, UtcDateTime, new_id, utcnow
from chatbot.translations import ENGLISH


class Mail(Base):
    """An e-mail to be sent. What it says is written when it is sent, so the row holds no token."""

    __tablename__ = "mails"
    __table_args__ = (
        Index("ix_mails_status_next_attempt_at", "status", "next_attempt_at"),
        Index("ix_mails_user_id", "user_id"),
    )

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(40))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    recipient: Mapped[str] = mapped_column(String(320))
    # That of the request which the e-mail answers.
    language: Mapped[str] = mapped_column(String(5), default=ENGLISH, server_default=ENGLISH)
    status: Mapped[str] = mapped_column(String(20), default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    # When it is due. A worker that takes it moves this ahead; if the worker dies, the e-mail is due again.
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    error: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
