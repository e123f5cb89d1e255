"""Tables of words by their language.

A row has the words of one meaning, those of each language behind its code: `"en day days | de tag tage | * d"`. The
words behind `*` are of every language. A word that ends in `*` stands for every word that begins so. Words are folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Generic, TypeVar

from chatbot.rag.text.folding import fold

Meaning = TypeVar("Meaning")

EVERY = "*"
# Of each table, so many words are looked up once.
REMEMBERED = 4_096
# Their script tells these: a word in other letters may be of any language.
_OTHER_SCRIPTS = frozenset("ru el ar hi zh ja ko".split())
# A shorter word in plain letters may be one of another language: `due`, `doze`, `links`, `rot`.
_TELLING = 6


class Words(Generic[Meaning]):
    """What words mean, by their language."""

    def __init__(self, table: Iterable[tuple[Meaning, str]]) -> None:
        self._tables: dict[str, _Table[Meaning]] = {}
        self._unknown = _Table[Meaning]()
        self._every = _Table[Meaning]()
        self._found = lru_cache(maxsize=REMEMBERED)(self._find)
        for meaning, row in table:
            for language, word in words_of_row(row):
                self._table(language).put(word, meaning)
                if language in (EVERY, "en") or not word.isascii() or len(word) >= _TELLING:
                    self._unknown.put(word, meaning)

    def _table(self, language: str) -> _Table[Meaning]:
        if language == EVERY:
            return self._every
        return self._tables.setdefault(language, _Table()) if language not in _OTHER_SCRIPTS else self._unknown

    def get(self, word: str, language: str | None) -> Meaning | None:
        """What a folded word means in a text of a language, or None; of an unknown one, only what tells itself."""
        return self._found(word, language)

    def _find(self, word: str, language: str | None) -> Meaning | None:
        own = self._tables.get(language or "")
        if own is None or word[:1] > "\u036f":
            return self._unknown.get(word)
        found = own.get(word)
        return found if found is not None else self._every.get(word)


class _Table(Generic[Meaning]):
    """Whole words and beginnings of words; of several meanings the first counts."""

    def __init__(self) -> None:
        self._whole: dict[str, Meaning] = {}
        self._begins: dict[str, Meaning] = {}
        self._longest = 0

    def put(self, word: str, meaning: Meaning) -> None:
        if word.endswith("*"):
            self._begins.setdefault(word[:-1], meaning)
            self._longest = max(self._longest, len(word) - 1)
        else:
            self._whole.setdefault(word, meaning)

    def get(self, word: str) -> Meaning | None:
        found = self._whole.get(word)
        if found is not None:
            return found
        for length in range(min(len(word), self._longest), 0, -1):
            if (found := self._begins.get(word[:length])) is not None:
                return found
        return None


def words_of_row(row: str) -> Iterator[tuple[str, str]]:
    """The words of a row with their languages."""
    for part in row.split("|"):
        language, *words = part.split()
        yield from ((language, fold(word)) for word in words)
