"""Documents that come from a URL: stored as an address first, fetched by a worker, and again whenever somebody asks.

A version that is still to be fetched has no content and an empty content hash. What comes is stored together with the
text that was read from it, so a page that cannot be read leaves nothing behind and is fetched anew at the next try.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from chatbot import egress
from chatbot.db import begin_write, utcnow
from chatbot.egress import Fetched, FetchFailed, Limits, UrlNotAllowed
from chatbot.errors import Conflict, FieldError
from chatbot.knowledge.documents import service
from chatbot.knowledge.documents.blobs import keep
from chatbot.knowledge.documents.quotas import make_room
from chatbot.knowledge.documents.service import FileRefused, NewDocument
from chatbot.knowledge.models import DEFAULT_COLLECTION, Document, DocumentVersion
from chatbot.knowledge.parsing import Parsed
from chatbot.knowledge.parsing.clean import clean_title
from chatbot.knowledge.parsing.encoding import as_utf8
from chatbot.knowledge.parsing.formats import BY_EXTENSION, BY_MEDIA_TYPE, CSV, HTML, MARKDOWN, TEXT
from chatbot.knowledge.parsing.not_documents import why_no_document

_ALIASES: Final = {"application/xhtml+xml": HTML, "text/x-markdown": MARKDOWN}
_TEXTS: Final = (HTML, TEXT, MARKDOWN, CSV)
# What a server may send; what it calls bytes, or does not call anything, is looked at all the same.
MEDIA_TYPES: Final = frozenset({*BY_MEDIA_TYPE, *_ALIASES})


class NothingToRetry(Conflict):
    code, detail = "nothing_to_retry", "This document is ready, and there is no address to fetch it from again."


@dataclass(frozen=True)
class NewUrl:
    """What is put in: the one form of a checked URL, and what its sender says about the document."""

    url: str
    title: str = ""
    document_type: str = "article"
    is_active: bool = True
    collection: str = DEFAULT_COLLECTION
    extra: dict[str, Any] = field(default_factory=dict)


def check_url(url: str, limits: Limits) -> str:
    """The one form of a URL in a request.

    Raises:
        UrlNotAllowed: it may not be fetched, as far as can be told now.
    """
    try:
        return egress.check(url, limits)
    except UrlNotAllowed as error:
        raise UrlNotAllowed(str(error), errors=[FieldError("/url", str(error))]) from None


def add_url(session: Session, new: NewUrl) -> tuple[Document, bool]:
    """Stores a document that is to be fetched and queues it; the same URL in a collection is the same document.

    Returns the document and whether it is to be ingested now.

    Raises:
        KnowledgeFull: there would be too much. What the fetched page takes is counted from then on.
    """
    begin_write(session)
    collection = service.collection_named(session, new.collection)
    same = (Document.collection_id == collection.id, Document.url == new.url, Document.status != "deleted")
    document = session.scalar(select(Document).where(*same).limit(1))
    if document is not None:
        return document, service.requeue_if_failed(session, document)
    make_room(session, 1, 0)
    document = Document(
        collection=collection,
        title=clean_title(new.title) or title_of(new.url),
        source=new.url[:500],
        url=new.url,
        document_type=new.document_type,
        is_active=new.is_active,
        extra=new.extra,
        content_hash="",
    )
    session.add(document)
    session.flush()
    session.add(_to_be_fetched(document))
    session.commit()
    return document, True


def sync_url(session: Session, new: NewUrl) -> tuple[str, Document, bool]:
    """Adds a URL, or fetches it again: `added` or `fetched again`, and whether it is to be ingested."""
    document, to_ingest = add_url(session, new)
    if document.status != "ready":
        return ("added" if to_ingest else "unchanged"), document, to_ingest
    return "fetched again", refetch(session, document.id), True


def refetch(session: Session, document_id: str) -> Document:
    """Makes the next version of a ready document, to be fetched. The one before answers until it is ready.

    Raises:
        DocumentNotFound: there is none, or it was deleted.
        NothingToRetry: it does not come from a URL, or is not ready.
    """
    begin_write(session)
    document = service.get_document(session, document_id, for_update=True)
    if document.url is None or document.status != "ready":
        session.rollback()
        raise NothingToRetry()
    document.version += 1
    document.queue()
    session.add(_to_be_fetched(document))
    session.commit()
    return document


def retry(session: Session, document_id: str) -> Document:
    """Queues a failed document again, lets a waiting one wait no longer, and fetches a ready one again.

    Raises:
        DocumentNotFound: there is none, or it was deleted.
        NothingToRetry: it is ready and does not come from a URL.
    """
    begin_write(session)
    document = service.get_document(session, document_id, for_update=True)
    if document.status == "ready":
        session.rollback()
        return refetch(session, document_id)
    if document.status == "failed":
        document.queue()
    if document.status == "queued":
        document.next_attempt_at = utcnow()
    session.commit()
    return document


def _to_be_fetched(document: Document) -> DocumentVersion:
    return DocumentVersion(document_id=document.id, version=document.version, content_hash="", content=b"")


def address_to_fetch(session: Session, document_id: str, version: int) -> str | None:
    """The URL of a version that is still to be fetched, else None. Ends the transaction."""
    query = select(Document.url).join(DocumentVersion, DocumentVersion.document_id == Document.id)
    missing = (DocumentVersion.version == version, DocumentVersion.content_hash == "")
    url = session.scalar(query.where(Document.id == document_id, *missing))
    session.rollback()
    return url


def fetch_document(url: str, limits: Limits) -> Fetched:
    """Fetches a document; its media type is one of those that can be read, or empty.

    Raises:
        UrlNotAllowed: it, or a redirect on the way, leads where nothing may be fetched.
        FetchFailed: it did not come.
    """
    fetched = egress.fetch(url, limits)
    kind = _ALIASES.get(fetched.media_type, fetched.media_type)
    # Nothing in the bytes themselves tells the encoding that only the header names; so they are kept as UTF-8.
    body = as_utf8(fetched.body, fetched.charset) if kind in _TEXTS else fetched.body
    return replace(fetched, media_type=kind if kind in BY_MEDIA_TYPE else "", body=body)


def require_document(fetched: Fetched, parsed: Parsed) -> None:
    """Refuses a page that came in place of the one that was asked for.

    Raises:
        FetchFailed: it is a login form, a "not found" or the like.
    """
    if parsed.media_type == HTML:
        redirected = urlsplit(fetched.final_url).path != urlsplit(fetched.url).path
        source = fetched.body.decode(errors="replace")
        reason = why_no_document(source, parsed.title or "", parsed.text, redirected)
        if reason is not None:
            raise FetchFailed(reason)


def as_it_is_now(new: NewUrl, limits: Limits) -> tuple[NewDocument, Fetched]:
    """What a URL leads to, as a file that was sent, to be looked at and not stored; and as it was fetched.

    Raises:
        UrlNotAllowed: as for `fetch_document`.
        FileRefused: it did not come.
    """
    try:
        fetched = fetch_document(new.url, limits)
    except FetchFailed as error:
        raise FileRefused(str(error), code=error.code) from None
    name = name_to_judge_by(fetched)
    source = new.url[:500]
    document = NewDocument(fetched.body, new.title, name, fetched.media_type, source=source, collection=new.collection)
    return document, fetched


def name_to_judge_by(fetched: Fetched) -> str:
    """The name that says more than the media type: servers call Markdown text, and a file bytes. Else none.

    The end of a URL says nothing where the server says what it sends: /index.php is HTML, /v1.2 is anything.
    """
    known = _extension(fetched.filename) in BY_EXTENSION
    return fetched.filename if known and fetched.media_type in ("", TEXT) else ""


def _extension(filename: str) -> str:
    return PurePosixPath(filename).suffix.lower()


def go_back_if_unchanged(session: Session, document: Document, fetched: Fetched) -> bool:
    """Whether the version before has the same content; then the new one is gone and the document ready as it was."""
    of_document = DocumentVersion.document_id == document.id
    before = select(DocumentVersion.content_hash).where(of_document, DocumentVersion.version == document.version - 1)
    if session.scalar(before) != _hash(fetched):
        return False
    session.execute(delete(DocumentVersion).where(of_document, DocumentVersion.version == document.version))
    document.version -= 1
    document.status = "ready"
    document.chunks_done = document.chunks_total = document.chunk_count
    document.lease_owner = document.lease_until = document.blocked_because = None
    return True


def store(session: Session, document: Document, version: DocumentVersion, fetched: Fetched) -> None:
    """Puts what came into a version that was read, and into its document."""
    stem = PurePosixPath(clean_title(fetched.filename)).stem
    ending = _extension(fetched.filename)
    endings = BY_MEDIA_TYPE[version.media_type or TEXT].extensions
    version.filename = f"{stem[:200]}{ending if ending in endings else endings[0]}" if stem else ""
    keep(session, version, fetched.body)
    document.content_hash, document.size_bytes = version.content_hash, version.size_bytes
    # The attempts that fetching took say nothing about reading.
    document.attempts = 1
    extra = {name: value for name, value in document.extra.items() if name != "final_url"}
    document.extra = extra if fetched.final_url == document.url else extra | {"final_url": fetched.final_url}


def title_of(url: str) -> str:
    """What a page is called until it has said its title."""
    return clean_title(url)


def _hash(fetched: Fetched) -> str:
    return hashlib.sha256(fetched.body).hexdigest()
