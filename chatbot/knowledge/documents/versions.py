"""Reading a document: its versions, what changed between two of them, its chunks, and the original."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import unified_diff
from itertools import pairwise
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chatbot.errors import Invalid, NotFound
from chatbot.knowledge.documents.blobs import TextNotReady, content_of
from chatbot.knowledge.documents.service import get_document
from chatbot.knowledge.index.generations import active_generation, answering
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion
from chatbot.knowledge.parsing.formats import BY_MEDIA_TYPE
from chatbot.web.pagination import Page, highest_first, oldest_first

UNKNOWN = "application/octet-stream"
MAX_COMPARED_CHARACTERS = 5_000_000
# A second or two: see `_work`.
MAX_COMPARING = 100_000_000


class VersionNotFound(NotFound):
    code, detail = "version_not_found", "The document has no such version."


class TooLargeToCompare(Invalid):
    code, detail = "too_large_to_compare", "These texts are too large, or too repetitive, to be compared line by line."


@dataclass(frozen=True)
class VersionView:
    """A version as it is shown. `characters` is the length of its text in code points, None while there is none, and
    `warnings` say what of its content is not in the text."""

    version: int
    content_hash: str
    size_bytes: int
    filename: str
    media_type: str | None
    created_at: datetime
    is_current: bool
    characters: int | None
    warnings: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class VersionText(VersionView):
    """A version, its text, and where in the text each page begins."""

    text: str | None
    page_starts: list[int]


@dataclass(frozen=True)
class Original:
    """The bytes of a version as they came, and what to call them."""

    data: bytes
    filename: str
    media_type: str


def get_version(session: Session, document_id: str, number: int) -> DocumentVersion:
    """A version's row.

    Raises:
        VersionNotFound: there is none.
    """
    which = (DocumentVersion.document_id == document_id, DocumentVersion.version == number)
    # A number beyond the column's is an error on PostgreSQL.
    version = session.scalar(select(DocumentVersion).where(*which)) if number < 2**31 else None
    if version is None:
        raise VersionNotFound()
    return version


def list_versions(session: Session, document_id: str, limit: int, cursor: str | None) -> Page:
    """A page of a document's versions, newest first.

    Raises:
        DocumentNotFound: there is no such document.
    """
    document = get_document(session, document_id)
    query = select(DocumentVersion).where(DocumentVersion.document_id == document_id)
    page = highest_first(session, query, DocumentVersion.version, limit, cursor)
    shown = DocumentVersion.id.in_([version.id for version in page.items])
    counted = select(DocumentVersion.id, func.length(DocumentVersion.text)).where(shown)
    lengths = {row[0]: row[1] for row in session.execute(counted)}
    return Page([_view(version, document, lengths[version.id]) for version in page.items], page.next_cursor)


def read_version(session: Session, document_id: str, number: int) -> VersionText:
    """A version with its text.

    Raises:
        DocumentNotFound, VersionNotFound: there is none.
    """
    document = get_document(session, document_id)
    version = get_version(session, document_id, number)
    view = _view(version, document, None if version.text is None else len(version.text))
    return VersionText(**vars(view), text=version.text, page_starts=version.pages)


def _view(version: DocumentVersion, document: Document, characters: int | None) -> VersionView:
    same = {
        name: getattr(version, name)
        for name in ("version", "content_hash", "size_bytes", "filename", "media_type", "created_at", "warnings")
    }
    return VersionView(**same, is_current=version.version == document.version, characters=characters)


def compare(session: Session, document_id: str, old: int, new: int | None) -> dict[str, object]:
    """The unified diff from one version's text to another's, or to the newest one's.

    Raises:
        DocumentNotFound, VersionNotFound: there is none.
        TextNotReady: one of them has no text.
        TooLargeToCompare: it would take too long.
    """
    newest = get_document(session, document_id).version
    new = newest if new is None else new
    before, after = _text(session, document_id, old), _text(session, document_id, new)
    session.rollback()
    return {"from": old, "to": new, "diff": difference(before, after, f"version {old}", f"version {new}")}


def _text(session: Session, document_id: str, number: int) -> str:
    text = get_version(session, document_id, number).text
    if text is None:
        raise TextNotReady()
    return text


def difference(old: str, new: str, old_name: str = "", new_name: str = "") -> str:
    """The unified diff of two texts, empty when they are equal.

    Raises:
        TooLargeToCompare: it would take too long.
    """
    if max(len(old), len(new)) > MAX_COMPARED_CHARACTERS:
        raise TooLargeToCompare()
    a, b = old.split("\n"), new.split("\n")
    if _work(a, b) > MAX_COMPARING:
        raise TooLargeToCompare()
    return "\n".join(unified_diff(a, b, old_name, new_name, lineterm=""))


def _work(a: Sequence[str], b: Sequence[str]) -> int:
    """About how many steps difflib takes: it looks through all lines, and all pairs of equal ones, for each piece that
    both texts have. There is about one such piece for each two lines that follow each other in one text only. Lines
    that make up more than a hundredth of a text are left out by it."""
    there = Counter(b)
    often = len(b) // 100 + 1 if len(b) >= 200 else len(b)
    pairs = sum(n for n in map(there.__getitem__, a) if n <= often)
    neighbours, others = Counter(pairwise(a)), Counter(pairwise(b))
    pieces = 1 + (neighbours - others).total() + (others - neighbours).total()
    return pieces * (len(a) + len(b) + pairs)


def list_chunks(session: Session, document_id: str, limit: int, cursor: str | None) -> Page:
    """A page of the chunks that answer for a document, in the order of its text.

    Raises:
        DocumentNotFound: there is no such document.
    """
    document = get_document(session, document_id)
    generation = active_generation(session)
    query = select(ChunkRow).where(answering(document), ChunkRow.generation_id == (generation and generation.id))
    return oldest_first(session, query, ChunkRow.ordinal, limit, cursor)


def original(session: Session, document_id: str, number: int | None) -> Original:
    """The bytes of a version, or of the newest, as they came.

    Raises:
        DocumentNotFound, VersionNotFound: there is none.
        OriginalMissing: its file is lost.
    """
    document = get_document(session, document_id)
    version = get_version(session, document_id, document.version if number is None else number)
    name = version.filename or f"{document.title}.md"
    # Until it is read, the kind is only what its sender says.
    kind = version.media_type if version.media_type in BY_MEDIA_TYPE else UNKNOWN
    return Original(content_of(session, version), name, kind)
