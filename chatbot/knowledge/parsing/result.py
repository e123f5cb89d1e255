"""What reading a document gives."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

from chatbot.knowledge.parsing.warnings import ParseWarning

_BETWEEN_PAGES: Final = "\n\n"


@dataclass(frozen=True)
class Parsed:
    """A document's text.

    `pages[i]` is the offset in `text`, in code points, at which page i + 1 begins; it is empty for formats
    without pages. `media_type` is what the bytes turned out to be, whatever the file was called. `warnings` say
    what of the document is not in the text.
    """

    text: str
    title: str | None
    media_type: str
    pages: tuple[int, ...]
    warnings: tuple[ParseWarning, ...] = ()


class Extracted(NamedTuple):
    """What one format's `extract` returns: cleaned text, a title if there is one, page offsets.

    The warnings are filled in by `extract_with_warnings`, not by the formats.
    """

    text: str
    title: str | None = None
    pages: tuple[int, ...] = ()
    warnings: tuple[ParseWarning, ...] = ()


def of_pages(pages: list[str], title: str | None) -> Extracted:
    """The pages as one text that knows where each begins; an empty page has a place of its own too."""
    starts = accumulate((len(page) + len(_BETWEEN_PAGES) for page in pages[:-1]), initial=0)
    return Extracted(_BETWEEN_PAGES.join(pages), title, tuple(starts) if pages else ())
