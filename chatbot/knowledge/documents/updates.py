"""What can be changed of a document: what is said about it, its content, and back to an earlier content.

A writer that asks whether a collection has a content already holds the collection's row first and the document's
second, like everybody who adds documents; locks taken in another order would deadlock.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.db import begin_write
from chatbot.errors import Conflict, FieldError, Invalid
from chatbot.knowledge.documents.blobs import content_of
from chatbot.knowledge.documents.service import (
    DocumentNotFound,
    NewDocument,
    check_collection,
    collection_named,
    get_document,
    next_version,
    refuse_unreadable,
    requeue_if_failed,
    same_content,
)
from chatbot.knowledge.documents.versions import get_version
from chatbot.knowledge.index import keywords
from chatbot.knowledge.index.generations import touch_chunks
from chatbot.knowledge.models import CURATED, Collection, Document
from chatbot.knowledge.parsing.clean import clean_title


class SameContent(Conflict):
    code = "same_content"

    def __init__(self, other: Document) -> None:
        super().__init__(f"The document {other.id} of that collection has the same content.")


def edit_document(session: Session, document_id: str, changes: dict[str, Any]) -> Document:
    """Changes what is said about a document: title, source, document_type, is_active, collection, metadata.

    Whether it answers and in which collection is seen by the searches of every process from the commit on.

    Raises:
        DocumentNotFound: there is none.
        SameContent: the collection it is to go into has this content already.
        Invalid: a title or a collection that shows nothing.
    """
    values = _cleaned(changes)
    begin_write(session)
    collection = collection_named(session, values.pop("collection")) if "collection" in values else None
    document = get_document(session, document_id, for_update=True)
    found_by = _found_by(document)
    if collection is not None and collection.id != document.collection_id:
        _refuse_same(session, collection.id, document, document.content_hash)
        document.collection = collection
    for name, value in values.items():
        setattr(document, name, value)
    session.flush()
    if {"title", "source"} & values.keys():
        # The vectors get the new name with the next version; the words have it now.
        keywords.index_document(session, document_id)
    if found_by != _found_by(document):
        touch_chunks(session, document)
    session.commit()
    return document


def _found_by(document: Document) -> tuple[str, bool, str | None]:
    """What decides where a document is found and which question it is the answer to."""
    return document.collection_id, document.is_active, document.title if document.document_type == CURATED else None


def _cleaned(changes: dict[str, Any]) -> dict[str, Any]:
    values = dict(changes)
    if "title" in values:
        values["title"] = clean_title(values["title"])
        if not values["title"]:
            raise Invalid(errors=[FieldError("/title", "Give the document a title.")])
    if "collection" in values:
        values["collection"] = check_collection(values["collection"])
    if "metadata" in values:
        values["extra"] = values.pop("metadata")
    return values


def replace_content(session: Session, document_id: str, new: NewDocument) -> tuple[Document, bool]:
    """Makes the next version of a document, unless the content is what it is. The one before answers until then.

    Returns the document and whether it is to be ingested now.

    Raises:
        DocumentNotFound, FileRefused: as for `put_content`.
        SameContent: another document of the collection has this content.
    """
    refuse_unreadable(new)
    begin_write(session)
    return _replaced(session, _held(session, document_id), new)


def restore(session: Session, document_id: str, number: int) -> tuple[Document, bool]:
    """Makes the next version of a document with the content of an earlier one.

    Returns the document and whether it is to be ingested now.

    Raises:
        DocumentNotFound, VersionNotFound: there is none.
        OriginalMissing: its bytes are lost.
        SameContent: another document of the collection has this content.
    """
    begin_write(session)
    document = _held(session, document_id)
    version = get_version(session, document_id, number)
    data = content_of(session, version)
    return _replaced(session, document, NewDocument(data, filename=version.filename, media_type=version.media_type))


def _replaced(session: Session, document: Document, new: NewDocument) -> tuple[Document, bool]:
    if new.content_hash == document.content_hash:
        return document, requeue_if_failed(session, document)
    _refuse_same(session, document.collection_id, document, new.content_hash)
    next_version(session, document, new)
    session.commit()
    return document, True


def _held(session: Session, document_id: str) -> Document:
    """The document, locked, and its collection before it."""
    while True:
        query = select(Document.collection_id).where(Document.id == document_id, Document.status != "deleted")
        collection_id = session.scalar(query)
        if collection_id is None:
            raise DocumentNotFound()
        locked = select(Collection.id).where(Collection.id == collection_id).with_for_update(key_share=True)
        session.execute(locked)
        document = get_document(session, document_id, for_update=True)
        if document.collection_id == collection_id:
            return document


def _refuse_same(session: Session, collection_id: str, document: Document, content_hash: str) -> None:
    # A document whose bytes are still to be fetched has no content yet.
    other = same_content(session, collection_id, content_hash) if content_hash else None
    if other is not None and other.id != document.id:
        raise SameContent(other)
