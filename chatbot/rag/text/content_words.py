"""Words of a text for comparing texts: folded, without the words that every text has."""

from __future__ import annotations

import re

from chatbot.rag.text.folding import MARKS, UNSPACED, fold

_LETTERS = f"[^\\W_]+(?:[{MARKS}]+[^\\W_]*)*"
_WORD = re.compile(f"{_LETTERS}(?:[._'-]{_LETTERS})*")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_STOP = frozenset(
    """
    a about all also am an and any are as at be because been but by can could did do does doing for from get had
    has have how i if in into is it its itself just let like make many may me might more most much must my need
    no not of on one only or other our out over own please run set shall should so some such tell than that the
    their them then there these they this those to too up us use used using very want was way we were what when
    where which while who whose why will with would yes you your
    """.split()
)


def content_words(text: str) -> set[str]:
    """The words that carry a text's meaning: folded, an English ending cut off, scripts without spaces in pairs."""
    return {part for word in _WORD.findall(fold(text)) if word not in _STOP for part in _parts(word)}


def _parts(word: str) -> list[str]:
    """The pairs of characters of a word in a script that puts no spaces between words; else its stem."""
    if not _UNSPACED.search(word):
        return [_stem(word)]
    return [word[n : n + 2] for n in range(max(1, len(word) - 1))]


def _stem(word: str) -> str:
    for ending in ("'s", "ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def coverage(wanted: set[str], text: str) -> float:
    """Which part of the wanted words a text has, 0 to 1."""
    return len(wanted & content_words(text)) / len(wanted) if wanted else 0.0
