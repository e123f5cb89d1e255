"""Word documents: python-docx opens the package, the body is walked here in document order.

python-docx itself passes over text boxes, content controls and tracked insertions.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from docx import Document
from docx.document import Document as WordDocument

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.markup.spans import Span, written
from chatbot.knowledge.parsing.office.equations import linear
from chatbot.knowledge.parsing.office.graphics import graphic_text
from chatbot.knowledge.parsing.office.numbering import Numbering
from chatbot.knowledge.parsing.office.ooxml import (
    Element,
    attribute,
    child,
    children,
    is_on,
    local_name,
    open_package,
    property_of,
)
from chatbot.knowledge.parsing.office.parts import without_lost_parts
from chatbot.knowledge.parsing.office.symbols import UNKNOWN, symbol, translated
from chatbot.knowledge.parsing.office.unread import has_text, note_beside_the_body, note_unread
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.table import row_text
from chatbot.knowledge.parsing.warnings import note

_HEADING: Final = re.compile(r"heading ([1-9])")
_WITHOUT_TEXT: Final = frozenset(
    (
        "del",
        "moveFrom",
        "txbxContent",
        "txBody",
        "Fallback",
        "pPr",
        "rPr",
        "sdtPr",
        "instrText",
        "delText",
        "rt",
    )
)
_BOXES: Final = ("txbxContent", "txBody")
_SIGNS: Final = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_MOST_PARENTS: Final = 10
_MOST_COLUMNS: Final = 1000
_TICKED: Final = {True: "☒", False: "☐"}


def extract(data: bytes, limits: Limits) -> Extracted:
    """Paragraphs, tables and text boxes; headings as '#' lines and list items with their numbers or '- '."""
    document = _open(data, limits)
    text = squeeze(clean(_joined(_Reader(document).blocks())))
    note_unread(document.element.body)
    note_beside_the_body(document.part)
    return Extracted(text, sensible_title(document.core_properties.title) or _first_heading(text))


def _open(data: bytes, limits: Limits) -> WordDocument:
    package = open_package(data, limits)
    try:
        return Document(without_lost_parts(package))
    except (KeyError, ValueError):
        # Macro-enabled documents and templates are whole, but python-docx does not know them.
        raise ParseError("unsupported") from None


class _Styles:
    """The styles of a document, each with what it inherits."""

    def __init__(self, root: Element) -> None:
        self._styles = {attribute(style, "styleId"): style for style in children(root, "style")}
        self._default = next((key for key, style in self._styles.items() if _is_default_paragraph(style)), "")

    def chain(self, key: str) -> Iterator[Element]:
        """A style and those that it is based on."""
        for _ in range(_MOST_PARENTS):
            style = self._styles.get(key)
            if style is None:
                return
            yield style
            key = property_of(style, "basedOn") or ""

    def of_paragraph(self, paragraph: Element) -> str:
        """The key of a paragraph's style."""
        return property_of(paragraph, "pPr/pStyle") or self._default

    def name(self, key: str) -> str:
        """The English name of the built-in style that a style is, or is based on ("heading 2")."""
        names = [(property_of(style, "name") or "").lower() for style in self.chain(key)]
        known = (name for name in names if _HEADING.fullmatch(name) or name == "title" or name.startswith("list"))
        return next(known, names[0] if names else "")

    def is_on(self, run: Element, path: str, paragraph_style: str) -> bool:
        """Whether a property holds for a run: its own word first, then its style's, then its paragraph's."""
        own = is_on(run, f"rPr/{path}")
        return next((said for said in (own, *self._said(run, path, paragraph_style)) if said is not None), False)

    def _said(self, run: Element, path: str, paragraph_style: str) -> Iterator[bool | None]:
        for key in (property_of(run, "rPr/rStyle") or "", paragraph_style):
            yield from (is_on(style, f"rPr/{path}") for style in self.chain(key))

    def value(self, run: Element, path: str, paragraph_style: str) -> str:
        """The value of a property of a run, looked for in the same order."""
        for element in (run, *self.chain(property_of(run, "rPr/rStyle") or ""), *self.chain(paragraph_style)):
            found = property_of(element, f"rPr/{path}")
            if found is not None:
                return found
        return ""


def _is_default_paragraph(style: Element) -> bool:
    return attribute(style, "type") == "paragraph" and attribute(style, "default") in ("1", "true", "on")


class _Reader:
    """Walks a document once, in its order, and counts its numbers on the way."""

    def __init__(self, document: WordDocument) -> None:
        self._body = document.element.body
        self._part = document.part
        self._styles = _Styles(document.styles.element)
        self._numbering = Numbering(_numbering_root(document))

    def blocks(self) -> list[tuple[str, str]]:
        """Each block as (kind, text); neighbours of a kind other than "text" stand on consecutive lines."""
        return list(self._rendered(self._body))

    def _rendered(self, parent: Element) -> Iterator[tuple[str, str]]:
        """Blocks in their order. A paragraph whose mark was deleted goes on in the next one."""
        open_line: list[Span] = []
        for element in _blocks(parent):
            if local_name(element) == "tbl":
                yield "text", written(open_line).strip()
                open_line = []
                yield "table", self._table(element)
                continue
            open_line += self._spans(element)
            if _mark_is_deleted(element):
                continue
            yield self._paragraph(element, written(open_line).strip())
            open_line = []
            graphics = graphic_text(element, self._part) if element.find(".//{*}graphicData") is not None else ""
            if graphics:
                yield "text", graphics
        if open_line:
            yield "text", written(open_line).strip()

    def _paragraph(self, element: Element, text: str) -> tuple[str, str]:
        key = self._styles.of_paragraph(element)
        style = self._styles.name(key)
        heading = _HEADING.fullmatch(style)
        label = self._label(element, key) if text else None
        numbered = f"{label} {text}" if label else text
        if heading or style == "title":
            mark = "#" * min(6, int(heading[1]) if heading else 1)
            return "text", numbered and f"{mark} {' '.join(numbered.split())}"
        if label:
            return "item", numbered
        is_item = style.startswith("list") or label == "" or self._number_of(element, key)[0] not in ("", "0")
        return ("item", text and "- " + text) if is_item else ("text", text)

    def _number_of(self, element: Element, key: str) -> tuple[str, int]:
        """The list that a paragraph is numbered in, and its level there."""
        own = property_of(element, "pPr/numPr/numId")
        styles = list(self._styles.chain(key))
        number = own if own is not None else _first(property_of(style, "pPr/numPr/numId") for style in styles) or ""
        level = _first(property_of(each, "pPr/numPr/ilvl") for each in (element, *styles))
        if level is not None and level.isdecimal() and len(level) < 3:
            return number, int(level)
        return number, self._numbering.level_of_style(number, key)

    def _label(self, element: Element, key: str) -> str | None:
        number, level = self._number_of(element, key)
        link = self._numbering.style_link(number)
        if link:
            number = _first(property_of(style, "pPr/numPr/numId") for style in self._styles.chain(link)) or number
        return self._numbering.label(number, level) if number not in ("", "0") else None

    def _table(self, table: Element) -> str:
        above: dict[int, str] = {}
        return "\n".join(filter(None, (self._row(row, above) for row in _within(table, "tr"))))

    def _row(self, row: Element, above: dict[int, str]) -> str:
        """The cells of a row, each in its column; a cell that is merged with the one above has its value."""
        if _is_deleted(row, "trPr"):
            note("hidden_left_out")
            return ""
        cells = [""] * _columns(row, "trPr/gridBefore", 0)
        for cell in _within(row, "tc"):
            at = len(cells)
            merged = property_of(cell, "tcPr/vMerge")
            text = above.get(at, "") if merged in ("", "continue") else self._cell(cell)
            if merged is None:
                above.pop(at, None)
            else:
                above[at] = text
            cells += [text, *[""] * (_columns(cell, "tcPr/gridSpan", 1) - 1)]
            if len(cells) > _MOST_COLUMNS:
                raise ParseError("too_complex")
        return row_text(cells)

    def _cell(self, cell: Element) -> str:
        if _is_deleted(cell, "tcPr", "cellDel"):
            note("hidden_left_out")
            return ""
        return " ".join(" ".join(text for _, text in self._rendered(cell)).split())

    def _spans(self, paragraph: Element) -> list[Span]:
        return list(_Line(self._styles, self._styles.of_paragraph(paragraph)).spans(paragraph))


class _Line:
    """The visible text of one paragraph; deleted and hidden text, field codes and text boxes left out."""

    def __init__(self, styles: _Styles, style: str) -> None:
        self._styles = styles
        self._style = style
        self._fields: list[bool] = []  # For each field that is open, whether its code is still being written.

    def spans(self, element: Element, run: Element | None = None) -> Iterator[Span]:
        """What stands below an element, in its order."""
        for part in element:
            name = local_name(part)
            if name == "fldChar":
                yield from self._field(part)
            elif name in ("oMath", "oMathPara"):
                yield from self._equation(part, name)
            elif not any(self._fields) or name not in ("t", "sym"):
                yield from self._inside(part, name, run)

    def _inside(self, part: Element, name: str, run: Element | None) -> Iterator[Span]:
        if name == "t":
            yield self._span(part.text or "", run)
        elif name == "sym":
            yield self._span(_symbol(part), run)
        elif name in _SIGNS:
            yield Span(_SIGNS[name])
        elif name and name not in _WITHOUT_TEXT:
            is_run = name == "r"
            if is_run and self._is_hidden(part):
                note("hidden_left_out", int(has_text(part)))
            else:
                yield from self.spans(part, part if is_run else run)
        elif name == "del":
            note("hidden_left_out", int(part.find(".//{*}delText") is not None))

    def _span(self, text: str, run: Element | None) -> Span:
        if run is None:
            return Span(text)
        shift = self._styles.value(run, "vertAlign", self._style)
        struck = any(self._styles.is_on(run, path, self._style) for path in ("strike", "dstrike"))
        fonts = child(run, "rPr/rFonts")
        font = "" if fonts is None else attribute(fonts, "ascii") or attribute(fonts, "hAnsi")
        return Span(translated(text, font), shift if shift in ("superscript", "subscript") else "", struck)

    def _field(self, mark: Element) -> Iterator[Span]:
        kind = attribute(mark, "fldCharType")
        if kind == "begin":
            data = child(mark, "ffData")
            if data is not None and not any(self._fields):
                yield Span(_form_value(data))
            self._fields.append(True)
        elif self._fields and kind == "separate":
            self._fields[-1] = False
        elif self._fields and kind == "end":
            self._fields.pop()

    def _equation(self, part: Element, name: str) -> Iterator[Span]:
        text = " ".join(linear(part).split()) if name == "oMath" else ""
        if name == "oMathPara":
            text = "\n".join(" ".join(linear(each).split()) for each in children(part, "oMath"))
        yield Span(f"\n{text}\n" if text and name == "oMathPara" else text)

    def _is_hidden(self, run: Element) -> bool:
        return self._styles.is_on(run, "vanish", self._style) or _is_white_on_white(run)


def _numbering_root(document: WordDocument) -> Element | None:
    related = (each for each in document.part.rels.values() if not each.is_external)
    part = next((each.target_part for each in related if each.reltype.endswith("/numbering")), None)
    return getattr(part, "element", None)


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def _form_value(data: Element) -> str:
    """What a form field of the old kind shows: a ticked or an empty box, or the chosen entry of a list."""
    box, choice = child(data, "checkBox"), child(data, "ddList")
    if box is not None:
        ticked = is_on(box, "checked")
        return _TICKED[bool(is_on(box, "default") if ticked is None else ticked)]
    if choice is None:
        return ""
    entries = [attribute(entry, "val") for entry in children(choice, "listEntry")]
    chosen = property_of(choice, "result") or property_of(choice, "default") or "0"
    at = int(chosen) if chosen.isdecimal() and len(chosen) < 6 else 0
    return entries[at] if at < len(entries) else ""


def _symbol(element: Element) -> str:
    try:
        code = int(attribute(element, "char"), 16)
    except ValueError:
        note("characters_replaced")
        return UNKNOWN
    return symbol(attribute(element, "font"), code)


def _mark_is_deleted(paragraph: Element) -> bool:
    return any(child(paragraph, f"pPr/rPr/{name}") is not None for name in ("del", "moveFrom"))


def _is_deleted(element: Element, properties: str, mark: str = "del") -> bool:
    return child(element, f"{properties}/{mark}") is not None


def _columns(element: Element, path: str, usual: int) -> int:
    value = property_of(element, path) or ""
    return max(usual, int(value)) if value.isdecimal() and len(value) < 4 else usual


def _blocks(parent: Element) -> Iterator[Element]:
    """Paragraphs and tables in document order, those of content controls and text boxes among them."""
    for part in parent:
        name = local_name(part)
        if name in ("p", "tbl"):
            yield part
        if name == "p":
            for box in _boxes(part):
                yield from _blocks(box)
        elif name != "tbl" and name not in _WITHOUT_TEXT:
            yield from _blocks(part)


def _boxes(element: Element) -> Iterator[Element]:
    """The text boxes anchored in a paragraph, each once: Word repeats them in mc:Fallback for old readers."""
    for part in element:
        name = local_name(part)
        if name in _BOXES:
            yield part
        elif name and name not in ("Fallback", "del", "moveFrom"):
            yield from _boxes(part)


def _is_white_on_white(run: Element) -> bool:
    """White text where nothing says that its background is not: outside tables and boxes, without any shading."""
    if (property_of(run, "rPr/color") or "").upper() != "FFFFFF":
        return False
    on_run = any(child(run, f"rPr/{name}") is not None for name in ("shd", "highlight", "rStyle"))
    paragraph = next((each for each in run.iterancestors() if local_name(each) == "p"), None)
    on_paragraph = paragraph is not None and any(child(paragraph, f"pPr/{n}") is not None for n in ("shd", "pStyle"))
    around = any(local_name(each) in ("tc", *_BOXES) for each in run.iterancestors())
    page = child(run.getroottree().getroot(), "background") is not None
    return not (on_run or on_paragraph or around or page)


def _within(element: Element, wanted: str) -> Iterator[Element]:
    """The rows of a table or the cells of a row, wherever content controls hide them, but not nested ones."""
    for part in element:
        name = local_name(part)
        if name == wanted:
            yield part
        elif name in ("sdt", "sdtContent", "customXml", "ins", "moveTo"):
            yield from _within(part, wanted)


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
