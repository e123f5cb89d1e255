"""Whether a question is the one that an answer was written for, in the same or nearly the same words.

Nearness alone would give the answer about Iceland to who asks about Norway. So numbers, names and a "not" have to be
the same, and the word that asks: when, how, who. Such a pair is refused rather than guessed; search finds it anyway.
"""

from __future__ import annotations

import re

from chatbot.rag.grounding.concepts import lacks
from chatbot.rag.grounding.critical_tokens import facts
from chatbot.rag.grounding.negation import denies
from chatbot.rag.text.content_words import content_words
from chatbot.rag.text.folding import words_of
from chatbot.rag.text.language_detection import likely_language

# The cosine from which two questions are the same; with the very same words in another order a smaller one is enough.
SAME = 0.9
SAME_WORDS = 0.75

_ASKS = re.compile(
    r"\b(?:when|where|who|whom|whose|why|how (?:many|much|long|often|far|old)|how|which"
    r"|wann|wo|wohin|woher|wer|wem|wen|wessen|warum|wieso|wie ?viele?|wie lange|wie oft|wie|welche[rsnm]?"
    r"|cuándo|dónde|quién(?:es)?|por qué|cuánt[oa]s?|cómo|cuál(?:es)?"
    r"|quand|où|qui|pourquoi|combien|comment|quel(?:le)?s?)\b"
)
_NAME = re.compile(r"(?<=\s)[A-ZÀ-ÖØ-Þ][\w-]*")


def same_question(asked: str, written: str, cosine: float) -> bool:
    """Whether they are one question; `cosine` is that of their vectors."""
    enough = SAME_WORDS if content_words(asked) == content_words(written) else SAME
    return cosine >= enough and may_be_same(asked, written)


def may_be_same(asked: str, written: str) -> bool:
    """Whether nothing tells two questions apart: a name, a number, a "not", or the word that asks."""
    return _frame(asked) == _frame(written) and _named(asked, written) and _named(written, asked)


def _frame(question: str) -> tuple[set[str], set[object], bool, bool]:
    """What asks, what has no synonym, and whether it says "not" or "without"."""
    language = likely_language(question)
    asks = set(_ASKS.findall(question.casefold()))
    return asks, facts(question), denies(question, language), lacks(words_of(question), language)


def _named(one: str, other: str) -> bool:
    """Whether the names of one are in the other, in whatever letters."""
    folded = other.casefold()
    return all(name.casefold() in folded for name in _NAME.findall(one))
