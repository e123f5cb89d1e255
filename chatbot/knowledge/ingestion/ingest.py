"""Ingestion: from queued documents to chunks that answer, one document or many small ones at once.

    claim with a lease -> fetch what comes from a URL -> read -> split and embed -> publish

The unit is a batch of claimed documents. A single document is ingested with checkpoints: each step ends in a commit
and can be repeated, and the worker after one that was killed continues from the rows it left. Many small new texts are
held in memory and written in one transaction; a killed worker leaves nothing of them. No search sees the chunks of an
unfinished version, and publishing counts the revision up.

A document that cannot be read fails with its reason. While the embedder is unavailable or the disk is full, the batch
waits, which does not count as an attempt. After any other error it is given back: a single document is tried again
later, and of many each is ingested alone, which shows which one is at fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import structlog
from sqlalchemy import bindparam, case, select
from sqlalchemy.orm import Session

from chatbot.egress import Fetched, FetchFailed, Limits, UrlNotAllowed
from chatbot.knowledge.documents import urls
from chatbot.knowledge.documents.blobs import OriginalMissing, content_of
from chatbot.knowledge.index.generations import ensure_generation
from chatbot.knowledge.ingestion.chunks import CONTENTS, PendingVersion, embed, lock_versions, pending_version
from chatbot.knowledge.ingestion.claims import (
    MAX_ATTEMPTS,
    WAIT,
    Batch,
    KeepAlive,
    LeaseLost,
    claim_document,
    claim_small,
    due,
    fail,
    give_back,
    wait,
)
from chatbot.knowledge.ingestion.publish import GenerationChanged, publish, store_names, store_texts
from chatbot.knowledge.models import Document, DocumentVersion, Generation
from chatbot.knowledge.parsing import ParseError, is_isolated
from chatbot.knowledge.parsing.extraction import extract_text
from chatbot.rag.embeddings.embedders import Embedders
from chatbot.rag.errors import BadEmbeddings, EmbedderMisconfigured, EmbedderUnavailable
from chatbot.system.disk_space import FULL, is_full

log = structlog.get_logger(__name__)

PUBLIC_ONLY = Limits()
UNAVAILABLE = (EmbedderUnavailable, EmbedderMisconfigured)
GAVE_UP = "Reading this file stopped the worker again and again. It was set aside."
UNEXPECTED = "An unexpected error; it is tried again."


def due_documents(session: Session, limit: int = 100) -> list[str]:
    """The ids of documents that wait or whose worker has gone silent."""
    query = select(Document.id).where(due()).order_by(Document.next_attempt_at, Document.id).limit(limit)
    found = list(session.scalars(query))
    session.rollback()
    return found


def is_due(session: Session, document_id: str) -> bool:
    """Whether a document waits or its worker has gone silent."""
    found = session.scalar(select(Document.id).where(Document.id == document_id, due()))
    session.rollback()
    return found is not None


def ingest(
    session: Session, embedders: Embedders, document_id: str, lease_seconds: float, limits: Limits = PUBLIC_ONLY
) -> str | None:
    """Ingests a document if it is due and nobody else has it. Returns its status afterwards, or None if not claimed."""
    batch = claim_document(session, document_id, timedelta(seconds=lease_seconds))
    if batch is None:
        return None
    _process(session, embedders, batch, limits)
    return batch.outcomes.get(document_id)


def ingest_batch(session: Session, embedders: Embedders, lease_seconds: float) -> int:
    """Ingests some of the small new texts that are queued. Returns how many are ready or have failed; 0 if the
    queued documents are to be ingested one by one, or have to wait."""
    batch = claim_small(session, timedelta(seconds=lease_seconds))
    if batch is None:
        return 0
    _process(session, embedders, batch, PUBLIC_ONLY)
    return sum(outcome in ("ready", "failed") for outcome in batch.outcomes.values())


def _process(session: Session, embedders: Embedders, batch: Batch, limits: Limits) -> None:
    """Takes a batch through all steps and ends the claim: published, failed, waiting or given back."""
    log.info("ingest_begins", **batch.about)
    try:
        _run(session, embedders, batch, limits)
    except LeaseLost:
        session.rollback()
        log.warning("lease_lost", **batch.about)
    except UNAVAILABLE as error:
        wait(session, batch, error.hint or str(error))
    except Exception as error:
        if is_full(error):
            wait(session, batch, FULL)
        elif not batch.single:
            give_back(session, batch, batch.ids)
            log.warning("ingest_batch_given_back", error=type(error).__name__, **batch.about)
        elif isinstance(error, BadEmbeddings):
            fail(session, batch, batch.ids[0], error.code, str(error))
        else:
            give_back(session, batch, batch.ids, UNEXPECTED, WAIT)
            raise


def _run(session: Session, embedders: Embedders, batch: Batch, limits: Limits) -> None:
    """Makes the documents answer in the generation that is active when they are ready, whichever was at the start."""
    if batch.attempts > MAX_ATTEMPTS:
        fail(session, batch, batch.ids[0], "gave_up", GAVE_UP)
        return
    versions = _read_all(session, batch, limits)
    while versions:
        generation = ensure_generation(session, embedders)
        embed(session, batch, versions, generation, embedders.get(generation.embedder))
        versions = [version for version in versions if _has_text(session, batch, version)]
        if not versions or _is_published(session, batch, versions, generation):
            return


def _is_published(session: Session, batch: Batch, versions: Sequence[PendingVersion], generation: Generation) -> bool:
    """Publishes the versions, unless the generation does not answer any more."""
    try:
        publish(session, batch, versions, generation)
    except GenerationChanged:
        session.rollback()
        log.info("ingest_follows_activation", left=generation.id, **batch.about)
        return False
    return True


def _has_text(session: Session, batch: Batch, version: PendingVersion) -> bool:
    with _failing(session, batch, version.document_id):
        if not version.plan:
            raise ParseError("no_text")
    return bool(version.plan)


@contextmanager
def _failing(session: Session, batch: Batch, document_id: str) -> Iterator[None]:
    """Fails a document that cannot be read. A page whose server is unavailable is fetched again after longer and
    longer waits, until MAX_ATTEMPTS."""
    try:
        yield
    except FetchFailed as error:
        if error.may_pass and batch.attempts < MAX_ATTEMPTS:
            give_back(session, batch, [document_id], str(error), WAIT * 2 ** (batch.attempts - 1))
            log.warning("fetch_waits", document_id=document_id, because=str(error))
        else:
            fail(session, batch, document_id, error.code, str(error))
    except (ParseError, UrlNotAllowed, OriginalMissing) as error:
        fail(session, batch, document_id, error.code, str(error))


def _read_all(session: Session, batch: Batch, limits: Limits) -> list[PendingVersion]:
    """The versions of the documents that can be read, with their texts. No transaction is open while one is read."""
    rows = session.execute(_CONTENTS, {"ids": batch.ids, "owner": batch.owner}).all()
    session.rollback()
    versions = []
    for row in rows:
        with _failing(session, batch, row.id):
            version = _read(session, batch, row, limits)
            versions += [version] if version else []
    left = set(batch.ids) - batch.outcomes.keys() - {version.document_id for version in versions}
    if left:
        give_back(session, batch, left)
        log.info("ingest_alone", documents=len(left))
    return versions


# The bytes only where there is no text yet.
_CONTENTS = (
    CONTENTS.add_columns(
        DocumentVersion.media_type,
        DocumentVersion.content_hash,
        DocumentVersion.in_file,
        case((DocumentVersion.text.is_(None), DocumentVersion.content)).label("content"),
    )
    .where(Document.id.in_(bindparam("ids", expanding=True)), Document.lease_owner == bindparam("owner"))
    .where(DocumentVersion.version == Document.version)
    .order_by(Document.id)
)


class Original(NamedTuple):
    """The bytes of a version, what they were sent as, and how they were fetched if they come from a URL."""

    data: bytes
    filename: str
    media_type: str | None
    fetched: Fetched | None = None


def _read(session: Session, batch: Batch, row: Any, limits: Limits) -> PendingVersion | None:
    """A version with its text. None if a page has not changed, or if a file is to be read alone."""
    if row.text is not None:
        return pending_version(row, row.text, row.pages)
    original = _original(session, row, limits)
    if original.fetched and _is_unchanged(session, batch, original.fetched):
        return None
    # A page that is called a text is read in a process of its own, which takes long.
    if not batch.checkpoints and is_isolated(*original[:3]):
        return None
    with structlog.contextvars.bound_contextvars(document_id=row.id):
        extracted = extract_text(*original[:3], while_waiting=KeepAlive(session, batch))
    if original.fetched:
        urls.require_document(original.fetched, extracted.parsed)
    version = pending_version(row, extracted.parsed.text, extracted.parsed.pages)
    version.extracted, version.filenames = extracted, (original.filename, row.url or original.filename)
    version.names = version.names_from(version.names)
    if batch.checkpoints:
        _store_text(session, batch, version, original.fetched)
    return version


def _original(session: Session, row: Any, limits: Limits) -> Original:
    """The bytes to read, fetched if they are not here yet. The URL is checked now, once more."""
    if row.url and not row.content_hash:
        fetched = urls.fetch_document(row.url, limits)
        return Original(fetched.body, urls.name_to_judge_by(fetched), fetched.media_type, fetched)
    return Original(content_of(session, row), row.filename, row.media_type)


def _is_unchanged(session: Session, batch: Batch, fetched: Fetched) -> bool:
    """Whether a page is what it was; then the version before is the newest one again, and ready."""
    batch.lock(session)
    document = session.get_one(Document, batch.ids[0], populate_existing=True)
    unchanged = urls.go_back_if_unchanged(session, document, fetched)
    if not unchanged:
        # Fetching may have taken most of it.
        batch.renew(session)
    session.commit()
    if unchanged:
        batch.outcomes[document.id] = "ready"
        log.info("fetched_unchanged", document_id=document.id)
    return unchanged


def _store_text(session: Session, batch: Batch, version: PendingVersion, fetched: Fetched | None) -> None:
    """Stores what was read, so that it is read once, and what was fetched with it."""
    lock_versions(session, batch, [version])
    store_texts(session, [version])
    store_names(session, [version])
    if fetched:
        document = session.get_one(Document, version.document_id, populate_existing=True)
        row = session.get_one(DocumentVersion, version.version_id, populate_existing=True)
        urls.store(session, document, row, fetched)
    batch.renew(session)
    session.commit()
    version.extracted = None
