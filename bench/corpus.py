"""Documents without an end of meaning: made-up words, the same on every machine, and questions whose document is known.

A document is about one of 250 topics and has about 120 words in sentences: 45 of 100 are its topic's, the others are as
frequent as words of a language are. Words are about as long as English ones, so that a document is one passage. A
question names eight of a document's rarer words, so a search that works has that document among its first.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

WORDS, TOPICS, SEED = 120, 250, 42
# One document in so many is the team's that a filter asks for: 5 %.
SUPPORT_EVERY = 20
_ONSETS = "b c d f g h j k l m n p r s t v w z br cl dr st tr".split()
_VOWELS = "a e i o u".split()
_CODAS = ["", "", "", "", "n", "r", "s", "l", "t", "m"]
_GENERAL, _SPECIAL = 3_000, 6_000


@dataclass(frozen=True)
class Text:
    """A document."""

    title: str
    text: str
    team: str


def _vocabulary() -> list[str]:
    source, found = random.Random(SEED), dict[str, None]()
    while len(found) < _GENERAL + _SPECIAL:
        syllables = source.choice((1, 2, 2, 2))
        parts = ((source.choice(_ONSETS), source.choice(_VOWELS), source.choice(_CODAS)) for _ in range(syllables))
        found["".join(itertools.chain.from_iterable(parts))] = None
    return list(found)


def documents(count: int) -> list[Text]:
    """The first documents there are."""
    source, words = random.Random(SEED), _vocabulary()
    general, special = words[:_GENERAL], words[_GENERAL:]
    weights = list(itertools.accumulate(1 / (rank + 5) for rank in range(_GENERAL)))
    topics = [source.sample(special, 60) for _ in range(TOPICS)]
    return [_document(source, number, source.choice(topics), general, weights) for number in range(count)]


def _document(
    source: random.Random, number: int, topic: Sequence[str], general: Sequence[str], weights: Sequence[float]
) -> Text:
    common = iter(source.choices(general, cum_weights=weights, k=WORDS))
    words = [source.choice(topic) if source.random() < 0.45 else next(common) for _ in range(WORDS)]
    sentences = []
    while words:
        length = source.randint(8, 16)
        sentences.append(" ".join(words[:length]).capitalize() + ".")
        words = words[length:]
    team = "sales" if number % SUPPORT_EVERY else "support"
    return Text(f"Note {number:05} on {topic[0]}", " ".join(sentences), team)


def questions(texts: Sequence[Text], count: int) -> list[tuple[str, Text]]:
    """Questions with the document each was made from."""
    source, general = random.Random(SEED + 1), set(_vocabulary()[:_GENERAL])
    found = []
    for _ in range(count):
        text = source.choice(texts)
        words = dict.fromkeys(word.strip(".").lower() for word in text.text.split())
        rare = [word for word in words if word not in general]
        found.append((f"What is known about {' '.join(source.sample(rare, min(8, len(rare))))}?", text))
    return found
