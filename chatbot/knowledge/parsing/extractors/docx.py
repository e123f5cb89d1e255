"""Word documents: python-docx opens the package, the body is walked here in document order.

python-docx itself passes over text boxes, content controls and tracked insertions.
"""

import re
from collections.abc import Iterator
from typing import Final

from docx import Document
from docx.document import Document as WordDocument

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.extractors.ooxml import Element, local_name, open_package
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted

Styles = dict[str, str]

_HEADING: Final = re.compile(r"heading ([1-9])")
_WITHOUT_TEXT: Final = frozenset(("del", "moveFrom", "txbxContent", "Fallback", "pPr", "rPr", "instrText", "delText"))
_SIGNS: Final = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_MOST_PARENTS: Final = 10


def extract(data: bytes, limits: Limits) -> Extracted:
    """Paragraphs, tables and text boxes; headings as '#' lines and list items as '- '."""
    document = _open(data, limits)
    styles = _style_names(document)
    blocks = [_render(element, styles) for element in _blocks(document.element.body)]
    text = squeeze(clean(_joined(blocks)))
    return Extracted(text, sensible_title(document.core_properties.title) or _first_heading(text))


def _open(data: bytes, limits: Limits) -> WordDocument:
    package = open_package(data, limits)
    try:
        return Document(package)
    except (KeyError, ValueError):
        # Macro-enabled documents and templates are whole, but python-docx does not know them.
        raise ParseError("unsupported") from None


def _attribute(element: Element, path: str) -> str:
    """The w:val of the first element at `path` (`w:pPr/w:pStyle`), or an empty string."""
    found = element.xpath(path)
    return next((str(value) for value in found[0].attrib.values()), "") if found else ""


def _style_names(document: WordDocument) -> Styles:
    """Style id to the English name of the built-in style it is, or is based on ("heading 2")."""
    names: Styles = {}
    parents: Styles = {}
    for style in document.styles.element.xpath("w:style"):
        key = next((str(v) for k, v in style.attrib.items() if k.endswith("}styleId")), "")
        names[key] = _attribute(style, "w:name").lower()
        parents[key] = _attribute(style, "w:basedOn")
    return {key: _known_name(key, names, parents) for key in names}


def _known_name(key: str, names: Styles, parents: Styles) -> str:
    at = key
    for _ in range(_MOST_PARENTS):
        name = names.get(at, "")
        if _HEADING.fullmatch(name) or name == "title" or name.startswith("list"):
            return name
        at = parents.get(at, "")
    return names[key]


def _blocks(parent: Element) -> Iterator[Element]:
    """Paragraphs and tables in document order, those of content controls and text boxes among them."""
    for child in parent:
        name = local_name(child)
        if name in ("p", "tbl"):
            yield child
        if name == "p":
            for box in _boxes(child):
                yield from _blocks(box)
        elif name != "tbl" and name not in _WITHOUT_TEXT:
            yield from _blocks(child)


def _boxes(element: Element) -> Iterator[Element]:
    """The text boxes anchored in a paragraph, each once: Word repeats them in mc:Fallback for old readers."""
    for child in element:
        name = local_name(child)
        if name == "txbxContent":
            yield child
        elif name and name != "Fallback":
            yield from _boxes(child)


def _render(element: Element, styles: Styles) -> tuple[str, str]:
    """A block as (kind, text); neighbours of the same kind other than "text" stand on consecutive lines."""
    if local_name(element) == "tbl":
        return "table", "\n".join(filter(None, map(_row, _within(element, "tr"))))
    text = "".join(_pieces(element)).strip()
    style = styles.get(_attribute(element, "w:pPr/w:pStyle"), "")
    heading = _HEADING.fullmatch(style)
    if heading or style == "title":
        return "text", text and "#" * min(6, int(heading[1]) if heading else 1) + " " + " ".join(text.split())
    if style.startswith("list") or _attribute(element, "w:pPr/w:numPr/w:numId") not in ("", "0"):
        return "item", text and "- " + text
    return "text", text


def _pieces(element: Element) -> Iterator[str]:
    """The visible text of a paragraph; deleted and hidden text, field codes and text boxes left out."""
    for child in element:
        name = local_name(child)
        if name == "t":
            yield child.text or ""
        elif name in _SIGNS:
            yield _SIGNS[name]
        elif name and name not in _WITHOUT_TEXT and not (name == "r" and _is_hidden(child)):
            yield from _pieces(child)


def _is_hidden(run: Element) -> bool:
    vanish = run.find("{*}rPr/{*}vanish")
    hidden = vanish is not None and next(iter(vanish.attrib.values()), "1") not in ("0", "false", "off")
    return hidden or _is_white_on_white(run)


def _is_white_on_white(run: Element) -> bool:
    """White text where nothing says that its background is not: outside tables and boxes, without any shading."""
    if _attribute(run, "w:rPr/w:color").upper() != "FFFFFF":
        return False
    on_run = "w:rPr/w:shd | w:rPr/w:highlight | w:rPr/w:rStyle"
    on_paragraph = "ancestor::w:p/w:pPr/w:shd | ancestor::w:p/w:pPr/w:pStyle"
    around = "ancestor::w:tc | ancestor::w:txbxContent | //w:document/w:background"
    return not run.xpath(f"{on_run} | {on_paragraph} | {around}")


def _within(element: Element, wanted: str) -> Iterator[Element]:
    """The rows of a table or the cells of a row, wherever content controls hide them, but not nested ones."""
    for child in element:
        name = local_name(child)
        if name == wanted:
            yield child
        elif name in ("sdt", "sdtContent", "customXml", "ins"):
            yield from _within(child, wanted)


def _row(row: Element) -> str:
    cells = [_cell(cell) for cell in _within(row, "tc")]
    return " | ".join(cells) if any(cells) else ""


def _cell(cell: Element) -> str:
    texts = (_render(block, {})[1] for block in _blocks(cell))
    return " ".join(" ".join(texts).split())


def _joined(blocks: list[tuple[str, str]]) -> str:
    parts: list[str] = []
    before = ""
    for kind, block in blocks:
        if block:
            parts += ("\n" if kind == before == "item" else "\n\n", block)
            before = kind
    return "".join(parts)


def _first_heading(text: str) -> str | None:
    return sensible_title(text.partition("\n")[0][2:]) if text.startswith("# ") else None
