"""A backtracking matcher that counts its steps, and inputs that make a bad pattern take many.

Python's `re` counts nothing, and seconds depend on the machine. `StepCounter` walks the tree that `re` has parsed, in
the order in which `re` walks it, and adds one for each character, alternative and repetition that is tried. Bounds
such as {0,60} are lowered to BOUND first: a bound multiplies the work and does not make it grow with the input.
"""

from __future__ import annotations

import re
import string
import sys
from collections.abc import Callable, Iterator
from re import _compiler, _parser  # type: ignore[attr-defined]
from typing import Any

BOUND = 3
MAX_STEPS = 300_000
RECURSION = 50_000
# So many alternatives of each choice are tried.
WAYS = 3

Step = Callable[[int], int | None]
_SINGLE = ("LITERAL", "NOT_LITERAL", "ANY", "IN")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_LOOKS = ("ASSERT", "ASSERT_NOT")
# No pattern of ours asks for it.
_BREAK = "\x01"


class TooManySteps(Exception):
    """The count has reached MAX_STEPS."""


class StepCounter:
    """Counts the steps of one pattern. With `scan` it looks for all matches, as `finditer` does; else it matches once
    from the beginning of the text, and with `full` up to its end."""

    def __init__(self, pattern: re.Pattern[Any], *, scan: bool = True, full: bool = False) -> None:
        source, flags = pattern.pattern, pattern.flags
        if isinstance(source, bytes):
            source, flags = source.decode("latin-1"), flags | re.ASCII
        self.tree = _lowered(_parser.parse(source, flags & ~re.UNICODE))
        self.flags = flags
        self.same_as = _compiler.compile(self.tree, flags)
        self.singles: list[tuple[Callable[[str], bool], bool]] = []
        self._scan, self._full = scan, full
        self._text, self.steps = "", 0
        self._groups: dict[int | None, tuple[int, int] | None] = {}
        self._referred = {value for op, value in _items(self.tree) if str(op) == "GROUPREF"}
        self._match = self._sequence(list(self.tree), self._end, flags)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where the pattern matches. Afterwards `steps` has the count."""
        self._text, self.steps, self._groups = text, 0, {}
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(RECURSION)
        try:
            return self._matches(self._match_from)
        finally:
            sys.setrecursionlimit(limit)

    def expected(self, text: str) -> list[tuple[int, int]]:
        """Where `re` says that it matches."""
        self._text = text
        return self._matches(self._match_of_re)

    def _matches(self, match_from: Callable[[int], tuple[int, int] | None]) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        at = 0
        while at <= len(self._text) and (span := match_from(at)) is not None:
            found.append(span)
            at = max(span[1], span[0] + 1)
            if not self._scan:
                break
        return found

    def _match_from(self, at: int) -> tuple[int, int] | None:
        while at <= len(self._text):
            end = self._match(at)
            if end is not None:
                return at, end
            if not self._scan:
                break
            at += 1
        return None

    def _match_of_re(self, at: int) -> tuple[int, int] | None:
        look = self.same_as.search if self._scan else self.same_as.fullmatch if self._full else self.same_as.match
        match = look(self._text, at)
        return match.span() if match else None

    def _end(self, at: int) -> int | None:
        return at if not self._full or at == len(self._text) else None

    def _count(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TooManySteps

    def _sequence(self, items: list[Any], then: Step, flags: int) -> Step:
        for op, value in reversed(items):
            then = self._item(str(op), value, then, flags)
        return then

    def _item(self, op: str, value: Any, then: Step, flags: int) -> Step:
        if op in _SINGLE:
            return self._character(self._predicate(op, value, flags), then)
        if op in _LOOKS and value[0] < 0:
            for inner, what in _items(value[1]):
                if str(inner) in _SINGLE:
                    self._predicate(str(inner), what, flags)
        if op == "AT" or (op in _LOOKS and value[0] < 0):
            return self._position(_engine(op, value, flags), then)
        if op == "BRANCH":
            return self._branch([self._sequence(list(items), then, flags) for items in value[1]])
        if op == "SUBPATTERN":
            group, on, off, items = value
            return self._group(group, list(items), then, (flags | on) & ~off)
        if op in _REPEATS:
            return self._repeat(op, *value, then, flags)
        if op == "ATOMIC_GROUP":
            return self._atomic(self._sequence(list(value), lambda at: at, flags), then)
        if op in _LOOKS:
            return self._look(self._sequence(list(value[1]), lambda at: at, flags), op == "ASSERT", then)
        if op == "GROUPREF":
            return self._reference(value, then)
        raise NotImplementedError(op)

    def _predicate(self, op: str, value: Any, flags: int, repeated: bool = False) -> Callable[[str], bool]:
        """Whether a character is the one wanted, asked of `re` once for each character."""
        engine, known = _engine(op, value, flags), dict[str, bool]()

        def is_wanted(char: str) -> bool:
            if char not in known:
                known[char] = engine.fullmatch(char) is not None
            return known[char]

        self.singles.append((is_wanted, repeated))
        return is_wanted

    def _character(self, is_wanted: Callable[[str], bool], then: Step) -> Step:
        def run(at: int) -> int | None:
            self._count()
            return then(at + 1) if at < len(self._text) and is_wanted(self._text[at]) else None

        return run

    def _position(self, engine: re.Pattern[str], then: Step) -> Step:
        def run(at: int) -> int | None:
            self._count()
            return then(at) if engine.match(self._text, at) else None

        return run

    def _branch(self, ways: list[Step]) -> Step:
        def run(at: int) -> int | None:
            for way in ways:
                self._count()
                end = way(at)
                if end is not None:
                    return end
            return None

        return run

    def _group(self, group: int | None, items: list[Any], then: Step, flags: int) -> Step:
        if group not in self._referred:
            return self._sequence(items, then, flags)
        starts: list[int] = []

        def close(at: int) -> int | None:
            start, before = starts.pop(), self._groups.get(group)
            self._groups[group] = (start, at)
            end = then(at)
            if end is None:
                self._groups[group] = before
            starts.append(start)
            return end

        inside = self._sequence(items, close, flags)

        def run(at: int) -> int | None:
            starts.append(at)
            end = inside(at)
            starts.pop()
            return end

        return run

    def _repeat(self, op: str, least: int, most: Any, body: Any, then: Step, flags: int) -> Step:
        possessive = op == "POSSESSIVE_REPEAT"
        most = float("inf") if most is _parser.MAXREPEAT else most
        items = list(body)
        if len(items) == 1 and str(items[0][0]) in _SINGLE:
            is_wanted = self._predicate(str(items[0][0]), items[0][1], flags, repeated=most > BOUND)
            if op == "MIN_REPEAT":
                return self._lazy_run(is_wanted, least, most, then)
            return self._run(is_wanted, least, most, then, possessive)
        if possessive:
            return self._atomic(self._loop(False, least, most, items, lambda at: at, flags), then)
        return self._loop(op == "MIN_REPEAT", least, most, items, then, flags)

    def _run(self, is_wanted: Callable[[str], bool], least: int, most: float, then: Step, possessive: bool) -> Step:
        def run(at: int) -> int | None:
            end = at
            while end < len(self._text) and end - at < most and is_wanted(self._text[end]):
                self._count()
                end += 1
            if possessive:
                return then(end) if end - at >= least else None
            while end - at >= least:
                self._count()
                found = then(end)
                if found is not None:
                    return found
                end -= 1
            return None

        return run

    def _lazy_run(self, is_wanted: Callable[[str], bool], least: int, most: float, then: Step) -> Step:
        def run(at: int) -> int | None:
            end = at
            while end - at <= most:
                self._count()
                found = then(end) if end - at >= least else None
                if found is not None or end >= len(self._text) or not is_wanted(self._text[end]):
                    return found
                end += 1
            return None

        return run

    def _loop(self, lazy: bool, least: int, most: float, items: list[Any], then: Step, flags: int) -> Step:
        now: tuple[int, int] = (0, -1)

        def again(at: int) -> int | None:
            nonlocal now
            count, before = now
            if count >= most or (count >= least and at == before):
                return None
            self._count()
            now = (count + 1, at)
            end = inside(at)
            now = (count, before)
            return end

        def leave(at: int) -> int | None:
            nonlocal now
            mine = now
            end = then(at)
            now = mine
            return end

        def turn(at: int) -> int | None:
            if now[0] < least:
                return again(at)
            end = leave(at) if lazy else again(at)
            if end is None:
                end = again(at) if lazy else leave(at)
            return end

        inside = self._sequence(items, turn, flags)

        def run(at: int) -> int | None:
            nonlocal now
            outer, now = now, (0, -1)
            end = turn(at)
            now = outer
            return end

        return run

    def _atomic(self, inside: Step, then: Step) -> Step:
        def run(at: int) -> int | None:
            end = inside(at)
            return None if end is None else then(end)

        return run

    def _look(self, inside: Step, wanted: bool, then: Step) -> Step:
        def run(at: int) -> int | None:
            return then(at) if (inside(at) is not None) == wanted else None

        return run

    def _reference(self, group: int, then: Step) -> Step:
        def run(at: int) -> int | None:
            span = self._groups.get(group)
            if span is None:
                return None
            wanted = self._text[slice(*span)]
            self.steps += len(wanted)
            return then(at + len(wanted)) if self._text.startswith(wanted, at) else None

        return run

    # Inputs ---------------------------------------------------------------------------------------------------------

    def alphabet(self) -> tuple[list[str], list[str]]:
        """A character of each kind that the pattern tells apart; and of each kind that its unbounded repetitions do."""
        candidates = dict.fromkeys([*_literals(self.tree), *string.printable[:95], *"\t\n\u00e9\u4e00。】"])
        # Word boundaries and the ends of lines tell characters apart as well, and so does what stands in a lookbehind.
        every = [is_wanted for is_wanted, _ in self.singles] + [_is_word, "\n".__eq__]
        repeated = [is_wanted for is_wanted, unbounded in self.singles if unbounded] + [_is_word, "\n".__eq__]
        return _kinds(candidates, every), _kinds(candidates, repeated)

    def inputs(self) -> Iterator[Callable[[int], str]]:
        """Texts that grow with a number: what the pattern repeats, repeated, behind what it wants before that."""
        every, few = self.alphabet()
        for text in dict.fromkeys(_pumps(self.tree, every, few)):
            head, pump, tail = text
            yield lambda n, head=head, pump=pump, tail=tail: head + pump * n + tail  # type: ignore[misc]
        for char in few:
            for between in ("x", "\n", " ", "x\n"):
                yield lambda n, char=char, between=between: between.join(char * k for k in range(1, n))  # type: ignore[misc]
        for before, between in (("[", ", "), ("[1][", "] ["), ("", ","), ("- ", "\n- ")):
            yield lambda n, before=before, between=between: before + between.join(map(str, range(n)))  # type: ignore[misc]


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _engine(op: str, value: Any, flags: int) -> re.Pattern[str]:
    """One item of a tree as a pattern of its own."""
    state = _parser.State()
    state.flags = flags
    compiled: re.Pattern[str] = _compiler.compile(_parser.SubPattern(state, [(getattr(_parser, op), value)]), flags)
    return compiled


def _lowered(tree: Any) -> Any:
    """The tree with no bound above BOUND but infinity."""
    tree.width = None
    for n, (op, value) in enumerate(list(tree)):
        if str(op) in _REPEATS:
            least, most, body = value
            most = most if most is _parser.MAXREPEAT else min(most, BOUND)
            tree[n] = (op, (min(least, BOUND), most, _lowered(body)))
        else:
            for part in _parts(str(op), value):
                _lowered(part)
    return tree


def _parts(op: str, value: Any) -> list[Any]:
    """The trees inside an item."""
    if op == "BRANCH":
        return list(value[1])
    if op in (*_REPEATS, "SUBPATTERN"):
        return [value[-1]]
    if op == "ATOMIC_GROUP":
        return [value]
    return [value[1]] if op in _LOOKS else []


def _items(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every item of a tree, also those inside others."""
    for op, value in tree:
        yield op, value
        for part in _parts(str(op), value):
            yield from _items(part)


def _literals(tree: Any) -> Iterator[str]:
    for op, value in _items(tree):
        if str(op) in ("LITERAL", "NOT_LITERAL"):
            yield chr(value)
        elif str(op) == "IN":
            for kind, what in value:
                if str(kind) == "LITERAL":
                    yield chr(what)
                elif str(kind) == "RANGE":
                    yield from map(chr, what)


def _kinds(candidates: Any, predicates: list[Callable[[str], bool]]) -> list[str]:
    first: dict[tuple[bool, ...], str] = {}
    for char in candidates:
        first.setdefault(tuple(is_wanted(char) for is_wanted in predicates), char)
    return list(first.values())


def _shortest(items: list[Any], every: list[str], least: int = 0, way: int = 0) -> str:
    """A short text that the items match, lookarounds aside; `least` is how often what is optional is taken, and `way`
    which of several alternatives."""
    text = ""
    for op, value in items:
        name = str(op)
        if name == "LITERAL":
            text += chr(value)
        elif name in _SINGLE:
            engine = _engine(name, value, re.DOTALL)
            text += next((char for char in every if engine.match(char)), "")
        elif name in _REPEATS:
            text += _shortest(list(value[2]), every, least, way) * max(value[0], min(least, value[1]))
        elif name == "BRANCH":
            text += _shortest(list(value[1][way % len(value[1])]), every, least, way)
        elif name not in _LOOKS:
            text += "".join(_shortest(list(part), every, least, way) for part in _parts(name, value))
    return text


def _repetitions(items: list[Any], before: list[Any], after: list[Any]) -> Iterator[tuple[list[Any], Any, list[Any]]]:
    """Each repetition without a bound: what comes before it, its body, and what comes behind it."""
    for n, (op, value) in enumerate(items):
        ahead, behind = [*before, *items[:n]], [*items[n + 1 :], *after]
        if str(op) in _REPEATS and value[1] is _parser.MAXREPEAT:
            yield ahead, value[2], behind
        for part in _parts(str(op), value):
            yield from _repetitions(list(part), ahead, behind)


def _pumps(tree: Any, every: list[str], few: list[str]) -> Iterator[tuple[str, str, str]]:
    """(head, what is repeated, tail)"""
    wholes = dict.fromkeys(_shortest(list(tree), every, 0, way) for way in range(WAYS))
    for pump in [whole[:n] for whole in wholes for n in range(1, len(whole) + 1)] + every:
        yield "", pump, _BREAK
    for before, body, after in _repetitions(list(tree), [], []):
        heads = dict.fromkeys(_shortest(before, every, least) for least in (0, 1))
        inside = dict.fromkeys(_shortest(list(body), every, least, way) for least in (0, 1) for way in range(WAYS))
        rest = _shortest(after, every)
        for head in heads:
            for pump in [*every, *inside]:
                for tail in (_BREAK, f"\n{_BREAK}", *_others(body, every)):
                    yield head, pump, tail
            for pump in (a + b for a in few for b in few if a != b):
                yield head, pump, _BREAK
            for pump in inside:
                for n in range(1, len(rest)):
                    yield head, pump + rest[:n], _BREAK
            for char in every:
                yield "", head + char, _BREAK


def _others(body: Any, every: list[str]) -> list[str]:
    """A character or two with which a repetition of a single character cannot go on, if _BREAK is not one."""
    if len(body) != 1 or str(body[0][0]) not in _SINGLE:
        return []
    engine = _engine(str(body[0][0]), body[0][1], re.IGNORECASE)
    return [char for char in every if not engine.match(char)][:2] if engine.match(_BREAK) else []
