"""From the texts of versions to chunks: split, embedded, and written with their terms.

The same steps serve one document or many, ingestion and a build of another generation.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import structlog
from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.orm import Session

from chatbot.knowledge.index import keywords
from chatbot.knowledge.ingestion.claims import KeepAlive, Lease, LeaseLost, Names
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation
from chatbot.knowledge.parsing.extraction import ExtractedText
from chatbot.rag.embeddings.embedders import Embedder
from chatbot.rag.errors import BadEmbeddings
from chatbot.rag.text.splitter import Chunk, split

log = structlog.get_logger(__name__)

CONTEXT_TOKENS = 22
# A word is about one token at least, so later words are beyond CONTEXT_TOKENS.
MAX_CONTEXT_WORDS = 4 * CONTEXT_TOKENS
# How many chunks are embedded at once: of documents held in memory, and between checkpoints.
BATCH, CHECKPOINT = 128, 32


@dataclass(eq=False)
class PendingVersion:
    """A version of a document on its way into a generation.

    `names` are those the document had when it was locked last, or read. `extracted` is what was read of the version
    as long as it is not stored, and `filenames` the names that may stand in for a title.
    """

    document_id: str
    version_id: int
    version: int
    text: str
    pages: Sequence[int]
    names: Names
    filename: str
    extracted: ExtractedText | None = None
    filenames: Sequence[str] = ()
    # Where the text is split; empty if there is nothing to embed.
    plan: Sequence[Chunk] = ()
    # The ordinals of the chunks that are rows in the generation, and the chunks that are still to be written.
    written: set[int] = field(default_factory=set)
    unwritten: list[NewChunk] = field(default_factory=list)

    @property
    def label(self) -> str:
        return label_of(self.names.title, self.names.source, self.filename)

    def names_from(self, row: Names) -> Names:
        """Its names, if these are in its row: the language and a title may be in a text that is not stored yet."""
        if self.extracted is None:
            return row
        return Names(self.extracted.title_for(row.title, *self.filenames), row.source, self.extracted.language)


# What a pending version is made from.
CONTENTS = select(
    Document.id,
    Document.title,
    Document.source,
    Document.language,
    Document.url,
    DocumentVersion.id.label("version_id"),
    DocumentVersion.version,
    DocumentVersion.filename,
    DocumentVersion.text,
    DocumentVersion.pages,
).join(DocumentVersion, DocumentVersion.document_id == Document.id)


def pending_version(row: Any, text: str, pages: Sequence[int]) -> PendingVersion:
    """The version in a row of CONTENTS, with its text."""
    names = Names(row.title, row.source, row.language)
    filename = "" if row.url else row.filename
    return PendingVersion(row.id, row.version_id, row.version, text, pages, names, filename)


@dataclass(frozen=True)
class NewChunk:
    """A chunk that is not written yet: its columns, the text to embed, and its terms under some names."""

    version: PendingVersion
    values: dict[str, Any]
    embedded: str
    names: Names
    terms: list[str]


def lock_versions(session: Session, lease: Lease, versions: Sequence[PendingVersion]) -> list[PendingVersion]:
    """The versions of the documents that are still held, which are locked, with the names they have now.

    Raises:
        LeaseLost: none of them is held.
    """
    names = lease.lock(session)
    held = [version for version in versions if version.document_id in names]
    if not held:
        session.rollback()
        raise LeaseLost()
    if len(held) < len(versions):
        log.info("lease_lost", documents=len(versions) - len(held))
    for version in held:
        version.names = version.names_from(names[version.document_id])
    return held


def label_of(title: str, source: str, filename: str) -> str:
    """What a document is called where it is embedded: a file's place in its folder says most, else the title."""
    place, dot, _ = source.rpartition(".")
    return place if filename and dot and "/" in place else title


def in_context(label: str, headings: Sequence[str], body: str, embedder: Embedder) -> str:
    """What is embedded: a chunk behind its document's label, and behind its heading where that is in another chunk."""
    heading = headings[-1] if headings and headings[-1] not in body else ""
    above = f"{label}: {heading}" if heading else label
    words = above.split()[:MAX_CONTEXT_WORDS]
    while words and embedder.count_tokens(" ".join(words)) > CONTEXT_TOKENS:
        words.pop()
    return f"{' '.join(words)}\n{body}"


def embed(
    session: Session, lease: Lease, versions: Sequence[PendingVersion], generation: Generation, embedder: Embedder
) -> None:
    """Splits the texts and embeds the chunks that are not rows in the generation yet.

    With checkpoints every CHECKPOINT chunks are written and committed, as rows that no search sees. Without, all are
    held in memory for `show` to write.

    Raises:
        LeaseLost: the lease is lost.
        BadEmbeddings: the vectors are not what the generation is made of.
    """
    keep_alive = KeepAlive(session, lease)
    for version in versions:
        version.plan = list(split(version.text, generation.chunk_tokens, keep_alive.during(embedder.count_tokens)))
    _find_written(session, versions, generation)
    if lease.checkpoints:
        _report(session, lease, versions)
    missing = _missing(versions, generation, embedder)
    while some := list(islice(missing, CHECKPOINT if lease.checkpoints else BATCH)):
        fill_vectors(session, some, generation, embedder)
        if lease.checkpoints:
            _checkpoint(session, lease, some)
        else:
            keep_alive()
            for chunk in some:
                chunk.version.unwritten.append(chunk)


def _find_written(session: Session, versions: Sequence[PendingVersion], generation: Generation) -> None:
    rows = session.execute(_ORDINALS, {"of": generation.id, "versions": [version.version_id for version in versions]})
    written: dict[int, set[int]] = {}
    for version_id, ordinal in rows:
        written.setdefault(version_id, set()).add(ordinal)
    session.rollback()
    for version in versions:
        version.written, version.unwritten = written.get(version.version_id, set()), []


_IN_GENERATION = (
    ChunkRow.generation_id == bindparam("of"),
    ChunkRow.version_id.in_(bindparam("versions", expanding=True)),
)
_ORDINALS = select(ChunkRow.version_id, ChunkRow.ordinal).where(*_IN_GENERATION)


def _report(session: Session, lease: Lease, versions: Sequence[PendingVersion]) -> None:
    """Stores the progress of documents that are continued, or that take more than one checkpoint."""
    longer = [version for version in versions if version.written or len(version.plan) > CHECKPOINT]
    if longer:
        lease.lock(session)
        lease.renew(session, _progress(longer))
        session.commit()


def _progress(versions: Sequence[PendingVersion]) -> dict[str, tuple[int, int]]:
    return {version.document_id: (len(version.written), len(version.plan)) for version in versions}


def _missing(versions: Sequence[PendingVersion], generation: Generation, embedder: Embedder) -> Iterator[NewChunk]:
    for version in versions:
        for ordinal, chunk in enumerate(version.plan):
            if ordinal not in version.written:
                yield new_chunk(version, generation, embedder, ordinal, chunk)


def _checkpoint(session: Session, lease: Lease, chunks: Sequence[NewChunk]) -> None:
    """Writes chunks of the documents that are still held, as rows that no search sees, and renews the lease."""
    versions = lock_versions(session, lease, list({chunk.version for chunk in chunks}))
    held = [chunk for chunk in chunks if chunk.version in versions]
    write_chunks(session, held)
    for chunk in held:
        chunk.version.written.add(chunk.values["ordinal"])
    lease.renew(session, _progress(versions))
    session.commit()


def new_chunk(
    version: PendingVersion, generation: Generation, embedder: Embedder, ordinal: int, chunk: Chunk
) -> NewChunk:
    """A chunk without its vector."""
    body = version.text[chunk.start : chunk.end]
    embedded = in_context(version.label, chunk.headings, body, embedder)
    values = {
        "generation_id": generation.id,
        "document_id": version.document_id,
        "version_id": version.version_id,
        "version": version.version,
        "ordinal": ordinal,
        "char_start": chunk.start,
        "char_end": chunk.end,
        "page": bisect_right(version.pages, chunk.start) or None,
        "headings": list(chunk.headings),
        "text": body,
        "tokens": embedder.count_tokens(body),
        "text_hash": hashlib.sha256(embedded.encode()).hexdigest(),
    }
    terms = keywords.terms_of_chunk(*version.names, chunk.headings, body)
    return NewChunk(version, values, embedded, version.names, terms)


def fill_vectors(session: Session, chunks: Sequence[NewChunk], generation: Generation, embedder: Embedder) -> None:
    """Takes the vectors of texts that a generation of this embedder already knows, and embeds the others.

    A text that an earlier version had is known until the nightly purge; a deleted document's vectors are empty.

    Raises:
        BadEmbeddings: they are not what the generation is made of.
    """
    given = {"hashes": [chunk.values["text_hash"] for chunk in chunks], "size": 4 * generation.dimension}
    alike = {"embedder": generation.embedder, "dimension": generation.dimension}
    known: dict[str, bytes] = dict(session.execute(_KNOWN, given | alike).all())
    session.rollback()
    unknown = {chunk.values["text_hash"]: chunk.embedded for chunk in chunks if chunk.values["text_hash"] not in known}
    vectors = embedder.embed(list(unknown.values()))
    if unknown and vectors.shape != (len(unknown), generation.dimension):
        raise BadEmbeddings()
    known |= {key: np.ascontiguousarray(v, "<f4").tobytes() for key, v in zip(unknown, vectors, strict=True)}
    for chunk in chunks:
        chunk.values["embedding"] = known[chunk.values["text_hash"]]


_ALIKE = (Generation.embedder == bindparam("embedder"), Generation.dimension == bindparam("dimension"))
_KNOWN = (
    select(ChunkRow.text_hash, ChunkRow.embedding)
    .where(ChunkRow.generation_id.in_(select(Generation.id).where(*_ALIKE)))
    .where(ChunkRow.text_hash.in_(bindparam("hashes", expanding=True)))
    .where(func.length(ChunkRow.embedding) == bindparam("size"))
)


def write_chunks(session: Session, chunks: Sequence[NewChunk], revision: int | None = None) -> None:
    """Writes chunks of one generation that have their vectors, and their terms, in the caller's transaction.

    Their versions are locked. Without a revision no search sees the chunks.
    """
    if not chunks:
        return
    session.execute(_WRITE, [chunk.values | {"added_revision": revision} for chunk in chunks])
    ordinals = [chunk.values["ordinal"] for chunk in chunks]
    written = {
        "of": chunks[0].values["generation_id"],
        "versions": {chunk.version.version_id for chunk in chunks},
        "first": min(ordinals),
        "last": max(ordinals),
    }
    ids = {(row[0], row[1]): row[2] for row in session.execute(_WRITTEN, written)}
    places = [(chunk.version.version_id, chunk.values["ordinal"]) for chunk in chunks]
    terms = [_terms(chunk) for chunk in chunks]
    keywords.write_terms(session, [(ids[place], found) for place, found in zip(places, terms, strict=True)])


def _terms(chunk: NewChunk) -> list[str]:
    """The terms of a chunk; its document may have been renamed since they were computed."""
    if chunk.names == chunk.version.names:
        return chunk.terms
    return keywords.terms_of_chunk(*chunk.version.names, chunk.values["headings"], chunk.values["text"])


_WRITE = insert(ChunkRow.__table__)  # type: ignore[arg-type]
_WRITTEN = (
    select(ChunkRow.version_id, ChunkRow.ordinal, ChunkRow.id)
    .where(*_IN_GENERATION)
    .where(ChunkRow.ordinal.between(bindparam("first"), bindparam("last")))
)
