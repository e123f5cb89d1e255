"""What refutes a claim although its words stand in a stretch of a passage."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

from chatbot.rag.grounding.concepts import concept, modes, negated
from chatbot.rag.grounding.notation.values import Value, opposed, same
from chatbot.rag.grounding.statements import Statement
from chatbot.rag.text.folding import fold

# The part of the words from which two sentences are about the same thing.
SAME_THING = 0.5


def contradicts(said: Statement, there: Statement, context: Statement) -> str | None:
    """Why a stretch, with what stands above it, cannot support a claim; None where nothing speaks against it."""
    if _wrong_value(said, there, context):
        return "value"
    if _swapped(said, there.clauses) or _swapped(said, there.sentences) or _turned_range(said, there):
        return "swapped"
    if any(not _names(name, there, context) for name in said.names):
        return "name"
    return "other name" if _is_of_another(said, there) else None


def turns(said: Statement, there: Statement, context: Statement, other_language: bool) -> str | None:
    """What makes a sentence say the opposite of a claim, or less, though it is about the same."""
    if _is_of_exception(said, there):
        return None if _has_opposites(said, there) or said.denies != there.denies else "except"
    if _opposite(said, there):
        return "opposite"
    return _turned(said, there, context, other_language)


def _wrong_value(said: Statement, there: Statement, context: Statement) -> bool:
    """Whether a value of the claim is not in the stretch, or bounds the other way."""
    known = [*there.values, *context.values]
    lacking = []
    for value in said.values:
        if value.soft:
            if _other_rate(value, there):
                return True
            continue
        found = [other for other in known if same(value, other)]
        if value.kind == "weekday" and not found:
            # "At weekends" is what is said of Saturdays and Sundays.
            days = [other for other in known if other.kind == "weekday" and other.readings <= value.readings]
            found = days if frozenset().union(*(day.readings for day in days)) == value.readings else []
        if found and all(opposed(value, other) for other in found):
            return True
        if not found:
            lacking.append(value)
    return bool(lacking) and not _computed(lacking, known)


def _other_rate(value: Value, there: Statement) -> bool:
    """Whether a claim says "a week" where a stretch says "a month"."""
    rates = [other for other in there.values if other.soft and {other.unit, value.unit} <= {"time", "months"}]
    return bool(rates) and not any(same(value, other) for other in there.values)


def _computed(lacking: Sequence[Value], known: Sequence[Value]) -> bool:
    """Whether what is lacking follows from what is there: a sum, or so many times an amount."""
    numbers = [value for value in known if value.kind == "number" and not value.soft]
    if any(value.kind != "number" for value in lacking):
        return False
    if len(lacking) == 1 and lacking[0].unit:
        kin = [n for n in numbers if n.unit == lacking[0].unit]
        return any(_sum(a, b) & lacking[0].readings for a, b in combinations(kin, 2))
    if len(lacking) != 2:
        return False
    times, amount = sorted(lacking, key=lambda value: value.kind == "number" and value.unit not in ("", "time"))
    return any(_product(times, n, amount) for n in numbers)


def _sum(a: Value, b: Value) -> set[Any]:
    return {x + y for x in a.readings for y in b.readings}


def _product(times: Value, each: Value, amount: Value) -> bool:
    made = Value("number", frozenset(t * e for t in times.plain for e in each.readings), 0, 0, each.unit)
    return bool(amount.unit) and bool(each.unit) and same(amount, made)


def _swapped(said: Statement, clauses: Sequence[Statement]) -> bool:
    """Whether a value of the claim stands in the stretch for something else.

    "6 am to 11 pm on weekdays and 8 am to 8 pm on weekends": who says 8 am of weekdays has a word that stands only
    beside other values of that kind.
    """
    if len(clauses) < 2:
        return False
    for piece in said.pieces:
        places = [{n for n, clause in enumerate(clauses) if word in clause.meanings} for word in piece.meanings]
        where = {value: _where(value, clauses) for value in piece.values}
        for value, mine in where.items():
            if value.soft:
                continue
            rivals = {n for n, clause in enumerate(clauses) if n not in mine and _has_rival(value, clause, said)}
            others = [place for other, place in where.items() if other.kind != value.kind or other.soft]
            if mine and rivals and any(place and place <= rivals for place in [*places, *others]):
                return True
    return False


def _where(value: Value, clauses: Sequence[Statement]) -> set[int]:
    return {n for n, clause in enumerate(clauses) if any(same(value, other) for other in clause.values)}


def _has_rival(value: Value, clause: Statement, said: Statement) -> bool:
    return any(_rival(value, other, said) for other in clause.values)


def _turned_range(said: Statement, there: Statement) -> bool:
    """Whether two values that follow each other in a claim follow each other the other way round: "8 am to 6 pm"."""
    mine, others = said.values, there.values
    for first, second in pairwise(mine):
        if first.kind != second.kind or first.soft or second.soft or same(first, second):
            continue
        runs = list(pairwise(others))
        if any(same(second, a) and same(first, b) for a, b in runs) and not any(
            same(first, a) and same(second, b) for a, b in combinations(others, 2)
        ):
            return first.kind == "time"
    return False


def _rival(value: Value, other: Value, said: Statement) -> bool:
    """Whether another value of the same kind is none that the claim names."""
    units = {value.unit, other.unit}
    counted = len(units) == 2 and (value.counts or other.counts)
    kin = value.kind == other.kind and (len(units) == 1 or ("" in units and not counted) or units == {"time", "months"})
    return kin and not other.soft and not any(same(mine, other) for mine in said.values)


def _names(name: str, there: Statement, context: Statement) -> bool:
    """Whether a name stands in a stretch, also with another ending."""
    folded = name.casefold()
    for text in (there.flat, context.flat):
        if folded in text or (len(folded) > 4 and folded[: max(4, len(folded) - 2)] in text):
            return True
    return False


def _is_of_exception(said: Statement, there: Statement) -> bool:
    """Whether all values of a claim stand behind an "except" only: "every day, except Wednesday"."""
    mine = [value for value in said.values if not value.soft]
    if not mine or "except" not in there.modes or not there.around_but:
        return False
    before, behind = there.around_but
    return all(_where(value, [behind]) and not _where(value, [before]) for value in mine)


def _is_of_another(said: Statement, there: Statement) -> bool:
    """Whether the sentence that has most of a claim says it of another thing: of the Birch room, not the Oak room."""
    if len(there.sentences) < 2 or not said.named:
        return False
    most = max(there.sentences, key=lambda sentence: len(said.words.keys() & sentence.words.keys() - said.named.keys()))
    others = {kind for name, kind in most.named.items() if name not in said.named}
    return any(kind in others and name not in most.named for name, kind in said.named.items())


def _opposite(said: Statement, there: Statement) -> bool:
    if any(not numbers <= there.ordered[word] for word, numbers in said.ordered.items() if word in there.ordered):
        return True
    if said.superlatives and there.language == "en" and not there.superlatives:
        return True
    if _is_other_price(said, there) or _is_other_way(said, there) or _is_non(said, there) or _is_non(there, said):
        return True
    parts = there.parts
    if len(parts) > 1:
        there = max(parts, key=lambda part: len(said.meanings & part.meanings))
    for pair, mine in said.sides.items():
        other = there.sides.get(pair, set())
        if len(mine) == len(other) == 1 and mine != other and said.denies == there.denies:
            return True
    return _by_prefix(said, there) and _denies(said, there) == _denies(there, said)


def _is_other_price(said: Statement, there: Statement) -> bool:
    """Whether one is free, and the other, a single sentence about the same, has a price."""
    if len(there.sentences) > 1 or _share(said, there) < SAME_THING:
        return False
    return said.payment | there.payment == {"free", "paid"} and len(said.payment) == len(there.payment) == 1


def _are_both_free(said: Statement, there: Statement) -> bool:
    """Whether one is called free and of the other nothing is to be paid; "not free" is neither."""
    denying = said if _denies(said, there) else there
    return said.payment == {"free"} and "free" in there.payment and not denying.is_called_free


def _is_other_way(said: Statement, there: Statement) -> bool:
    """Whether one says "to" and the other only "from" of the same place."""
    return any(way != there.ways.get(place, way) for place, way in said.ways.items())


def _has_opposites(said: Statement, there: Statement) -> bool:
    return any(mine != there.sides.get(pair, mine) for pair, mine in said.sides.items())


def _by_prefix(said: Statement, there: Statement) -> bool:
    """Whether a word of one is the other's with a prefix that denies it: unconfirmed, confirmed."""
    others = set(there.words)
    return any(word not in others and negated(word, others, there.language) for word in said.words)


def _is_non(one: Statement, other: Statement) -> bool:
    """Whether one says "non-members" and the other only "members"."""
    denied = {word.removeprefix("non-") for word in one.raw if word.startswith("non-")}
    return bool(denied & set(other.raw)) and not any(word.startswith("non-") for word in other.raw)


def _denies(one: Statement, other: Statement) -> bool:
    """Whether one denies what the other is about. What is said of something else besides may be denied: it has words
    or values that the other lacks, and less of the other's than another part of the sentence."""
    segments = one.segments
    if not one.denies or len(segments) == 1:
        return one.denies
    shares = [_shares(segment, other) for segment in segments]
    return any(
        segment.denies and not (2 * share < max(shares) and _is_besides(segment, other))
        for segment, share in zip(segments, shares, strict=True)
    )


def _shares(one: Statement, other: Statement) -> int:
    values = sum(any(same(mine, value) for value in other.values) for mine in one.values if not mine.soft)
    return values + len(one.meanings & other.meanings)


def _is_besides(one: Statement, other: Statement) -> bool:
    """Whether a part of a sentence has more than another sentence, and no value of it."""
    known = [any(same(mine, value) for value in other.values) for mine in one.values if not mine.soft]
    return not any(known) and (bool(known) or bool(one.words.keys() - other.meanings))


def _turned(said: Statement, there: Statement, context: Statement, other_language: bool) -> str | None:
    mine, other = said.modes, there.modes
    if "only" in mine and "only" not in other | context.modes:
        return "only"
    if "all" in mine and "most" in other and "all" not in other:
        return "all"
    if "must" in mine and not said.denies and "may" in other and "must" not in other:
        return "must"
    about = _share(said, there)
    opposed = _denies(said, there) != _denies(there, said)
    # Not confirmed, unconfirmed; not open, closed; nothing to pay, free.
    opposed = opposed and not (_by_prefix(said, there) or _has_opposites(said, there) or _are_both_free(said, there))
    if "only" in other - mine and not said.denies and not _keeps_only(said, there, other_language):
        return "only"
    if opposed and (other_language or about >= SAME_THING) and not {"only", "except"} & (mine | other):
        return "not"
    if opposed and "except" in mine & other:
        return "not"
    if "except" in other and "except" not in mine and not said.around_but and about >= SAME_THING:
        return "except"
    if "cause" in mine and "cause" not in other and not _cause_is_there(said, there):
        return "cause"
    return "but" if _over_but(said, there) else None


def _share(said: Statement, there: Statement) -> float:
    # A claim of values alone is about the same as what has them.
    return len(said.words.keys() & there.words.keys()) / len(said.words) if said.words else 1.0


def _keeps_only(said: Statement, there: Statement, other_language: bool) -> bool:
    """Whether a claim has what stands behind an "only": of "only administrators can" the administrators, and of
    "only from 8 to 6" a time."""
    limited = [value for part in there.segments if "only" in part.modes for value in part.values if not value.soft]
    if limited and not any(same(mine, value) for mine in said.values for value in limited):
        return False
    raw = there.raw
    place = next((n for n, word in enumerate(raw) if "only" in modes([word], there.language)), len(raw))
    behind = Statement(" ".join(raw[place + 1 : place + 5]), there.language)
    # "Only administrators can": its subject; "use only the supplied powder": one of two words.
    wanted = list(behind.words.items())[: 2 if place else 1]
    if other_language:
        known = [meaning for _, word in wanted[:1] if (meaning := concept(fold(word), there.language))]
        return not known or f"={known[0]}" in said.meanings
    return not wanted or any(
        stem in said.meanings or f"={concept(fold(word), there.language)}" in said.meanings for stem, word in wanted
    )


def _cause_is_there(said: Statement, there: Statement) -> bool:
    raw = said.raw
    begin = next((n for n, word in enumerate(raw) if "cause" in modes([word], said.language)), None)
    if begin is None:
        return True
    cause = Statement(" ".join(raw[begin + 1 :]), said.language)
    return cause.words.keys() <= there.words.keys()


def _over_but(said: Statement, there: Statement) -> bool:
    """Whether a claim says of what stands behind a "but" what is said before it: it has words of both sides, and of
    the second hardly more than its subject."""
    parts = there.around_but
    if not parts or said.around_but or not parts[1].words:
        return False
    before, behind = (set(part.words) for part in parts)
    mine = set(said.words)
    return bool(mine & (before - behind)) and 0 < len(mine & (behind - before)) < 0.6 * len(behind - before)
