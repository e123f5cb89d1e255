"""MathML as linear text, as equations.py writes Word's: (a+b)/2, x^2."""

import re
from typing import Final

from selectolax.lexbor import LexborNode

_ATOM: Final = re.compile(r"\w+|\w+[.,]\w+")
_DEEPEST: Final = 60
_SILENT: Final = frozenset(("annotation", "annotation-xml", "maction", "mphantom"))
_BETWEEN: Final = {
    "mfrac": ("/",),
    "msup": ("^",),
    "mover": ("^",),
    "msub": ("_",),
    "munder": ("_",),
    "msubsup": ("_", "^"),
    "munderover": ("_", "^"),
}


def linear_mathml(node: LexborNode, depth: int = 0) -> str:
    """A formula, or any part of one, on one line."""
    tag = node.tag or ""
    if node.is_text_node:
        return node.text_content or ""
    if tag in _SILENT or depth > _DEEPEST:
        return ""
    if tag in _BETWEEN:
        terms = [linear_mathml(part, depth + 1).strip() for part in _parts(node)]
        first = _term(terms[0]) if tag == "mfrac" and terms else "".join(terms[:1])
        return first + "".join(m + _term(t) for m, t in zip(_BETWEEN[tag], terms[1:], strict=False) if t)
    inner = "".join(linear_mathml(part, depth + 1) for part in node.iter(include_text=True))
    if tag == "msqrt":
        return f"√{_term(inner.strip())}"
    if tag == "mroot":
        terms = [linear_mathml(part, depth + 1).strip() for part in _parts(node)]
        return f"{''.join(terms[1:])}√{_term(''.join(terms[:1]))}"
    return {"mtr": inner + "; ", "mtd": inner + " ", "mspace": " "}.get(tag, inner)


def _parts(node: LexborNode) -> list[LexborNode]:
    return list(node.iter())


def _term(text: str) -> str:
    return text if not text or _ATOM.fullmatch(text) else f"({text})"
