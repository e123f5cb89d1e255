"""No regular expression of the package takes time that grows faster than its input.

What this cannot see: a bound such as {0,60} counts as a number however large it is, and so does what runs a pattern.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import chatbot
from chatbot import translations
from tests.step_counter import StepCounter, TooManySteps

ROOT = Path(chatbot.__file__).parent.parent
SIZES = (6, 12, 24)
# When the input doubles, one more character costs a linear pattern what it cost before (1.0) and a quadratic one twice
# as much (1.8 and more at these sizes).
STEEPEST = 1.4
USES = frozenset({"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"})
# Patterns that are built in a function; `collected` asks it for them.
BUILT = {"chatbot/translations/__init__.py"}


def growth(counter: StepCounter, grown: Callable[[int], str]) -> float:
    """By what the steps for one more character are multiplied when the input doubles."""
    points = []
    for size in SIZES:
        text = grown(size)
        try:
            found = counter.spans(text)
        except TooManySteps:
            return float("inf")
        assert found == counter.expected(text), f"the counter and re differ over {text!r}"
        points.append((len(text), counter.steps))
    (small, few), (middle, some), (large, many) = points
    return ((many - some) / (large - middle)) / max((some - few) / (middle - small), 0.1)


def explosion(pattern: re.Pattern[Any], use: str = "search") -> str | None:
    """An input over which the steps grow faster than its length, or None."""
    counter = StepCounter(pattern, scan=use not in ("match", "fullmatch"), full=use == "fullmatch")
    for grown in counter.inputs():
        factor = growth(counter, grown)
        if factor > STEEPEST:
            return f"{use} over {grown(5)[:80]!r} ({factor:.1f})"
    return None


def modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.walk_packages(chatbot.__path__, "chatbot.")]
    return [chatbot, *map(importlib.import_module, names)]


def patterns_in(value: Any, seen: dict[int, Any]) -> Iterator[re.Pattern[Any]]:
    """The patterns in a value: also inside collections, classes, dataclasses, and the fields of schemas.

    What was `seen` is kept, so that nothing else gets its id."""
    if id(value) in seen or isinstance(value, (str, bytes, int)):
        return
    seen[id(value)] = value
    walked = type(value).__module__.startswith(("chatbot", "marshmallow"))
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from patterns_in(list(value.values()), seen)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in list(value):
            yield from patterns_in(item, seen)
    elif isinstance(value, type) and value.__module__.startswith("chatbot"):
        yield from patterns_in(dict(vars(value)), seen)
    elif walked and hasattr(value, "__dict__"):
        yield from patterns_in(vars(value), seen)


@cache
def sources() -> dict[str, ast.Module]:
    """Each file of the application, by its path."""
    files = [*ROOT.glob("*.py"), *(ROOT / "chatbot").rglob("*.py")]
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def uses(file: str, name: str) -> set[str]:
    """How a file uses the pattern of a name: `_NAME.match(...)`. One that is handed on may be used in any way."""
    tree = sources()[file]
    called = {
        id(node.value): node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in USES
    }
    read = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    ]
    return {called.get(id(node), "search") for node in read} if name.startswith("_") and read else {"search"}


def collected() -> dict[str, tuple[re.Pattern[Any], set[str]]]:
    """Each pattern of the package with how it is used, by `module:name`."""
    found: dict[str, tuple[re.Pattern[Any], set[str]]] = {}
    seen = dict[int, Any]()
    values = [(module, name, value) for module in modules() for name, value in vars(module).items()]
    # What a class has is named after it, and not after what holds the class.
    own = [(m, n, value) for m, n, value in values if getattr(value, "__module__", "") == m.__name__]
    for module, name, value in values:
        if isinstance(value, re.Pattern) and id(value) not in seen:
            seen[id(value)] = value
            file = str(Path(str(module.__file__)).relative_to(ROOT))
            found[f"{module.__name__}:{name}"] = (value, uses(file, name))
    for module, name, value in [*own, *values]:
        for number, pattern in enumerate(patterns_in(value, seen)):
            found[f"{module.__name__}:{name}[{number}]"] = (pattern, {"search"})
    for language in translations.LANGUAGES:
        for number, (pattern, _) in enumerate(translations._patterns(language)):
            found[f"chatbot.translations:{language}[{number}]"] = (pattern, {"fullmatch"})
    return found


def calls() -> Iterator[tuple[str, ast.Call, str, bool]]:
    """Each call of a function of `re`: the file, the call, the function, and whether it stands in a function."""
    for file, tree in sources().items():
        functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        inside = {id(node) for function in functions for body in function.body for node in ast.walk(body)}
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name)) if name in {*USES, "compile"}:
                    yield file, node, name, id(node) in inside


def explosions(patterns: dict[str, tuple[re.Pattern[Any], set[str]]]) -> list[str]:
    done: dict[tuple[Any, int, str], str | None] = {}
    for pattern, ways in patterns.values():
        for way in ways:
            # What searches once is a beginning of what searches on.
            done.setdefault((pattern.pattern, pattern.flags, way), None)
    for key in done:
        done[key] = explosion(re.compile(*key[:2]), key[2])
    return [
        f"{name}: {bad}"
        for name, (pattern, ways) in patterns.items()
        for way in sorted(ways)
        if (bad := done[pattern.pattern, pattern.flags, way])
    ]


def test_every_pattern_takes_linear_time() -> None:
    """A pattern that sees text from outside reads it once. Possessive parts and atomic groups make it so, or code."""
    patterns = collected()
    for file, call, name, in_function in calls():
        match call.args[0]:
            case ast.Constant(value=pattern) if in_function:
                patterns[f"{file}:{call.lineno}"] = (re.compile(pattern), {"search" if name == "compile" else name})
    assert any(name.startswith("chatbot.knowledge.schemas:SearchArgs") for name in patterns)
    assert len(patterns) > 150
    assert not explosions(patterns)


def test_patterns_in_functions_can_be_collected() -> None:
    """A pattern in a function is a literal, so that the test above finds it."""
    built = [
        f"{file}:{call.lineno}"
        for file, call, _, in_function in calls()
        if in_function and not isinstance(call.args[0], ast.Constant) and file not in BUILT
    ]
    assert not built


@pytest.mark.parametrize(
    ("use", "pattern"),
    [
        ("match", r"^a:[^,|]*[^,|\s][^,|]*(\|[^,|]*[^,|\s][^,|]*)*$"),
        ("match", r"\[\s*(?:id\b)?\s*:?\s*(?P<numbers>\d+(?:\s*,\s*(?:id\b)?\s*:?\s*\d+)*)\s*\]"),
        ("match", r"\s*(<!--.*?-->\s*)*<html"),
        ("match", r"(a|a)*b"),
        ("match", r"(?:ab|a|b)*c"),
        ("match", r" {0,3}# +(.*?)[ #]*$"),
        ("match", r"^\w*[a-z]\w*[A-Z]$"),
        ("match", r"<[^\s<>@:]+@?[^\s<>@]*$"),
        ("search", r"={3,}[ \t]*passage-"),
        ("search", r"\s*\{\s*#[^}]*\}\s*$"),
        ("search", r"\beyJ[\w-]{8,}\.[\w-]+"),
        ("search", r"(\w+://[^\s:/@]*):[^\s@/]+@"),
        ("search", r"<link[^>]+stylesheet"),
        ("search", r"(`+)(?!`)[^\n]*?(?<!`)\1(?!`)"),
        ("search", r"(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)"),
        ("search", r"(?m)^(?:a+\n)*b"),
    ],
)
def test_pattern_that_explodes_is_found(use: str, pattern: str) -> None:
    assert explosion(re.compile(pattern), use)


@pytest.mark.parametrize(
    ("use", "pattern"),
    [
        ("match", r"^a:\s*[^,|\s][^,|]*(\|\s*[^,|\s][^,|]*)*$"),
        ("match", r"(?:a++|b)*+c"),
        ("match", r"(?>.*?-->)x"),
        ("search", r"(?<!=)={3,}+[ \t]*+passage-"),
        ("search", r"\b(\w++://[^\s:/@]*+):[^\s@/]++@"),
        ("search", r"send\b[^\n]{0,60}\bsecret"),
        ("findall", r"\w+"),
    ],
)
def test_linear_pattern_is_left_alone(use: str, pattern: str) -> None:
    assert explosion(re.compile(pattern), use) is None
