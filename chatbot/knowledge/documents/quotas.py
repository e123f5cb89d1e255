"""How much the knowledge base may hold: documents, and bytes of their originals, all versions counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Select, func, select
from sqlalchemy.orm import Session

from chatbot.errors import TooLarge
from chatbot.knowledge.models import Document, DocumentVersion


class KnowledgeFull(TooLarge):
    code, detail = "quota_exceeded", "The knowledge base holds as much as it may; delete something first."


@dataclass(frozen=True)
class Quota:
    """At most so many documents and bytes; None is no limit."""

    documents: int | None
    size_bytes: int | None


def attach(engine: Engine, documents: int | None, megabytes: int | None) -> None:
    """Says how much this database may hold. Every session on the engine knows it then."""
    size = None if megabytes is None else megabytes * 1024 * 1024
    engine.update_execution_options(quota=Quota(documents, size))


def make_room(session: Session, documents: int, size_bytes: int) -> None:
    """Lets so much more in, in the transaction that writes it.

    Raises:
        KnowledgeFull: there would be too much; the transaction is rolled back.
    """
    quota: Quota = session.get_bind().get_execution_options()["quota"]
    there = select(func.count()).select_from(Document).where(Document.status != "deleted")
    stored = select(func.coalesce(func.sum(DocumentVersion.size_bytes), 0))
    if (documents and quota.documents is not None and _sum(session, there) + documents > quota.documents) or (
        quota.size_bytes is not None and _sum(session, stored) + size_bytes > quota.size_bytes
    ):
        session.rollback()
        raise KnowledgeFull()


def _sum(session: Session, query: Select[Any]) -> int:
    return int(session.scalar(query) or 0)
