"""The terms of a text for the keyword index: folded words, stemmed by language; pairs where there are no spaces.

Texts and questions go through the same door, so that the database's own full-text syntax never sees a question: what
is indexed and asked are terms of letters and digits. Snowball stems by the document's language; a question, whose
language nobody knows, is stemmed in each language that the documents have.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import Stemmer

MAX_TERM = 64
# Words whose terms were just made: most of the next text's are among them.
WORDS_REMEMBERED = 32_768

_WORD = re.compile(r"[^\W_]+")
# Kana, Chinese characters, Hangul has spaces; Thai, Lao and Khmer have none.
_LETTERS = "\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff\u1780-\u17ff"
_UNSPACED = re.compile(f"[{_LETTERS}]")
_RUNS = re.compile(f"[{_LETTERS}]+|[^{_LETTERS}]+")
_SNOWBALL = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hi": "hindi", "hu": "hungarian", "id": "indonesian", "it": "italian", "nl": "dutch",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "ta": "tamil",
    "tr": "turkish",
}  # fmt: skip
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
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [word[:MAX_TERM] for word in _WORD.findall(folded)]


@lru_cache(WORDS_REMEMBERED)
def _terms(word: str, language: str | None) -> tuple[str, ...]:
    stem = _stemmer(language)
    if _UNSPACED.search(word):
        return tuple(part for run in _RUNS.findall(word) for part in _pairs(run, stem))
    if language == "en" and word in _STOP:
        return ()
    return (stem.stemWord(word) if stem else word,)


def _pairs(run: str, stem: Stemmer.Stemmer | None) -> list[str]:
    if not _UNSPACED.search(run):
        return [stem.stemWord(run) if stem else run]
    return [run[n : n + 2] for n in range(max(1, len(run) - 1))]


def _stemmer(language: str | None) -> Stemmer.Stemmer | None:
    """One for each thread: a stemmer keeps a cache and is not to be shared."""
    name = _SNOWBALL.get(language or "en")
    if name is None:
        return None
    made: dict[str, Stemmer.Stemmer] = _local.__dict__.setdefault("made", {})
    if name not in made:
        made[name] = Stemmer.Stemmer(name)
    return made[name]
