"""Documents in, text out.

    parsed = parse(data, "handbook.pdf")
    parsed.text, parsed.title, parsed.media_type, parsed.pages, parsed.warnings

Formats with a structure (all but text and Markdown) are read in a child process with bounds on memory, CPU, time and
output. To add a format, write a module with `extract(data, limits) -> Extracted` and a row in formats.py; what it
leaves out it tells with `warnings.note`.
"""

from collections.abc import Callable

from chatbot.knowledge.parsing.child import extract_with_warnings
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.formats import BY_MEDIA_TYPE, extractor
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from chatbot.knowledge.parsing.result import Extracted, Parsed
from chatbot.knowledge.parsing.runner import extract_in_child
from chatbot.knowledge.parsing.sniff import sniff

__all__ = ["DEFAULT", "Limits", "ParseError", "Parsed", "is_isolated", "parse", "sniff"]


def parse(
    data: bytes,
    filename: str = "",
    media_type: str | None = None,
    *,
    limits: Limits = DEFAULT,
    while_waiting: Callable[[], None] | None = None,
) -> Parsed:
    """Read a document.

    `filename` and `media_type` are what the sender says; the content decides first (see `sniff`). `while_waiting` is
    called every few seconds while a child process works, which ends if it raises.
    Raises ParseError with a code and a sentence for people.
    """
    if not data.strip():
        raise ParseError("no_text")
    kind = sniff(data, filename, media_type)
    extracted = _extract(data, kind, limits, while_waiting)
    if not extracted.text.strip():
        raise ParseError("no_text")
    return Parsed(extracted.text, extracted.title, kind, extracted.pages, extracted.warnings)


def is_isolated(data: bytes, filename: str = "", media_type: str | None = None) -> bool:
    """Whether a document is read in a child process. Raises ParseError."""
    return BY_MEDIA_TYPE[sniff(data, filename, media_type)].isolated


def _extract(data: bytes, kind: str, limits: Limits, while_waiting: Callable[[], None] | None) -> Extracted:
    if BY_MEDIA_TYPE[kind].isolated:
        return extract_in_child(data, kind, limits, while_waiting)
    return extract_with_warnings(extractor(kind), data, limits)
