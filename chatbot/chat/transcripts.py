"""A conversation as a file: JSON with everything, or Markdown for reading, with citations as footnotes."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.chat.models import Message, Owner
from chatbot.chat.schemas import ChatSessionSchema, MessageSchema
from chatbot.chat.service import get_session
from chatbot.chat.views import views
from chatbot.knowledge.collections import Reader

_chat = ChatSessionSchema()
_messages = MessageSchema(many=True)


def transcript(session: Session, owner: Owner, reader: Reader, session_id: str) -> dict[str, Any]:
    """A conversation of the owner with all its messages, oldest first, in the contract's shapes, as the reader sees it.

    Raises:
        ChatSessionNotFound: there is none, or it is somebody else's.
    """
    chat: dict[str, Any] = _chat.dump(get_session(session, owner, session_id))
    query = select(Message).where(Message.chat_session_id == session_id).order_by(Message.position)
    return chat | {"messages": _messages.dump(views(session, reader, session.scalars(query).all()))}


def as_markdown(talk: dict[str, Any]) -> str:
    """A transcript as Markdown: a section for each message, and a footnote for each citation."""
    numbers: dict[str | None, int] = {}
    parts = [f"# {_line(talk['title'])}\n"]
    previous = None
    for number, message in enumerate(talk["messages"], 1):
        numbers[message["id"]] = number
        parts.append(_section(number, message, None if message["parent_id"] == previous else numbers))
        previous = message["id"]
    return "\n".join(parts)


def _section(number: int, message: dict[str, Any], branches_off: dict[str | None, int] | None) -> str:
    author = _line(message["author"] or "") if message["is_user"] else _line(message["metadata"].get("model") or "")
    lines = [f"## {number}. {author or ('Question' if message['is_user'] else 'Answer')}", ""]
    said = [message["created_at"]]
    if message["status"] != "complete":
        said.append(message["status"])
    if branches_off and message["parent_id"] in branches_off:
        said.append(f"follows {branches_off[message['parent_id']]}")
    lines += [f"*{', '.join(said)}*", "", *_with_footnotes(number, message), ""]
    return "\n".join(lines)


def _with_footnotes(number: int, message: dict[str, Any]) -> list[str]:
    """The text, in which each marker of a citation leads to a footnote, and the footnotes."""
    text: str = message["content"]
    notes: dict[int, list[str]] = {}
    places: dict[int, int] = {}
    for citation in message["metadata"].get("citations", ()):
        marker = citation["marker"]
        notes.setdefault(marker, []).append(_quoted(citation, message["metadata"]))
        at = text.find(f"[{marker}]", citation["answer_end"])
        if at >= 0:
            places[at] = marker
    for at in sorted(places, reverse=True):
        marker = places[at]
        text = f"{text[:at]}[^{number}-{marker}]{text[at + len(str(marker)) + 2 :]}"
    # Where a marker is missing in the text, its footnote still has to be led to from somewhere.
    unplaced = "".join(f" [^{number}-{marker}]" for marker in notes if marker not in places.values())
    footnotes = [f"[^{number}-{marker}]: {' · '.join(dict.fromkeys(said))}" for marker, said in notes.items()]
    return [text + unplaced, *([""] if footnotes else []), *footnotes]


def _quoted(citation: dict[str, Any], metadata: dict[str, Any]) -> str:
    title = next(
        (doc["title"] for doc in metadata.get("retrieved_docs", ()) if doc["document_id"] == citation["document_id"]),
        citation["document_id"],
    )
    page = f", page {citation['page']}" if citation.get("page") else ""
    return f"{_line(title)}, version {citation['version']}{page}: “{_line(citation['quote'])}”"


def _line(text: str) -> str:
    """A text on one line that begins nothing of Markdown's and ends nothing."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", " ".join(text.split()))
