"""Whether a question needs the one before it, told by the words of its language (chatbot/rag/text/follow_up_words.py).

it begins as a continuation, "And for children?"
it has a word that stands for another, "How long is it valid?", "Dove posso ottenerla?"
it is a fragment, "How big?", or has no subject of its own, "Per quanto tempo è valida?"
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chatbot.rag.text.content_words import content_words
from chatbot.rag.text.folding import fold, words_of
from chatbot.rag.text.follow_up_words import (
    BY_LANGUAGE,
    KOREAN_ABOUT,
    KOREAN_ASKS,
    UNSPACED_BY_LANGUAGE,
    FollowUpWords,
)
from chatbot.rag.text.language_detection import language_of

# With so many words of its own, or characters in a script without spaces, and no sign of leaning, a question plainly
# stands alone.
ALONE_WORDS, ALONE_CHARACTERS = 3, 10
# A fragment in Korean has few words.
KOREAN_WORDS = 4
# Languages that are written much like another one here.
_LIKE = {"be": "ru", "bg": "ru", "ne": "hi", "mr": "hi", "sk": "cs", "ca": "es"}
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
# Those of the alternatives in a pattern that are words, which tell the language too.
_PLAIN = re.compile(r"(?<![^|])[^\W\d_]+(?![^|])")
# A question in Latin letters has two words of its language, unless it may be in any; each counts twice.
SIGNS = 4

# Where German nouns have their capitals, "das" and "sie" are told apart from the article and the polite address.
_CAPITALS = re.compile("[^ ]+ .*[A-ZÄÖÜ]")
_DAS = re.compile(r" das(?= [a-zäöüß0-9])(?! [\w-]{1,40} [A-ZÄÖÜ])")
_SIE = re.compile(r"^[A-ZÄÖÜ].* sie\b", re.DOTALL)
_DAS_BEFORE = re.compile(
    " das (?:auch|für|in|im|am|bei|mit|ohne|noch|immer|alles|nicht|so|genau|etwas|extra|pro|ab|bis|von|online|"
    "kostenlos|möglich|erlaubt|inklusive|inbegriffen|gratis) "
)
_IL = re.compile(
    " (?:est|sont|était|coûte|coûtent|dure|durent|vaut|ouvre|ferme|peut|doit|marche|fonctionne) (?:ils?|elles?) "
    "(?!(?:possible|nécessaire|obligatoire|permis|interdit|vrai) )"
)
_FRENCH_NOUN = re.compile(" (?:les?|la|l|une?|des|du|mon|ma|mes|votre|vos|notre|nos|ce|cette|ces) ")


@dataclass(frozen=True)
class _Language:
    words: frozenset[str]
    signs: frozenset[str]
    verbs: frozenset[str]
    articles: frozenset[str]
    names: frozenset[str]
    drops_subject: bool
    leans: re.Pattern[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(fold(text).split())


def _pattern(entry: FollowUpWords) -> str:
    openings, anywhere, endings = fold(entry.openings), fold(entry.anywhere), fold(entry.endings)
    return f"^ (?:{openings}) | (?:{anywhere})(?= )| (?:{endings}) $"


def _signs_in(entry: FollowUpWords) -> str:
    return " ".join([entry.words, *_PLAIN.findall(f"{entry.openings}|{entry.anywhere}|{entry.endings}")])


_LANGUAGES = {
    code: _Language(
        _words(entry.words),
        _words(_signs_in(entry)),
        _words(entry.verbs),
        _words(entry.articles),
        _words(entry.names),
        entry.drops_subject,
        re.compile(_pattern(entry)),
    )
    for code, entry in BY_LANGUAGE.items()
}
_UNSPACED = {code: re.compile(pattern) for code, pattern in UNSPACED_BY_LANGUAGE.items()}
_KOREAN_ASKS, _KOREAN_ABOUT = re.compile(KOREAN_ASKS), re.compile(KOREAN_ABOUT)


def leans_on_history(question: str) -> bool:
    """Whether a question probably needs what was said before to be understood.

    A short question alone is no sign: "What is Redis?" stands alone, and searched with the question before it would
    find that one's answer.
    """
    question = question.strip()
    codes = _languages_of(question)
    if codes and codes[0] in _UNSPACED:
        return bool(_UNSPACED[codes[0]].search("".join(fold(question).split())))
    return any(_leans(code, question) for code in codes) or not content_words(question)


def stands_alone(question: str) -> bool:
    """Whether a question plainly needs nothing of what was said before, in a language that is known here."""
    codes = _languages_of(question)
    if not codes or leans_on_history(question):
        return False
    if codes[0] in _UNSPACED:
        return len("".join(words_of(question))) >= ALONE_CHARACTERS
    certain = not _LATIN.search(question) or max(_signs(question).values()) >= SIGNS
    return certain and len(own_words(question)) >= ALONE_WORDS


def own_words(question: str) -> list[str]:
    """The words of a question that say what it is about, in their order."""
    codes = _languages_of(question)
    common = frozenset().union(*(_LANGUAGES[code].words for code in codes if code in _LANGUAGES))
    return [word for word in words_of(question) if word not in common]


def _languages_of(question: str) -> list[str]:
    """The languages that a question may be in: the one of its script, or those most of whose words it has."""
    code = language_of(question) or ""
    code = _LIKE.get(code, code)
    if code in _UNSPACED:
        return [code]
    counts = _signs(question)
    most = max(counts.values())
    if most:
        return [code for code, count in counts.items() if count == most]
    return [code] if code in _LANGUAGES else []


def _signs(question: str) -> dict[str, int]:
    """How many words of each language a question has; those that may also be a pronoun elsewhere count half."""
    words = set(words_of(question))
    return {code: len(words & language.words) + len(words & language.signs) for code, language in _LANGUAGES.items()}


def _leans(code: str, question: str) -> bool:
    language, words = _LANGUAGES[code], words_of(question)
    folded = f" {' '.join(words)} "
    return bool(
        language.leans.search(folded)
        or (code == "de" and _leans_in_german(question, folded))
        or (code == "fr" and _leans_in_french(folded))
        or (code == "ko" and _leans_in_korean(folded))
        or _is_fragment(language, words, question)
    )


def _is_fragment(language: _Language, words: list[str], question: str) -> bool:
    own = [place for place, word in enumerate(words) if word not in language.words]
    if len(own) != 1 or own[0] == 0:
        return not own and bool(words)
    if language.verbs:
        return not language.verbs & set(words)
    if not language.drops_subject or words[0] in language.names or language.articles & set(words):
        return False
    # A name is a subject.
    return not re.search(r" [^\W\d_]*[A-ZÀ-ÖØ-ÞА-ЯΑ-Ω0-9]", question)


def _leans_in_german(question: str, folded: str) -> bool:
    if _DAS_BEFORE.search(folded):
        return True
    return bool(_SIE.match(question) or (_CAPITALS.match(question) and _DAS.search(question)))


def _leans_in_french(folded: str) -> bool:
    """Il or elle after the verb, unless the noun it repeats stands before: "La piscine est-elle ouverte ?"."""
    match = _IL.search(folded)
    return bool(match and not _FRENCH_NOUN.search(folded, 0, match.start() + 1))


def _leans_in_korean(folded: str) -> bool:
    short = folded.count(" ") <= KOREAN_WORDS + 1
    return bool(short and _KOREAN_ASKS.match(folded) and not _KOREAN_ABOUT.search(folded))
