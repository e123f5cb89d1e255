"""identity

Revision: 0002, after 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=20), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_index("ix_api_keys_user_id_created_at_id", "api_keys", ["user_id", "created_at", "id"])

    op.create_table(
        "daily_usage",
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("visitor", sa.String(length=128), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_daily_usage_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "visitor", "day", name=op.f("pk_daily_usage")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("visitor", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_index(
        "uq_idempotency_keys_user_id_visitor_key", "idempotency_keys", ["user_id", "visitor", "key"], unique=True
    )

    op.create_table(
        "security_events",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("actor_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("network", sa.String(length=50), nullable=False),
        sa.Column("device", sa.String(length=100), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["users.id"], name=op.f("fk_security_events_actor_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_security_events_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_events")),
    )
    op.create_index("ix_security_events_actor_id", "security_events", ["actor_id"])
    op.create_index("ix_security_events_created_at_id", "security_events", ["created_at", "id"])
    op.create_index("ix_security_events_user_id_created_at", "security_events", ["user_id", "created_at"])

    # Plain ALTERs: a batch that copies a table drops the old one, and on SQLite its children's rows with it.
    op.add_column("chat_sessions", sa.Column("visitor", sa.String(length=128), server_default="", nullable=False))
    op.drop_index("ix_chat_sessions_user_id_updated_at_id", "chat_sessions")
    op.create_index(
        "ix_chat_sessions_user_id_visitor_updated_at_id", "chat_sessions", ["user_id", "visitor", "updated_at", "id"]
    )
    op.add_column("token_families", sa.Column("parent_jti", sa.String(length=36), nullable=True))
    op.add_column("token_families", sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("token_families", sa.Column("rotations", sa.Integer(), server_default="0", nullable=False))
    op.add_column("token_families", sa.Column("device", sa.String(length=100), server_default="", nullable=False))
    op.add_column("token_families", sa.Column("network", sa.String(length=50), server_default="", nullable=False))
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"])


def downgrade() -> None:
    """Loses API keys, security events, daily usage, idempotency keys, and the conversations of visitors."""
    op.drop_index("ix_users_created_at_id", "users")
    for column in ("network", "device", "rotations", "rotated_at", "parent_jti"):
        op.drop_column("token_families", column)
    op.drop_index("ix_chat_sessions_user_id_visitor_updated_at_id", "chat_sessions")
    op.execute("DELETE FROM chat_sessions WHERE visitor <> ''")
    op.create_index("ix_chat_sessions_user_id_updated_at_id", "chat_sessions", ["user_id", "updated_at", "id"])
    op.drop_column("chat_sessions", "visitor")
    for table in ("security_events", "idempotency_keys", "daily_usage", "api_keys"):
        op.drop_table(table)
