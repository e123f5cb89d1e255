"""What can be done with documents, apart from ingesting and searching them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, lazyload

from chatbot.db import begin_write, utcnow
from chatbot.errors import FieldError, Invalid, NotFound
from chatbot.knowledge.documents.blobs import forget, hashes_in_files, keep, sweep
from chatbot.knowledge.documents.queue_status import workers
from chatbot.knowledge.documents.quotas import make_room
from chatbot.knowledge.index.generations import active_generation, next_revision, visible, within
from chatbot.knowledge.index.snapshot_registry import may_be_purged
from chatbot.knowledge.models import (
    DEFAULT_COLLECTION,
    ChunkRow,
    Collection,
    Document,
    DocumentVersion,
    Generation,
)
from chatbot.knowledge.parsing import ParseError, sniff
from chatbot.knowledge.parsing.clean import clean_title
from chatbot.web.pagination import Page, newest_first

# How many ids one statement asks about.
MOST_ASKED = 1_000


class DocumentNotFound(NotFound):
    code, detail = "document_not_found", "There is no such document."


class FileRefused(Invalid):
    """The file cannot be read; the code says why."""


@dataclass(frozen=True)
class NewDocument:
    """What is put in: the bytes and what their sender says about them."""

    data: bytes
    title: str = ""
    filename: str = ""
    media_type: str | None = None
    source: str = ""
    document_type: str = "article"
    is_active: bool = True
    collection: str = DEFAULT_COLLECTION
    extra: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def content_hash(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def document_values(self) -> dict[str, object]:
        """The columns of its document, but for the collection."""
        return {
            "title": clean_title(self.title) or clean_title(self.filename) or "Untitled",
            "source": self.source or self.filename,
            "document_type": self.document_type,
            "is_active": self.is_active,
            "extra": self.extra,
            "content_hash": self.content_hash,
            "size_bytes": len(self.data),
        }

    def version_values(self) -> dict[str, object]:
        """The columns of a version, but for its bytes."""
        return {"filename": self.filename[-255:], "media_type": self.media_type}


def add_document(session: Session, new: NewDocument) -> tuple[Document, bool]:
    """Stores a document and queues it in one transaction; the same content in a collection is the same document.

    Returns the document and whether it is to be ingested now.

    Raises:
        FileRefused: it is empty, or not of a kind that can be read.
        KnowledgeFull: there would be too much.
    """
    refuse_unreadable(new)
    begin_write(session)
    return _added(session, collection_named(session, new.collection), new)


def _added(session: Session, collection: Collection, new: NewDocument) -> tuple[Document, bool]:
    """Stores a document in a collection that is locked, unless its content is there, and ends the transaction."""
    document = same_content(session, collection.id, new.content_hash)
    if document is not None:
        return document, requeue_if_failed(session, document)
    make_room(session, 1, len(new.data))
    document = Document(collection=collection, **new.document_values())
    session.add(document)
    session.flush()
    _add_version(session, document, new)
    session.commit()
    return document, True


def sync_file(session: Session, new: NewDocument) -> tuple[str, Document, bool]:
    """Brings the document of a file up to date: `added`, `changed` or `unchanged`, and whether it is to be ingested.

    A file is known by its collection and its source.

    Raises:
        FileRefused: as for `add_document`.
    """
    refuse_unreadable(new)
    begin_write(session)
    # It is locked: of two who bring the same file one is the first.
    collection = collection_named(session, new.collection)
    there = (Document.collection_id == collection.id, Document.source == new.source, Document.status != "deleted")
    document = session.scalar(select(Document).where(*there).limit(1).with_for_update(of=Document))
    if document is None:
        document, to_ingest = _added(session, collection, new)
        return ("added" if document.source == new.source and to_ingest else "unchanged"), document, to_ingest
    if document.content_hash == new.content_hash:
        return "unchanged", document, requeue_if_failed(session, document)
    next_version(session, document, new)
    session.commit()
    return "changed", document, True


def put_content(session: Session, document_id: str, new: NewDocument) -> Document:
    """Makes the next version of a document. The one before answers until the new one is ready.

    Raises:
        DocumentNotFound: there is none, or it was deleted.
        FileRefused: the new content cannot be read.
        KnowledgeFull: there would be too much.
    """
    refuse_unreadable(new)
    begin_write(session)
    document = get_document(session, document_id, for_update=True)
    next_version(session, document, new)
    session.commit()
    return document


def next_version(session: Session, document: Document, new: NewDocument) -> None:
    """Gives a document its next version and queues it, in the caller's transaction.

    Raises:
        KnowledgeFull: there would be too much; the transaction is rolled back.
    """
    make_room(session, 0, len(new.data))
    document.version += 1
    document.content_hash, document.size_bytes = new.content_hash, len(new.data)
    document.queue()
    _add_version(session, document, new)


def refuse_unreadable(new: NewDocument) -> None:
    """Refuses at the door what can be told without reading it.

    Raises:
        FileRefused: it is empty, or not of a kind that can be read.
    """
    try:
        if not new.data.strip():
            raise ParseError("no_text")
        sniff(new.data, new.filename, new.media_type)
    except ParseError as error:
        raise FileRefused(str(error), code=error.code) from None


def collection_named(session: Session, name: str) -> Collection:
    """The collection, made if need be. It stays locked, so that the same content cannot come in twice at once."""
    query = select(Collection).where(Collection.name == name).with_for_update(key_share=True)
    found = session.scalar(query)
    if found is None:
        # Another request may be making it at this moment.
        with suppress(IntegrityError), session.begin_nested():
            session.add(Collection(name=name))
        found = session.scalars(query).one()
    return found


def same_content(session: Session, collection_id: str, content_hash: str) -> Document | None:
    """The document of a collection that has this content, if there is one."""
    same = (Document.collection_id == collection_id, Document.content_hash == content_hash)
    return session.scalar(select(Document).where(*same, Document.status != "deleted").limit(1))


def requeue_if_failed(session: Session, document: Document) -> bool:
    """Puts a document that failed back into the queue and says whether it did; ends the transaction."""
    failed = document.status == "failed"
    if failed:
        document.queue()
    session.commit()
    return failed


def _add_version(session: Session, document: Document, new: NewDocument) -> None:
    version = DocumentVersion(document_id=document.id, version=document.version, **new.version_values())
    keep(session, version, new.data)
    session.add(version)


def get_document(session: Session, document_id: str, *, for_update: bool = False) -> Document:
    """A document that is not deleted.

    Raises:
        DocumentNotFound: there is none.
    """
    query = select(Document).where(Document.id == document_id, Document.status != "deleted")
    query = query.execution_options(populate_existing=True)
    # Without the join: a row that is moved while its lock is waited for would no longer meet its collection.
    locked = query.with_for_update(of=Document).options(lazyload(Document.collection))
    document = session.scalar(locked if for_update else query)
    if document is None:
        raise DocumentNotFound()
    return document


def settled(session: Session, ids: Sequence[str]) -> dict[str, tuple[str, str | None, str | None]]:
    """Status, error code and error detail of those documents that are ready or have failed."""
    found: dict[str, tuple[str, str | None, str | None]] = {}
    columns = select(Document.id, Document.status, Document.error_code, Document.error_detail)
    for start in range(0, len(ids), MOST_ASKED):
        some = columns.where(Document.id.in_(ids[start : start + MOST_ASKED]))
        rows = session.execute(some.where(Document.status.in_(("ready", "failed")))).all()
        found |= {row.id: (row.status, row.error_code, row.error_detail) for row in rows}
    session.rollback()
    return found


def list_documents(session: Session, filters: dict[str, Any], limit: int, cursor: str | None) -> Page:
    """A page of documents, newest first.

    `filters`: status, collection, document_type, min_instruction_score, q (in title and source).
    """
    query = select(Document)
    status = filters.get("status")
    query = query.where(Document.status == status) if status else query.where(Document.status != "deleted")
    if filters.get("document_type"):
        query = query.where(Document.document_type == filters["document_type"])
    if filters.get("collection"):
        query = query.where(Document.collection.has(Collection.name == clean_title(filters["collection"])))
    if filters.get("min_instruction_score") is not None:
        newest = (DocumentVersion.document_id == Document.id, DocumentVersion.version == Document.version)
        least = DocumentVersion.instruction_score >= filters["min_instruction_score"]
        query = query.where(exists().where(*newest, least))
    if filters.get("q"):
        in_title = Document.title.icontains(filters["q"], autoescape=True)
        query = query.where(in_title | Document.source.icontains(filters["q"], autoescape=True))
    return newest_first(session, query, Document.uploaded_at, Document.id, limit, cursor)


def documents_under(session: Session, collection: str, prefix: str) -> list[tuple[str, str]]:
    """The (id, source) of the documents of a collection whose source begins with a prefix."""
    query = (
        select(Document.id, Document.source)
        .join(Collection)
        .where(Collection.name == collection, Document.status != "deleted")
        .where(Document.source.startswith(prefix, autoescape=True))
        .order_by(Document.source)
    )
    rows = session.execute(query).all()
    session.rollback()
    # SQLite's LIKE takes a and A for the same.
    return [(row.id, row.source) for row in rows if row.source.startswith(prefix)]


@dataclass(frozen=True)
class Receipt:
    """What a deletion has removed."""

    id: str
    title: str
    versions: int
    chunks: int
    size_bytes: int


def delete_document(session: Session, document_id: str) -> Receipt:
    """Removes a document, its text, originals and vectors. It is in no answer from the commit on, in any process.

    Raises:
        DocumentNotFound: there is none.
    """
    begin_write(session)
    document = get_document(session, document_id, for_update=True)
    versions = session.scalars(select(DocumentVersion).where(DocumentVersion.document_id == document_id)).all()
    files = hashes_in_files(session, document_id)
    size = sum(version.size_bytes for version in versions)
    chunks = _remove_chunks(session, document_id)
    session.execute(
        update(DocumentVersion)
        .where(_of(DocumentVersion, document_id))
        .values(content=b"", text="", filename="", in_file=False, simhash=None, warnings=[])
    )
    receipt = Receipt(document.id, document.title, len(versions), chunks, size)
    document.status = "deleted"
    document.lease_owner = document.lease_until = None
    document.title = document.source = document.content_hash = ""
    document.url = None
    document.extra = {}
    session.commit()
    forget(session, files)
    return receipt


def _of(model: Any, document_id: str) -> Any:
    return model.document_id == document_id


def _remove_chunks(session: Session, document_id: str) -> int:
    """Empties the visible chunks and marks them as removed, for the other processes to see; deletes the rest.

    Gives the number of those that could be found. Other generations' chunks of the same text are not counted.
    """
    mine = _of(ChunkRow, document_id)
    session.execute(delete(ChunkRow).where(mine, ChunkRow.added_revision.is_(None)))
    visible = (mine, ChunkRow.removed_revision.is_(None))
    total, active = 0, active_generation(session)
    for generation_id in session.scalars(select(ChunkRow.generation_id).where(*visible).distinct()).all():
        values = {"removed_revision": next_revision(session, generation_id)}
        rows = update(ChunkRow).where(*visible, within(generation_id)).values(values)
        removed = len(session.scalars(rows.returning(ChunkRow.id)).all())
        total += removed if active is not None and generation_id == active.id else 0
    session.execute(update(ChunkRow).where(mine).values(text="", embedding=b"", headings=[]))
    return total


def purge(session: Session) -> int:
    """Deletes the rows of removed chunks and deleted documents for good; gives the number of chunks.

    The files of originals that no row names go with them. Removals that a snapshot file of the index has not seen
    stay for some days. A process that has not yet seen those that go reads everything again.
    """
    begin_write(session)
    # The generations come first, as in every other writer: locks taken in another order would deadlock.
    may_be_purged(session)
    upto = select(Generation.purged_revision).where(Generation.id == ChunkRow.generation_id).scalar_subquery()
    gone = session.execute(delete(ChunkRow).where(ChunkRow.removed_revision <= upto).returning(ChunkRow.id)).all()
    left = exists().where(ChunkRow.document_id == Document.id)
    session.execute(delete(Document).where(Document.status == "deleted", ~left))
    session.commit()
    sweep(session)
    return len(gone)


def stats(session: Session, configured_embedder: str) -> dict[str, object]:
    """Counts of what is stored, the generation that answers, and the embedder that the settings name."""
    by_status = session.execute(select(Document.status, func.count()).group_by(Document.status)).all()
    generation = active_generation(session)
    answering = ChunkRow.generation_id == (generation.id if generation else None)
    chunks, tokens = session.execute(
        select(func.count(ChunkRow.id), func.coalesce(func.sum(ChunkRow.tokens), 0)).where(answering, *visible())
    ).one()
    size = session.scalar(select(func.coalesce(func.sum(Document.size_bytes), 0)).where(Document.status != "deleted"))
    oldest = session.scalar(select(func.min(Document.next_attempt_at)).where(Document.status == "queued"))
    known = (Document.status != "deleted", Document.language.is_not(None))
    languages = select(Document.language, func.count()).where(*known).group_by(Document.language)
    return {
        "documents": {status: count for status, count in by_status if status != "deleted"},
        "chunks": chunks,
        "tokens": int(tokens),
        "bytes": int(size or 0),
        "embedder": generation.embedder if generation else None,
        "configured_embedder": configured_embedder,
        "dimension": generation.dimension if generation else None,
        "generation": generation.id if generation else None,
        "revision": generation.revision if generation else 0,
        "threshold": generation.threshold if generation else None,
        "queue_age_seconds": max(0.0, (utcnow() - oldest).total_seconds()) if oldest else None,
        "languages": dict(session.execute(languages).all()),
        "workers": workers(session),
    }


def check_collection(name: str, pointer: str = "/collection") -> str:
    """A collection's name as it is stored; `pointer` is the field it came in.

    Raises:
        Invalid: it has nothing to show.
    """
    cleaned = clean_title(name)[:100]
    if not cleaned:
        raise Invalid(errors=[FieldError(pointer, "Give the collection a name.")])
    return cleaned
