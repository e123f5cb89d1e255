"""What a reader sees of a message: every reply, list, stream and export is made of these views.

An answer's metadata holds the passages it was made from, which the person who asked could read at that moment. A
reader is shown those of documents that they may read now. Of another passage they see what the answer quotes of it;
one that it does not quote is left out, and so are suggestions made from its document.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from chatbot.chat.models import Message
from chatbot.chat.schemas import MessageView
from chatbot.db import Sessions
from chatbot.errors import Unavailable
from chatbot.knowledge.documents.collections import Reader
from chatbot.knowledge.documents.reader_views import readable_documents

Event = tuple[str, dict[str, Any]]


def as_asked(message: Message) -> MessageView:
    """A message for the person who has just asked: the search was limited to what they may read."""
    return MessageView(message, message.extra)


def views(session: Session, reader: Reader, messages: Sequence[Message]) -> list[MessageView]:
    """The messages as the reader may see them now; one query for all of them."""
    may = readable_documents(session, reader, {id_ for message in messages for id_ in _documents(message.extra)})
    return [MessageView(message, _shown(message.extra, may)) for message in messages]


def events_for(sessions: Sessions, reader: Reader) -> Callable[[Event], Event]:
    """What turns an event of somebody's stream into what another reader may see of it.

    It raises `Unavailable` when the database cannot be asked.
    """

    def view(event: Event) -> Event:
        name, payload = event
        if name == "sources":
            return name, _read_now(sessions, reader, payload)
        if name == "done":
            message = payload["message"]
            seen = message | {"metadata": _read_now(sessions, reader, message["metadata"])}
            return name, payload | {"message": seen}
        return event

    return view


def _read_now(sessions: Sessions, reader: Reader, metadata: dict[str, object]) -> dict[str, object]:
    try:
        with sessions() as session:
            return _shown(metadata, readable_documents(session, reader, set(_documents(metadata))))
    except SQLAlchemyError:
        raise Unavailable() from None


def _documents(metadata: dict[str, Any]) -> Iterable[str]:
    for name in ("retrieved_docs", "nearest_docs"):
        yield from (doc["document_id"] for doc in metadata.get(name, ()))


def _shown(metadata: dict[str, Any], may: Collection[str]) -> dict[str, object]:
    """The metadata of an answer for somebody who may read these documents. A question has none."""
    if all(document_id in may for document_id in _documents(metadata)):
        return metadata
    docs, nearest = metadata.get("retrieved_docs", ()), metadata.get("nearest_docs", ())
    shown = metadata | {"retrieved_docs": list(_passages(docs, metadata.get("citations", ()), may))}
    if nearest:
        shown["nearest_docs"] = [doc for doc in nearest if doc["document_id"] in may]
    if "suggestions" in metadata and any(doc["document_id"] not in may for doc in docs):
        shown["suggestions"] = []
    return shown


def _passages(
    docs: Iterable[dict[str, Any]], citations: Iterable[dict[str, Any]], may: Collection[str]
) -> Iterable[dict[str, Any]]:
    quotes: dict[int, list[str]] = {}
    for citation in citations:
        quotes.setdefault(citation["chunk_id"], []).append(citation["quote"])
    for doc in docs:
        if doc["document_id"] in may:
            yield doc
        elif quoted := quotes.get(doc["chunk_id"]):
            text = " … ".join(dict.fromkeys(quoted))
            yield doc | {"source": "", "text": text, "readable": False}
