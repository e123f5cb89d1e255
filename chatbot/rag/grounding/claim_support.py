"""Whether a passage supports a claim, and with which of its words.

The smallest stretch of up to three units that says what the claim says is the support. What would make a claim false
although its words are there is looked at on its own: a value that the stretch does not have, in whatever notation, or
has for something else; a name; a quotation; a "not" on one side only; opposites; "only", "all", "must" and "unless".
A claim whose words or meaning are mostly there, and which nothing refutes, is supported but not verified.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from chatbot.rag.embeddings.embedders import Vectors
from chatbot.rag.grounding.concepts import ORDER, concept
from chatbot.rag.grounding.contradictions import contradicts, turns
from chatbot.rag.grounding.critical_tokens import names as technical_names
from chatbot.rag.grounding.negation import denies
from chatbot.rag.grounding.records import fields, named_as_there
from chatbot.rag.grounding.statements import Statement, joined, read_claim
from chatbot.rag.text.content_words import content_words
from chatbot.rag.text.folding import fold
from chatbot.rag.text.language_detection import likely_language, little_words
from chatbot.rag.text.sentences import Span, is_code, units
from chatbot.rag.types import Passage

Embed = Callable[[Sequence[str]], Vectors]

LONGEST = 3
# Words of the shortest text that must have little words of its language.
SENTENCE = 5
# The part of a claim's words that a passage has if both are in one language; and where it looked like another.
SOME_WORDS = 0.3
MOST_WORDS = 0.6
# A longer stretch has to have so much more of the claim.
LONGER = 0.08
# The part of the claim's meanings that a stretch needs to prove it; and to be looked at more closely.
PROVES = 0.75
TOUCHES = 0.3
# The part of its words with which a claim may stand whose values agree.
HALF = 0.5
# Fewer words have no order that says who does what to whom.
WHO_DOES_WHAT = 3
# The part of the claim's words from which a sentence is about the same thing.
ABOUT = 0.6
# The cosine at which a stretch says the same in other words; and nearly so.
NEAR = 0.75
NEARLY = 0.5
# A word is foreign to a stretch if the claim comes nearer to it by so much without the word.
FOREIGN = 0.025
# The cosine of two words from which one may be the other's subject.
KIN = 0.6
# And all that it lacks, if the claim comes nearer by so much without them.
APART = 0.05

_QUOTED = re.compile(r"[\"“„«»「]([^\"“”„«»「」\n]{8,}?)[\"”“«»」]")


@dataclass(frozen=True)
class Support:
    """A stretch of a passage (offsets in its text), how much of the claim it has (0 to 1), and whether it proves it."""

    start: int
    end: int
    score: float
    verified: bool = True


@dataclass(frozen=True)
class Claimed:
    """What supports a claim, and where in the claim the part begins that it supports."""

    support: Support
    claim_start: int

    @property
    def start(self) -> int:
        """Where the stretch begins in the passage."""
        return self.support.start

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.support.end

    @property
    def verified(self) -> bool:
        """Whether it proves the claim."""
        return self.support.verified


@dataclass(frozen=True)
class Stretch:
    """One to three units of a passage; `context` is what stands above them: the title, a heading, an introduction."""

    start: int
    end: int
    length: int
    said: Statement
    context: Statement


def support(claim: str, passage: Passage, embed: Embed | None = None) -> Support | None:
    """The stretch of a passage that supports a claim, or None. `embed` gives unit vectors."""
    whole = _support(claim, passage, embed)
    if whole is not None:
        return whole
    # A summary of several sentences: each of its parts has to be there, and nothing tells that they belong together.
    parts = [part.text.strip(" ,;") for part in read_claim(claim).segments]
    if len(parts) < 2 or not _could_hold(claim, f"{passage.title}\n{passage.text}"):
        return None
    found = [_support(part, passage, embed) for part in parts]
    if any(part is None for part in found):
        return None
    return replace(max((part for part in found if part), key=lambda part: part.score), verified=False)


def _support(claim: str, passage: Passage, embed: Embed | None) -> Support | None:
    at = passage.text.find(claim)
    said = read_claim(claim)
    if (
        claim.strip()
        and at >= 0
        and len(content_words(claim)) > 0
        and not _denied_before(passage.text, at, said.language)
    ):
        return Support(at, at + len(claim), 1.0)
    if not said.words and not said.values:
        return None
    stretches = _stretches(passage.title, passage.text, likely_language(passage.text) or said.language)
    if not stretches or not _could_hold(claim, f"{passage.title}\n{passage.text}"):
        return None
    language = stretches[0].said.language
    foreign_language = _differs(said, stretches)
    if not foreign_language and said.language != language:
        said = Statement(claim, language)
    standing = [s for s in stretches if not contradicts(said, s.said, s.context)]
    standing = [s for s in standing if not _turned(said, s, foreign_language)]
    if not standing:
        return None
    found = _across(said, standing, stretches) if foreign_language else _within(said, standing, stretches, embed)
    if found is None or not found.verified:
        return found
    stretch = next(s for s in standing if (s.start, s.end) == (found.start, found.end))
    return replace(found, verified=_is_whole(said, stretch))


def _is_whole(said: Statement, stretch: Stretch) -> bool:
    """Whether what a stretch proves is said there in one: with the "before" or "after" of the claim, without an "if"
    that the claim leaves out, with its words in their order, and a claim of a single part in a single part, for "A
    needs B; C needs D" does not say that C needs B. In a table's row each value has its name."""
    if not said.sides.keys() & ORDER <= stretch.said.sides.keys():
        return False
    if "if" in stretch.said.modes - said.modes:
        return False
    if row := fields(stretch.said):
        return named_as_there(said, row, lambda stem, word: _has(stem, word, stretch.said.language, said.meanings))
    if not _in_order(said, stretch.said):
        return False
    parts = stretch.said.parts
    if len(said.segments) > 1 or len(parts) < 2:
        return True
    whole = _covered(said, stretch)[0]
    return any(_covered(said, Stretch(0, 0, 1, part, stretch.context))[0] >= whole for part in parts)


def _in_order(said: Statement, there: Statement) -> bool:
    """Whether the words of a claim stand in a stretch in their order, whichever is the first: "on Mondays the shop is
    closed" and "the shop is closed on Mondays", but not "the tenant pays the agent" and "the agent pays the tenant"."""
    mine, theirs = list(said.words), [stem for stem in there.words if stem in said.words]
    if len(mine) < WHO_DOES_WHAT or len(theirs) < len(mine):
        return True
    first = theirs.index(mine[0])
    return theirs[first:] + theirs[:first] == mine


def supported_by(claim: str, passages: Mapping[int, Passage], embed: Embed | None = None) -> dict[int, Claimed]:
    """Of the passages that one claim names those that support it, each with where that part of the claim begins.

    Of several sentences before a marker it is the last that it stands behind. Several passages may support a claim
    together: each of its parts then has to be in one of them.
    """
    last = (units(claim) or [(0, len(claim))])[-1][0]
    found: dict[int, Claimed] = {}
    for number, passage in passages.items():
        whole = support(claim, passage, embed)
        start = 0
        if last and (whole is None or not whole.verified):
            whole, start = support(claim[last:], passage, embed) or whole, last
        if whole is not None:
            found[number] = Claimed(whole, start)
    if len(found) < len(passages) and len(passages) > 1:
        found |= _together(claim[last:], last, passages, found, embed)
    return {number: found[number] for number in passages if number in found}


def _together(
    claim: str, start: int, passages: Mapping[int, Passage], found: Mapping[int, Claimed], embed: Embed | None
) -> dict[int, Claimed]:
    parts = [part.text.strip(" ,;") for part in read_claim(claim).pieces]
    if len(parts) < 2 or found:
        return {}
    held = {number: [support(part, passage, embed) for part in parts] for number, passage in passages.items()}
    if not all(any(supports[n] for supports in held.values()) for n in range(len(parts))):
        return {}
    best = {
        number: max((s for s in supports if s), key=lambda s: s.score, default=None)
        for number, supports in held.items()
    }
    return {number: Claimed(one, start) for number, one in best.items() if one is not None}


def _turned(said: Statement, stretch: Stretch, other_language: bool) -> bool:
    """Whether a stretch says the opposite, or a sentence of it that is about the same does."""
    if turns(said, stretch.said, stretch.context, other_language):
        return True
    for sentence in stretch.said.sentences if stretch.length > 1 else ():
        part = Stretch(0, 0, 1, sentence, stretch.context)
        if _covered(said, part)[0] >= ABOUT and turns(said, sentence, stretch.context, other_language):
            return True
    return False


def _denied_before(text: str, at: int, language: str | None) -> bool:
    """Whether a "not" stands before the words at a place, in the same sentence: "no smoking is allowed"."""
    start = next((start for start, end in units(text) if start <= at < end), at)
    return denies(text[start:at], likely_language(text) or language)


def _differs(said: Statement, stretches: Sequence[Stretch]) -> bool:
    """Whether a claim is in another language than a passage. A short claim may be taken for another language: it is in
    the passage's if its words are."""
    language = stretches[0].said.language
    if language is None or said.language == language:
        return False
    words = set(said.raw)
    known = words & {word for stretch in stretches for word in stretch.said.raw} | words & little_words(language)
    if said.language is None:
        return len(said.raw) >= SENTENCE and len(known) < SOME_WORDS * len(words)
    return len(known) < MOST_WORDS * len(words)


def _could_hold(claim: str, whole: str) -> bool:
    """Whether a passage has the technical names and the quotations of a claim."""
    flat = _flat(whole)
    known = all(name.casefold() in flat for name in technical_names(claim))
    return known and all(_flat(quoted) in flat for quoted in _QUOTED.findall(claim))


def _flat(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".,;:!?")


@lru_cache(maxsize=64)
def _stretches(title: str, text: str, language: str | None) -> tuple[Stretch, ...]:
    return tuple(_runs(title, text, language))


def _runs(title: str, text: str, language: str | None) -> Iterator[Stretch]:
    """Each unit, and each run of two or three."""
    spans = [span for unit in units(text) or [(0, len(text))] for span in _records(text, *unit)]
    above = head = ""
    contexts = []
    for start, end in spans:
        unit = text[start:end]
        if not unit.startswith("|"):
            head = ""
        contexts.append(Statement("\n".join((title, above, head)), language))
        if unit.startswith("|") and not head:
            head = unit
        if unit.rstrip(" *_").endswith(":"):
            above = unit
    for length in range(1, LONGEST + 1):
        for first in range(len(spans) - length + 1):
            start, end = spans[first][0], spans[first + length - 1][1]
            yield Stretch(start, end, length, Statement(text[start:end], language), contexts[first])


def _records(text: str, start: int, end: int) -> Iterator[Span]:
    """The lines of a unit, where each is a record ("Branch: Pirna; Rent: 880"), else the unit."""
    lines = text[start:end].split("\n")
    if len(lines) < 2 or not all(":" in line or "\t" in line for line in lines):
        yield start, end
        return
    for line in lines:
        yield start, start + len(line)
        start += len(line) + 1


def _covered(said: Statement, stretch: Stretch) -> tuple[float, list[str]]:
    """Which part of a claim's words a stretch has, and the words that it lacks. What only the title or an introduction
    has counts neither way."""
    lacking, counted = [], 0
    for stem, word in said.words.items():
        if _has(stem, word, said.language, stretch.said.meanings):
            counted += 1
        elif not _has(stem, word, said.language, stretch.context.meanings):
            counted += 1
            lacking.append(word)
    return (1 - len(lacking) / counted if counted else 1.0), lacking


def _strays(lacking: Sequence[str], said: Statement, stretches: Sequence[Stretch]) -> bool:
    """Whether the passage says of something else what a claim says of these words."""
    known = frozenset[str]().union(*(stretch.said.meanings for stretch in stretches))
    return any(not Statement(word, said.language).meanings.isdisjoint(known) for word in lacking)


def _has(stem: str, word: str, language: str | None, known: set[str]) -> bool:
    meaning = concept(fold(word), language)
    if stem in known or (meaning and f"={meaning}" in known) or not known.isdisjoint(joined(word, language)):
        return True
    return len(stem) >= 5 and any(len(other) >= 5 and _akin(stem, other) for other in known)


def _akin(one: str, other: str) -> bool:
    """Whether two words have one root: return, returning; Quartal, quarter."""
    shared = 0
    for a, b in zip(_bare(one), _bare(other), strict=False):
        if a != b:
            break
        shared += 1
    return shared >= 5 and shared >= 0.6 * min(len(one), len(other))


@lru_cache(maxsize=4096)
def _bare(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


def _best(said: Statement, stretches: Sequence[Stretch]) -> tuple[Stretch, float, list[str]]:
    measured = [(stretch, *_covered(said, stretch)) for stretch in stretches]
    return max(measured, key=lambda m: m[1] - LONGER * (m[0].length - 1))


def _across(said: Statement, standing: Sequence[Stretch], stretches: Sequence[Stretch]) -> Support | None:
    """A claim in another language than the passage's: values and names agree already, and the meaning as far as it is
    known; without any of them nothing speaks for it."""
    best, score, lacking = _best(said, standing)
    if _strays(lacking, said, stretches):
        return None
    hard = [value for value in said.values if not value.soft]
    agrees = bool(said.modes & best.said.modes) or len(said.names) > 1
    if not hard and not agrees and score < TOUCHES:
        return None
    return Support(best.start, best.end, score, verified=score >= PROVES)


def _within(
    said: Statement, standing: Sequence[Stretch], stretches: Sequence[Stretch], embed: Embed | None
) -> Support | None:
    best, score, lacking = _best(said, standing)
    if (said.values or score >= 0.5) and _strays(lacking, said, stretches):
        return None
    if not lacking:
        return Support(best.start, best.end, score)
    if embed is None:
        return Support(best.start, best.end, score, verified=False) if score >= 0.6 else None
    if not said.words:
        return None
    return _by_nearness(said, standing, best, score, lacking, embed)


def _by_nearness(
    said: Statement, stretches: Sequence[Stretch], best: Stretch, score: float, lacking: Sequence[str], embed: Embed
) -> Support | None:
    """What the words do not tell the embedder may: how near the claim is to a stretch, and which of its words are
    foreign there."""
    alone = [stretch for stretch in stretches if stretch.length == 1 and not is_code(stretch.said.text)]
    tried = list({(s.start, s.end): s for s in (best, *alone)}.values())
    claim = said.plain.strip()
    words = list(dict.fromkeys(said.words.values()))
    shorter = [_without(claim, [word]) for word in words]
    swaps = {place: _substituted(said, stretch) for place, stretch in enumerate(tried)}
    pairs = [word for found in swaps.values() for pair in found for word in pair]
    rest = _without(claim, lacking)
    vectors = embed([claim, *shorter, *(_shown(stretch) for stretch in tried), *pairs, rest])
    first = 1 + len(shorter)
    near = vectors[first : first + len(tried)] @ vectors[0]
    place = 0 if score >= 0.5 else int(np.argmax(near))
    stretch, cosine = tried[place], float(near[place])
    coverage, missing = _covered(said, stretch)
    without = {word: float(vectors[1 + n] @ vectors[first + place]) - cosine for n, word in enumerate(words)}
    begin = first + len(tried) + 2 * sum(len(swaps[before]) for before in range(place))
    for n in range(begin, begin + 2 * len(swaps[place]), 2):
        if float(vectors[n] @ vectors[n + 1]) < KIN:
            return _unproven(said, stretch, coverage)
    foreign = sum(without[word] > FOREIGN for word in missing)
    if place == 0 and len(missing) > 1 and float(vectors[-1] @ vectors[first]) - cosine > APART:
        return _unproven(said, stretch, coverage)
    return _decide(said, stretch, coverage, cosine, foreign)


def _unproven(said: Statement, stretch: Stretch, coverage: float) -> Support | None:
    """What the embedder thinks foreign in another language than English, which it knows better: not verified, if a
    value agrees and half of the words."""
    agrees = any(not value.soft for value in said.values)
    if said.language in (None, "en") or not agrees or coverage < HALF:
        return None
    return Support(stretch.start, stretch.end, coverage, verified=False)


def _without(claim: str, words: Sequence[str]) -> str:
    return " ".join(word for word in claim.split() if word.strip(".,;:!?()*\"'") not in words)


def _substituted(said: Statement, stretch: Stretch) -> list[tuple[str, str]]:
    """The subject of a claim, if a stretch says of another one what comes next: guests for owners."""
    mine, other = list(said.words.items()), list(stretch.said.words.items())
    places = {stem: n for n, (stem, _) in enumerate(other)}
    right = places.get(mine[1][0], 0) if len(mine) > 1 else 0
    stem, word = mine[0]
    known = stretch.said.meanings | stretch.context.meanings
    if right not in (1, 2) or _has(stem, word, said.language, known):
        return []
    return [(word, other[right - 1][1])] if other[right - 1][0] not in said.words else []


def _decide(said: Statement, stretch: Stretch, coverage: float, cosine: float, foreign: int) -> Support | None:
    score = max(coverage, cosine)
    if foreign > (coverage >= 0.6 or cosine >= NEAR):
        return _unproven(said, stretch, coverage)
    if not foreign and (coverage >= PROVES or cosine >= NEAR):
        return Support(stretch.start, stretch.end, score)
    agrees = any(not value.soft for value in said.values) or len(said.names) > 1
    hard = [value for value in said.values if not value.soft]
    if said.language not in (None, "en") and len(hard) > 1 and coverage >= TOUCHES:
        # The embedder may not know the language well; the values agree.
        return Support(stretch.start, stretch.end, score, verified=False)
    if coverage >= 0.6 or ((coverage >= TOUCHES or agrees) and cosine >= NEARLY):
        return Support(stretch.start, stretch.end, score, verified=False)
    return None


def _shown(stretch: Stretch) -> str:
    return f"{stretch.context.text.strip()}: {stretch.said.plain.strip()}"


def claims(text: str) -> list[Span]:
    """The sentences of an answer that claim something: with words of their own, and no code."""
    return [span for span in units(text) if _claims(text[slice(*span)])]


def _claims(unit: str) -> bool:
    return not is_code(unit) and not unit.rstrip(" *_").endswith((":", "?")) and len(content_words(unit)) >= 2
