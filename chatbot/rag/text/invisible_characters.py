"""Characters that nobody sees.

They hide instructions from the person who reads a page but not from the model that does
(https://www.unicode.org/reports/tr36/, "ASCII smuggling" by tag characters and variation selectors).
"""

from __future__ import annotations

import re

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # C0 and C1 controls
    "\xad\u034f\u061c\u180e\u200b\u200e\u200f"  # soft hyphen, joiners, zero-width space, direction marks
    "\u202a-\u202e\u2060-\u206f"  # bidi embeddings, overrides and isolates, invisible operators
    "\ud800-\udfff\ufe00-\ufe0d\ufeff\ufff9-\ufffb\ufffe\uffff"  # surrogates, selectors, byte order mark
    "\U000e0000-\U000e0fff]"  # tag characters and the supplementary variation selectors
    # Persian, the Indic scripts and emoji need the two joiners after their letters; elsewhere they hide.
    "|(?<![\u0600-\u18ff\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]"
    "|(?<=[\ufe0e\ufe0f])[\ufe0e\ufe0f]+"
)
# To find that a text has none of them takes a tenth of the time.
_ANY = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
# The hundred tag characters mirror ASCII.
_TAGS = re.compile("[\U000e0020-\U000e007e]")
_TAG_BASE = 0xE0000


def without_invisible(text: str) -> str:
    """The text without control characters and those that nobody sees; line ends and tabs stay."""
    return _INVISIBLE.sub("", text) if _ANY.search(text) else text


def with_tags_shown(text: str) -> str:
    """The text with what tag characters spell written out, and without the other invisible characters."""
    if not _ANY.search(text):
        return text
    return without_invisible(_TAGS.sub(lambda match: chr(ord(match[0]) - _TAG_BASE), text))
