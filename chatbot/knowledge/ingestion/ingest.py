"""Ingestion: from a queued row to chunks that answer.

    claim with a lease -> fetch what comes from a URL -> parse -> split -> embed what is not there yet, batch by batch
    -> publish

Every step ends in a commit and can be repeated. A worker that is killed leaves rows that the next one continues
from; one that was only slow finds its lease taken and stops without writing. Chunks of an unfinished version are
rows already, but no search sees them: publishing is one transaction that counts the revision up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.orm import Session, lazyload

from chatbot.db import begin_write, detached, new_id, utcnow
from chatbot.egress import Fetched, FetchFailed, Limits, UrlNotAllowed
from chatbot.knowledge.documents import urls
from chatbot.knowledge.documents.blobs import OriginalMissing, content_of
from chatbot.knowledge.index import keywords
from chatbot.knowledge.index.generations import ensure_generation, is_active, next_revision, visible, within
from chatbot.knowledge.ingestion.chunks import Origin, fill_vectors, label_of, new_chunk, terms_of_chunk, write_chunks
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation
from chatbot.knowledge.parsing import ParseError
from chatbot.knowledge.parsing.extraction import extract_text
from chatbot.rag.embeddings.embedders import Embedder, Embedders
from chatbot.rag.embeddings.minilm import EmbedderDamaged, EmbedderNotInstalled
from chatbot.rag.errors import BadEmbeddings, EmbedderMisconfigured, EmbedderUnavailable
from chatbot.rag.text.splitter import Chunk, split
from chatbot.system.disk_space import FULL, is_full

log = structlog.get_logger(__name__)

BATCH = 32
MAX_ATTEMPTS = 5
WAIT = timedelta(seconds=30)
PUBLIC_ONLY = Limits()
# With the embedder away a document waits; that is no attempt.
AWAY = (EmbedderUnavailable, EmbedderMisconfigured, EmbedderNotInstalled, EmbedderDamaged)
GAVE_UP = "Reading this file stopped the worker again and again. It was set aside."


class LeaseLost(Exception):
    """Somebody else has this document now, or it is gone; nothing more may be written."""


class GenerationChanged(Exception):
    """Another generation was activated while this document was embedded for the one before."""


class Hold(Protocol):
    """The right to write chunks of a document: a worker's lease on it, or a build's lease on a generation."""

    @property
    def document_id(self) -> str: ...

    @property
    def lease(self) -> timedelta: ...

    def hold(self, session: Session) -> Document | None:
        """The document, locked, with the lease renewed; None when the right is lost."""
        ...

    def note(self, document: Document, done: int, total: int) -> None:
        """Notes how many of the document's chunks are there."""
        ...


@dataclass(frozen=True)
class Job:
    """A claimed document, as plain values."""

    document_id: str
    owner: str
    version: int
    lease: timedelta

    def hold(self, session: Session) -> Document | None:
        mine = (Document.id == self.document_id, Document.lease_owner == self.owner, Document.version == self.version)
        # Without the join, as in service.get_document.
        query = select(Document).where(*mine).with_for_update(of=Document).options(lazyload(Document.collection))
        document = session.scalar(query.execution_options(populate_existing=True))
        if document is not None:
            document.lease_until = utcnow() + self.lease
        return document

    def note(self, document: Document, done: int, total: int) -> None:
        document.chunks_done, document.chunks_total = done, total


def due_documents(session: Session, limit: int = 100) -> list[str]:
    """The ids of documents that wait or whose worker has gone silent."""
    query = select(Document.id).where(_due()).order_by(Document.next_attempt_at, Document.id).limit(limit)
    due = list(session.scalars(query))
    session.rollback()
    return due


def is_due(session: Session, document_id: str) -> bool:
    """Whether a document waits or its worker has gone silent."""
    found = session.scalar(select(Document.id).where(Document.id == document_id, _due()))
    session.rollback()
    return found is not None


def _due() -> ColumnElement[bool]:
    now = utcnow()
    waiting = (Document.status == "queued") & (Document.next_attempt_at <= now)
    return or_(waiting, (Document.status == "processing") & (Document.lease_until < now))


def ingest(
    session: Session, embedders: Embedders, document_id: str, lease_seconds: float, limits: Limits = PUBLIC_ONLY
) -> str | None:
    """Ingests one document if it is due and nobody else has it. Gives its status afterwards, or None if not taken."""
    job = _claim(session, document_id, timedelta(seconds=lease_seconds))
    if job is None:
        return None
    log.info("ingest_begins", document_id=document_id, version=job.version)
    try:
        return _run(session, embedders, job, limits)
    except LeaseLost:
        session.rollback()
        log.warning("lease_lost", document_id=document_id)
        return None
    except Exception as error:
        session.rollback()
        with suppress(LeaseLost):
            if is_full(error):
                return _wait(session, job, FULL)
            _give_back(session, job, "An unexpected error; it is tried again.")
        raise


def _claim(session: Session, document_id: str, lease: timedelta) -> Job | None:
    owner, now = new_id(), utcnow()
    begin_write(session)
    version = session.scalar(
        update(Document)
        .where(Document.id == document_id, _due())
        .values(status="processing", lease_owner=owner, lease_until=now + lease, attempts=Document.attempts + 1)
        .values(blocked_because=None)
        .returning(Document.version)
    )
    session.commit()
    return Job(document_id, owner, version, lease) if version is not None else None


def _run(session: Session, embedders: Embedders, job: Job, limits: Limits) -> str:
    try:
        if _attempts(session, job) > MAX_ATTEMPTS:
            return _fail(session, job, "gave_up", GAVE_UP)
        fetched = _fetch_missing(session, job, limits)
        if fetched is not None and _is_unchanged(session, job, fetched):
            return "ready"
        version = _with_text(session, job, fetched)
        return _embed_and_publish(session, embedders, job, version)
    except FetchFailed as error:
        return _fail_or_try_again(session, job, error)
    except (ParseError, UrlNotAllowed, OriginalMissing, BadEmbeddings) as error:
        return _fail(session, job, error.code, str(error))
    except AWAY as error:
        return _wait(session, job, str(error))


def _embed_and_publish(session: Session, embedders: Embedders, job: Job, version: DocumentVersion) -> str:
    """Makes the version answer in the generation that is active when it is ready, whichever was at the start."""
    while True:
        generation = ensure_generation(session, embedders)
        embed_missing(session, job, version, generation, embedders.get(generation.embedder))
        try:
            return _publish(session, job, version, generation)
        except GenerationChanged:
            session.rollback()
            log.info("ingest_follows_activation", document_id=job.document_id, left=generation.id)


def held(session: Session, job: Hold) -> Document:
    """The document, locked, if it is still this job's. Begins the writing transaction.

    Raises:
        LeaseLost: it is not.
    """
    begin_write(session)
    document = job.hold(session)
    if document is None:
        session.rollback()
        raise LeaseLost()
    return document


def _attempts(session: Session, job: Job) -> int:
    attempts = session.scalars(select(Document.attempts).where(Document.id == job.document_id)).one()
    session.rollback()
    return attempts


def _fail(session: Session, job: Job, code: str, detail: str) -> str:
    session.rollback()
    held(session, job).mark_failed(code, detail)
    session.commit()
    log.warning("ingest_failed", document_id=job.document_id, code=code)
    return "failed"


def _wait(session: Session, job: Job, because: str) -> str:
    session.rollback()
    held(session, job).wait(utcnow() + WAIT, because)
    session.commit()
    log.warning("ingest_waits", document_id=job.document_id, because=because)
    return "queued"


def _fail_or_try_again(session: Session, job: Job, error: FetchFailed) -> str:
    """A server that is away is asked again, after longer and longer waits, as often as any document is tried."""
    attempts = _attempts(session, job)
    if not error.may_pass or attempts >= MAX_ATTEMPTS:
        return _fail(session, job, error.code, str(error))
    _give_back(session, job, str(error), WAIT * 2 ** (attempts - 1))
    log.warning("fetch_waits", document_id=job.document_id, because=str(error))
    return "queued"


def _give_back(session: Session, job: Job, because: str, wait: timedelta = WAIT) -> None:
    document = held(session, job)
    attempts = document.attempts
    document.wait(utcnow() + wait, because)
    document.attempts = attempts
    session.commit()


def _fetch_missing(session: Session, job: Job, limits: Limits) -> Fetched | None:
    """What a version consists of that is still to be fetched, else None. Its address is judged now, once more."""
    url = urls.address_to_fetch(session, job.document_id, job.version)
    return urls.fetch_document(url, limits) if url is not None else None


def _is_unchanged(session: Session, job: Job, fetched: Fetched) -> bool:
    unchanged = urls.go_back_if_unchanged(session, held(session, job), fetched)
    session.commit()
    if unchanged:
        log.info("fetched_unchanged", document_id=job.document_id)
    return unchanged


def _with_text(session: Session, job: Job, fetched: Fetched | None) -> DocumentVersion:
    """The version with its text. Parsing happens once, outside any transaction."""
    which = (DocumentVersion.document_id == job.document_id, DocumentVersion.version == job.version)
    query = select(DocumentVersion).where(*which)
    version = session.scalars(query).one()
    if version.text is None:
        if fetched is None:
            data, name, kind = content_of(session, version), version.filename, version.media_type
        else:
            data, name, kind = fetched.body, urls.name_to_judge_by(fetched), fetched.media_type
        session.rollback()
        read = extract_text(data, name, kind)
        if fetched is not None:
            urls.require_document(fetched, read.parsed)
        document = held(session, job)
        version = session.scalars(query).one()
        for column, value in read.version_values().items():
            setattr(version, column, value)
        document.language = read.language
        if fetched is not None:
            urls.store(session, document, version, fetched)
        document.title = read.title_for(document.title, name, document.url or name)
        session.commit()
    return detached(session, version)


def embed_missing(
    session: Session, job: Hold, version: DocumentVersion, generation: Generation, embedder: Embedder
) -> None:
    """Writes the chunks of the version that are not in the generation yet; no search sees them.

    Raises:
        LeaseLost: the right to write is lost.
        ParseError: there is nothing to embed.
    """
    document = session.scalars(select(Document).where(Document.id == job.document_id)).one()
    label = label_of(document.title, document.source, "" if document.url else version.filename)
    have = set(
        session.scalars(
            select(ChunkRow.ordinal).where(ChunkRow.version_id == version.id, ChunkRow.generation_id == generation.id)
        )
    )
    session.rollback()
    text = version.text or ""
    origin = Origin(job.document_id, version.id, version.version, text, version.pages, label)
    plan = list(enumerate(split(text, generation.chunk_tokens, _alive(session, job, embedder.count_tokens))))
    if not plan:
        raise ParseError("no_text")
    done = len(have)
    todo = [(ordinal, chunk) for ordinal, chunk in plan if ordinal not in have]
    if len(todo) != len(plan) or len(todo) > BATCH:
        _report(session, job, done, len(plan))
    for batch in _batches(todo):
        chunks = [new_chunk(origin, generation, embedder, ordinal, chunk) for ordinal, chunk in batch]
        fill_vectors(session, chunks, generation, embedder)
        document = held(session, job)
        named = document.title, document.source, document.language
        write_chunks(session, chunks, [terms_of_chunk(*named, chunk) for chunk in chunks])
        done += len(chunks)
        job.note(document, done, len(plan))
        session.commit()
        session.expunge_all()


def _alive(session: Session, job: Hold, count_tokens: Callable[[str], int]) -> Callable[[str], int]:
    """The counter, renewing the lease now and then: splitting a text of many megabytes outlasts a lease."""
    pause = job.lease.total_seconds() / 4
    renewed = time.monotonic()

    def count(text: str) -> int:
        nonlocal renewed
        if time.monotonic() - renewed > pause:
            held(session, job)
            session.commit()
            session.expunge_all()
            renewed = time.monotonic()
        return count_tokens(text)

    return count


def _report(session: Session, job: Hold, done: int, total: int) -> None:
    job.note(held(session, job), done, total)
    session.commit()


def _batches(todo: Sequence[tuple[int, Chunk]]) -> Iterator[Sequence[tuple[int, Chunk]]]:
    for start in range(0, len(todo), BATCH):
        yield todo[start : start + BATCH]


def _publish(session: Session, job: Job, version: DocumentVersion, generation: Generation) -> str:
    """Makes the version answer, in one transaction and one revision.

    Raises:
        LeaseLost: somebody else has the document.
        GenerationChanged: the generation does not answer any more.
    """
    document = held(session, job)
    show(session, document, version, generation)
    # Counting the revision up has locked the generation: an activation waits, or is seen here.
    if not is_active(session, generation.id):
        raise GenerationChanged()
    document.mark_ready(document.chunks_total)
    session.commit()
    log.info("ingest_done", document_id=document.id, version=job.version, chunks=document.chunk_count)
    return "ready"


def show(session: Session, document: Document, version: DocumentVersion, generation: Generation) -> None:
    """Makes the version visible in the generation and the one before invisible, in one revision."""
    revision = next_revision(session, generation.id)
    mine = (ChunkRow.document_id == document.id, within(generation.id))
    current, others = ChunkRow.version_id == version.id, ChunkRow.version_id != version.id
    session.execute(delete(ChunkRow).where(*mine, others, ChunkRow.added_revision.is_(None)))
    session.execute(update(ChunkRow).where(*mine, others, *visible()).values(removed_revision=revision))
    fresh = (*mine, current, ChunkRow.added_revision.is_(None))
    session.execute(update(ChunkRow).where(*fresh).values(added_revision=revision))
    keywords.note_languages(session, generation.id, document.language or "")
