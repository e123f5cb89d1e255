"""Reading what one may search: the documents that answers quote, for people who administer nothing.

A document is there for them while it answers: it is active, in a collection that they may read, and a version of it is
ready. All of that stands in the query, and what does not meet it looks like what does not exist. Of a readable document
every version that was ready can be read, so that an old citation can still be checked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from chatbot.knowledge.documents import versions
from chatbot.knowledge.documents.collections import Reader, may_read
from chatbot.knowledge.documents.service import DocumentNotFound
from chatbot.knowledge.documents.versions import VersionNotFound, VersionText
from chatbot.knowledge.index.generations import visible
from chatbot.knowledge.models import ChunkRow, Document
from chatbot.web.pagination import Page


@dataclass(frozen=True)
class ReadableDocument:
    """What a reader sees of a document. `version` is the one that answers."""

    id: str
    title: str
    source: str
    url: str | None
    version: int
    language: str | None


def read_document(session: Session, reader: Reader, document_id: str) -> ReadableDocument:
    """A document that answers the reader's questions.

    Raises:
        DocumentNotFound: there is none, or it is not for them, or it does not answer; which of these is not said.
    """
    chunks = select(func.max(ChunkRow.version)).where(ChunkRow.document_id == Document.id, *visible())
    # While a new version waits or has failed, the one before answers.
    version = case((Document.status == "ready", Document.version), else_=chunks.scalar_subquery())
    query = select(
        Document.id, Document.title, Document.source, Document.url, version.label("version"), Document.language
    )
    open_to_them = (may_read(reader), Document.is_active, Document.status != "deleted", version.is_not(None))
    found = session.execute(query.where(Document.id == document_id, *open_to_them)).one_or_none()
    if found is None:
        raise DocumentNotFound()
    return ReadableDocument(*found)


def readable_documents(session: Session, reader: Reader, ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Title and source of those of the documents that the reader may read at this moment, by id."""
    if not ids:
        return {}
    theirs = (Document.id.in_(ids), may_read(reader), Document.is_active, Document.status != "deleted")
    rows = session.execute(select(Document.id, Document.title, Document.source).where(*theirs))
    return {row.id: (row.title, row.source) for row in rows}


def read_version(session: Session, reader: Reader, document_id: str, number: int) -> VersionText:
    """A version of a document that the reader may read, with its text.

    Raises:
        DocumentNotFound: as for `read_document`.
        VersionNotFound: there is none, or it is not ready.
    """
    answers = read_document(session, reader, document_id).version
    found = versions.read_version(session, document_id, number)
    if found.text is None or number > answers:
        raise VersionNotFound()
    return replace(found, is_current=number == answers)


def list_chunks(session: Session, reader: Reader, document_id: str, limit: int, cursor: str | None) -> Page:
    """A page of the chunks of a document that the reader may read.

    Raises:
        DocumentNotFound: as for `read_document`.
    """
    read_document(session, reader, document_id)
    return versions.list_chunks(session, document_id, limit, cursor)
