"""knowledge: who may read it, the keyword index, generations that can be built beside the active one

Revision: 0003, after 0002
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What a row says is found by its words: SQLite's FTS5 and PostgreSQL's tsvector, each filled by the application with
# terms it has cut and stemmed itself. The rows derive from chunks and go with them.
_KEYWORDS = {
    "sqlite": (
        "CREATE VIRTUAL TABLE chunk_terms USING fts5(terms, tokenize = 'ascii')",
        "CREATE VIRTUAL TABLE chunk_terms_words USING fts5vocab('chunk_terms', 'row')",
        "CREATE TRIGGER chunk_terms_deleted AFTER DELETE ON chunks "
        "BEGIN DELETE FROM chunk_terms WHERE rowid = old.id; END",
        "CREATE TRIGGER chunk_terms_emptied AFTER UPDATE OF text ON chunks WHEN new.text = '' "
        "BEGIN DELETE FROM chunk_terms WHERE rowid = old.id; END",
    ),
    "postgresql": (
        "CREATE TABLE chunk_terms (chunk_id BIGINT PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE, "
        "length INTEGER NOT NULL, terms TSVECTOR NOT NULL)",
        "CREATE INDEX ix_chunk_terms_terms ON chunk_terms USING gin (terms)",
        "CREATE FUNCTION chunk_terms_emptied() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN DELETE FROM chunk_terms WHERE chunk_id = new.id; RETURN NULL; END $$",
        "CREATE TRIGGER chunk_terms_emptied AFTER UPDATE OF text ON chunks FOR EACH ROW WHEN (new.text = '') "
        "EXECUTE FUNCTION chunk_terms_emptied()",
    ),
}
_NO_KEYWORDS = {
    "sqlite": (
        "DROP TRIGGER chunk_terms_emptied",
        "DROP TRIGGER chunk_terms_deleted",
        "DROP TABLE chunk_terms_words",
        "DROP TABLE chunk_terms",
    ),
    "postgresql": (
        "DROP TRIGGER chunk_terms_emptied ON chunks",
        "DROP FUNCTION chunk_terms_emptied()",
        "DROP TABLE chunk_terms",
    ),
}


def _columns() -> dict[str, list[sa.Column]]:
    return {
        "collections": [sa.Column("visibility", sa.String(length=20), nullable=False, server_default="everyone")],
        "documents": [sa.Column("url", sa.String(length=2000), nullable=True)],
        "document_versions": [
            sa.Column("size_bytes", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("in_file", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("simhash", sa.BigInteger(), nullable=True),
        ],
        "generations": [
            sa.Column("languages", sa.JSON(), nullable=False, server_default="[]"),
            sa.Column("built_at", sa.DateTime(timezone=True), nullable=True),
            sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
            sa.Column("previous_id", sa.Integer(), nullable=True),
            sa.Column("lease_owner", sa.String(length=36), nullable=True),
            sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        ],
    }


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    _make_default_collection()
    op.execute("UPDATE document_versions SET size_bytes = length(content)")
    op.execute("UPDATE generations SET built_at = created_at, activated_at = created_at WHERE active = 1")
    # A document that is switched off has visible chunks now as well; its label keeps them from being found.
    op.execute(
        "UPDATE chunks SET added_revision = (SELECT g.revision FROM generations g WHERE g.id = chunks.generation_id) "
        "WHERE added_revision IS NULL AND removed_revision IS NULL AND EXISTS (SELECT 1 FROM documents d "
        "WHERE d.id = chunks.document_id AND d.status = 'ready' AND NOT d.is_active AND d.version = chunks.version)"
    )
    op.create_table(
        "collection_members",
        sa.Column("collection_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"],
            name=op.f("fk_collection_members_collection_id_collections"), ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_collection_members_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "user_id", name=op.f("pk_collection_members")),
    )  # fmt: skip
    op.create_index("ix_collection_members_user_id", "collection_members", ["user_id"])
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )
    for statement in _KEYWORDS[op.get_bind().dialect.name]:
        op.execute(statement)


def _make_default_collection() -> None:
    """It is always there from now on; before, it came with its first document."""
    collections = sa.table(
        "collections",
        sa.column("id", sa.Uuid(as_uuid=False)),
        sa.column("name", sa.String()),
        sa.column("visibility", sa.String()),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    if not op.get_bind().execute(sa.select(collections.c.id).where(collections.c.name == "default")).first():
        now = datetime.now(UTC)
        row = {"id": str(uuid.uuid4()), "name": "default", "visibility": "everyone", "created_at": now}
        op.get_bind().execute(sa.insert(collections).values(row))


def downgrade() -> None:
    """Forgets who was a member of what; collections for members become open to everyone, so it refuses to."""
    closed = sa.text("SELECT count(*) FROM collections WHERE visibility <> 'everyone'")
    if op.get_bind().execute(closed).scalar():
        raise RuntimeError("a collection is for its members only; before 0003 everyone could read it: delete it first")
    for statement in _NO_KEYWORDS[op.get_bind().dialect.name]:
        op.execute(statement)
    op.drop_table("workers")
    op.drop_table("collection_members")
    for table, columns in _columns().items():
        for column in columns:
            op.drop_column(table, column.name)
