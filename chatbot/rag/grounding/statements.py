"""What a text states: its words and their meanings, its values, its names, and the little words that turn it around.

A claim and each stretch of a passage are read into the same form, so that they can be compared.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from chatbot.rag.grounding.concepts import concept, direction, is_logic, lacks, modes, sides
from chatbot.rag.grounding.negation import denies, is_denial
from chatbot.rag.grounding.notation.number_words import ARTICLES, is_number
from chatbot.rag.grounding.notation.value_scanner import values
from chatbot.rag.grounding.notation.value_words import HEDGES, MONEY, MONTHS, ORDINALS, UNITS, WEEKDAYS
from chatbot.rag.grounding.notation.values import Value
from chatbot.rag.grounding.notation.words import Words
from chatbot.rag.text.content_words import content_words
from chatbot.rag.text.folding import MARKS, UNSPACED, fold
from chatbot.rag.text.language_detection import likely_language, little_words
from chatbot.rag.text.sentences import units
from chatbot.rag.text.stemming import terms_of

_LETTERS = f"[^\\W\\d_]+(?:[{MARKS}]+[^\\W\\d_]*)*"
_WORD = re.compile(f"{_LETTERS}(?:['’-]{_LETTERS})*")
_ANSWER = re.compile(
    r"\s*+(?:yes|no|ja|nein|oui|non|sí|si|não|sim|nee|tak|nie|да|нет)(?:[,.:!]++|\s?[–-](?=\s))\s*+", re.IGNORECASE
)
_UNSPACED = re.compile(f"[{UNSPACED}]")
_MARKUP = re.compile(r"\*\*|__|`|~~|^#{1,6} ", re.MULTILINE)
# Where one thing ends that a sentence says: at a semicolon, a comma, a word that joins.
_CLAUSE = re.compile(
    r"[;,，、；。]|[!?](?=\s)|(?<!\bno)\.(?=\s)|\.(?=\s\D)|(?<!\w)(?:and|while|whereas|but|however|though|und|während|aber|jedoch|sondern|et|tandis|mais|y|e|"
    r"mientras|pero|ma|mentre|mas|enquanto|en|maar|terwijl|i|ale|и|но|а|ve|ama)(?!\w)",
    re.IGNORECASE,
)
_PIECE = re.compile(
    r"[;:,，、；。]|[!?](?=\s)|(?<!\bno)\.(?=\s)|\.(?=\s\D)|(?<!\w)(?:and|while|whereas|but|however|before|after|which|who|because|since|although|und|während|"
    r"aber|bevor|nachdem|weil|et|mais|avant|après|qui|y|e|pero|antes|después|que|ma|prima|dopo|mas|en|maar|i|ale|и|но)(?!\w)",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\W*(?:it|they|he|she|this|these|there|er|sie|es|diese[rs]?|il|elle|ils|elles|este|esta|ello|esso|essa|ele|ela|hij|zij|"
    r"het|ze|on|ona|ono|oni|он|она|оно|они)\b",
    re.IGNORECASE,
)
_PRONOUN_INSIDE = re.compile(r"(?<!\w)(?:it|they|er|sie|elle|il|elles|ils|zij|ella|lei)(?!\w)", re.IGNORECASE)
_BUT = re.compile(
    r"(?<!\w)(?:but|however|except|although|though|aber|jedoch|außer|mais|sauf|pero|salvo|ma|tranne|mas|exceto|maar|"
    r"behalve|ale|oprócz|но|кроме)(?!\w)",
    re.IGNORECASE,
)
# l'entrée, dell'ordine, d'une
_ELIDED = re.compile(
    r"(?<!\w)(?:[cdjlmnst]|qu|jusqu|lorsqu|all|dall|dell|nell|sull|un|quest)['’](?=[^\W\d_]{2})", re.IGNORECASE
)
# An item of a list, a row of a table, "Branch: Pirna; Rent: 880".
_RECORD = re.compile(r"\s*(?:[-*+•|]|\d+[.)]\s|[^:,.\n]{1,40}:\s)")
_CAPITAL = re.compile(r"[A-ZÀ-ÖØ-ÞΑ-ΩА-ЯЁŁŚŻŹĆİŞĞ]")
# Words of answers that say nothing of their subject.
_FILLERS = frozenset(
    """
    according document documents passage passages source sources stated says said mention mentions following note
    please per within inside made make takes take given give gives go goes according able already also depends cannot
    being both nobody nothing nowhere neither either back whole
    am pm since until during originally however whichever whoever roughly
    approximately können könnt binnen sowie bereits
    """.split()
)


# So far from a part's beginning stands its subject.
SUBJECT = 24


_SUPERLATIVE = re.compile(r"[a-z]{3,}est|best|worst")
_NO_SUPERLATIVES = frozenset(
    """
    interest request latest guest forest honest harvest invest contest protest suggest digest arrest modest priest
    conquest quest crest chest earnest nest test manifest northwest southwest midwest
    """.split()
)
# What counts elsewhere, and means something here.
_ALSO_WORDS = frozenset("second may first march den".split())
_SHORT_NOT = frozenset("don't doesn't isn't aren't can't won't cannot mustn't shouldn't n't don’t".split())


@dataclass(frozen=True)
class Statement:
    """A text, and what it states; everything is read when it is first asked for."""

    text: str
    language: str | None = None

    @cached_property
    def plain(self) -> str:
        answer = _ANSWER.match(self.text)
        return _MARKUP.sub(" ", self.text[answer.end() :] if answer else self.text)

    @cached_property
    def values(self) -> tuple[Value, ...]:
        return values(self.plain, self.language)

    @cached_property
    def flat(self) -> str:
        return " ".join(unicodedata.normalize("NFKC", self.text).casefold().split())

    @cached_property
    def raw(self) -> list[str]:
        """All words as they are, folded."""
        return [fold(_ELIDED.sub("", word)) for word in _WORD.findall(self.plain)]

    @cached_property
    def words(self) -> dict[str, str]:
        """The words that carry the meaning, by their stems: no numbers, no units of time, no fillers."""
        found: dict[str, str] = {}
        for match in _WORD.finditer(self.plain):
            word = _ELIDED.sub("", unicodedata.normalize("NFKC", match[0]))
            folded = fold(word)
            if folded in _FILLERS or folded in little_words(self.language) or is_logic(folded, self.language):
                continue
            if _counts(folded, self.language) or is_denial(word, self.language) or folded in _SHORT_NOT:
                continue
            if any(value.start <= match.start() < value.end for value in self.values):
                continue
            found |= dict.fromkeys(_stems(word, self.language), word)
        return found

    @cached_property
    def meanings(self) -> set[str]:
        """The stems, also of what a hyphen parts, and what the words mean in any language."""
        known = {concept(word, self.language) for word in self.raw}
        # "We store tyres for 40 euros": it costs so much.
        known |= {"cost", "pay", "fee"} if self.has_price else set()
        compounds = {stem for word in self.raw for stem in joined(word, self.language)}
        return set(self.words) | compounds | {f"={meaning}" for meaning in known if meaning}

    @cached_property
    def names(self) -> list[str]:
        """Words with a capital inside a sentence that are no value; none in German, which writes all nouns so."""
        if self.language == "de":
            return []
        spans = [(value.start, value.end) for value in self.values]
        return [
            word
            for at, word in _capitals(self.plain)
            if not _counts(fold(word), self.language) and not any(start <= at < end for start, end in spans)
        ]

    @cached_property
    def named(self) -> dict[str, str]:
        """Names with the word behind them: of "the Oak room" that it is a room."""
        inside = set(self.names)
        pairs = pairwise(_WORD.findall(self.plain))
        return {fold(name): kind for name, kind in pairs if name in inside and kind.islower()}

    @cached_property
    def ways(self) -> dict[str, set[int]]:
        """Whether it goes to a place (1) or from it (-1), by the place's name."""
        found: dict[str, set[int]] = {}
        words = _WORD.findall(self.plain)
        for at, word in enumerate(words):
            way = direction(fold(word), self.language)
            names = (name for name in words[at + 1 : at + 3] if way and _CAPITAL.match(name))
            if way and (name := next(names, None)):
                found.setdefault(fold(name), set()).add(way)
        return found

    @cached_property
    def sides(self) -> dict[int, set[int]]:
        return sides(self.raw, self.language)

    @cached_property
    def modes(self) -> set[str]:
        return modes(self.raw, self.language)

    @cached_property
    def ordered(self) -> dict[str, set[int]]:
        """What is counted by an ordinal: of "second class" that the class is the second."""
        found: dict[str, set[int]] = {}
        for word, following in pairwise(self.raw):
            if (number := ORDINALS.get(word, self.language)) and len(following) > 3:
                found.setdefault(following[:5], set()).add(number)
        return found

    @cached_property
    def superlatives(self) -> bool:
        """Whether something is the highest or the best."""
        return self.language == "en" and any(
            _SUPERLATIVE.fullmatch(word) and word not in _NO_SUPERLATIVES for word in self.raw
        )

    @cached_property
    def parts(self) -> list[Statement]:
        """The sentences, and their parts at a semicolon."""
        return [Statement(part, self.language) for s in self.sentences for part in s.text.split(";") if part.strip()]

    @cached_property
    def denies(self) -> bool:
        return denies(self.plain, self.language)

    def _inside_value(self, at: int) -> bool:
        return _inside_figures(self.plain, at) or any(value.start < at < value.end for value in self.values)

    @cached_property
    def segments(self) -> list[Statement]:
        """The text cut at each comma, semicolon and "and"; what has no word of its own goes with what is before it."""
        return self._cut([m.start() for m in _CLAUSE.finditer(self.plain) if not self._inside_value(m.start())])

    def _cut(self, edges: list[int]) -> list[Statement]:
        parts: list[str] = []
        for begin, end in pairwise([0, *edges, len(self.plain)]):
            if parts and not content_words(self.plain[begin:end]):
                parts[-1] += self.plain[begin:end]
            else:
                parts.append(self.plain[begin:end])
        return [Statement(part, self.language) for part in parts]

    @cached_property
    def has_price(self) -> bool:
        """Whether there is an amount of money, and not of none."""
        return any(value.unit in (*MONEY, "cent") and any(value.readings) for value in self.values)

    @cached_property
    def is_called_free(self) -> bool:
        """Whether there is a word for "free of charge"."""
        return any(concept(word, self.language) == "free" for word in self.raw)

    @cached_property
    def payment(self) -> set[str]:
        """Whether something is to be paid, or is free: "paid", "free", both, or neither."""
        known = {concept(word, self.language) for word in self.raw}
        said = {"free"} if self.is_called_free else set()
        if self.has_price:
            said.add("paid")
        elif known & {"pay", "cost", "fee"} and (self.denies or lacks(self.raw, self.language)):
            said.add("free")
        return said

    @cached_property
    def clauses(self) -> list[Statement]:
        """What the text says one after the other."""
        return [Statement(part, self.language) for part in split_clauses(self.plain, self.language)]

    @cached_property
    def sentences(self) -> list[Statement]:
        """The units that the text is made of; one that begins with a pronoun has the subject of the one before."""
        found: list[Statement] = []
        head = ""
        for start, end in units(self.plain):
            part = self.plain[start:end]
            if _PRONOUN.match(part) or _PRONOUN_INSIDE.search(part):
                part = f"{head} {part}"
            else:
                head = _head(part, self.language)
            found.append(Statement(part, self.language))
        return found

    @cached_property
    def pieces(self) -> list[Statement]:
        """The text in its smallest parts, also where one hangs on another: "before", "which"."""
        return self._cut([m.start() for m in _PIECE.finditer(self.plain) if not _inside_figures(self.plain, m.start())])

    @cached_property
    def around_but(self) -> list[Statement]:
        """What stands before and behind the first "but" or "except", or nothing."""
        match = _BUT.search(self.plain)
        if match is None or match.start() == 0:
            return []
        return [
            Statement(self.plain[: match.start()], self.language),
            Statement(self.plain[match.end() :], self.language),
        ]


def _stems(word: str, language: str | None) -> list[str]:
    """What is left of a word without its endings; nothing of a little word."""
    word = _ELIDED.sub("", word)
    parts = content_words(word)
    if _UNSPACED.search(word):
        return sorted(parts)
    return terms_of(word, language or "en") if parts else []


def joined(word: str, language: str | None) -> list[str]:
    """The stem of a compound without its hyphens: north-west, northwest."""
    return _stems(word.replace("-", ""), language) if "-" in word else []


def read_claim(text: str) -> Statement:
    """A claim of an answer."""
    return Statement(text, likely_language(text))


def _counts(word: str, language: str | None) -> bool:
    """Whether a folded word is a number, a unit, a month or a day: those are values."""
    if is_number(word, language) or ARTICLES.get(word, language):
        return True
    tables: tuple[Words[Any], ...] = (UNITS, MONTHS, WEEKDAYS, ORDINALS, HEDGES)
    return word not in _ALSO_WORDS and any(table.get(word, language) is not None for table in tables)


def _capitals(text: str) -> Iterator[tuple[int, str]]:
    """Words with a capital and where they begin, without those that begin a sentence or a line."""
    for match in _WORD.finditer(text):
        if not _CAPITAL.match(match[0]) or match[0] in ("I", "I'm", "I’m"):
            continue
        before = text[max(0, match.start() - 40) : match.start()].rstrip(" \t\"'“„«(*_")
        first = not before or before[-1] in ".!?:…。\n|-•#" or (before[-1].isdigit() and before[-2:-1] in ("", "\n"))
        if not first:
            yield match.start(), match[0]


def split_clauses(text: str, language: str | None) -> list[str]:
    """What a text says one after the other: its lines, and of a line of prose the parts that have values."""
    lines = [line for line in text.split("\n") if line.strip()]
    return [part for line in lines for part in (line.split("; ") if _RECORD.match(line) else _parts(line, language))]


def _parts(line: str, language: str | None) -> list[str]:
    """The parts of a sentence, each with a value of its own. One without a subject of its own has that of the first:
    in "open from 6 am to 11 pm on weekdays and from 8 am on weekends" the second is open as well."""
    parts: list[str] = []
    begin = 0
    edges = [match.start() for match in _CLAUSE.finditer(line) if not _inside_figures(line, match.start())]
    for edge in [*edges, len(line)]:
        part = line[begin:edge]
        if parts and not (values(part, language) and content_words(part)):
            parts[-1] += part
        elif part.strip():
            parts.append(part)
        begin = edge
    head = ""
    for place, part in enumerate(parts):
        own = _head(part, language)
        if _PRONOUN.match(part) or _PRONOUN_INSIDE.search(part[:SUBJECT]) or not _has_subject(own):
            parts[place] = f"{head} {part}"
        else:
            head = own
    return parts


def _head(part: str, language: str | None) -> str:
    """What stands before the first value: a subject and what is said of it."""
    found = values(part, language)
    return part[: found[0].start] if found else part


def _has_subject(text: str) -> bool:
    return any(len(word) > 3 or _UNSPACED.search(word) for word in content_words(text))


def _inside_figures(text: str, at: int) -> bool:
    return 0 < at < len(text) - 1 and text[at - 1].isdigit() and text[at + 1].isdigit()
