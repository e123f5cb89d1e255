"""How much it says that a passage has a term of the question.

A base of a few pages cannot know which words are rare: "start" stands in one of five pages and says nothing, "gasket"
stands in one of five and says all. So each base is looked at as part of a larger one, in which English words are as
common as they are (common_words.json, written by bench/answerability/common_words.py); the larger the base, the more
its own counts decide. A name or a number with digits says twice as much: no embedder tells two of them apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from chatbot.rag.text.content_words import content_words
from chatbot.rag.text.folding import words_of
from chatbot.rag.text.language_detection import is_little_word
from chatbot.rag.text.stemming import terms_by_word

K1, B = 1.2, 0.75
# The larger base has so many passages beside those that there are.
BACKGROUND = 1_000
LITTLE_WORD, UNLISTED = 0.3, 0.0001
NUMBERED = 2.0
# A passage that repeats a term a hundred times says little more than one that has it once or twice.
MOST_OF_A_TERM = 1.2
# What two terms as rare as can be weigh together; a question of common words cannot reach the whole with less.
WHOLE = 2.0
# What questions are made of in other languages, which no list of English words has.
_ASKING = frozenset(
    words_of(
        """
    was wer wie wo wann warum welche welcher welches woher wohin kann kannst können könnte muss müssen darf dürfen gibt
    ihr euch mir mich dich bei bekomme habe haben hallo danke bitte
    qué quién quiénes cómo dónde cuándo cuánto cuánta cuántos cuántas cuál cuáles por puedo puede pueden tengo tiene
    tienen hay hola gracias favor mi mis
    quel quelle quels quelles qui quoi comment où quand combien pourquoi puis peut peux peuvent faut avez ai je vous
    mon ma mes bonjour merci y
    cosa chi come dove quando quanto quale perché posso può ciao grazie quem onde quanto qual posso pode obrigado olá
    wat wie waar wanneer waarom welke hoeveel kan mag heb hoe hallo dank
    что кто как где когда почему сколько какой какая какие можно могу есть ли τι ποιος πού πότε πώς γιατί
    """
    )
)


def idf(chunks: float, having: float) -> float:
    """BM25's weight of a term that `having` of the chunks have; never below 0."""
    return math.log(1 + (max(chunks, having) - having + 0.5) / (having + 0.5))


def part_of_a_term(count: float, length: float, mean: float) -> float:
    """BM25's part of a term that stands `count` times in a chunk of `length` terms, where the mean is `mean`."""
    return count * (K1 + 1) / (count + K1 * (1 - B + B * length / mean))


class Weights:
    """What the terms of a question weigh in a base of `chunks`, of which `having` have each."""

    def __init__(
        self, question: str, languages: Iterable[str | None], chunks: float, having: Mapping[str, float]
    ) -> None:
        background: dict[str, float] = {}
        for word, terms in terms_by_word(question, languages).items():
            for term in terms:
                background[term] = max(background.get(term, 0.0), _background(word))
        self._of = {term: _weight(term, part, chunks, having.get(term, 0.0)) for term, part in background.items()}
        rarest = idf(chunks + BACKGROUND, 0) ** 2
        known = sum(weight for term, weight in self._of.items() if having.get(term))
        # What a passage with all the words that the base knows would have, and one with all words of the question; and
        # what part of the question's words stands anywhere in the base.
        self.known, self.possible = max(known, WHOLE * rarest), max(sum(self._of.values()), 1e-9)
        self.met = min(1.0, known / self.possible)

    def __getitem__(self, term: str) -> float:
        return self._of.get(term, 0.0)


def said_part(question: str, text: str) -> float:
    """The part of what a question's content words say that a text has, 0 to 1, whatever base it is from."""
    weights = {word: _weight(word, _background(word), 0, 0) for word in content_words(question)}
    has = weights.keys() & content_words(text)
    return sum(weights[word] for word in has) / (sum(weights.values()) or 1.0)


def _weight(term: str, background: float, chunks: float, having: float) -> float:
    plain = idf(chunks + BACKGROUND, having + BACKGROUND * background)
    return (plain * (NUMBERED if any(char.isdigit() for char in term) else 1.0)) ** 2


def _background(word: str) -> float:
    return max(_common().get(word, UNLISTED), LITTLE_WORD if word in _ASKING or is_little_word(word) else 0.0)


@cache
def _common() -> dict[str, float]:
    steps: dict[str, str] = json.loads(Path(__file__).with_name("common_words.json").read_text("utf-8"))
    return {word: float(step) for step, words in steps.items() for word in words.split()}
