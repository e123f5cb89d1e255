"""Proving that the rows agree: documents, versions, chunks, vectors, keywords, and what a process holds of them.

Nothing here is needed in ordinary use; it is for the day after a restore, a full disk or a hand in the database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from sqlalchemy import (
    BigInteger,
    ColumnClause,
    TableClause,
    and_,
    column,
    delete,
    func,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.orm import Session, lazyload, undefer

from chatbot.db import begin_write
from chatbot.knowledge.documents.blobs import OriginalMissing, content_of
from chatbot.knowledge.index import keywords, pgvector_store
from chatbot.knowledge.index.generations import active_generation, next_revision, visible, within
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation
from chatbot.knowledge.retrieval.retriever import Retriever

log = structlog.get_logger(__name__)

BATCH = 500


@dataclass(frozen=True)
class Finding:
    """What does not agree: a document, or the number of a chunk."""

    document_id: str | None = None
    chunk_id: int | None = None

    def __str__(self) -> str:
        return f"document {self.document_id}" if self.document_id else f"chunk {self.chunk_id}"


@dataclass(frozen=True)
class Result:
    """A check that was made: how many it looked at, what it found, and what was done about it."""

    name: str
    looked_at: int
    findings: tuple[Finding, ...]
    done: str

    @property
    def open(self) -> bool:
        """Whether something is still wrong."""
        return bool(self.findings) and not self.done


Look = Callable[[Session, Generation], tuple[int, list[Finding]]]
Mend = Callable[[Session, Generation, Sequence[Finding]], str]


@dataclass(frozen=True)
class Check:
    """A promise about the rows: how it is looked at and how it is mended; without a remedy, by a person."""

    name: str
    look: Look
    mend: Mend | None


def verify(session: Session, checks: Sequence[Check], *, fix: bool = False) -> Iterator[Result]:
    """Makes the checks, one after the other, and mends what they find if it is asked to."""
    generation = active_generation(session)
    if generation is None:
        session.rollback()
        return
    session.expunge(generation)
    for check in checks:
        looked_at, findings = check.look(session, generation)
        session.rollback()
        done = ""
        if fix and findings and check.mend:
            done = check.mend(session, generation, findings)
            log.warning("verify_mended", check=check.name, done=done)
        yield Result(check.name, looked_at, tuple(findings), done)


# Looking


def _documents(session: Session, generation: Generation) -> tuple[int, list[Finding]]:
    """Every ready document has the visible chunks of its version that it counts."""
    counted = func.count(ChunkRow.id)
    mine = (ChunkRow.document_id == Document.id, ChunkRow.version == Document.version)
    rows = session.execute(
        select(Document.id, Document.chunk_count, counted)
        .outerjoin(ChunkRow, (ChunkRow.generation_id == generation.id) & mine[0] & mine[1] & and_(*visible()))
        .where(Document.status == "ready")
        .group_by(Document.id, Document.chunk_count)
        .order_by(Document.id)
    ).all()
    return len(rows), [Finding(row[0]) for row in rows if row[2] == 0 or row[1] != row[2]]


def _strays(session: Session, generation: Generation) -> tuple[int, list[Finding]]:
    """No chunk of a deleted document is visible anywhere, and none of an old version where there is a newer one."""
    old = (ChunkRow.generation_id == generation.id) & (Document.status == "ready")
    old &= ChunkRow.version != Document.version
    query = select(ChunkRow.id).join(Document, Document.id == ChunkRow.document_id).where(*visible())
    found = session.scalars(query.where(or_(Document.status == "deleted", old)).order_by(ChunkRow.id)).all()
    total = session.scalar(select(func.count(ChunkRow.id)).where(*visible())) or 0
    return total, [Finding(chunk_id=chunk_id) for chunk_id in found]


def _offsets(session: Session, generation: Generation) -> tuple[int, list[Finding]]:
    """Each chunk is its place in the text of its version."""
    looked_at, findings = 0, []
    for version in _current_versions(session):
        query = select(ChunkRow.char_start, ChunkRow.char_end, ChunkRow.text)
        of = (ChunkRow.version_id == version.id, ChunkRow.generation_id == generation.id, *visible())
        rows = session.execute(query.where(*of)).all()
        looked_at += len(rows)
        whole = version.text or ""
        if not whole or any(whole[start:end] != body or not body for start, end, body in rows):
            findings.append(Finding(version.document_id))
    return looked_at, findings


def _current_versions(session: Session) -> Iterator[DocumentVersion]:
    """The current version of each ready document, with its text; one at a time is held."""
    query = select(DocumentVersion).join(Document, Document.id == DocumentVersion.document_id)
    query = query.where(Document.status == "ready", DocumentVersion.version == Document.version)
    after = 0
    while batch := session.scalars(
        query.where(DocumentVersion.id > after)
        .order_by(DocumentVersion.id)
        .limit(BATCH // 10)
        .options(undefer(DocumentVersion.text))
    ).all():
        yield from batch
        after = batch[-1].id
        session.expunge_all()


def _vectors(session: Session, generation: Generation) -> tuple[int, list[Finding]]:
    """Each vector has the generation's dimension and is made of finite numbers."""
    query = select(ChunkRow.id, ChunkRow.document_id, ChunkRow.embedding)
    query = query.where(ChunkRow.generation_id == generation.id, *visible()).order_by(ChunkRow.id).limit(BATCH)
    looked_at, wrong, after = 0, dict[str, None](), 0
    while rows := session.execute(query.where(ChunkRow.id > after)).all():
        for _, document_id, packed in rows:
            if len(packed) != 4 * generation.dimension or not np.isfinite(np.frombuffer(packed, "<f4")).all():
                wrong[document_id] = None
        looked_at, after = looked_at + len(rows), rows[-1][0]
    return looked_at, [Finding(document_id) for document_id in wrong]


def _originals(session: Session, _generation: Generation) -> tuple[int, list[Finding]]:
    """The bytes that came in are there and have their hash."""
    query = select(DocumentVersion).join(Document, Document.id == DocumentVersion.document_id)
    query = query.where(Document.status != "deleted", DocumentVersion.version == Document.version)
    query = query.where(DocumentVersion.content_hash != "")
    looked_at, findings, after = 0, [], 0
    while version := session.scalar(query.where(DocumentVersion.id > after).order_by(DocumentVersion.id).limit(1)):
        looked_at, after = looked_at + 1, version.id
        if not _is_whole(session, version):
            findings.append(Finding(version.document_id))
        session.expunge_all()
    return looked_at, findings


def _is_whole(session: Session, version: DocumentVersion) -> bool:
    """Whether the original is there and is what came in."""
    try:
        return hashlib.sha256(content_of(session, version)).hexdigest() == version.content_hash
    except OriginalMissing:
        return False


def _terms(session: Session) -> tuple[TableClause, ColumnClause[int]]:
    """The keyword index's table, and its column with the chunks' numbers."""
    number: ColumnClause[int] = column(
        "rowid" if session.get_bind().dialect.name == "sqlite" else "chunk_id", BigInteger
    )
    return table("chunk_terms", number), number


def _unindexed(session: Session, _generation: Generation) -> tuple[int, list[Finding]]:
    """The keyword index has every visible chunk, of every generation."""
    _, number = _terms(session)
    query = select(ChunkRow.id).where(*visible(), ChunkRow.id.not_in(select(number))).order_by(ChunkRow.id)
    total = session.scalar(select(func.count(ChunkRow.id)).where(*visible())) or 0
    return total, [Finding(chunk_id=chunk_id) for chunk_id in session.scalars(query)]


def _leftover_terms(session: Session, _generation: Generation) -> tuple[int, list[Finding]]:
    """The keyword index has nothing that is no chunk, or an emptied one."""
    terms, number = _terms(session)
    chunks = select(ChunkRow.id).where(ChunkRow.text != "")
    found = session.scalars(select(number).where(number.not_in(chunks)).order_by(number)).all()
    total = session.scalar(select(func.count()).select_from(terms)) or 0
    return total, [Finding(chunk_id=chunk_id) for chunk_id in found]


def vectors_held(retriever: Retriever) -> Check:
    """The check that an index made from the rows, or the table of pgvector, holds exactly the visible chunks."""

    def look(session: Session, generation: Generation) -> tuple[int, list[Finding]]:
        held = set(retriever.index_of(generation).store.current().ids().tolist())
        rows = set(session.scalars(select(ChunkRow.id).where(ChunkRow.generation_id == generation.id, *visible())))
        return len(rows), [Finding(chunk_id=chunk_id) for chunk_id in sorted(held ^ rows)]

    if retriever.kind == "faiss":
        return Check("the index in memory holds exactly the visible chunks", look, None)
    return Check("pgvector holds exactly the visible chunks", look, _read_again)


def _read_again(session: Session, generation: Generation, _findings: Sequence[Finding]) -> str:
    pgvector_store.forget(session, generation.id)
    return "every vector will be read again"


# Mending


def _queue_again(session: Session, generation: Generation, findings: Sequence[Finding]) -> str:
    """Deletes the documents' chunks and queues them, to be cut and embedded once more."""
    for finding in findings:
        begin_write(session)
        document = session.scalar(
            select(Document)
            .where(Document.id == finding.document_id, Document.status == "ready")
            .options(lazyload(Document.collection))
            .with_for_update(of=Document)
            .execution_options(populate_existing=True)
        )
        if document is not None:
            revision = next_revision(session, generation.id)
            mine = (ChunkRow.document_id == document.id, within(generation.id))
            session.execute(delete(ChunkRow).where(*mine))
            # Rows went without a trace: every process reads all of them again.
            values = {"purged_revision": revision}
            session.execute(update(Generation).where(Generation.id == generation.id).values(values))
            _parse_again(session, document)
            document.queue()
        session.commit()
    return f"{len(findings)} document(s) wait for a worker"


def _parse_again(session: Session, document: Document) -> None:
    """Forgets the text where the original is there to read it from again."""
    of = (DocumentVersion.document_id == document.id, DocumentVersion.version == document.version)
    version = session.scalars(select(DocumentVersion).where(*of)).one()
    if _is_whole(session, version):
        version.text = None


def _remove(session: Session, _generation: Generation, findings: Sequence[Finding]) -> str:
    """Removes chunks as a deletion does, for every process to see."""
    for ids in _batches(findings):
        begin_write(session)
        generations = select(ChunkRow.generation_id).where(ChunkRow.id.in_(ids)).distinct()
        for generation_id in sorted(session.scalars(generations)):
            mine = (ChunkRow.id.in_(ids), ChunkRow.generation_id == generation_id)
            revision = next_revision(session, generation_id)
            session.execute(update(ChunkRow).where(*mine).values(removed_revision=revision))
        session.commit()
    return f"{len(findings)} chunk(s) removed"


def _batches(findings: Sequence[Finding]) -> Iterator[list[int]]:
    ids = [finding.chunk_id for finding in findings if finding.chunk_id is not None]
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _index(session: Session, _generation: Generation, findings: Sequence[Finding]) -> str:
    for ids in _batches(findings):
        begin_write(session)
        keywords.index_chunks(session, ids)
        session.commit()
    return f"{len(findings)} chunk(s) indexed"


def _unindex(session: Session, _generation: Generation, findings: Sequence[Finding]) -> str:
    terms, number = _terms(session)
    for ids in _batches(findings):
        begin_write(session)
        session.execute(delete(terms).where(number.in_(ids)))
        session.commit()
    return f"{len(findings)} entries deleted"


DOCUMENTS = Check("ready documents have the chunks they count", _documents, _queue_again)
STRAYS = Check("nothing deleted or outdated is visible", _strays, _remove)
OFFSETS = Check("each chunk is its place in its text", _offsets, _queue_again)
VECTORS = Check("vectors are whole", _vectors, _queue_again)
ORIGINALS = Check("originals have their hash", _originals, None)
UNINDEXED = Check("the keyword index has every visible chunk", _unindexed, _index)
LEFTOVER_TERMS = Check("the keyword index has nothing else", _leftover_terms, _unindex)

KNOWLEDGE = (STRAYS, DOCUMENTS, OFFSETS, VECTORS, ORIGINALS, UNINDEXED, LEFTOVER_TERMS)
INDEX = (STRAYS, DOCUMENTS, VECTORS, UNINDEXED, LEFTOVER_TERMS)
