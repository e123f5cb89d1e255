"""Words of several languages that mean the same, and pairs that mean the opposite, each by its language.

Small on purpose: what rules and instructions are made of. A word that is not here says nothing about agreement. The
rows are written as `notation.words` tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from chatbot.rag.grounding.concept_words import KINDS, PAIRS, SAME
from chatbot.rag.grounding.notation.words import Words

_CONCEPTS = Words((row.split()[1], row) for row in SAME.strip().replace("\n  ", " ").splitlines())
_SIDES = [(Words([(name, one)]), Words([(name, other)])) for name, one, other in PAIRS]
_MODES = [(kind, Words([(kind, words)])) for kind, words in KINDS]
_WAYS = Words(
    (
        (
            1,
            "en to towards into for | de nach zum zur | fr vers pour | es hacia | it verso | nl naar | pl do | sv till",
        ),
        (
            -1,
            "en from leaves leave leaving departs | de von vom ab aus | fr depuis quitte | es desde | nl van vanaf "
            "| sv från",
        ),
    )
)
_WITH = [name for name, _, _ in PAIRS].index("with")
# The pair of before and after.
ORDER = frozenset({0})
# The first pairs of opposites are no subjects of a sentence.
_LOGIC = 4
# What makes a word its opposite, and how long the word has to be: "import" is no opposite of "port".
_PREFIXES = {
    "en": (("un", 4), ("non", 4), ("in", 5), ("im", 5), ("ir", 5), ("il", 5), ("dis", 5)),
    "de": (("un", 4), ("in", 5), ("ir", 5)),
    "fr": (("in", 4), ("im", 5), ("ir", 5), ("non", 4)),
    "es": (("in", 5), ("im", 5), ("ir", 5), ("des", 5)),
    "it": (("in", 5), ("im", 5), ("ir", 5), ("s", 6)),
    "pt": (("in", 5), ("im", 5), ("ir", 5), ("des", 5)),
    "nl": (("on", 4),),
    "pl": (("nie", 3),),
    "cs": (("ne", 3),),
    "sk": (("ne", 3),),
    "ru": (("не", 3),),
    "uk": (("не", 3),),
}

_ANY_PREFIX = (*_PREFIXES["en"], ("ne", 5), ("nie", 5), ("не", 3))


def concept(word: str, language: str | None) -> str | None:
    """What a folded word of a language means, as the English word of its row; None for one that is not known."""
    return _CONCEPTS.get(word, language)


def sides(words: Iterable[str], language: str | None) -> dict[int, set[int]]:
    """Of each pair of opposites that the words have a side of: the sides."""
    found: dict[int, set[int]] = {}
    for word in set(words):
        for place, side in _sides_of(word, language):
            found.setdefault(place, set()).add(side)
    return found


def direction(word: str, language: str | None) -> int | None:
    """1 for a word that says "to" before a place, -1 for "from"."""
    return _WAYS.get(word, language)


def lacks(words: Iterable[str], language: str | None) -> bool:
    """Whether one of the words is "without"."""
    return -1 in sides(words, language).get(_WITH, ())


@lru_cache(maxsize=4096)
def _modes_of(word: str, language: str | None) -> frozenset[str]:
    return frozenset(kind for kind, table in _MODES if table.get(word, language))


@lru_cache(maxsize=4096)
def _sides_of(word: str, language: str | None) -> tuple[tuple[int, int], ...]:
    word = word.replace("-", "") if word.isascii() else word
    return tuple(
        (place, side)
        for place, pair in enumerate(_SIDES)
        for side, table in zip((1, -1), pair, strict=True)
        if table.get(word, language)
    )


def modes(words: Iterable[str], language: str | None) -> set[str]:
    """Which of only, all, most, must, may, except and cause the words say."""
    return {kind for word in set(words) for kind in _modes_of(word, language)}


def is_logic(word: str, language: str | None) -> bool:
    """Whether a word is one of those that are compared on their own: only, must, before, at most."""
    return bool(_modes_of(word, language)) or any(place < _LOGIC for place, _ in _sides_of(word, language))


def negated(word: str, others: set[str], language: str | None) -> bool:
    """Whether a word is one of the others with a prefix that denies it, or without the one that it has: insecure."""
    return any(
        (len(word) >= least and prefix + word in others)
        or (len(word) >= len(prefix) + least and word.removeprefix(prefix) in others - {word})
        for prefix, least in _PREFIXES.get(language or "", _ANY_PREFIX)
    )
