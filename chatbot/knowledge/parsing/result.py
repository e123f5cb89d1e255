"""What reading a document gives."""

from dataclasses import dataclass
from typing import NamedTuple


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
