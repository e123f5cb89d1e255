"""XML of any kind: each text with the names of the elements around it, `guide.price.amount: 6.50`.

An element that has text and elements side by side, as `p` in a book, is one line.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from chatbot.knowledge.parsing.clean import clean, joined, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted

_NAMESPACE: Final = re.compile(r"\{[^{}]*\}")
# Names of what lies around everything or only groups, which would stand before each line.
_DEEPEST: Final = 200


def extract(data: bytes, limits: Limits) -> Extracted:
    """The texts in their order; the title is the first element called `title`. Entities and files stay unread."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, collect_ids=False
    )
    root = etree.fromstring(data.lstrip(), parser)
    title = next(("".join(node.itertext()) for node in root.iter("{*}title")), None)
    return Extracted(squeeze(clean(joined(_lines(root), limits))), sensible_title(title))


def _lines(root: Any) -> Iterator[str]:
    """A line for each element that has text of its own, or an attribute that says something; the root is not named."""
    unread: list[tuple[Any, str]] = [(root, "")]
    while unread:
        node, path = unread.pop()
        if not isinstance(node.tag, str):
            continue
        if path.count(".") > _DEEPEST:
            raise ParseError("too_complex")
        yield from (f"{path}@{_name(key)}: {value}" for key, value in node.attrib.items() if _says(key, value))
        children = [child for child in node if isinstance(child.tag, str)]
        if not children or _is_mixed(node):
            text = " ".join("".join(node.itertext()).split())
            if text:
                yield f"{path}: {text}" if path else text
            continue
        if path:
            yield ""
        unread += [(child, f"{path}.{_name(child.tag)}".lstrip(".")) for child in reversed(children)]


def _is_mixed(node: Any) -> bool:
    return bool((node.text or "").strip()) or any((child.tail or "").strip() for child in node)


def _name(tag: str) -> str:
    return _NAMESPACE.sub("", tag)


def _says(key: str, value: str) -> bool:
    """Whether an attribute is text: no namespace's, no identifier."""
    return not key.startswith("{") and " " in value.strip()
