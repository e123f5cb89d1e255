"""Cutting text into the pieces of a SentencePiece unigram model: those that are most probable together.

In plain Python. The library `tokenizers` takes 220 MB for the 250,000 pieces of a hundred languages, and this fifth of
that; a word that was met before is not cut again, and embedding a text takes twenty times as long as cutting it.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

# What stands for the blank before a word.
BLANK = "\u2581"
# An unknown character is this much less probable than the least probable piece.
UNKNOWN_PENALTY = 10.0
# Words that were just cut; what is longer, a line of Chinese or of base64, hardly comes twice.
WORDS_REMEMBERED, LONGEST_WORD = 65_536, 40


class Unigram:
    """A vocabulary with the logarithms of its probabilities. Serves any number of threads at once."""

    def __init__(
        self,
        pieces: Sequence[str],
        scores: Sequence[float],
        begin: int,
        end: int,
        unknown: int,
        characters: Mapping[int, str],
    ) -> None:
        """`characters` are those that stand for others. `begin`, `end`, `unknown` and what else has no probability
        are names, and never pieces of a text."""
        self._pieces = {p: n for n, (p, score) in enumerate(zip(pieces, scores, strict=True)) if score < 0}
        self._scores = list(scores)
        # The length of the longest piece that begins with a character: of Chinese ones mostly two or three.
        self._longest: dict[str, int] = {}
        for piece in self._pieces:
            self._longest[piece[0]] = max(len(piece), self._longest.get(piece[0], 1))
        self._longest_of_all = max(self._longest.values())
        self._begin, self._end, self._unknown = begin, end, unknown
        self._unknown_score = min(scores) - UNKNOWN_PENALTY
        # A NUL is nothing, as for every tokenizer written in C.
        self._characters = {**characters, 0: ""}
        self._remembered = lru_cache(WORDS_REMEMBERED)(self._cut)

    def ids(self, text: str, limit: int) -> list[int]:
        """Return the first `limit` tokens of a text, those of its beginning and end among them."""
        found: list[int] = []
        # A piece has a bounded length, so no more of a text than this can count.
        for word in self._words(text[: self._longest_of_all * limit]):
            found += self._tokens(word)
            if len(found) >= limit:
                break
        return [self._begin, *found[: limit - 2], self._end]

    def count(self, text: str) -> int:
        """Return how many tokens a text has, without those of its beginning and end."""
        return sum(len(self._tokens(word)) for word in self._words(text))

    def _words(self, text: str) -> list[str]:
        return unicodedata.normalize("NFC", text).translate(self._characters).split()

    def _tokens(self, word: str) -> Sequence[int]:
        return self._remembered(word) if len(word) <= LONGEST_WORD else self._cut(word)

    def _cut(self, word: str) -> Sequence[int]:
        """The most probable pieces (Viterbi's algorithm); unknown characters side by side are one token."""
        text, pieces, scores, longest = BLANK + word, self._pieces, self._scores, self._longest
        best, last = [0.0] + [-math.inf] * len(text), [(0, self._unknown)] * (len(text) + 1)
        for start in range(len(text)):
            begun = best[start]
            for end in range(start + 1, min(start + longest.get(text[start], 1), len(text)) + 1):
                piece = pieces.get(text[start:end])
                if piece is not None and begun + scores[piece] > best[end]:
                    best[end], last[end] = begun + scores[piece], (start, piece)
            if begun + self._unknown_score > best[start + 1]:
                best[start + 1], last[start + 1] = begun + self._unknown_score, (start, self._unknown)
        return self._backwards(last)

    def _backwards(self, last: Sequence[tuple[int, int]]) -> Sequence[int]:
        found: list[int] = []
        place = len(last) - 1
        while place:
            place, piece = last[place]
            if piece != self._unknown or found[-1:] != [piece]:
                found.append(piece)
        return found[::-1]
