"""Text without what a person cannot see."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.rag.text.invisible_characters import without_invisible

_NEWLINES: Final = re.compile("[\r\v\f\x85\u2028\u2029]")
_BLANK_LINES: Final = re.compile(r"\n[^\S\n]*\n(?:[^\S\n]*\n)+")
_MEANINGLESS: Final = re.compile(
    r"(untitled|\(?anonymous\)?|title|document|word document|microsoft (word|powerpoint)\b.*"
    # The words of PowerPoint and its translations: PowerPoint-Präsentation, Presentación de PowerPoint.
    r"|powerpoint[ -]pr[eéä]sent\w{3,6}"
    r"|(présentation|presentación|presentazione|apresentação|prezentacja)( standard)?( d[eio])? (programu )?powerpoint"
    r"|.*\.(docx?|pdf|tex|dvi|indd|qxd|rtf|odt|pptx?|xlsx?|html?|txt|pm[0-9]?|cdr|eps|ps))",
    re.IGNORECASE,
)
_LONGEST_TITLE: Final = 300


def clean(text: str) -> str:
    """`text` with \\n for every kind of line end and without control and invisible characters."""
    return without_invisible(_NEWLINES.sub("\n", text.replace("\r\n", "\n")))


def squeeze(text: str) -> str:
    """`text` with runs of blank lines made one, and without blanks around it."""
    return _BLANK_LINES.sub("\n\n", text).strip()


def joined(lines: Iterable[str], limits: Limits) -> str:
    """The lines as one text. Raises too_complex as soon as they are too much, before they fill the memory."""
    parts: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > limits.text_bytes:
            raise ParseError("too_complex")
        parts.append(line)
    return "\n".join(parts)


def sensible_title(candidate: object) -> str | None:
    """A title from a document's own properties, or None when it is a default or a file's name."""
    title = " ".join(clean(str(candidate or "")).split())
    if not any(map(str.isalpha, title)) or "\ufffd" in title or _MEANINGLESS.fullmatch(title):
        return None
    return title[:_LONGEST_TITLE]


def clean_title(text: str) -> str:
    """A title for people: one line, no control or invisible formatting characters, at most 200 code points."""
    visible = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(visible.split())[:200]
