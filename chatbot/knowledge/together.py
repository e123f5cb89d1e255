"""Many small new texts at once: what one of them costs by itself is mostly statements and commits.

    claim some with a lease -> parse, split and embed them all -> publish them all, in one transaction and one revision

It is the short way for what nobody has tried yet. Where anything is wrong with one of them all go back, tried once,
and each goes its own way (ingest.py), which says what is wrong with which. A worker that is killed has written
nothing, and its leases run out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, lazyload

from chatbot.db import begin_write, new_id, utcnow
from chatbot.knowledge import keywords
from chatbot.knowledge.generations import ensure_generation, is_active, next_revision
from chatbot.knowledge.ingest import GenerationChanged, chunk_row, fill_vectors, label_of
from chatbot.knowledge.instructions import score, signs
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation
from chatbot.knowledge.parsing import Parsed, ParseError, parse
from chatbot.knowledge.service import clean_title
from chatbot.knowledge.simhash import simhash
from chatbot.rag.embedders import Embedder, Embedders
from chatbot.rag.languages import language_of
from chatbot.rag.splitter import split

log = structlog.get_logger(__name__)

# So many are taken at once, and no fewer: a few go their own ways.
MOST, FEWEST = 64, 4
# Larger ones gain nothing, and all of them are to be embedded well within a lease.
SMALL_BYTES = 8_000
# How many chunks are embedded or written at once.
BATCH = 256
_KINDS = ("%.md", "%.markdown", "%.txt")

Row = tuple[ChunkRow, str]


@dataclass(frozen=True)
class Prepared:
    """A document on its way: what was read of it, and its chunks with the text that each vector stands for."""

    document_id: str
    version_id: int
    title: str
    parsed: Parsed
    simhash: int | None
    suspicion: float
    language: str | None
    rows: tuple[Row, ...]


def ingest_together(session: Session, embedders: Embedders, lease_seconds: float) -> int:
    """Ingests some of the small new texts that wait, and gives how many; 0 where each has to go its own way."""
    owner = new_id()
    if not _claim(session, owner, timedelta(seconds=lease_seconds)):
        return 0
    try:
        done = _run(session, embedders, owner)
    except Exception as error:
        # Whatever it is: each by itself says what is wrong with it, or waits for what is away.
        session.rollback()
        _give_back(session, owner)
        log.warning("not_together", error=type(error).__name__)
        return 0
    log.info("ingest_done_together", documents=done)
    return done


def _claim(session: Session, owner: str, lease: timedelta) -> bool:
    now = utcnow()
    text = or_(*(DocumentVersion.filename.ilike(kind) for kind in _KINDS))
    some = (
        select(Document.id)
        .join(DocumentVersion, DocumentVersion.document_id == Document.id)
        .where(Document.status == "queued", Document.next_attempt_at <= now, Document.attempts == 0)
        .where(Document.version == 1, Document.url.is_(None), Document.size_bytes <= SMALL_BYTES, Document.is_active)
        .where(DocumentVersion.in_file.is_(False), text)
        .order_by(Document.next_attempt_at, Document.id)
    )
    # Most often there are none, and nobody has to wait for that answer.
    few = len(session.scalars(some.limit(FEWEST)).all()) < FEWEST
    session.rollback()
    if few:
        return False
    begin_write(session)
    ids = session.scalars(some.limit(MOST).with_for_update(of=Document, skip_locked=True)).all()
    claimed = update(Document).where(Document.id.in_(ids)).execution_options(synchronize_session=False)
    session.execute(
        claimed.values(
            status="processing", lease_owner=owner, lease_until=now + lease, attempts=1, blocked_because=None
        )
    )
    session.commit()
    return bool(ids)


def _give_back(session: Session, owner: str) -> None:
    begin_write(session)
    values = {"status": "queued", "lease_owner": None, "lease_until": None}
    session.execute(update(Document).where(Document.lease_owner == owner).values(values))
    session.commit()


def _run(session: Session, embedders: Embedders, owner: str) -> int:
    generation = ensure_generation(session, embedders)
    embedder = embedders.get(generation.embedder)
    prepared = list(_prepared(session, owner, generation, embedder))
    rows = [row for one in prepared for row in one.rows]
    for start in range(0, len(rows), BATCH):
        fill_vectors(session, rows[start : start + BATCH], generation, embedder)
    return _publish(session, owner, generation, {one.document_id: one for one in prepared})


def _prepared(session: Session, owner: str, generation: Generation, embedder: Embedder) -> Iterator[Prepared]:
    """The claimed documents as they were read.

    Raises:
        ParseError: one of them cannot be read, or has no text.
    """
    query = (
        select(Document.id, Document.title, Document.source, DocumentVersion, DocumentVersion.content)
        .join(DocumentVersion, DocumentVersion.document_id == Document.id)
        .where(Document.lease_owner == owner)
        .order_by(Document.id)
    )
    found = session.execute(query).all()
    session.expunge_all()
    session.rollback()
    for document_id, title, source, version, content in found:
        parsed = parse(content, version.filename, version.media_type)
        if parsed.title and title in ("Untitled", clean_title(version.filename)):
            title = clean_title(parsed.title) or title
        label = label_of(title, source, version.filename)
        chunks = split(parsed.text, generation.chunk_tokens, embedder.count_tokens)
        if not chunks:
            raise ParseError("no_text")
        version.pages = list(parsed.pages)
        rows = [
            chunk_row(parsed.text, label, version, generation, embedder, n, chunk) for n, chunk in enumerate(chunks)
        ]
        suspicion = score(signs(parsed.text, content, parsed.media_type))
        yield Prepared(
            document_id, version.id, title, parsed, simhash(parsed.text), suspicion, language_of(parsed.text),
            tuple(rows),
        )  # fmt: skip


def _publish(session: Session, owner: str, generation: Generation, prepared: dict[str, Prepared]) -> int:
    """Writes everything of the documents that are still held, and gives how many these are.

    Raises:
        GenerationChanged: the generation does not answer any more.
    """
    begin_write(session)
    mine = select(Document).where(Document.lease_owner == owner, Document.version == 1).with_for_update(of=Document)
    held = session.scalars(mine.options(lazyload(Document.collection)).order_by(Document.id)).all()
    revision = next_revision(session, generation.id)
    # Counting the revision up has locked the generation: an activation waits, or is seen here.
    if not is_active(session, generation.id):
        raise GenerationChanged()
    some = [prepared[document.id] for document in held]
    for document, one in zip(held, some, strict=True):
        document.title, document.language, document.status = one.title, one.language, "ready"
        document.chunk_count = document.chunks_done = document.chunks_total = len(one.rows)
        document.lease_owner = document.lease_until = document.error_code = document.error_detail = None
    session.flush()
    if some:
        session.execute(update(DocumentVersion), [_version_values(one) for one in some])
    _write_chunks(session, [row for one in some for row, _ in one.rows], revision)
    for language in sorted({one.language or "" for one in some}):
        keywords.note_languages(session, generation.id, language)
    session.commit()
    return len(some)


def _version_values(one: Prepared) -> dict[str, object]:
    return {
        "id": one.version_id, "text": one.parsed.text, "media_type": one.parsed.media_type,
        "pages": list(one.parsed.pages), "simhash": one.simhash, "instruction_score": one.suspicion,
    }  # fmt: skip


def _write_chunks(session: Session, rows: Sequence[ChunkRow], revision: int) -> None:
    for row in rows:
        row.added_revision = revision
    session.add_all(rows)
    session.flush()
    for start in range(0, len(rows), BATCH):
        keywords.index_chunks(session, [row.id for row in rows[start : start + BATCH]])
