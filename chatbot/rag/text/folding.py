"""Folding: one form for what is the same word, however it was typed.

Marks belong to their letters (a Hindi word without its vowel signs is another word), but what readers leave out is
left out: the points of Arabic and Hebrew, the accents of Greek capitals, the dots of the Russian ё and the Turkish i.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import chain
from typing import Final

# Where the marks and digits of the scripts in use are, and the characters of those that set no spaces between words:
# kana, Chinese characters, Thai, Lao, Burmese and Khmer.
_MARKED: Final = tuple(
    chain(*(range(*ends) for ends in ((0x300, 0x3100), (0xA600, 0xAC00), (0xFB00, 0xFF00), (0x10000, 0x12000))))
)
UNSPACED: Final = "\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"


def _in_ranges(codes: Iterable[int]) -> str:
    """Ascending code points as the inside of a character class."""
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


MARKS: Final = _in_ranges(code for code in _MARKED if unicodedata.category(chr(code))[0] == "M")
_WORD: Final = re.compile(f"[^\\W_]+(?:[{MARKS}]+[^\\W_]*)*")


def _decimal_digits() -> dict[str, str]:
    """The digits of other scripts, as ASCII digits."""
    digits = (chr(code) for code in _MARKED if unicodedata.category(chr(code)) == "Nd")
    return {digit: str(unicodedata.decimal(digit)) for digit in digits}


def _without_accents(letters: Iterable[str]) -> dict[str, str]:
    """Letters that are a base with marks, by their bases."""
    bases = {letter: unicodedata.normalize("NFD", letter)[0] for letter in letters}
    return {letter: base for letter, base in bases.items() if base != letter}


_GREEK = (chr(code) for code in chain(range(0x370, 0x400), range(0x1F00, 0x2000)))
_SAME: Final = {
    **_decimal_digits(),
    **_without_accents(_GREEK),
    # Turkish: a capital I is both; İ folds to an i and a dot above.
    "ı": "i",
    "i\u0307": "i",
    "ё": "е",
    # Devanagari: candrabindu is often typed as anusvara, and the nukta left out.
    "\u0901": "\u0902",
    "\u093c": "",
}
# Arabic points, Koranic signs and the stroke that stretches a word; Hebrew points; joiners, soft hyphens and variation
# selectors.
_LEFT_OUT: Final = (
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\xad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff"
)
_ONE: Final = "".join(re.escape(letter) for letter in _SAME if len(letter) == 1)
_FOLDED: Final = re.compile(f"i\u0307|[{_ONE}]|[{_LEFT_OUT}]")

# Full-width and half-width forms, ligatures, presentation forms of Arabic, ideographs for compatibility, and the
# letters of mathematics: other characters for the same word. `½` or `…` are none of these.
_COMPATIBLE: Final = re.compile("[\uf900-\ufaff\ufb00-\ufdff\ufe70-\ufeff\uff01-\uffef\U0001d400-\U0001d7ff]+")


def fold(text: str) -> str:
    """A text as its words are compared: without case, in one form of each character, without what is left out."""
    if text.isascii():
        return text.casefold()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _FOLDED.sub(lambda match: _SAME.get(match[0], ""), folded)


def words_of(text: str) -> list[str]:
    """The folded words of a text in their order: letters and digits with their marks."""
    return _WORD.findall(fold(text))


def fold_compatibility(text: str) -> str:
    """A text for an embedder, which knows letters and not their other forms: `ＡＢＣ` is ABC, and `ﬁ` fi."""
    if text.isascii() or not _COMPATIBLE.search(text):
        return text
    return _COMPATIBLE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
