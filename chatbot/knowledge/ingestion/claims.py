"""Claims on queued documents: taken with a lease, renewed, and ended by failing, waiting or giving back.

A claim is a conditional UPDATE of the rows, so of two workers one gets the document. Whoever writes locks the rows
that are still its own first; a worker that was only slow finds its lease taken and writes nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

import structlog
from sqlalchemy import ColumnElement, bindparam, or_, select, update
from sqlalchemy.orm import Session

from chatbot.db import begin_write, new_id, utcnow
from chatbot.knowledge.models import Document, DocumentVersion

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 5
WAIT = timedelta(seconds=30)
# A batch has at least and at most this many documents. With fewer waiting, each is ingested alone.
MIN_BATCH, MAX_BATCH = 4, 128
# Larger documents gain nothing from a batch, and a batch has to be embedded well within a lease.
MAX_SMALL_BYTES = 8_000
MAX_BATCH_BYTES = 128_000
_TEXT_FILES = ("%.md", "%.markdown", "%.txt")
_TEXT_TYPES = ("text/plain", "text/markdown")


class LeaseLost(Exception):
    """Another worker has the documents now, or they are gone; nothing more may be written."""


class Names(NamedTuple):
    """What the chunks of a document are found by besides their text, and the language to stem it in."""

    title: str
    source: str
    language: str | None


class Lease(Protocol):
    """The right to write chunks of documents: a worker's lease on them, or a build's lease on a generation."""

    @property
    def duration(self) -> timedelta: ...

    @property
    def checkpoints(self) -> bool:
        """Whether chunks are written step by step, so that the next worker continues there."""
        ...

    def lock(self, session: Session) -> dict[str, Names]:
        """Begins a transaction that writes; locks the documents that are still held and returns their names.

        Raises:
            LeaseLost: none of them is.
        """
        ...

    def renew(self, session: Session, progress: Mapping[str, tuple[int, int]] | None = None) -> None:
        """Renews the lease, in a transaction that `lock` began; `progress` has the chunks written and all of them."""
        ...


@dataclass
class Batch:
    """One or more claimed documents, and the status of those whose claim has ended.

    With `checkpoints` every step is stored, and the next worker continues from it. Without, the documents are held in
    memory until they are published, in one transaction.
    """

    owner: str
    ids: Sequence[str]
    duration: timedelta
    checkpoints: bool
    attempts: int = 1
    version: int = 1
    outcomes: dict[str, str] = field(default_factory=dict)

    @property
    def single(self) -> bool:
        return len(self.ids) == 1

    @property
    def about(self) -> dict[str, Any]:
        """What a log line says of the batch."""
        if self.single:
            return {"document_id": self.ids[0], "version": self.version}
        return {"documents": len(self.ids)}

    def lock(self, session: Session) -> dict[str, Names]:
        begin_write(session)
        rows = session.execute(_LOCK, {"ids": self.ids, "owner": self.owner}).all()
        if not rows:
            session.rollback()
            raise LeaseLost()
        return {row.id: Names(row.title, row.source, row.language) for row in rows}

    def renew(self, session: Session, progress: Mapping[str, tuple[int, int]] | None = None) -> None:
        mine = Document.lease_owner == self.owner
        session.execute(_among(self.ids).where(mine).values(lease_until=utcnow() + self.duration))
        for document_id, (done, total) in (progress or {}).items():
            session.execute(_among([document_id]).where(mine).values(chunks_done=done, chunks_total=total))


# In the order of their ids, as every writer that locks more than one; without the join to the collection, as in
# service.get_document.
_LOCK = (
    select(Document.id, Document.title, Document.source, Document.language)
    .where(Document.id.in_(bindparam("ids", expanding=True)), Document.lease_owner == bindparam("owner"))
    .order_by(Document.id)
    .with_for_update(of=Document)
)


def _among(ids: Iterable[str]) -> Any:
    return update(Document).where(Document.id.in_(ids)).execution_options(synchronize_session=False)


class KeepAlive:
    """Renews a lease when a quarter of it is over: splitting a text of many megabytes outlasts one."""

    def __init__(self, session: Session, lease: Lease) -> None:
        self._session, self._lease = session, lease
        self._pause = lease.duration.total_seconds() / 4
        self._renewed = time.monotonic()

    def __call__(self) -> None:
        """To be called between transactions.

        Raises:
            LeaseLost: the lease is lost.
        """
        if time.monotonic() - self._renewed > self._pause:
            self._lease.lock(self._session)
            self._lease.renew(self._session)
            self._session.commit()
            self._renewed = time.monotonic()

    def during(self, count_tokens: Callable[[str], int]) -> Callable[[str], int]:
        """The same counter of tokens, which keeps the lease alive."""

        def count(text: str) -> int:
            self()
            return count_tokens(text)

        return count


def due() -> ColumnElement[bool]:
    """What holds for documents that wait, or whose worker's lease has run out."""
    now = utcnow()
    waiting = (Document.status == "queued") & (Document.next_attempt_at <= now)
    return or_(waiting, (Document.status == "processing") & (Document.lease_until < now))


def claim_document(session: Session, document_id: str, duration: timedelta) -> Batch | None:
    """Claims one document if it is due: a batch of one, with checkpoints."""
    owner = new_id()
    begin_write(session)
    claim = update(Document).where(Document.id == document_id, due())
    claim = claim.values(**_claimed(owner, duration), attempts=Document.attempts + 1)
    claimed = session.execute(claim.returning(Document.attempts, Document.version)).one_or_none()
    session.commit()
    return Batch(owner, [document_id], duration, True, *claimed) if claimed else None


def claim_small(session: Session, duration: timedelta) -> Batch | None:
    """Claims small new texts, if enough of them are queued; they are held in memory until they are published."""
    now = {"now": utcnow()}
    # Most often there are none: that is found out without waiting for the right to write.
    few = len(session.execute(_SMALL.limit(MIN_BATCH), now).all()) < MIN_BATCH
    session.rollback()
    if few:
        return None
    begin_write(session)
    found = session.execute(_SMALL.limit(MAX_BATCH).with_for_update(of=Document, skip_locked=True), now).all()
    sizes = accumulate(row.size_bytes for row in found)
    ids = sorted(row.id for row, size in zip(found, sizes, strict=True) if size <= MAX_BATCH_BYTES)
    batch = Batch(new_id(), ids, duration, False)
    session.execute(_among(ids).values(**_claimed(batch.owner, duration), attempts=1))
    session.commit()
    return batch if ids else None


def _claimed(owner: str, duration: timedelta) -> dict[str, Any]:
    until = utcnow() + duration
    return {"status": "processing", "lease_owner": owner, "lease_until": until, "blocked_because": None}


_IS_TEXT = or_(
    *(DocumentVersion.filename.ilike(name) for name in _TEXT_FILES),
    (DocumentVersion.filename == "") & DocumentVersion.media_type.in_(_TEXT_TYPES),
)
_SMALL = (
    select(Document.id, Document.size_bytes)
    .join(DocumentVersion, DocumentVersion.document_id == Document.id)
    .where(Document.status == "queued", Document.next_attempt_at <= bindparam("now"), Document.attempts == 0)
    .where(Document.version == 1, Document.url.is_(None), Document.size_bytes <= MAX_SMALL_BYTES, Document.is_active)
    .where(DocumentVersion.in_file.is_(False), _IS_TEXT)
    .order_by(Document.next_attempt_at, Document.id)
)


def fail(session: Session, batch: Batch, document_id: str, code: str, detail: str) -> None:
    """Ends the claim on a document that cannot be ingested, with the reason."""
    if _end(session, batch, [document_id], "failed", Document.failed_values(code, detail)):
        log.warning("ingest_failed", document_id=document_id, code=code)


def wait(session: Session, batch: Batch, because: str) -> None:
    """Puts the whole batch back into the queue for later; the attempt does not count."""
    values = Document.queued_values(because, utcnow() + WAIT) | {"attempts": Document.attempts - 1}
    if _end(session, batch, batch.ids, "queued", values):
        log.warning("ingest_waits", because=because, **batch.about)


def give_back(
    session: Session, batch: Batch, ids: Iterable[str], because: str | None = None, delay: timedelta | None = None
) -> None:
    """Puts documents back into the queue. The attempt counts, so each of them is ingested alone from now on."""
    _end(session, batch, ids, "queued", Document.queued_values(because, utcnow() + delay if delay else None))


def _end(session: Session, batch: Batch, ids: Iterable[str], outcome: str, values: dict[str, Any]) -> bool:
    """Ends the claim on those documents that are still held; whether there were any."""
    session.rollback()
    try:
        ended = sorted(batch.lock(session).keys() & set(ids))
    except LeaseLost:
        ended = []
    if not ended:
        session.rollback()
        log.warning("lease_lost", **batch.about)
        return False
    session.execute(_among(ended).values(**values))
    session.commit()
    batch.outcomes |= dict.fromkeys(ended, outcome)
    return True
