"""Whether a passage supports a claim, and with which of its words.

The smallest stretch of up to three units that has enough of the claim's words is the support. What would make a claim
false although its words are there is looked at on its own: a number, a day, a month or a technical name that the
passage does not have, words in quotation marks that it does not say, and a "not" on one side only. Where the words
differ, because the answer says it in other words, nearness in the embedder's space may carry a claim instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from chatbot.rag.embeddings.embedders import Vectors
from chatbot.rag.grounding.critical_tokens import facts, names, says_not
from chatbot.rag.text.content_words import content_words
from chatbot.rag.text.sentences import Span, is_code, units
from chatbot.rag.types import Passage

Embed = Callable[[Sequence[str]], Vectors]

# A stretch counts as support when it has this part of the claim's words; a verbatim sentence has all of them.
SUPPORT = 0.6
# With so many of the words a claim says the same or, with a "not" more or less, the opposite.
SAME_WORDS = 0.8
# The cosine from which a stretch carries a claim whose words it does not have.
NEAR = 0.75
LONGEST = 3
# A longer stretch has to have so much more of the claim.
LONGER = 0.1

_QUOTED = re.compile(r"[\"“„«»「]([^\"“”„«»「」\n]{8,}?)[\"”“«»」]")


@dataclass(frozen=True)
class Support:
    """A stretch of a passage, as offsets in its text, and how much of the claim it has, 0 to 1."""

    start: int
    end: int
    score: float


@dataclass(frozen=True)
class _Stretch:
    start: int
    end: int
    words: frozenset[str]
    length: int


@dataclass(frozen=True)
class _Said:
    """What a passage says, read once for all the claims that are held against it."""

    flat: str
    facts: frozenset[str]
    stretches: tuple[_Stretch, ...]


def support(claim: str, passage: Passage, embed: Embed | None = None) -> Support | None:
    """The stretch of a passage that supports a claim, or None. `embed` gives unit vectors."""
    at = passage.text.find(claim)
    if claim.strip() and at >= 0:
        return Support(at, at + len(claim), 1.0)
    wanted = content_words(claim)
    said = _said(passage.title, passage.text)
    if not wanted or not _could_hold(claim, said):
        return None
    found = _by_words(claim, wanted, said.stretches, passage.text)
    if found is None and embed is not None:
        found = _by_nearness(claim, said.stretches, passage.text, embed)
    return found


@lru_cache(maxsize=64)
def _said(title: str, text: str) -> _Said:
    whole = f"{title}\n{text}"
    return _Said(_flat(whole), frozenset(facts(whole)), tuple(_stretches(text)))


def _could_hold(claim: str, said: _Said) -> bool:
    """Whether a passage has the names, the numbers and the quotations of a claim."""
    known = all(name.casefold() in said.flat for name in names(claim))
    quotations = all(_flat(quoted) in said.flat for quoted in _QUOTED.findall(claim))
    return known and quotations and facts(claim) <= said.facts


def _flat(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".,;:!?")


def _stretches(text: str) -> Iterator[_Stretch]:
    """Each unit, and each run of two or three."""
    spans = units(text) or [(0, len(text))]
    words = [frozenset(content_words(text[slice(*span)])) for span in spans]
    for length in range(1, LONGEST + 1):
        for first in range(len(spans) - length + 1):
            run = slice(first, first + length)
            yield _Stretch(spans[first][0], spans[first + length - 1][1], frozenset().union(*words[run]), length)


def _by_words(claim: str, wanted: set[str], stretches: Sequence[_Stretch], text: str) -> Support | None:
    def worth(stretch: _Stretch) -> float:
        return len(wanted & stretch.words) / len(wanted) - LONGER * (stretch.length - 1)

    best = max(stretches, key=worth)
    score = len(wanted & best.words) / len(wanted)
    if score < SUPPORT or (score >= SAME_WORDS and _contradicts(claim, best, text)):
        return None
    return Support(best.start, best.end, score)


def _contradicts(claim: str, stretch: _Stretch, text: str) -> bool:
    """Whether one says "not" and the other does not; of several sentences that cannot be told."""
    return stretch.length == 1 and says_not(claim) != says_not(text[stretch.start : stretch.end])


def _by_nearness(claim: str, stretches: Sequence[_Stretch], text: str, embed: Embed) -> Support | None:
    alone = [stretch for stretch in stretches if stretch.length == 1 and not is_code(text[stretch.start :])]
    if not alone:
        return None
    vectors = embed([claim, *(text[s.start : s.end] for s in alone)])
    nearness = vectors[1:] @ vectors[0]
    best = int(np.argmax(nearness))
    stretch, near = alone[best], float(nearness[best])
    if near < NEAR or _contradicts(claim, stretch, text):
        return None
    return Support(stretch.start, stretch.end, near)


def claims(text: str) -> list[Span]:
    """The sentences of an answer that claim something: with words of their own, and no code."""
    return [span for span in units(text) if _claims(text[slice(*span)])]


def _claims(unit: str) -> bool:
    return not is_code(unit) and not unit.rstrip(" *_").endswith((":", "?")) and len(content_words(unit)) >= 2
