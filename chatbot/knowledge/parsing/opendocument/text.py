"""The blocks of an OpenDocument text, in the order of reading: paragraphs, headings, lists, tables, boxes and notes."""

from collections.abc import Iterable, Iterator
from typing import Final

from chatbot.knowledge.parsing.office.ooxml import Element
from chatbot.knowledge.parsing.opendocument.cells import table_rows
from chatbot.knowledge.parsing.opendocument.line import Line, citation_of
from chatbot.knowledge.parsing.opendocument.names import DRAW, LIBREOFFICE, OFFICE, TABLE, TEXT
from chatbot.knowledge.parsing.opendocument.numbering import Count, Numbering, whole
from chatbot.knowledge.parsing.opendocument.objects import embedded, frame_object
from chatbot.knowledge.parsing.opendocument.package import Package
from chatbot.knowledge.parsing.opendocument.styles import Styles
from chatbot.knowledge.parsing.table import row_text

Block = tuple[str, str]
"""A kind ("text", "item" or "table") and the text."""

_PARAGRAPHS: Final = (TEXT + "p", TEXT + "h")
_ITEMS: Final = (TEXT + "list-item", TEXT + "list-header")
_MOST_COLUMNS: Final = 1000
_SILENT: Final = frozenset(
    (
        TEXT + "tracked-changes",
        OFFICE + "annotation",
        OFFICE + "forms",
        OFFICE + "event-listeners",
        DRAW + "glue-point",
        DRAW + "image",
        DRAW + "image-map",
        LIBREOFFICE + "p",
    )
)


class TextReader:
    """Reads what stands below an element. It counts numbers on the way, so one reader reads a whole document."""

    def __init__(self, package: Package, styles: Styles, *, on_white: bool) -> None:
        self.endnotes: list[Block] = []
        self._package = package
        self._styles = styles
        self._numbering = Numbering(styles)
        self._on_white = on_white
        self._footnotes: list[Block] = []
        self._nested = 0

    def blocks(self, parent: Iterable[Element]) -> Iterator[Block]:
        """The blocks of elements, each footnote behind the one that it belongs to."""
        for part in parent:
            yield from self._block(part)
            if not self._nested:
                yield from self._footnotes
                self._footnotes.clear()

    def text_of(self, parent: Element) -> str:
        """Everything below an element on one line, as in the cell of a table."""
        return " ".join(" ".join(text for _, text in self._inner(parent)).split())

    def _inner(self, parent: Element) -> list[Block]:
        """The blocks of a cell, a box or a note, which have a background of their own."""
        self._nested += 1
        blocks = list(self.blocks(parent))
        self._nested -= 1
        return blocks

    def _block(self, part: Element) -> Iterator[Block]:
        tag = part.tag
        if not isinstance(tag, str) or tag in _SILENT or tag.endswith("-source") or _is_hidden(part):
            return
        if tag in _PARAGRAPHS:
            yield from self._paragraph(part)
        elif tag == TEXT + "list":
            style = part.get(TEXT + "style-name", "")
            yield from self._list(part, 1, style, self._numbering.count_of(part, style))
        elif tag == TEXT + "numbered-paragraph":
            yield from self._numbered_paragraph(part)
        elif tag == TABLE + "table":
            yield "table", self._table(part)
        elif tag.startswith(DRAW):
            yield from self._shape(part)
        else:
            yield from self.blocks(part)

    def _paragraph(self, element: Element, item: tuple[Count, str, int, str | None] | None = None) -> Iterator[Block]:
        """A paragraph and what is anchored in it; `item` is its place in a list, where it has one."""
        line = Line(self._package, self._styles, on_white=self._on_white and not self._nested)
        text = line.read(element)
        if not line.is_hidden:
            yield self._marked(element, text, item)
        for shape in line.anchored:
            yield from self._shape(shape)
        for shown in line.objects:
            yield "text", shown.text
        for note in line.notes:
            self._note(note)

    def _marked(self, element: Element, text: str, item: tuple[Count, str, int, str | None] | None) -> Block:
        label = self._numbering.label(*item) if item else ""
        style = element.get(TEXT + "style-name", "")
        if element.tag == TEXT + "h" or self._styles.is_title(style):
            level = whole(element.get(TEXT + "outline-level"), 1)
            if element.tag == TEXT + "h" and not item:
                label = self._heading_label(element, style, level)
            words = " ".join(f"{label} {text}".split()) if label != "-" else " ".join(text.split())
            return "text", text and f"{'#' * min(6, max(1, level))} {words}"
        return ("item", text and f"{label} {text}") if label else ("text", text)

    def _heading_label(self, element: Element, style: str, level: int) -> str:
        if element.get(TEXT + "is-list-header") == "true" or self._styles.list_of(style) == "":
            return ""
        restarts = element.get(TEXT + "restart-numbering") == "true"
        return self._numbering.heading_label(level, element.get(TEXT + "start-value", "1") if restarts else None)

    def _list(self, element: Element, level: int, style: str, count: Count) -> Iterator[Block]:
        for entry in element:
            if entry.tag not in _ITEMS or _is_hidden(entry):
                continue
            is_numbered = entry.tag == TEXT + "list-item"
            own = entry.get(TEXT + "style-override") or style
            for part in entry:
                if part.tag in _PARAGRAPHS:
                    place = (count, own, level, entry.get(TEXT + "start-value")) if is_numbered else None
                    yield from self._paragraph(part, place)
                    is_numbered = False
                elif part.tag == TEXT + "list":
                    yield from self._list(part, level + 1, part.get(TEXT + "style-name") or style, count)
                else:
                    yield from self._block(part)

    def _numbered_paragraph(self, element: Element) -> Iterator[Block]:
        style = element.get(TEXT + "style-name", "")
        count = self._numbering.count_of_paragraph(element, style)
        place = count, style, whole(element.get(TEXT + "level"), 1), element.get(TEXT + "start-value")
        for part in element:
            if part.tag in _PARAGRAPHS:
                yield from self._paragraph(part, place)

    def _table(self, table: Element) -> str:
        rows = table_rows(table, self.text_of, _MOST_COLUMNS)
        return "\n".join(filter(None, map(row_text, rows)))

    def _shape(self, shape: Element) -> Iterator[Block]:
        """A frame or a shape: the box or table in it, an object, or the words that stand on it."""
        found = frame_object(shape)
        if found is not None:
            yield "text", embedded(self._package, found).text
        elif not _is_hidden(shape):
            yield from self._inner(shape)

    def _note(self, note: Element) -> None:
        body = note.find(TEXT + "note-body")
        text = "" if body is None else self.text_of(body)
        where = self.endnotes if note.get(TEXT + "note-class") == "endnote" else self._footnotes
        where.append(("text", text and f"{citation_of(note)} {text}".strip()))


def _is_hidden(element: Element) -> bool:
    """What is not shown at all, or is hidden on a condition that held when the file was saved."""
    display = next((value for key, value in element.attrib.items() if key.endswith("}display")), "")
    return display == "none" or (display == "condition" and element.get(TEXT + "is-hidden") == "true")


def joined_blocks(blocks: Iterable[Block]) -> str:
    """The blocks as one text; items of a list stand on consecutive lines, the rest apart."""
    parts: list[str] = []
    before = ""
    for kind, text in blocks:
        if text:
            parts += ("\n" if kind == before == "item" else "\n\n", text)
            before = kind
    return "".join(parts)
