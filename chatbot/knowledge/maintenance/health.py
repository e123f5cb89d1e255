"""How documents, the index and the workers are: what /metrics and /readyz tell of this package."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chatbot.db import utcnow
from chatbot.knowledge.documents.queue_status import absence, workers
from chatbot.knowledge.index.generations import active_generation
from chatbot.knowledge.models import Document, Generation, WorkerRow
from chatbot.knowledge.retrieval.retriever import Retriever
from chatbot.metrics import Reading

# A document that is due for longer than this waits for something that is wrong, in seconds.
LATE_SECONDS = 120


def readings(session: Session, retriever: Retriever) -> Iterator[Reading]:
    """The numbers of documents, chunks, failures and workers, how late the queue is, and the size of the index."""
    for status, count in session.execute(select(Document.status, func.count()).group_by(Document.status)):
        yield Reading("chatbot_documents", "Documents by status.", count, {"status": status})
    failed = select(Document.error_code, func.count()).where(Document.status == "failed").group_by(Document.error_code)
    for code, count in session.execute(failed):
        yield Reading("chatbot_documents_failed", "Documents that failed, by code.", count, {"code": code or "none"})
    yield Reading("chatbot_ingest_queue_lag_seconds", "How long the first document is due.", queue_lag(session))
    oldest = session.scalar(select(func.min(Document.updated_at)).where(Document.status.in_(("queued", "processing"))))
    yield Reading("chatbot_ingest_queue_age_seconds", "Age of the oldest document in the queue.", _since(oldest))
    yield Reading("chatbot_workers", "Workers that were heard of in the last 30 s.", workers(session))
    silent = silence(session)
    if silent is not None:
        yield Reading("chatbot_worker_heartbeat_age_seconds", "Since any worker was heard of.", silent)
    yield from _index(active_generation(session), retriever)
    ready = select(func.coalesce(func.sum(Document.chunk_count), 0)).where(Document.status == "ready")
    yield Reading("chatbot_chunks", "Chunks of the documents that are ready.", session.scalars(ready).one())


def _index(generation: Generation | None, retriever: Retriever) -> Iterator[Reading]:
    """What the process holds that was asked: the others hold the same, or will at their next search."""
    held = retriever.index_stats()
    for name, about in (
        ("vectors", "Vectors in the index of one process."),
        ("memory_bytes", "What they take of its own memory; a file that is mapped counts nothing."),
        ("revision", "The revision of the rows that it holds."),
    ):
        value = held.get(name)
        if isinstance(value, int):
            yield Reading(f"chatbot_index_{name}", about, value)
    if generation is not None:
        yield Reading("chatbot_index_newest_revision", "The revision of the rows.", generation.revision)
        yield Reading("chatbot_index_generation", "The generation that answers.", generation.id)


def queue_lag(session: Session) -> float:
    """For how many seconds the first document of the queue is due and not taken; 0 when none is."""
    return _since(session.scalar(select(func.min(Document.next_attempt_at)).where(Document.status == "queued")))


def silence(session: Session) -> float | None:
    """For how many seconds no worker has been heard of; None when there never was one."""
    seen = session.scalar(select(func.max(WorkerRow.seen_at)))
    return _since(seen) if seen else None


def _since(moment: datetime | None) -> float:
    return max(0.0, (utcnow() - moment).total_seconds()) if moment else 0.0


def checks(session: Session, retriever: Retriever) -> dict[str, str]:
    """The states of the index in this process, of the workers and of the queue: `ok`, or a sentence."""
    lag = queue_lag(session)
    held = retriever.index_stats()["revision"] is not None or active_generation(session) is None
    return {
        "index": "ok" if held else "It is loaded with the first question.",
        "worker": absence(session) or "ok",
        "ingestion": "ok" if lag < LATE_SECONDS else f"A document waits for {round(lag)} s.",
    }
