"""replies: what a person said of an answer, who answers in a conversation now, and who takes part in it;
what answers cost

Revision: 0004, after 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _columns() -> dict[str, list[sa.Column]]:
    return {
        "messages": [
            sa.Column("rating", sa.String(length=10), nullable=True),
            sa.Column("comment", sa.Text(), nullable=True),
            sa.Column("rated_at", sa.DateTime(timezone=True), nullable=True),
        ],
        "daily_usage": [
            sa.Column("cost_micros", sa.BigInteger(), nullable=False, server_default="0"),
            sa.Column("unpriced", sa.Integer(), nullable=False, server_default="0"),
        ],
        "document_versions": [sa.Column("instruction_score", sa.Double(), nullable=True)],
        "chat_sessions": [
            sa.Column("titled_by_person", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("answering_id", sa.Uuid(as_uuid=False), nullable=True),
            sa.Column("answering_until", sa.DateTime(timezone=True), nullable=True),
            sa.Column("stop_asked", sa.Boolean(), nullable=False, server_default=sa.false()),
        ],
        "generations": [sa.Column("gate", sa.JSON(), nullable=True)],
    }


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "chat_members",
        sa.Column("chat_session_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["chat_session_id"], ["chat_sessions.id"],
            name=op.f("fk_chat_members_chat_session_id_chat_sessions"), ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_chat_members_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("chat_session_id", "user_id", name=op.f("pk_chat_members")),
    )  # fmt: skip
    op.create_index("ix_chat_members_user_id", "chat_members", ["user_id"])


def downgrade() -> None:
    """Forgets who took part in conversations, what was said of answers, and what they cost."""
    op.drop_table("chat_members")
    for table, columns in _columns().items():
        for column in columns:
            op.drop_column(table, column.name)
