"""What would become of a document, without storing anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.db import detached
from chatbot.egress import Fetched, FetchFailed
from chatbot.knowledge.documents.service import FileRefused, NewDocument, same_content
from chatbot.knowledge.documents.urls import require_document
from chatbot.knowledge.index.generations import CHUNK_TOKENS, active_generation
from chatbot.knowledge.models import Collection, Document, DocumentVersion
from chatbot.knowledge.parsing import Parsed, ParseError, parse
from chatbot.knowledge.parsing.clean import clean_title
from chatbot.knowledge.parsing.encoding import encoding_of
from chatbot.knowledge.parsing.extractors.markup.html import declared_encoding
from chatbot.knowledge.parsing.limits import PREVIEW
from chatbot.knowledge.parsing.near_duplicates import NEAR, distances, simhash, similarity
from chatbot.knowledge.parsing.prompt_injection import Sign, score, signs
from chatbot.knowledge.parsing.warnings import as_json
from chatbot.rag.embeddings.embedders import Embedders
from chatbot.rag.llm.pricing import embedding_cost_usd
from chatbot.rag.text.language_detection import language_of
from chatbot.rag.text.splitter import split
from chatbot.system.threadpool import run_in_thread

MOST_SHOWN = 10


@dataclass(frozen=True)
class NearDuplicate:
    """A document that says nearly the same. `similarity` is about the share of their wording that is the same."""

    document_id: str
    title: str
    similarity: float


@dataclass(frozen=True)
class Preview:
    """What would be stored. `tokens` is what would be embedded; the price is None where none is known."""

    encoding: str | None
    language: str | None
    media_type: str
    title: str
    pages: int | None
    pages_without_text: int | None
    characters: int
    chunk_count: int
    tokens: int
    price_usd: str | None
    instruction_score: float
    instruction_signs: list[str]
    warnings: list[dict[str, Any]]
    exact_duplicate: str | None
    near_duplicates: list[NearDuplicate]


def preview(session: Session, embedders: Embedders, new: NewDocument, fetched: Fetched | None = None) -> Preview:
    """Reads a document as ingestion would and says what would come of it. No connection is held meanwhile.

    `fetched` is what came from its URL, where it has one.

    Raises:
        FileRefused: it cannot be read; the code is the parser's.
    """
    try:
        parsed = parse(new.data, new.filename, new.media_type, limits=PREVIEW)
        if fetched is not None:
            require_document(fetched, parsed)
    except (ParseError, FetchFailed) as error:
        raise FileRefused(str(error), code=error.code) from None
    generation = active_generation(session)
    generation = detached(session, generation) if generation else None
    embedder = embedders.get(generation.embedder if generation else embedders.default)
    limit = generation.chunk_tokens if generation else CHUNK_TOKENS
    # What the counter loads, it loads here.
    embedder.count_tokens("warm up")
    look = run_in_thread(_looked_through, new, parsed, limit, embedder.count_tokens)
    exact = _exact(session, new)
    empty = [page for page in _page_texts(parsed) if not page.strip()]
    return Preview(
        encoding=_encoding(new.data, parsed.media_type),
        language=look.language,
        media_type=parsed.media_type,
        title=_title(new, parsed),
        pages=len(parsed.pages) or None,
        pages_without_text=len(empty) if parsed.pages else None,
        characters=len(parsed.text),
        chunk_count=look.chunks,
        tokens=look.tokens,
        price_usd=embedding_cost_usd(embedder.name, look.tokens),
        instruction_score=score(look.signs),
        instruction_signs=[
            f"Looks like an order to a model: {sign.name} ({sign.weight}): {sign.quote}" for sign in look.signs
        ],
        warnings=as_json(parsed.warnings),
        exact_duplicate=exact,
        near_duplicates=near_duplicates(session, look.simhash, exact),
    )


@dataclass(frozen=True)
class _Look:
    chunks: int
    tokens: int
    simhash: int | None
    signs: list[Sign]
    language: str | None


def _looked_through(new: NewDocument, parsed: Parsed, limit: int, count_tokens: Callable[[str], int]) -> _Look:
    """What takes seconds for a long text, and needs nothing but it."""
    chunks = split(parsed.text, limit, count_tokens)
    tokens = sum(count_tokens(parsed.text[chunk.start : chunk.end]) for chunk in chunks)
    found = signs(parsed.text, new.data, parsed.media_type)
    return _Look(len(chunks), tokens, simhash(parsed.text), found, language_of(parsed.text))


def _encoding(data: bytes, media_type: str) -> str | None:
    if not media_type.startswith("text/") and "json" not in media_type:
        return None
    return encoding_of(data, declared_encoding(data) if media_type == "text/html" else None)


def _title(new: NewDocument, parsed: Parsed) -> str:
    """As ingestion chooses it: what was given, else what the document says, else its file's name."""
    from_file = clean_title(new.filename)
    return clean_title(new.title) or clean_title(parsed.title or "") or from_file or "Untitled"


def _page_texts(parsed: Parsed) -> list[str]:
    ends = [*parsed.pages[1:], len(parsed.text)]
    return [parsed.text[start:end] for start, end in zip(parsed.pages, ends, strict=False)]


def _exact(session: Session, new: NewDocument) -> str | None:
    collection_id = session.scalar(select(Collection.id).where(Collection.name == new.collection))
    same = same_content(session, collection_id, new.content_hash) if collection_id else None
    return same.id if same else None


def near_duplicates(session: Session, bits: int | None, besides: str | None = None) -> list[NearDuplicate]:
    """The documents, of any collection, whose newest text is nearly the same, the nearest first; at most ten."""
    if bits is None:
        return []
    query = (
        select(Document.id, Document.title, DocumentVersion.simhash)
        .join(DocumentVersion, DocumentVersion.document_id == Document.id)
        .where(DocumentVersion.version == Document.version, DocumentVersion.simhash.is_not(None))
        .where(Document.status != "deleted", Document.id != besides if besides else Document.id.is_not(None))
    )
    rows = session.execute(query).all()
    apart = distances(bits, [row.simhash for row in rows])
    near = sorted((distance, row.id, row.title) for distance, row in zip(apart, rows, strict=True) if distance <= NEAR)
    return [NearDuplicate(id_, title, similarity(distance)) for distance, id_, title in near[:MOST_SHOWN]]
