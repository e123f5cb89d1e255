"""64 bits that texts of nearly the same words have nearly in common (Charikar's simhash over shingles of words).

Each shingle, three words in a row, has 64 random but fixed bits; a bit of the text is what most of its shingles say.
Texts that share most shingles differ in a few bits, unrelated ones in about half of them.
"""

from __future__ import annotations

import hashlib
import math
import re
from functools import lru_cache

import numpy as np

BITS = 64
# Texts that differ in at most this many bits are near duplicates. Measured on 154 pages of documentation and 905
# paragraphs of an encyclopedia, none of 420,000 pairs of different ones is as near (the nearest differ in 11); with
# one word in a hundred changed 98 to 100 % are found, with two 93 to 97 %, with a twentieth of the paragraphs gone 94.
NEAR = 10
SHINGLE = 3
# Scripts without spaces between words are taken sign by sign.
_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
_WORDS = re.compile(rf"[{_SIGNS}]|[^\W{_SIGNS}]+")
_BATCH = 1 << 16
# Words whose hashes were just made; longer ones hardly come twice.
WORDS_REMEMBERED, LONGEST_WORD = 65_536, 40

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]


def simhash(text: str) -> int | None:
    """The hash as a signed integer of 64 bits, as databases store it; None for a text without words."""
    shingles = _shingles(_WORDS.findall(text.casefold()))
    if not len(shingles):
        return None
    votes = np.zeros(BITS, dtype=np.int64)
    for start in range(0, len(shingles), _BATCH):
        batch = shingles[start : start + _BATCH]
        votes += np.unpackbits(batch.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=0, dtype=np.int64)
    bits = np.packbits(votes * 2 > len(shingles))
    return int.from_bytes(bits.tobytes(), "big", signed=True)


def _shingles(words: list[str]) -> Hashes:
    """A hash of each different shingle; a text shorter than one is a shingle by itself."""
    if not words:
        return np.zeros(0, dtype=np.uint64)
    short = max(map(len, words)) <= LONGEST_WORD
    known = _known if short else {word: _hash(word) for word in set(words)}.__getitem__
    hashes = np.fromiter(map(known, words), dtype=np.uint64, count=len(words))
    size = min(SHINGLE, len(hashes))
    mixed = np.zeros(len(hashes) - size + 1, dtype=np.uint64)
    for at in range(size):
        mixed = _mixed(mixed + hashes[at : at + len(mixed)])
    mixed.sort()
    # What is not like the one before it; np.unique takes many times as long for so few.
    different = np.ones(len(mixed), dtype=bool)
    np.not_equal(mixed[1:], mixed[:-1], out=different[1:])
    unique: Hashes = mixed[different]
    return unique


@lru_cache(WORDS_REMEMBERED)
def _known(word: str) -> int:
    return _hash(word)


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _mixed(x: Hashes) -> Hashes:
    """splitmix64's last steps: the order of the words counts, and every bit depends on every other."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = x ^ (x >> np.uint64(31))
    return mixed


def distances(one: int, others: list[int]) -> list[int]:
    """In how many bits a hash differs from each of the others, 0 to 64."""
    there = np.array(others, dtype=np.int64)
    found: list[int] = np.bitwise_count((there ^ np.int64(one)).view(np.uint64)).tolist()
    return found


def similarity(distance: int) -> float:
    """About how much of their wording two texts share, 0 to 1, from the number of bits they differ in."""
    return round(max(0.0, math.cos(math.pi * distance / BITS)), 3)
