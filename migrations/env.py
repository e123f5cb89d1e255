"""Alembic, as `flask db ...` calls it, on SQLite and PostgreSQL."""

from __future__ import annotations

from alembic import context
from flask import current_app
from sqlalchemy import text

from chatbot.cli_support import outages_as_cli_errors
from chatbot.db import Base, UtcDateTime, for_writing

# Any number of processes may be told to migrate; on PostgreSQL one does, and the others wait for it.
_ADVISORY_LOCK = 5_031_974


def render_item(kind: str, item: object, _autogen: object) -> str | bool:
    """A migration must outlive the code: our own column type is written as the type it is made of."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """The indexes are no models: each database has its own kind, with tables of its own below it."""
    return not (kind == "table" and name is not None and name.startswith(("chunk_terms", "chunk_vectors", "vector_")))


def run_migrations() -> None:
    """Runs in one transaction: a migration that fails leaves the schema as it was."""
    engine = current_app.extensions["migrate"].db.engine
    with outages_as_cli_errors():
        plain = engine.connect()
    with plain:
        connection = for_writing(plain)
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
            compare_type=True,
            render_item=render_item,
            include_name=include_name,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            context.run_migrations()


if context.is_offline_mode():
    raise RuntimeError("migrations need a database; offline SQL is not supported")
run_migrations()
