"""Chunks on their way in: cut from a text, embedded, and written with their words; for one document or many at once."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.orm import Session

from chatbot.knowledge.index import keywords
from chatbot.knowledge.models import ChunkRow, Generation
from chatbot.rag.embeddings.embedders import Embedder
from chatbot.rag.errors import BadEmbeddings
from chatbot.rag.text.splitter import Chunk

CONTEXT_TOKENS = 22
# A word is a token at least, or about; what is farther behind cannot belong to so many.
MOST_CONTEXT_WORDS = 4 * CONTEXT_TOKENS


@dataclass(frozen=True)
class Origin:
    """What a chunk is cut from: a version of a document, its text, where its pages begin, and what it is called."""

    document_id: str
    version_id: int
    version: int
    text: str
    pages: Sequence[int]
    label: str


@dataclass(frozen=True)
class NewChunk:
    """A chunk that is not written yet: its columns, and the text that its vector stands for."""

    values: dict[str, Any]
    embedded: str


def label_of(title: str, source: str, filename: str) -> str:
    """What a document is called where it is embedded: a file's place in its folder says most, else the title."""
    place, dot, _ = source.rpartition(".")
    return place if filename and dot and "/" in place else title


def in_context(label: str, headings: Sequence[str], body: str, embedder: Embedder) -> str:
    """What is embedded: a chunk behind its document's label, and behind its heading where that is in another chunk."""
    heading = headings[-1] if headings and headings[-1] not in body else ""
    above = f"{label}: {heading}" if heading else label
    words = above.split()[:MOST_CONTEXT_WORDS]
    while words and embedder.count_tokens(" ".join(words)) > CONTEXT_TOKENS:
        words.pop()
    return f"{' '.join(words)}\n{body}"


def new_chunk(origin: Origin, generation: Generation, embedder: Embedder, ordinal: int, chunk: Chunk) -> NewChunk:
    """A chunk without its vector."""
    body = origin.text[chunk.start : chunk.end]
    embedded = in_context(origin.label, chunk.headings, body, embedder)
    values = {
        "generation_id": generation.id,
        "document_id": origin.document_id,
        "version_id": origin.version_id,
        "version": origin.version,
        "ordinal": ordinal,
        "char_start": chunk.start,
        "char_end": chunk.end,
        "page": bisect_right(origin.pages, chunk.start) or None,
        "headings": list(chunk.headings),
        "text": body,
        "tokens": embedder.count_tokens(body),
        "text_hash": hashlib.sha256(embedded.encode()).hexdigest(),
        "added_revision": None,
    }
    return NewChunk(values, embedded)


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


def terms_of_chunk(title: str, source: str, language: str | None, chunk: NewChunk) -> list[str]:
    """What a chunk is found by in the keyword index."""
    return keywords.terms_of_chunk(title, source, language, chunk.values["headings"], chunk.values["text"])


def write_chunks(session: Session, chunks: Sequence[NewChunk], terms: Sequence[list[str]]) -> None:
    """Writes chunks of one generation that have their vectors, and their terms, in the caller's transaction."""
    session.execute(_WRITE, [chunk.values for chunk in chunks])
    ordinals = [chunk.values["ordinal"] for chunk in chunks]
    versions = {chunk.values["version_id"] for chunk in chunks}
    written = {
        "of": chunks[0].values["generation_id"],
        "versions": versions,
        "first": min(ordinals),
        "last": max(ordinals),
    }
    ids = {(row[0], row[1]): row[2] for row in session.execute(_WRITTEN, written)}
    places = [(chunk.values["version_id"], chunk.values["ordinal"]) for chunk in chunks]
    keywords.write_terms(session, [(ids[place], found) for place, found in zip(places, terms, strict=True)])


_WRITE = insert(ChunkRow.__table__)  # type: ignore[arg-type]
_WRITTEN = (
    select(ChunkRow.version_id, ChunkRow.ordinal, ChunkRow.id)
    .where(ChunkRow.generation_id == bindparam("of"), ChunkRow.version_id.in_(bindparam("versions", expanding=True)))
    .where(ChunkRow.ordinal.between(bindparam("first"), bindparam("last")))
)
