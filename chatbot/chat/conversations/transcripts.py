"""A conversation as a file: JSON with everything, or Markdown for reading, with citations as footnotes."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.chat.conversations.service import get_session
from chatbot.chat.conversations.views import views
from chatbot.chat.models import Message, Owner
from chatbot.chat.schemas import ChatSessionSchema, MessageSchema
from chatbot.knowledge.documents.collections import Reader

_chat = ChatSessionSchema()
_messages = MessageSchema(many=True)


def transcript(session: Session, owner: Owner, reader: Reader, session_id: str) -> dict[str, object]:
    """A conversation of the owner with all its messages, oldest first, in the contract's shapes, as the reader sees it.

    Raises:
        ChatSessionNotFound: there is none, or it is somebody else's.
    """
    chat: dict[str, object] = _chat.dump(get_session(session, owner, session_id))
    query = select(Message).where(Message.chat_session_id == session_id).order_by(Message.position)
    return chat | {"messages": _messages.dump(views(session, reader, session.scalars(query).all()))}


def as_markdown(talk: dict[str, Any]) -> str:
    """A transcript as Markdown: a section for each message, and a footnote for each citation.

    Headings, footnotes and links are the server's own. A message stands in a block quote and is shown as it was
    written, character by character; what it fences as code stays code.
    """
    numbers: dict[str | None, int] = {}
    parts = [f"# {_line(talk['title'])}\n"]
    previous = None
    for number, message in enumerate(talk["messages"], 1):
        numbers[message["id"]] = number
        parts.append(_section(number, message, None if message["parent_id"] == previous else numbers))
        previous = message["id"]
    return "\n".join(parts)


def _section(number: int, message: dict[str, Any], branches_off: dict[str | None, int] | None) -> str:
    author = message["author"] if message["is_user"] else message["metadata"].get("model")
    lines = [f"## {number}. {_line(author or '') or ('Question' if message['is_user'] else 'Answer')}", ""]
    said = [message["created_at"]]
    if message["status"] != "complete":
        said.append(message["status"])
    if message["metadata"].get("deleted"):
        said.append("deleted")
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
    lines, placed = _quote(text, {at: (f"[{marker}]", f"[^{number}-{marker}]") for at, marker in places.items()})
    # Where a marker is missing in the text, its footnote still has to be led to from somewhere.
    unplaced = [f"[^{number}-{marker}]" for marker in notes if f"[^{number}-{marker}]" not in placed]
    if unplaced:
        lines += [">", f"> {' '.join(unplaced)}"]
    footnotes = [f"[^{number}-{marker}]: {' · '.join(dict.fromkeys(said))}" for marker, said in notes.items()]
    return [*lines, *([""] if footnotes else []), *footnotes]


def _quote(text: str, markers: dict[int, tuple[str, str]]) -> tuple[list[str], set[str]]:
    """A text as the lines of a block quote, and which footnotes it leads to.

    `markers` are what stands at a place of the text and the footnote that takes its place; in code it does not.
    """
    rows = text.splitlines(keepends=True)
    lines: list[str] = []
    placed: set[str] = set()
    number = at = 0
    while number < len(rows):
        end = _end_of_code(rows, number)
        if end > number:
            lines += [f"> {line}".rstrip() for line in _fenced(rows[number:end])]
        else:
            end = number + 1
            line = f"> {_written(rows[number], at, markers, placed)}".rstrip()
            # Two blanks are a line end inside a paragraph.
            lines.append(f"{line}  " if line != ">" and end < len(rows) and rows[end].strip() else line)
        at += sum(map(len, rows[number:end]))
        number = end
    return lines or [">"], placed


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([\w+#.-]*)")


def _end_of_code(rows: list[str], start: int) -> int:
    """Where the block of code ends that begins with a row, or the text does; `start` if none begins there."""
    fence = _FENCE.match(rows[start])
    if fence is None:
        return start
    for number in range(start + 1, len(rows)):
        row = rows[number].strip()
        if row.startswith(fence[1]) and set(row) == {fence[1][0]}:
            return number + 1
    return len(rows)


def _fenced(rows: list[str]) -> list[str]:
    """A block of code between fences that are longer than all in it."""
    fence, *code = (row.rstrip() for row in rows)
    begun = _FENCE.match(fence)
    if code and begun and set(code[-1].strip()) == {begun[1][0]}:
        code.pop()
    ours = "`" * max(3, 1 + max(map(len, re.findall("`+", "\n".join(code))), default=0))
    return [ours + (begun[2] if begun else ""), *code, ours]


def _written(row: str, at: int, markers: dict[int, tuple[str, str]], placed: set[str]) -> str:
    """A line, which stands at a place of its text, with footnotes for its markers."""
    parts, done = [], 0
    for place in sorted(place for place in markers if at <= place < at + len(row)):
        marker, note = markers[place]
        parts += [_plain(row[done : place - at]), note]
        done = place - at + len(marker)
        placed.add(note)
    line = "".join([*parts, _plain(row[done:])]).rstrip()
    # Blanks at the beginning would be lost, or make it code.
    bare = line.lstrip()
    return "\u00a0" * len(line[: len(line) - len(bare)].expandtabs(4)) + _begun(bare)


def _quoted(citation: dict[str, Any], metadata: dict[str, Any]) -> str:
    title = next(
        (doc["title"] for doc in metadata.get("retrieved_docs", ()) if doc["document_id"] == citation["document_id"]),
        citation["document_id"],
    )
    page = f", page {citation['page']}" if citation.get("page") else ""
    unproven = "" if citation.get("verified", True) else " (not verified)"
    return f"{_line(title)}, version {citation['version']}{page}: “{_line(citation['quote'])}”{unproven}"


def _line(text: str) -> str:
    """A text on one line, shown as it was written."""
    return _begun(_plain(" ".join(text.split())))


# What Markdown would take for something: marks, tags and links wherever they stand, and an underscore or an ampersand
# where it does not stand inside a word. A plain address may be shown as a link, which leads to where it says.
_MARKS = re.compile(r"[\\`*\[\]<>#|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
# What begins a list or a rule, or makes the line before a heading.
_BEGINNING = re.compile(r"^([-+=])|^(\d{1,9})(?=[.)])")


def _plain(text: str) -> str:
    return _MARKS.sub(r"\\\g<0>", text)


def _begun(line: str) -> str:
    """A line that begins nothing of Markdown's."""
    return _BEGINNING.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\", line)
