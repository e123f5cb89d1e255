"""Many small new texts at once: what one of them costs by itself is mostly statements and commits.

    claim some with a lease -> read, split and embed them all -> publish them all, in one transaction and one revision

It is the short way for what nobody has tried yet, made of ingest.py's own steps. One that cannot be read fails with
its reason; where anything else is wrong all go back, tried once, and each goes its own way (ingest.py), which says what
is wrong with which. A worker that is killed has written nothing, and its leases run out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from typing import Any

import structlog
from sqlalchemy import Select, bindparam, or_, select, update
from sqlalchemy.orm import Session, lazyload

from chatbot.db import begin_write, new_id, utcnow
from chatbot.knowledge.index import keywords
from chatbot.knowledge.index.generations import ensure_generation, is_active, next_revision
from chatbot.knowledge.ingestion.chunks import (
    NewChunk,
    Origin,
    fill_vectors,
    label_of,
    new_chunk,
    terms_of_chunk,
    write_chunks,
)
from chatbot.knowledge.ingestion.ingest import AWAY, WAIT, GenerationChanged
from chatbot.knowledge.models import Document, DocumentVersion, Generation
from chatbot.knowledge.parsing import ParseError, is_isolated
from chatbot.knowledge.parsing.extraction import ExtractedText, extract_text
from chatbot.rag.embeddings.embedders import Embedder, Embedders
from chatbot.rag.text.splitter import split

log = structlog.get_logger(__name__)

# So many are taken at once, and no fewer: a few go their own ways.
MOST, FEWEST = 128, 4
# Larger ones gain nothing, and all of them are to be embedded well within a lease.
SMALL_BYTES = 8_000
MOST_BYTES = 128_000
# How many chunks are embedded at once.
BATCH = 128
_KINDS = ("%.md", "%.markdown", "%.txt")
_MEDIA_TYPES = ("text/plain", "text/markdown")


@dataclass(frozen=True)
class Prepared:
    """A document on its way: what it was called, what was read of it, and its chunks with what they are found by."""

    title: str
    source: str
    version_id: int
    new_title: str
    read: ExtractedText
    chunks: tuple[NewChunk, ...]
    terms: tuple[list[str], ...]


@dataclass
class Batch:
    """The documents of one owner by their ids: on their way, failed with a reason, or to go their own way."""

    owner: str
    ids: Sequence[str]
    prepared: dict[str, Prepared] = field(default_factory=dict)
    failed: dict[str, ParseError] = field(default_factory=dict)

    def mine(self) -> Select[Document]:
        """Those that are still this owner's, locked in the order of their ids."""
        held = select(Document).where(Document.id.in_(self.ids), Document.lease_owner == self.owner)
        return held.order_by(Document.id).with_for_update(of=Document).options(lazyload(Document.collection))


def ingest_batch(session: Session, embedders: Embedders, lease_seconds: float) -> int:
    """Ingests some of the small new texts that wait, and gives how many have come to an end, ready or failed; 0 where
    each has to go its own way, or to wait."""
    batch = _claim(session, timedelta(seconds=lease_seconds))
    if batch is None:
        return 0
    try:
        done = _run(session, embedders, batch)
    except AWAY as error:
        session.rollback()
        _wait(session, batch, str(error))
        return 0
    except Exception as error:
        # Whatever it is: each by itself says what is wrong with it.
        session.rollback()
        begin_write(session)
        _give_back(session, batch.owner, batch.ids)
        session.commit()
        log.warning("not_together", error=type(error).__name__)
        return 0
    log.info("ingest_done_together", documents=done)
    return done


def _claim(session: Session, lease: timedelta) -> Batch | None:
    now = {"now": utcnow()}
    # Most often there are none, and nobody has to wait for that answer.
    few = len(session.execute(_SOME.limit(FEWEST), now).all()) < FEWEST
    session.rollback()
    if few:
        return None
    begin_write(session)
    found = session.execute(_SOME.limit(MOST).with_for_update(of=Document, skip_locked=True), now).all()
    sizes = accumulate(row.size_bytes for row in found)
    ids = sorted(row.id for row, size in zip(found, sizes, strict=True) if size <= MOST_BYTES)
    batch = Batch(new_id(), ids)
    values = {"status": "processing", "lease_owner": batch.owner, "lease_until": now["now"] + lease, "attempts": 1}
    session.execute(_among(ids).values(values | {"blocked_because": None}))
    session.commit()
    return batch if ids else None


_OURS = or_(
    *(DocumentVersion.filename.ilike(kind) for kind in _KINDS),
    (DocumentVersion.filename == "") & DocumentVersion.media_type.in_(_MEDIA_TYPES),
)
_SOME = (
    select(Document.id, Document.size_bytes)
    .join(DocumentVersion, DocumentVersion.document_id == Document.id)
    .where(Document.status == "queued", Document.next_attempt_at <= bindparam("now"), Document.attempts == 0)
    .where(Document.version == 1, Document.url.is_(None), Document.size_bytes <= SMALL_BYTES, Document.is_active)
    .where(DocumentVersion.in_file.is_(False), _OURS)
    .order_by(Document.next_attempt_at, Document.id)
)


def _among(ids: Sequence[str]) -> Any:
    return update(Document).where(Document.id.in_(ids)).execution_options(synchronize_session=False)


def _give_back(session: Session, owner: str, ids: Sequence[str]) -> None:
    """Puts documents back into the queue as tried once, in the caller's transaction: each goes its own way."""
    values = {"status": "queued", "lease_owner": None, "lease_until": None}
    session.execute(_among(ids).where(Document.lease_owner == owner).values(values))


def _wait(session: Session, batch: Batch, because: str) -> None:
    begin_write(session)
    for document in session.scalars(batch.mine()):
        document.wait(utcnow() + WAIT, because)
    session.commit()
    log.warning("ingest_waits_together", documents=len(batch.ids), because=because)


def _run(session: Session, embedders: Embedders, batch: Batch) -> int:
    """Makes the texts answer in the generation that is active when they are ready, whichever was at the start."""
    while True:
        generation = ensure_generation(session, embedders)
        embedder = embedders.get(generation.embedder)
        _prepare(session, batch, generation, embedder)
        chunks = [chunk for one in batch.prepared.values() for chunk in one.chunks]
        for start in range(0, len(chunks), BATCH):
            fill_vectors(session, chunks[start : start + BATCH], generation, embedder)
        try:
            return _publish(session, batch, generation)
        except GenerationChanged:
            session.rollback()
            log.info("ingest_follows_activation", documents=len(batch.ids), left=generation.id)


def _prepare(session: Session, batch: Batch, generation: Generation, embedder: Embedder) -> None:
    found = session.execute(_CONTENTS, {"ids": batch.ids}).all()
    session.rollback()
    batch.prepared, batch.failed = {}, {}
    for row in found:
        # A page that is called a text is read in a process of its own, which takes long.
        try:
            if not is_isolated(row.content, row.filename, row.media_type):
                batch.prepared[row.id] = _prepared(row, generation, embedder)
        except ParseError as error:
            batch.failed[row.id] = error


_CONTENTS = (
    select(
        Document.id,
        Document.title,
        Document.source,
        DocumentVersion.id.label("version_id"),
        DocumentVersion.filename,
        DocumentVersion.media_type,
        DocumentVersion.content,
    )
    .join(DocumentVersion, DocumentVersion.document_id == Document.id)
    .where(Document.id.in_(bindparam("ids", expanding=True)), DocumentVersion.version == 1)
    .order_by(Document.id)
)


def _prepared(row: Any, generation: Generation, embedder: Embedder) -> Prepared:
    """A document as it was read and cut.

    Raises:
        ParseError: it cannot be read, or has no text.
    """
    read = extract_text(row.content, row.filename, row.media_type)
    text, title = read.parsed.text, read.title_for(row.title, row.filename)
    origin = Origin(row.id, row.version_id, 1, text, read.parsed.pages, label_of(title, row.source, row.filename))
    cut = split(text, generation.chunk_tokens, embedder.count_tokens)
    if not cut:
        raise ParseError("no_text")
    chunks = tuple(new_chunk(origin, generation, embedder, ordinal, chunk) for ordinal, chunk in enumerate(cut))
    terms = tuple(terms_of_chunk(title, row.source, read.language, chunk) for chunk in chunks)
    return Prepared(row.title, row.source, row.version_id, title, read, chunks, terms)


def _publish(session: Session, batch: Batch, generation: Generation) -> int:
    """Writes everything of the documents that are still held, and gives how many these are.

    One that is called otherwise by now goes its own way, for its name is in its vectors and its words.

    Raises:
        GenerationChanged: the generation does not answer any more.
    """
    begin_write(session)
    names = batch.mine().with_only_columns(Document.id, Document.title, Document.source)
    held = {row.id: (row.title, row.source) for row in session.execute(names)}
    ready = {id_: one for id_, one in batch.prepared.items() if held.get(id_) == (one.title, one.source)}
    failed = batch.failed.keys() & held.keys()
    revision = next_revision(session, generation.id)
    # Counting the revision up has locked the generation: an activation waits, or is seen here.
    if not is_active(session, generation.id):
        raise GenerationChanged()
    if ready:
        _write(session, ready, generation, revision)
    _fail(session, batch, failed)
    _give_back(session, batch.owner, sorted(held.keys() - ready.keys() - failed))
    session.commit()
    return len(ready) + len(failed)


def _write(session: Session, ready: dict[str, Prepared], generation: Generation, revision: int) -> None:
    documents, versions, chunks = [], [], []
    terms: list[list[str]] = []
    for document_id, one in ready.items():
        about = {"which": document_id, "title": one.new_title, "language": one.read.language, "updated_at": utcnow()}
        documents.append(about | Document.ready_values(len(one.chunks)))
        versions.append({"which": one.version_id, **one.read.version_values()})
        chunks += [NewChunk(chunk.values | {"added_revision": revision}, chunk.embedded) for chunk in one.chunks]
        terms += one.terms
    _update(session, Document, documents)
    _update(session, DocumentVersion, versions)
    write_chunks(session, chunks, terms)
    for language in sorted({one.read.language or "" for one in ready.values()}):
        keywords.note_languages(session, generation.id, language)


def _update(session: Session, model: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Updates rows by their ids, `which`, each with the same columns."""
    columns: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "which"}
    table = model.__table__
    session.execute(update(table).where(table.c.id == bindparam("which")).values(columns), rows)


def _fail(session: Session, batch: Batch, failed: set[str]) -> None:
    for document in session.scalars(batch.mine().where(Document.id.in_(failed))) if failed else ():
        document.mark_failed(batch.failed[document.id].code, str(batch.failed[document.id]))
        log.warning("ingest_failed", document_id=document.id, code=document.error_code)
    session.flush()
