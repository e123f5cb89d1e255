"""Why an answer says what it says: what was searched and found, what was kept and why, which models were asked.

No text of a document is stored with it, only the ids of what was looked at. Whoever reads a trace is shown of a
candidate what they may read at that moment, so what is deleted or closed to them is gone from here as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.chat.conversations.answers import Answer
from chatbot.chat.conversations.messages import my_answer
from chatbot.chat.models import Message, MessageTrace, Owner
from chatbot.chat.replies.turns import Turn
from chatbot.errors import ChatbotError, NotFound
from chatbot.knowledge.documents.collections import Reader, readable
from chatbot.knowledge.documents.reader_views import readable_documents
from chatbot.knowledge.models import ChunkRow, Collection
from chatbot.rag.grounding.answerability import FEATURES
from chatbot.rag.types import KEPT, Found, Sent

_SCORES = ("dense", "keyword", "fused", "evidence", "curated")
_SHOWN = ("document_id", "title", "source", "version", "chunk_id", "page", "text")


class TraceNotFound(NotFound):
    code, detail = "trace_not_found", "How this answer was made was not noted."


def trace_of(turn: Turn, answer: Answer, failure: ChatbotError | None) -> dict[str, Any]:
    """What is stored of how an answer was made, beside its metadata. A search looks at a hundred passages at most."""
    ask = turn.ask
    return {
        "asked": ask.question,
        "history": {"messages": len(ask.history), "told": sum(message.told for message in ask.history)},
        "language": ask.language,
        "collections": None if ask.collections is None else sorted(ask.collections),
        "search": _search_of(answer.found),
        "model": answer.fallback_from or answer.model,
        "failures": [{"model": model, "code": code} for model, code in answer.failures],
        "prompts": [_prompt_of(sent) for sent in answer.prompts],
        "removed_markers": [
            {"marker": marker, "at": at, "reason": reason}
            for marker, at, reason in (answer.checked.removed if answer.checked else ())
        ],
        "error": failure.code if failure else None,
    }


def _search_of(found: Found | None) -> dict[str, Any] | None:
    """The search, in which a candidate is a row: there are fifty of them to an answer."""
    searched = found.searched if found else None
    if searched is None:
        return None
    rows = [
        [c.document_id, c.version, c.chunk_id, c.page, c.reason, *(c.scores.get(name) for name in _SCORES)]
        for c in searched.candidates
    ]
    return asdict(replace(searched, candidates=())) | {"candidates": rows}


def _candidates_of(search: dict[str, Any] | None) -> list[dict[str, Any]]:
    found = []
    for document_id, version, chunk_id, page, reason, *scores in search["candidates"] if search else ():
        # A score that only some passages have is left out of the others.
        said = {n: score for n, score in zip(_SCORES, scores, strict=True) if score is not None or n != "curated"}
        place = {"document_id": document_id, "version": version, "chunk_id": chunk_id, "page": page}
        found.append(place | {"scores": said, "kept": reason in KEPT, "reason": reason})
    return found


def _prompt_of(sent: Sent) -> dict[str, Any]:
    messages = [{"role": role, "tokens": tokens, "sha256": sha256} for role, tokens, sha256 in sent.messages]
    return {"model": sent.model, "tokens": sent.tokens, "messages": messages}


def read_trace(session: Session, owner: Owner, reader: Reader, message_id: str) -> dict[str, Any]:
    """Why an answer says what it says, as the reader may know it.

    Raises:
        MessageNotFound: there is no such message, or it is somebody else's.
        NotAnAnswer: it is a question.
        TraceNotFound: it is older than the traces.
    """
    message = my_answer(session, owner, message_id)
    row = session.get(MessageTrace, message_id)
    if row is None:
        raise TraceNotFound()
    may, trace = readable(session, reader), row.trace
    candidates = _candidates_of(trace["search"])
    return {
        "message_id": message.id,
        "created_at": message.created_at,
        "status": message.status,
        "error": trace["error"],
        "question": _question(message, trace),
        "collections": _names(session, may, trace["collections"]),
        "index": _index(trace["search"]),
        "candidates": _readable(session, reader, candidates),
        "gate": _gate(message, trace["search"], any(candidate["kept"] for candidate in candidates)),
        "model": _model(message, trace),
        "prompts": trace["prompts"],
        "prompt_version": message.extra["prompt_version"],
        "timings_ms": message.extra["timings_ms"],
        "usage": message.extra["usage"],
        "citations": message.extra["citations"],
        "removed_markers": trace["removed_markers"],
    }


def _question(message: Message, trace: dict[str, Any]) -> dict[str, Any]:
    beside = trace["search"]["beside"] if trace["search"] else None
    searched = message.extra["question"]
    return {"asked": trace["asked"], "searched": searched, "beside": beside, "history": trace["history"]}


def _names(session: Session, may: frozenset[str], ids: Sequence[str] | None) -> list[str]:
    known = may if ids is None else may.intersection(ids)
    return list(session.scalars(select(Collection.name).where(Collection.id.in_(known)).order_by(Collection.name)))


def _index(search: dict[str, Any] | None) -> dict[str, Any] | None:
    return {name: search[name] for name in ("generation", "revision", "embedder")} if search else None


def _readable(session: Session, reader: Reader, candidates: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    documents, texts = _still_readable(session, reader, candidates)
    return [_shown(place, c, documents, texts) for place, c in enumerate(candidates, 1)]


def _still_readable(
    session: Session, reader: Reader, candidates: Sequence[dict[str, Any]]
) -> tuple[dict[str, tuple[str, str]], dict[int, str]]:
    """Title and source of the documents, and the texts of the chunks, that the reader could find now."""
    documents = readable_documents(session, reader, {candidate["document_id"] for candidate in candidates})
    chunks = [candidate["chunk_id"] for candidate in candidates if candidate["document_id"] in documents]
    there = (ChunkRow.id.in_(chunks), ChunkRow.removed_revision.is_(None))
    return documents, dict(session.execute(select(ChunkRow.id, ChunkRow.text).where(*there)).all())


def _shown(
    place: int, candidate: dict[str, Any], documents: dict[str, tuple[str, str]], texts: dict[int, str]
) -> dict[str, Any]:
    judged = {"place": place, **{name: candidate[name] for name in ("scores", "kept", "reason")}}
    known = documents.get(candidate["document_id"])
    if known is None:
        return judged | {"readable": False} | dict.fromkeys(_SHOWN)
    text = texts.get(candidate["chunk_id"])
    return judged | candidate | {"readable": True, "title": known[0], "source": known[1], "text": text}


def _gate(message: Message, search: dict[str, Any] | None, passed: bool) -> dict[str, Any]:
    grounding, seen = message.extra["grounding"], search["features"] if search else None
    return {
        "calibrated": seen is not None,
        "features": (search or {}).get("signals") if seen is None else dict(zip(FEATURES, seen, strict=False)),
        "score": grounding["top_score"],
        "threshold": grounding["threshold"],
        "lower_threshold": grounding.get("lower_threshold"),
        "passed": passed,
    }


def _model(message: Message, trace: dict[str, Any]) -> dict[str, Any]:
    return {
        "asked": trace["model"],
        "answered": message.extra["model"],
        "failures": trace["failures"],
        "cached": message.extra["cached"],
    }
