"""authors: whose a message and a rating are, and when a deleted account's words were last taken out of a conversation

Revision: 0007, after 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Until now a message had its author's name only. A name that was given to somebody else since does not count.
AUTHORS = """
UPDATE messages SET author_id = (
    SELECT users.id FROM users
    WHERE users.username = messages.author AND users.created_at <= messages.created_at
)
WHERE is_user AND author IS NOT NULL
    AND chat_session_id IN (SELECT id FROM chat_sessions WHERE visitor = '')
"""
# Who rated was not stored. Where nobody but the owner takes part it was the owner.
RATERS = """
UPDATE messages SET rated_by = (
    SELECT chat_sessions.user_id FROM chat_sessions WHERE chat_sessions.id = messages.chat_session_id
)
WHERE rated_at IS NOT NULL
    AND chat_session_id NOT IN (SELECT chat_session_id FROM chat_members)
"""


def upgrade() -> None:
    for name in ("author_id", "rated_by"):
        op.add_column("messages", sa.Column(name, sa.Uuid(as_uuid=False), nullable=True))
        op.create_index(f"ix_messages_{name}", "messages", [name])
    op.add_column("chat_sessions", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(AUTHORS)
    op.execute(RATERS)


def downgrade() -> None:
    op.drop_column("chat_sessions", "erased_at")
    for name in ("author_id", "rated_by"):
        op.drop_index(f"ix_messages_{name}", "messages")
        op.drop_column("messages", name)
