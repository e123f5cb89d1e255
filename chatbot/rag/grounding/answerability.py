"""Whether what was found can answer a question, decided before any model is asked.

Without any teaching the classifier of gates.json decides, for the embedders that it has one for: yes, perhaps, or no.
It is trained on several sets in bases of 1 to 1,400 chunks (bench/answerability), and is told how large the base is
and how much of the text is in words that the embedder knows: where it knows none, only the words count.

A cosine tells a question about another subject from one about these documents, but not one whose answer is missing
from one whose answer is there; and no value of it means the same in two knowledge bases. So a few plain observations
of the question and its candidates are weighed, and the weights are learnt for each generation from questions that it
can answer and questions that it cannot (`flask eval calibrate`). Nothing here asks an embedder: it costs a millisecond.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from chatbot.rag.embeddings.embedders import Vectors
from chatbot.rag.grounding.negation import denies
from chatbot.rag.text.content_words import content_words
from chatbot.rag.text.language_detection import likely_language
from chatbot.rag.text.sentences import units
from chatbot.rag.types import Passage

GENERAL = Path(__file__).with_name("general_subjects.txt")
# So many of the sentences about the world are compared with the question.
NEAREST_GENERAL = 10
GATES = Path(__file__).with_name("gates.json")
# Of how many passages the sentences are compared with the question.
NEAR_PASSAGES = 3
# Of English texts nine words of ten are known, of German or Spanish ones about half.
UNKNOWN, KNOWN = 0.6, 0.85
# Where the embedder does not know the language, a passage needs so much of what the question's words could say.
LEAST_WORDS = 0.05
# From this cosine on a passage answers surely even where it has none of the question's words.
SURELY_NEAR = 0.4
_LATIN_END = "\u0250"

# The cosine and the evidence of the best; how far it is ahead of the next ten; the part of the question's words, the
# rarer the heavier, that one passage has, and one sentence; the part of its pairs of words; whether there is a number
# or a name where one is asked for; and whether the question says "not" and no sentence does.
FEATURES = ("dense", "evidence", "ahead", "passage", "sentence", "pairs", "kind", "negated")

_EVIDENCE = FEATURES.index("evidence")
_READ = 5
_NEXT = 10
# The part of the answerable questions, of those it learns from, that a gate lets pass.
KEPT = 0.995
# The floor of the evidence lies so many standard deviations below what the answerable ones have: one in forty-five.
FLOOR = 2.0
_RIDGE = 1.0
_STEPS = 100
_NUMBER = re.compile(
    r"\b(?:when|what year|which year|what date|how (?:many|much|long|old|often|far|big|large)"
    r"|what percent\w*|what number|wann|wie viele?|wie lange|wie oft|cuándo|cuántos?|cuántas?|cuánto|quand|combien)\b"
)
_PERSON = re.compile(r"\b(?:who|whose|whom|wer|wessen|wem|quién|quiénes|qui)\b")
# Words with the marks on and below their letters.
_LETTERS = re.compile(r"[^\s\d.,;:!?()\[\]{}\"'*#|`¿¡«»/\-’_=<>]+")
_DIGITS = re.compile(r"\d[\d.,]*")
_COUNT = re.compile(r"\b(?:two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|million|half|once|twice)\b")
_CAPITAL = re.compile(r"\b[^\W\d_a-zß-öø-ÿ]\w{2,}")


@dataclass(frozen=True)
class Signals:
    """What the trained classifier is told: the best cosine of a passage or a sentence (`near`) and of a passage
    (`dense`), beside that of sentences about the world in general (`general`); the part of what the question's words
    could say that one passage has (`words`) and that stands anywhere in the base (`met`); the part of question and
    passages in words that the embedder knows (`known`), and how many chunks there are."""

    near: float
    dense: float
    general: float
    words: float
    met: float
    known: float
    chunks: int

    @property
    def understood(self) -> float:
        """How far a cosine counts: not at all in a language of which the embedder knows some words by chance."""
        return min(max((self.known - UNKNOWN) / (KNOWN - UNKNOWN), 0.0), 1.0)

    def expanded(self) -> tuple[float, ...]:
        """What is weighed."""
        size, understood = math.log(max(self.chunks, 1)), self.understood
        cosines = (self.near * understood, self.dense * understood, self.general * understood)
        words = (self.words, self.words * understood, self.met, self.met * understood)
        return (*cosines, *words, understood, size, size * understood)


@dataclass(frozen=True)
class Classifier:
    """Weights of the signals, and scores: below the low one nothing was found, and from `high` on it answers. The low
    one is `low` where the embedder knows the language, and `low_unknown` where it does not."""

    weights: tuple[float, ...]
    bias: float
    low: float
    low_unknown: float
    high: float

    def score(self, signals: Signals) -> float:
        """How surely the question can be answered, 0 to 1."""
        if not signals.understood and signals.words < LEAST_WORDS:
            return 0.0
        value = sum(w * x for w, x in zip(self.weights, signals.expanded(), strict=True)) + self.bias
        return round(float(_sigmoid(value)), 4)

    def is_sure(self, signals: Signals) -> bool:
        """Whether the passages answer, not only may."""
        has_ground = signals.words >= LEAST_WORDS or signals.near >= SURELY_NEAR
        return has_ground and self.score(signals) >= self.high

    def lowest(self, signals: Signals) -> float:
        """The score below which nothing was found."""
        return round(self.low_unknown + (self.low - self.low_unknown) * signals.understood, 4)


@cache
def trained(embedder: str) -> Classifier | None:
    """The classifier that was trained for an embedder, or None: the embedder's threshold decides."""
    stored = json.loads(GATES.read_text("utf-8")).get(embedder)
    return Classifier(**{**stored, "weights": tuple(stored["weights"])}) if stored else None


def known_part(text: str, count_tokens: Callable[[str], int]) -> float:
    """The part of a text's words that are words to an embedder of English: Latin letters, and one token."""
    words = [word for word in _LETTERS.findall(text) if any(letter.isalpha() for letter in word)]
    known = sum(word[-1] < _LATIN_END and max(word) < _LATIN_END and count_tokens(word) == 1 for word in words)
    return known / len(words) if words else 0.0


def general_sentences() -> list[str]:
    """Sentences about the world in general. A question that is as near to them as to the passages is hardly about the
    passages' subject."""
    return GENERAL.read_text("utf-8").splitlines()


def nearest_general(query: Vectors, general: Vectors) -> float:
    """The mean cosine of a question's vector with the nearest of the vectors of general sentences."""
    return float(np.sort(general @ query)[-NEAREST_GENERAL:].mean())


def sentences_of(passages: Sequence[Passage]) -> list[str]:
    """The sentences of the best passages, each once."""
    texts = [passage.text for passage in passages[:NEAR_PASSAGES]]
    return list(dict.fromkeys(text[slice(*span)] for text in texts for span in units(text)))


def features(question: str, passages: Sequence[Passage]) -> tuple[float, ...]:
    """What is seen of a question and its candidates, best first, in the order of FEATURES."""
    if not passages:
        return (0.0,) * len(FEATURES)
    texts = [f"{p.title} {p.source} {p.text}".casefold() for p in passages]
    cosines = sorted((p.scores.get("dense") or 0.0 for p in passages), reverse=True)
    weights = _weights(content_words(question), texts)
    read = [passage.text for passage in passages[:_READ]]
    sentences = [text[slice(*span)] for text in read for span in units(text)]
    nearest = sorted(sentences, key=lambda sentence: _part(weights, sentence.casefold()), reverse=True)[:2]
    return (
        cosines[0],
        max(p.scores.get("evidence") or 0.0 for p in passages),
        cosines[0] - fmean(cosines[1 : _NEXT + 1] or cosines),
        max(_part(weights, text) for text in texts),
        max((_part(weights, sentence.casefold()) for sentence in nearest), default=0.0),
        _pairs(question.casefold(), " ".join(read).casefold()),
        _kind(question, " ".join(nearest)),
        float(_denies(question) and not _denies(" ".join(nearest))),
    )


def _denies(text: str) -> bool:
    return denies(text, likely_language(text))


def _weights(wanted: set[str], texts: Sequence[str]) -> Mapping[str, float]:
    """The rarer a word of the question is among the candidates, the more it weighs."""
    return {word: math.log(1 + (len(texts) + 1) / (sum(word in text for text in texts) + 0.5)) for word in wanted}


def _part(weights: Mapping[str, float], text: str) -> float:
    whole = sum(weights.values())
    return sum(weight for word, weight in weights.items() if word in text) / whole if whole else 0.0


def _pairs(question: str, text: str) -> float:
    words = re.findall(r"\w+", question)
    pairs = [f"{a} {b}" for a, b in pairwise(words)]
    return fmean(pair in text for pair in pairs) if pairs else 0.0


def _kind(question: str, text: str) -> float:
    """1 where the sentences have what the question asks for: a number or a name that it does not say itself."""
    asked = question.casefold()
    if _NUMBER.search(asked):
        return float(any(n not in asked for n in _DIGITS.findall(text)) or bool(_COUNT.search(text.casefold())))
    if _PERSON.search(asked):
        return float(any(name.casefold() not in asked for name in _CAPITAL.findall(text)))
    return 1.0


@dataclass(frozen=True)
class Gate:
    """Weights of the features, and the score from which a question is taken to be answerable.

    Below `floor` no evidence is enough, whatever else is seen: near misses, from which the weights are learnt, do not
    teach what a question about something else altogether looks like.
    """

    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    floor: float
    threshold: float

    def score(self, seen: Sequence[float]) -> float:
        """How surely the question can be answered, 0 to 1."""
        z = (np.asarray(seen) - self.means) / self.scales
        score = float(_sigmoid(z @ np.asarray(self.weights) + self.bias))
        if seen[_EVIDENCE] < self.floor:
            # The floor is 0 or more, so what is below it and above 0 has a floor to be divided by.
            score = min(score, 0.99 * self.threshold * seen[_EVIDENCE] / self.floor) if seen[_EVIDENCE] > 0 else 0.0
        return round(score, 4)

    def passes(self, seen: Sequence[float]) -> bool:
        """Whether the question is taken to be answerable."""
        return self.score(seen) >= self.threshold

    def as_json(self) -> dict[str, Any]:
        """What is stored of it."""
        return {"features": list(FEATURES), **asdict(self)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Gate | None:
        """The gate that was stored, or None: there is none, or it was made from other features."""
        if not stored or stored.get("features") != list(FEATURES):
            return None
        means, scales, weights = (tuple(stored[name]) for name in ("means", "scales", "weights"))
        return cls(means, scales, weights, stored["bias"], stored["floor"], stored["threshold"])


def fit(answerable: Sequence[Sequence[float]], unanswerable: Sequence[Sequence[float]], keep: float = KEPT) -> Gate:
    """The gate that tells the two apart best (logistic regression with both sides weighing the same), with a
    threshold that at least `keep` of the answerable reach.

    Raises:
        ValueError: there are none of one side.
    """
    if not answerable or not unanswerable:
        raise ValueError("both answerable and unanswerable questions are needed")
    seen = np.asarray([*answerable, *unanswerable], dtype=np.float64)
    right = np.r_[np.ones(len(answerable)), np.zeros(len(unanswerable))]
    means, scales = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    weights = _regression(np.c_[(seen - means) / scales, np.ones(len(seen))], right)
    bias = round(float(weights[-1]), 6)
    gate = Gate(_numbers(means), _numbers(scales), _numbers(weights[:-1]), bias, floor=0.0, threshold=0.0)
    yes = np.array([gate.score(row) for row in answerable])
    no = np.array([gate.score(row) for row in unanswerable])
    evidence = np.array([row[_EVIDENCE] for row in answerable])
    floor = max(float(evidence.mean() - FLOOR * evidence.std()), 0.0)
    return replace(gate, floor=round(floor, 4), threshold=_threshold(yes, no, keep))


def _threshold(yes: Any, no: Any, keep: float) -> float:
    """The value with the best balanced accuracy among those that let enough of the answerable pass."""
    highest = float(np.quantile(yes, 1 - keep, method="lower"))
    tried = sorted({float(v) for v in [*yes, *no] if v <= highest} | {highest})
    return max(tried, key=lambda value: ((yes >= value).mean() + (no < value).mean(), value))


def _regression(rows: Any, right: Any) -> Any:
    """The weights of a logistic regression with a small ridge, by Newton's method."""
    weights = np.zeros(rows.shape[1])
    balance = np.where(right == 1, 0.5 / right.mean(), 0.5 / (1 - right.mean()))
    ridge = np.r_[np.full(rows.shape[1] - 1, _RIDGE), 1e-6]
    for _ in range(_STEPS):
        said = _sigmoid(rows @ weights)
        slope = rows.T @ (balance * (said - right)) + ridge * weights
        bend = (rows * (balance * said * (1 - said))[:, None]).T @ rows + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def _sigmoid(value: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(value, -30, 30)))


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
