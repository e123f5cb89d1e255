"""Declarative shadow roots (HTML Standard, 4.12.3): an element shows its template, and in the template's slots its own
children. A child that no slot takes is not shown."""

from __future__ import annotations

from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

_DECLARED: Final = "template[shadowrootmode]"
_DEEPEST: Final = 100


def compose_shadow_roots(page: LexborHTMLParser) -> None:
    """Puts the content of each shadow root in the place of its element's children."""
    for _ in range(_DEEPEST):
        hosts: dict[int, tuple[LexborNode, LexborNode]] = {}
        for template in page.css(_DECLARED):
            if template.parent is not None:
                hosts.setdefault(template.parent.mem_id, (template.parent, template))
        if not hosts:
            return
        # From the last to the first, as a host that is written anew takes the nodes below it away.
        for host, template in reversed(hosts.values()):
            children = [child for child in host.iter(include_text=True) if child.mem_id != template.mem_id]
            host.inner_html = _composed(_content(template), children)


def _content(template: LexborNode) -> str:
    # What is in a template is in no tree: selectolax 1.0 has it as a fragment only.
    fragment = next(iter(template.template_fragments()), None)
    return "".join(child.html or "" for child in fragment.iter(include_text=True)) if fragment else ""


def _composed(content: str, children: list[LexborNode]) -> str:
    shadow = LexborHTMLParser(f"<body>{content}</body>")
    taken: set[str] = set()
    for slot in shadow.css("slot"):
        name = slot.attributes.get("name") or ""
        light = [child.html or "" for child in children if _slot_of(child) == name]
        if "".join(light).strip() and name not in taken:
            slot.inner_html = "".join(light)
        taken.add(name)
    return shadow.body.inner_html or "" if shadow.body else ""


def _slot_of(child: LexborNode) -> str:
    return (child.attributes.get("slot") or "") if child.is_element_node else ""
