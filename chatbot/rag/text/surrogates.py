"""Texts of a model as every database and every client takes them."""

from __future__ import annotations

import re

# Halves of characters, as they come where a service cuts an emoji in two, and what PostgreSQL stores in no text.
_ODD = re.compile("[\x00\ud800-\udfff]")
_LAST_HALF = re.compile("[\ud800-\udbff]$")


def well_formed(text: str) -> str:
    """A text whose halves of characters are put together; a half alone and NUL are U+FFFD."""
    if not _ODD.search(text):
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\x00", "\ufffd")


class WellFormed:
    """The same of a text that comes in pieces, between which a character may be cut."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """What can be shown of the text so far that was not before."""
        text = self._half + text
        self._half = text[-1:] if _LAST_HALF.search(text) else ""
        return well_formed(text[:-1] if self._half else text)

    def end(self) -> str:
        """What is left."""
        return well_formed(self._half)
