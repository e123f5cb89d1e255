"""Raised, lowered and struck-out text in plain letters, for every format that has them."""

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final, NamedTuple

_ONE_TERM: Final = re.compile(r"[-+\u2212]?\w+|[-+\u2212*]+")
_NUMBER: Final = re.compile(r"[-+\u2212]?\d")
_ENDINGS: Final = frozenset("st nd rd th e er re eme ème ère ers es ter de me o a os as º ª tm sm".split())


class Span(NamedTuple):
    """A piece of a line; `shift` is "superscript", "subscript" or empty."""

    text: str
    shift: str = ""
    struck: bool = False


def written(spans: Iterable[Span]) -> str:
    """The line: `10^6`, `25^1 crowns`, `~~old~~ new`; neighbours of one kind count as one piece."""
    out: list[str] = []
    for struck, group in groupby(spans, key=lambda span: span.struck):
        text = ""
        for shift, same in groupby(group, key=lambda span: span.shift):
            before = text[-1:] or (out[-1][-1:] if out else "")
            text += shifted("".join(span.text for span in same), shift, before)
        out.append(struck_out(text) if struck else text)
    return "".join(filter(None, out))


def shifted(text: str, shift: str, before: str) -> str:
    """`text` as it is written behind the character `before`: 10 and a raised 6 must not become 106."""
    core = text.strip()
    if not shift or not core or text[0].isspace() or not needs_mark(core, shift, before):
        return text
    mark = "^" if shift == "superscript" else "_"
    return mark + (core if _ONE_TERM.fullmatch(core) else f"({core})") + text[len(text.rstrip()) :]


def needs_mark(core: str, shift: str, before: str) -> bool:
    """Whether plain letters would say something else. `H2O` and `1st` stay what people look for."""
    number = _NUMBER.match(core) is not None
    if shift == "subscript":
        return before.isdigit() and number
    if number:
        return before.isalnum() or before in (")", "]")
    return before.isdigit() and core[0].isalnum() and core.lower() not in _ENDINGS


def struck_out(text: str) -> str:
    """`text` between ~~, blanks outside."""
    core = text.strip()
    if not core:
        return text
    start = text.index(core)
    return f"{text[:start]}~~{core}~~{text[start + len(core) :]}"
