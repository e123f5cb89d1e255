"""What reading a document gives."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

_BETWEEN_PAGES: Final = "\n\n"


@dataclass(frozen=True)
class Parsed:
    """A document's text.

    `pages[i]` is the offset in `text`, in code points, at which page i + 1 begins; it is empty for formats
    without pages. `media_type` is what the bytes turned out to be, whatever the file was called.
    """

    text: str
    title: str | None
    media_type: str
    pages: tuple[int, ...]


class Extracted(NamedTuple):
    """What one format's `extract` gives back: cleaned text, a title if there is one, page offsets."""

    text: str
    title: str | None = None
    pages: tuple[int, ...] = ()


def of_pages(pages: list[str], title: str | None) -> Extracted:
    """The pages as one text that knows where each begins; an empty page has a place of its own too."""
    starts = accumulate((len(page) + len(_BETWEEN_PAGES) for page in pages[:-1]), initial=0)
    return Extracted(_BETWEEN_PAGES.join(pages), title, tuple(starts) if pages else ())
