"""Indexing by words what was ingested before there was a keyword index, or with the terms of an earlier version."""

from __future__ import annotations

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.db import begin_write
from chatbot.knowledge.index.keywords import BATCH, index_chunks, note_languages, note_terms_version
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion, Generation
from chatbot.rag.text.language_detection import language_of
from chatbot.rag.text.stemming import TERMS_VERSION

log = structlog.get_logger(__name__)


def catch_up(session: Session) -> int:
    """Indexes what has no terms or older ones, and finds its language; returns the number of chunks.

    A generation whose documents have no languages noted has not been looked at, nor has one with another version of
    the terms; killed on the way, it begins again.
    """
    total = 0
    for generation_id in session.scalars(select(Generation.id).where(Generation.built_at.is_not(None))).all():
        session.rollback()
        total += _catch_up(session, generation_id)
    session.rollback()
    return total


def _catch_up(session: Session, generation_id: int) -> int:
    generation = session.get_one(Generation, generation_id)
    current = generation.terms_version == TERMS_VERSION
    if generation.languages and current:
        return 0
    of = (ChunkRow.generation_id == generation_id, ChunkRow.removed_revision.is_(None))
    documents = session.scalars(select(ChunkRow.document_id).where(*of).distinct()).all()
    session.rollback()
    if current and not documents:
        return 0
    total = 0
    for document_id in documents:
        begin_write(session)
        _note_language(session, document_id)
        chunk_ids = session.scalars(select(ChunkRow.id).where(*of, ChunkRow.document_id == document_id)).all()
        for start in range(0, len(chunk_ids), BATCH):
            index_chunks(session, chunk_ids[start : start + BATCH])
        session.commit()
        total += len(chunk_ids)
    begin_write(session)
    note_terms_version(session, generation_id)
    if documents:
        note_languages(session, generation_id)
    session.commit()
    if documents:
        log.info("keyword_index_backfilled", generation=generation_id, chunks=total)
    return total


def _note_language(session: Session, document_id: str) -> None:
    document = session.get(Document, document_id)
    if document is None or document.language:
        return
    version = select(DocumentVersion.text).where(DocumentVersion.document_id == document_id)
    found = session.scalar(version.where(DocumentVersion.version == document.version))
    document.language = language_of(found or "")
