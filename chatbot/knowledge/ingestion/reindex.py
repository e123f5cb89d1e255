"""Building a generation beside the one that answers: another embedder, or another size of chunks.

    begin (make or find it, take its lease) -> each version that answers: embed, show -> finish when none is lacking

The texts are in the database, so nothing is parsed again. Each document goes through ingestion's own steps in short
transactions; a build that is killed is continued by the next one. Documents that come, change or go meanwhile are
caught up before the generation counts as built.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from chatbot.db import Sessions, begin_write, detached, new_id, utcnow
from chatbot.knowledge.index.activation import GenerationRefused, Lacking, get_generation, lacking
from chatbot.knowledge.index.generations import CHUNK_TOKENS, active_generation
from chatbot.knowledge.ingestion.chunks import CONTENTS, CONTEXT_TOKENS, embed, lock_versions, pending_version
from chatbot.knowledge.ingestion.claims import LeaseLost, Names
from chatbot.knowledge.ingestion.publish import show
from chatbot.knowledge.models import Document, DocumentVersion, Generation
from chatbot.rag.embeddings.embedders import Embedder, Embedders
from chatbot.rag.errors import BadEmbeddings

log = structlog.get_logger(__name__)

# Renewed with each batch. Short, so that a build that was killed can be continued soon.
LEASE = timedelta(seconds=30)
# The two marks that a model puts around a text.
MARKS = 2
SMALLEST_CHUNK = 40

Progress = Callable[[int, int], None]


class BuildLost(Exception):
    """Another process builds this generation now, or it was activated or dropped; nothing more is written."""


class BuildStuck(Exception):
    """Documents have no text to build from; the sentence says how many and what to do."""


@dataclass(frozen=True)
class BuildLease:
    """The right to write the chunks of a document into a generation that is being built."""

    document_id: str
    generation_id: int
    owner: str
    duration: timedelta = LEASE
    checkpoints: bool = True

    def lock(self, session: Session) -> dict[str, Names]:
        begin_write(session)
        row = session.execute(_LOCK, {"id": self.document_id}).one_or_none()
        if row is None:
            session.rollback()
            raise LeaseLost()
        renew(session, self.generation_id, self.owner)
        return {self.document_id: Names(*row)}

    def renew(self, session: Session, progress: Mapping[str, tuple[int, int]] | None = None) -> None:
        """`lock` has renewed it; and a build is no progress of the document's own."""


# Without the join to the collection, as in service.get_document.
_LOCK = (
    select(Document.title, Document.source, Document.language)
    .where(Document.id == bindparam("id"), Document.status != "deleted")
    .with_for_update(of=Document)
)


def renew(session: Session, generation_id: int, owner: str) -> None:
    """Renews the lease on a generation, in the caller's transaction.

    Raises:
        BuildLost: another process has it.
    """
    mine = (Generation.id == generation_id, Generation.lease_owner == owner, Generation.active.is_(None))
    held = update(Generation).where(*mine).values(lease_until=utcnow() + LEASE).returning(Generation.id)
    if session.scalar(held) is None:
        session.rollback()
        raise BuildLost(f"Generation {generation_id} was taken over or activated meanwhile.")


def begin(
    session: Session,
    embedders: Embedders,
    model: str | None = None,
    chunk_tokens: int | None = None,
    generation_id: int | None = None,
) -> tuple[Generation, str]:
    """The generation to build, and the owner of its lease: one that was begun with these arguments, or a new one.

    Without arguments it has the configured embedder and chunks as large as the active generation's.

    Raises:
        GenerationRefused: it is being built by another process, or cannot be built.
        EmbedderUnavailable, EmbedderMisconfigured, BadEmbeddings: the embedder cannot be asked.
    """
    if generation_id is not None:
        known = get_generation(session, generation_id)
        model, chunk_tokens = known.embedder, known.chunk_tokens
    active = active_generation(session)
    chunk_tokens = chunk_tokens or (active.chunk_tokens if active else CHUNK_TOKENS)
    session.rollback()
    embedder = embedders.get(model or embedders.default)
    _check_size(embedder, chunk_tokens)
    dimension = embedder.embed(["dimension"]).shape[1]
    begin_write(session)
    if generation_id is None:
        generation_id = _begun(session, embedder.name, chunk_tokens) or _made(
            session, embedder, dimension, chunk_tokens
        )
    return _claim(session, generation_id, dimension)


def _check_size(embedder: Embedder, chunk_tokens: int) -> None:
    largest = embedder.max_tokens - CONTEXT_TOKENS - MARKS
    if not SMALLEST_CHUNK <= chunk_tokens <= largest:
        raise GenerationRefused(f"Chunks for {embedder.name} have {SMALLEST_CHUNK} to {largest} tokens.")


def _begun(session: Session, embedder: str, chunk_tokens: int) -> int | None:
    alike = (Generation.embedder == embedder, Generation.chunk_tokens == chunk_tokens)
    never_used = (Generation.active.is_(None), Generation.activated_at.is_(None))
    query = select(Generation.id).where(*alike, *never_used).order_by(Generation.id.desc()).limit(1)
    return session.scalar(query)


def _made(session: Session, embedder: Embedder, dimension: int, chunk_tokens: int) -> int:
    made = Generation(
        embedder=embedder.name,
        dimension=dimension,
        chunk_tokens=chunk_tokens,
        threshold=embedder.threshold,
    )
    session.add(made)
    session.flush()
    return made.id


def _claim(session: Session, generation_id: int, dimension: int) -> tuple[Generation, str]:
    owner, now = new_id(), utcnow()
    free = or_(Generation.lease_until.is_(None), Generation.lease_until < now)
    mine = (Generation.id == generation_id, Generation.active.is_(None), Generation.embedder != "")
    claim = update(Generation).where(*mine, free).values(lease_owner=owner, lease_until=now + LEASE)
    held = session.scalar(claim.returning(Generation.id))
    if held is None:
        _refuse(session, generation_id)
    generation = session.get_one(Generation, generation_id, populate_existing=True)
    if generation.dimension != dimension:
        session.rollback()
        raise BadEmbeddings()
    session.commit()
    return detached(session, generation), owner


def _refuse(session: Session, generation_id: int) -> None:
    taken = session.get_one(Generation, generation_id, populate_existing=True)
    active, until = taken.active, taken.lease_until
    session.rollback()
    if active:
        raise GenerationRefused(f"Generation {generation_id} is the active one: ingestion keeps it complete.")
    when = f" Its lease ends at {until:%H:%M:%S} UTC." if until else ""
    raise GenerationRefused(f"Generation {generation_id} is being built by another process.{when}")


def build(
    sessions: Sessions,
    embedders: Embedders,
    generation: Generation,
    owner: str,
    progress: Progress | None = None,
    threads: int | None = None,
) -> int:
    """Puts every version that answers into the generation until none is lacking; then the generation is built.

    `progress` gets the number of documents done and of all that are known so far. Returns the number done.

    Raises:
        BuildStuck: documents have no text.
        BuildLost: another process has it now, or it was activated.
        EmbedderUnavailable, EmbedderMisconfigured, BadEmbeddings: it can be continued later.
    """
    done = 0
    with sessions() as session:
        todo = lacking(session, generation.id)
    try:
        while todo or not _finished(sessions, generation.id, owner):
            total = done + len(todo)
            for _ in _each(sessions, embedders, generation, owner, todo, threads or os.cpu_count() or 1):
                done += 1
                if progress:
                    progress(done, total)
            todo = _next_round(sessions, generation.id, todo)
    except (Exception, KeyboardInterrupt):
        _release(sessions, generation.id, owner)
        raise
    log.info("generation_built", generation=generation.id, documents=done)
    return done


def _next_round(sessions: Sessions, generation_id: int, before: Sequence[Lacking]) -> list[Lacking]:
    """What came or changed meanwhile. What was just built and is lacking all the same will always be."""
    with sessions() as session:
        todo = lacking(session, generation_id)
    if stuck := set(todo) & set(before):
        raise BuildStuck(f"{len(stuck)} document(s) have no text to build from: run `flask knowledge verify --fix`.")
    return todo


def _each(
    sessions: Sessions, embedders: Embedders, generation: Generation, owner: str, todo: Sequence[Lacking], threads: int
) -> Iterator[None]:
    """Builds the documents, a thread a core; the first error ends it."""

    def one(piece: Lacking) -> None:
        with sessions() as session:
            build_version(session, embedders, generation, owner, piece)

    if threads == 1:
        yield from map(one, todo)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from _bounded(pool, one, todo, 4 * threads)
        finally:
            pool.shutdown(cancel_futures=True)


def _bounded(
    pool: ThreadPoolExecutor, work: Callable[[Lacking], None], todo: Iterable[Lacking], ahead: int
) -> Iterator[None]:
    waiting: deque[Future[None]] = deque()
    for piece in todo:
        waiting.append(pool.submit(work, piece))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def build_version(session: Session, embedders: Embedders, generation: Generation, owner: str, piece: Lacking) -> None:
    """Puts one version into the generation; one that was deleted or replaced meanwhile is left to the next round.

    Raises:
        BuildLost, EmbedderUnavailable, EmbedderMisconfigured, BadEmbeddings: as for `build`.
    """
    lease = BuildLease(piece.document_id, generation.id, owner)
    row = session.execute(_VERSION, {"id": piece.version_id}).one_or_none()
    session.rollback()
    if row is None or not row.text:
        return
    version = pending_version(row, row.text, row.pages)
    try:
        embed(session, lease, [version], generation, embedders.get(generation.embedder))
        if version.plan:
            show(session, lock_versions(session, lease, [version]), generation)
            session.commit()
    except LeaseLost:
        session.rollback()


_VERSION = CONTENTS.where(DocumentVersion.id == bindparam("id"))


def _finished(sessions: Sessions, generation_id: int, owner: str) -> bool:
    """Marks the generation as built and gives its lease back, if nothing is lacking in this moment."""
    with sessions() as session:
        begin_write(session)
        renew(session, generation_id, owner)
        if lacking(session, generation_id):
            session.commit()
            return False
        values = {"built_at": utcnow(), "lease_owner": None, "lease_until": None}
        session.execute(update(Generation).where(Generation.id == generation_id).values(values))
        session.commit()
        return True


def _release(sessions: Sessions, generation_id: int, owner: str) -> None:
    with sessions() as session:
        begin_write(session)
        mine = (Generation.id == generation_id, Generation.lease_owner == owner)
        session.execute(update(Generation).where(*mine).values(lease_owner=None, lease_until=None))
        session.commit()
