"""Which quotes no longer stand in the documents they were taken from."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from chatbot.knowledge.index.generations import visible
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion

# (the document's id, the version it was quoted from, the quote)
Quote = tuple[str, int, str]


def outdated(session: Session, quotes: Collection[Quote]) -> set[Quote]:
    """Those of the quotes that the newest ready version of their document does not have, or whose document is gone.

    A text is read only where that version is another one than the quoted.
    """
    if not quotes:
        return set()
    newest = _newest_ready(session, {document_id for document_id, _, _ in quotes})
    gone = {quote for quote in quotes if quote[0] not in newest}
    changed = {quote for quote in quotes if newest.get(quote[0], quote[1]) != quote[1]}
    texts = _texts(session, {(document_id, newest[document_id]) for document_id, _, _ in changed})
    return gone | {quote for quote in changed if quote[2] not in texts.get(quote[0], quote[2])}


def _newest_ready(session: Session, ids: set[str]) -> dict[str, int | None]:
    """The number of the version that answers, None while none does; a deleted document is not in it."""
    answering = select(func.max(ChunkRow.version)).where(ChunkRow.document_id == Document.id, *visible())
    query = select(Document.id, Document.status, Document.version, answering.scalar_subquery().label("answering"))
    rows = session.execute(query.where(Document.id.in_(ids), Document.status != "deleted"))
    return {row.id: row.version if row.status == "ready" else row.answering for row in rows}


def _texts(session: Session, versions: set[tuple[str, int | None]]) -> dict[str, str]:
    which = [
        and_(DocumentVersion.document_id == document_id, DocumentVersion.version == version)
        for document_id, version in versions
        if version is not None
    ]
    if not which:
        return {}
    query = select(DocumentVersion.document_id, DocumentVersion.text).where(or_(*which))
    return {row.document_id: row.text or "" for row in session.execute(query)}
