"""The terms of a text for the keyword index: folded words, stemmed by language; pairs where there are no spaces.

Texts and questions go through the same door, so that the database's own full-text syntax never sees a question: what
is indexed and asked are terms of letters and digits. Snowball stems by the document's language; a question, whose
language nobody knows, is stemmed in each language that the documents have.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from functools import lru_cache

import Stemmer

from chatbot.rag.text.folding import UNSPACED, words_of

# Raise this whenever a text has other terms than before: what was indexed with older ones is then indexed anew.
TERMS_VERSION = 2
MAX_TERM = 64
# Words whose terms were just made: most of the next text's are among them.
WORDS_REMEMBERED = 32_768

_UNSPACED = re.compile(f"[{UNSPACED}]")
_RUNS = re.compile(f"[{UNSPACED}]+|[^{UNSPACED}]+")
# PyStemmer's algorithms, but for Porter's older ones, by the code of their language.
_SNOWBALL = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "eo": "esperanto",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "st": "sesotho",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
    # Without one of their own, by that of the language nearest to them.
    "be": "russian",
    "bg": "russian",
    "hr": "serbian",
    "mr": "hindi",
    "sk": "czech",
    "uk": "russian",
    "ur": "persian",
}
# Letters that people without a keyboard for them type as others.
_TYPED_AS = {"tr": str.maketrans("çğöşü", "cgosu")}
# Lucene's English stop words: so frequent that they only cost.
_STOP = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this "
    "to was will with".split()
)
_local = threading.local()


def terms_of(text: str, language: str | None) -> list[str]:
    """The terms of a text in their order, with repetitions; `language` is an ISO 639-1 code or None.

    Where the language is not known, words are stemmed as English ones: a wrong stem is the same in a question.
    """
    return [term for word in _words(text) for term in _terms(word, language)]


def question_terms(question: str, languages: Iterable[str | None]) -> list[str]:
    """The different terms of a question, stemmed in each of the languages, in their order.

    English stop words are left out in all of them: English texts have none, so "the" would be a rare term, and stand
    for whatever text was taken for one in another language.
    """
    return list(dict.fromkeys(term for terms in terms_by_word(question, languages).values() for term in terms))


def terms_by_word(question: str, languages: Iterable[str | None]) -> dict[str, list[str]]:
    """The words of a question, without English stop words, each with its terms in all of the languages."""
    ways = list(languages)
    words = dict.fromkeys(word for word in _words(question) if word not in _STOP)
    return {word: [term for language in ways for term in _terms(word, language)] for word in words}


def _words(text: str) -> list[str]:
    return [word[:MAX_TERM] for word in words_of(text)]


@lru_cache(WORDS_REMEMBERED)
def _terms(word: str, language: str | None) -> tuple[str, ...]:
    if _UNSPACED.search(word):
        return tuple(part for run in _RUNS.findall(word) for part in _pairs(run, language))
    if language == "en" and word in _STOP:
        return ()
    return (_stem(word, language),)


def _pairs(run: str, language: str | None) -> list[str]:
    if not _UNSPACED.search(run):
        return [_stem(run, language)]
    return [run[n : n + 2] for n in range(max(1, len(run) - 1))]


def _stem(word: str, language: str | None) -> str:
    stemmer = _stemmer(language)
    stem = stemmer.stemWord(word) if stemmer else word
    return stem.translate(_TYPED_AS[language]) if language in _TYPED_AS else stem


def _stemmer(language: str | None) -> Stemmer.Stemmer | None:
    """One for each thread: a stemmer keeps a cache and is not to be shared."""
    name = _SNOWBALL.get(language or "en")
    if name is None:
        return None
    made: dict[str, Stemmer.Stemmer] = _local.__dict__.setdefault("made", {})
    if name not in made:
        made[name] = Stemmer.Stemmer(name)
    return made[name]
