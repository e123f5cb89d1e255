"""The addresses that stand in passages, and when one in an answer is one of them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from chatbot.rag.types import Passage

# A bare address ends at a blank, a quotation mark or bracket, and where Chinese, Japanese or Korean goes on.
_ENDS = r"\s<>\"`|\[\]\\\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef"
BARE = re.compile(rf"(?:(?:https?|ftp)://|www\.|mailto:|xmpp:|(?<![:\w/])//)[^{_ENDS}]*", re.IGNORECASE)
_AFTER = ".,;:!?'*_~)}"
# No address that is known ends in more of them.
MOST_AFTER = 100
_LINKED = re.compile(r"\]\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)")
_IN_ANGLES = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*)>")
_IN_TAG = re.compile(r"\b(?:href|src)\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_DEFINED = re.compile(r"^ {0,3}\[[^\[\]]+\]:[ \t]*<?([^\s<>]+)", re.MULTILINE)
# Whatever a source says, these are not addresses of anything that is only read.
_ACTIVE = re.compile(r"(?:javascript|vbscript|data|file|blob|filesystem|about|view-source):", re.IGNORECASE)
_SCHEME_AND_HOST = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_HOST = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#@]*@)?(?:www\.)?([^/?#:]*)")


class Addresses:
    """The addresses of some texts. One that is in them is the same but for a slash at its end."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._keys = {_key(address) for text in texts for address in _all(text)} - {""}

    @classmethod
    def of(cls, passages: Iterable[Passage]) -> Addresses:
        """Those of passages, and where their documents come from."""
        return cls(text for passage in passages for text in (passage.text, passage.source))

    def add(self, passage: Passage) -> None:
        """Takes those of one more passage in."""
        self._keys |= Addresses.of([passage])._keys

    def __contains__(self, address: str) -> bool:
        return not is_active(address) and "`" not in address and _key(address) in self._keys

    def know(self, bare: str) -> bool:
        """Whether a bare address is in the texts: the whole, or without some of the punctuation behind it."""
        least = len(without_marks(bare))
        return any(bare[:end] in self for end in range(min(len(bare), least + MOST_AFTER), least - 1, -1))


def without_marks(bare: str) -> str:
    """A bare address without the punctuation of the sentence it stands in."""
    return bare.rstrip(_AFTER)


def is_active(address: str) -> bool:
    """Whether it does something instead of leading somewhere."""
    plain = re.sub(r"[\s\x00-\x20]", "", html.unescape(address).replace("\\", ""))
    return _ACTIVE.match(plain) is not None


def host_of(bare: str) -> str:
    """What is left of an address that may not be one: its host's name, or a letter's address."""
    if bare[:4].lower() == "www.":
        bare = f"//{bare}"
    match = _HOST.match(bare)
    left = match[1] if match else bare.partition(":")[2].partition("?")[0]
    return "" if re.search(r"[:/\\]|www\.", left, re.IGNORECASE) else left


def _all(text: str) -> Iterator[str]:
    for match in BARE.finditer(text):
        yield match[0]
        yield without_marks(match[0])
    for pattern in (_LINKED, _IN_ANGLES, _IN_TAG, _DEFINED):
        yield from pattern.findall(text)


def _key(address: str) -> str:
    if address[:4].lower() == "www.":
        address = f"http://{address}"
    lowered = _SCHEME_AND_HOST.sub(lambda match: match[0].lower(), address)
    return lowered.rstrip("/")
