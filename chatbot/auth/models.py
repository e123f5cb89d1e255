"""Users, their token families and API keys, and the record of what happened to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import JSON, ForeignKey, Index, Select, String
from sqlalchemy import Uuid as SqlUuid
from sqlalchemy.orm import Mapped, mapped_column

from chatbot.db import Base, UtcDateTime, new_id, utcnow

S = TypeVar("S", bound=Select[Any])

# What an API key may be allowed: the chat; to read knowledge, to write it; to sign tokens for visitors; everything.
SCOPES = ("chat", "knowledge:read", "knowledge:write", "visitors", "admin")
EVENT_KINDS = (
    "signed_up",
    "admin_created",
    "email_verified",
    "logged_in",
    "login_failed",
    "logged_out",
    "logged_out_everywhere",
    "refresh_reused",
    "session_ended",
    "sessions_capped",
    "sessions_revoked",
    "password_reset_asked",
    "password_reset",
    "password_changed",
    "profile_changed",
    "exported",
    "key_created",
    "key_revoked",
    "account_disabled",
    "account_enabled",
    "account_deleted",
    "admin_granted",
    "admin_withdrawn",
)


class User(Base):
    """A person. The row decides roles and being active at every request; claims are only hints."""

    __tablename__ = "users"
    __table_args__ = (Index("ix_users_created_at_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    username: Mapped[str] = mapped_column(String(150))
    # The one form in which a name is compared: NFKC and case-folded.
    username_key: Mapped[str] = mapped_column(String(450), unique=True)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    first_name: Mapped[str] = mapped_column(String(150), default="")
    last_name: Mapped[str] = mapped_column(String(150), default="")
    is_verified: Mapped[bool] = mapped_column(default=False)
    is_admin: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


def that_stay(accounts: S) -> S:
    """A query for accounts whose rows nobody deletes until the transaction ends; they can be changed meanwhile.

    For whoever adds a row of an account that was only looked at: deleting it takes its rows in another order, so
    without this one of the two would fail, or both would wait for each other.
    """
    return accounts.with_for_update(read=True, key_share=True)


class TokenFamily(Base):
    """One login and all that was refreshed from it: what a person sees as a session.

    Only the newest refresh token is spendable; its direct parent may be shown again within the leeway. Ids of tokens
    are stored, never tokens.
    """

    __tablename__ = "token_families"
    __table_args__ = (
        Index("ix_token_families_user_id", "user_id"),
        Index("ix_token_families_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    current_jti: Mapped[str] = mapped_column(String(36))
    parent_jti: Mapped[str | None] = mapped_column(String(36))
    rotated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rotations: Mapped[int] = mapped_column(default=0)
    # Where it began and was last refreshed from: "Firefox on Linux", "203.0.113.0/24".
    device: Mapped[str] = mapped_column(String(100), default="")
    network: Mapped[str] = mapped_column(String(50), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_because: Mapped[str | None] = mapped_column(String(40))


class ApiKey(Base):
    """A key of a program. The row holds a digest; the key itself is shown once. Deleting the row revokes the key."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_user_id_created_at_id", "user_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    # The first characters, so that people can tell their keys apart.
    prefix: Mapped[str] = mapped_column(String(20))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SecurityEvent(Base):
    """Something that happened to an account: who, what, when, from where. It never holds a secret.

    `user_id` is whom it happened to, `actor_id` who did it. Both become NULL when the account is deleted.
    """

    __tablename__ = "security_events"
    __table_args__ = (
        Index("ix_security_events_created_at_id", "created_at", "id"),
        Index("ix_security_events_user_id_created_at", "user_id", "created_at"),
        Index("ix_security_events_actor_id", "actor_id"),
    )

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(40))
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    actor_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    request_id: Mapped[str | None] = mapped_column(String(128))
    network: Mapped[str] = mapped_column(String(50), default="")
    device: Mapped[str] = mapped_column(String(100), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
