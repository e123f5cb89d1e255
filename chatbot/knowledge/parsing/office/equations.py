"""Office equations (OMML) as linear text: (a+b)/2, x^2, sqrt as √, sums with their bounds."""

import re
from collections.abc import Callable
from typing import Final

from chatbot.knowledge.parsing.office.ooxml import Element, child, children, local_name, property_of

_ATOM: Final = re.compile(r"\w+|\w+[.,]\w+")
_SILENT: Final = frozenset(("rPr", "ctrlPr", "del", "moveFrom", "delText", "instrText"))


def linear(element: Element) -> str:
    """An equation, or any part of one, on one line."""
    return "".join(map(_part, element))


def _part(element: Element) -> str:
    name = local_name(element)
    if name == "t":
        return element.text or ""
    if not name or name in _SILENT or name.endswith("Pr"):
        return ""
    return _WRITERS.get(name, linear)(element)


def _of(element: Element, name: str) -> str:
    found = child(element, name)
    return "" if found is None else linear(found).strip()


def term(text: str) -> str:
    """`text` in brackets, unless it is one number or name."""
    return text if not text or _ATOM.fullmatch(text) else f"({text})"


def _fraction(element: Element) -> str:
    above, below = term(_of(element, "num")), term(_of(element, "den"))
    return f"({above} over {below})" if property_of(element, "fPr/type") == "noBar" else f"{above}/{below}"


def _root(element: Element) -> str:
    degree = _of(element, "deg")
    shown = property_of(element, "radPr/degHide") in (None, "0", "off", "false")
    return f"{degree if shown and degree != '2' else ''}√{term(_of(element, 'e'))}"


def _scripts(element: Element) -> str:
    base, below, above = _of(element, "e"), _of(element, "sub"), _of(element, "sup")
    low = f"_{term(below)}" if below else ""
    high = f"^{term(above)}" if above else ""
    return low + high + base if local_name(element) == "sPre" else base + low + high


def _bounded(element: Element) -> str:
    limit = term(_of(element, "lim"))
    return _of(element, "e") + ("_" if local_name(element) == "limLow" else "^") + limit


def _nary(element: Element) -> str:
    sign = property_of(element, "naryPr/chr")
    below, above = _of(element, "sub"), _of(element, "sup")
    low = f"_{term(below)}" if below else ""
    high = f"^{term(above)}" if above else ""
    return f"{'∫' if sign is None else sign}{low}{high} {_of(element, 'e')}"


def _delimited(element: Element) -> str:
    marks = (property_of(element, f"dPr/{name}") for name in ("begChr", "sepChr", "endChr"))
    begin, between, end = (usual if m is None else m for m, usual in zip(marks, "(|)", strict=True))
    return begin + between.join(linear(part).strip() for part in children(element, "e")) + end


def _matrix(element: Element) -> str:
    rows = (", ".join(linear(part).strip() for part in children(row, "e")) for row in children(element, "mr"))
    return f"[{'; '.join(rows)}]"


def _function(element: Element) -> str:
    argument = _of(element, "e")
    return f"{_of(element, 'fName')} {argument}".strip()


def _array(element: Element) -> str:
    return "; ".join(linear(part).strip() for part in children(element, "e"))


def _accented(element: Element) -> str:
    return _of(element, "e") + (property_of(element, "accPr/chr") or "\u0302")


def _phantom(element: Element) -> str:
    return "" if property_of(element, "phantPr/show") in ("0", "off", "false") else _of(element, "e")


_WRITERS: Final[dict[str, Callable[[Element], str]]] = {
    "f": _fraction,
    "rad": _root,
    "sSup": _scripts,
    "sSub": _scripts,
    "sSubSup": _scripts,
    "sPre": _scripts,
    "limLow": _bounded,
    "limUpp": _bounded,
    "nary": _nary,
    "d": _delimited,
    "m": _matrix,
    "func": _function,
    "eqArr": _array,
    "acc": _accented,
    "phant": _phantom,
}
