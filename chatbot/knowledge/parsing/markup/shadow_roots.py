"""The flat tree of a page with declarative shadow roots (HTML Standard, 4.12.3; DOM Standard, 4.2.2).

An element with a shadow root shows the root's nodes, and in the root's slots its own children. A child that no slot
takes is not shown. Every host, slot and child is looked at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborNode

_HOSTS: Final = frozenset(
    "article aside blockquote body div footer h1 h2 h3 h4 h5 h6 header main nav p section span".split()
)
"""These may have a shadow root, and so may custom elements."""
_NO_CUSTOM_ELEMENTS: Final = frozenset(
    (
        "annotation-xml",
        "color-profile",
        "font-face",
        "font-face-src",
        "font-face-uri",
        "font-face-format",
        "font-face-name",
        "missing-glyph",
    )
)
_MODES: Final = frozenset(("open", "closed"))


class FlatTree:
    """The children of each element as they are shown."""

    def __init__(self, source: str) -> None:
        self._has_roots = "shadowrootmode" in source.lower()
        self._assigned: dict[int, list[LexborNode]] = {}

    def children(self, node: LexborNode) -> Iterator[LexborNode]:
        """What is shown in an element; asked for once for each element, from the outermost to the innermost."""
        if not self._has_roots or not node.is_element_node:
            return _siblings(node.child)
        if node.mem_id in self._assigned:
            return iter(self._assigned[node.mem_id])
        template = _template_of(node)
        if template is None:
            return _siblings(node.child)
        # What is in a template is in no tree: selectolax has it as a fragment.
        root = template.template_fragments()[0]
        self._assign(node, template, root)
        return _siblings(root.child)

    def _assign(self, host: LexborNode, template: LexborNode, root: LexborNode) -> None:
        """Give each child of a host to the first slot that has its name."""
        slots: dict[str, int] = {}
        for slot in root.css("slot"):
            slots.setdefault(slot.attributes.get("name") or "", slot.mem_id)
        for child in _siblings(host.child):
            name = _slot_name(child)
            if name is not None and name in slots and child.mem_id != template.mem_id:
                self._assigned.setdefault(slots[name], []).append(child)


def _siblings(node: LexborNode | None) -> Iterator[LexborNode]:
    while node is not None:
        yield node
        node = node.next


def _template_of(host: LexborNode) -> LexborNode | None:
    """The first template that makes an element a shadow host."""
    if not _may_be_host(host.tag or ""):
        return None
    for child in _siblings(host.child):
        if child.tag == "template" and (child.attributes.get("shadowrootmode") or "").lower() in _MODES:
            # One of SVG has no content of its own.
            return child if child.template_fragments() else None
    return None


def _may_be_host(tag: str) -> bool:
    return tag in _HOSTS or ("-" in tag and "a" <= tag[0] <= "z" and tag not in _NO_CUSTOM_ELEMENTS)


def _slot_name(child: LexborNode) -> str | None:
    """The name of the slot for a child; None for a comment, which no slot takes."""
    if child.is_element_node:
        return child.attributes.get("slot") or ""
    return "" if child.is_text_node else None
