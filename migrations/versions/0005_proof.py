"""proof: how answers were made, what a lost one was to answer, and questions to measure search with

Revision: 0005, after 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message_traces",
        sa.Column("message_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("trace", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_message_traces_message_id_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_traces")),
    )
    op.create_table(
        "evaluation_cases",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("set_name", sa.String(length=100), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("relevant", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation_cases")),
    )
    op.add_column("mails", sa.Column("language", sa.String(length=5), server_default="en", nullable=False))
    op.add_column("chat_sessions", sa.Column("answering_to", sa.Uuid(as_uuid=False), nullable=True))
    under_way = sa.text("answering_id IS NOT NULL")
    op.create_index(
        "ix_chat_sessions_answering_until",
        "chat_sessions",
        ["answering_until"],
        sqlite_where=under_way,
        postgresql_where=under_way,
    )
    op.create_index("ix_evaluation_cases_set_name_created_at", "evaluation_cases", ["set_name", "created_at"])


def downgrade() -> None:
    """Forgets how answers were made, the stored sets of questions, and in which language letters are due."""
    if op.get_bind().dialect.name == "postgresql":
        # A cache that the application makes for itself; it refers to chunks, which an older schema may drop.
        op.execute("DROP TABLE IF EXISTS chunk_vectors, vector_states")
    op.drop_index("ix_chat_sessions_answering_until", "chat_sessions")
    op.drop_column("chat_sessions", "answering_to")
    op.drop_column("mails", "language")
    op.drop_table("evaluation_cases")
    op.drop_table("message_traces")
