"""Text without what a person cannot see."""

import re
from collections.abc import Iterable
from typing import Final

from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits

_NEWLINES: Final = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Invisible characters hide instructions from the person who reads a page but not from the model that does
# (https://www.unicode.org/reports/tr36/, "ASCII smuggling" by tag characters and variation selectors).
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # C0 and C1 controls
    "\xad\u034f\u061c\u180e\u200b\u200e\u200f"  # soft hyphen, joiners, zero-width space, direction marks
    "\u202a-\u202e\u2060-\u206f"  # bidi embeddings, overrides and isolates, invisible operators
    "\ud800-\udfff\ufe00-\ufe0d\ufeff\ufff9-\ufffb\ufffe\uffff"  # surrogates, selectors, byte order mark
    "\U000e0000-\U000e0fff]"  # tag characters and the supplementary variation selectors
    # Persian, the Indic scripts and emoji need the two joiners after their letters; elsewhere they hide.
    "|(?<![\u0600-\u18ff\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]"
    "|(?<=[\ufe0e\ufe0f])[\ufe0e\ufe0f]+"
)
_BLANK_LINES: Final = re.compile(r"\n[^\S\n]*\n(?:[^\S\n]*\n)+")
_MEANINGLESS: Final = re.compile(
    r"(untitled|title|document|word document|powerpoint presentation|microsoft (word|powerpoint)\b.*"
    r"|.*\.(docx?|pdf|tex|dvi|indd|qxd|rtf|odt|pptx?|xlsx?|html?|txt|pm[0-9]?|cdr|eps|ps))",
    re.IGNORECASE,
)
_LONGEST_TITLE: Final = 300


def clean(text: str) -> str:
    """`text` with \\n for every kind of line end and without control and invisible characters."""
    return _INVISIBLE.sub("", _NEWLINES.sub("\n", text))


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
