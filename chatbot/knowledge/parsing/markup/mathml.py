"""MathML as linear text, as equations.py writes Word's: (a+b)/2, x^2."""

from typing import Final

from selectolax.lexbor import LexborNode

from chatbot.knowledge.parsing.office.equations import term

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
    if tag in _SILENT:
        return ""
    if depth > _DEEPEST:
        return node.text()
    if tag in _BETWEEN:
        terms = [linear_mathml(part, depth + 1).strip() for part in _parts(node)]
        first = term(terms[0]) if tag == "mfrac" and terms else "".join(terms[:1])
        return first + "".join(m + term(t) for m, t in zip(_BETWEEN[tag], terms[1:], strict=False) if t)
    if tag == "mroot":
        terms = [linear_mathml(part, depth + 1).strip() for part in _parts(node)]
        return f"{''.join(terms[1:])}√{term(''.join(terms[:1]))}"
    inner = "".join(linear_mathml(part, depth + 1) for part in node.iter(include_text=True))
    if tag == "msqrt":
        return f"√{term(inner.strip())}"
    return {"mtr": inner + "; ", "mtd": inner + " ", "mspace": " "}.get(tag, inner)


def _parts(node: LexborNode) -> list[LexborNode]:
    return list(node.iter())
