"""keyword index: which version of the terms a generation was indexed with

Revision: 0009, after 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("generations", sa.Column("terms_version", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    op.drop_column("generations", "terms_version")
