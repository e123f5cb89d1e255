"""One paragraph of an OpenDocument file: its visible text, and what is anchored in it."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from chatbot.knowledge.parsing.markup.spans import Span, written
from chatbot.knowledge.parsing.office.ooxml import Element
from chatbot.knowledge.parsing.opendocument.names import DRAW, FIELD, LIBREOFFICE, OFFICE, TEXT
from chatbot.knowledge.parsing.opendocument.numbering import whole
from chatbot.knowledge.parsing.opendocument.objects import Embedded, embedded, frame_object
from chatbot.knowledge.parsing.opendocument.package import Package
from chatbot.knowledge.parsing.opendocument.styles import (
    Styles,
    is_hidden,
    is_struck,
    is_white_on_white,
    shift_of,
)

_BLANKS: Final = re.compile(r"[ \t\r\n]+")
_MOST_BLANKS: Final = 100
_SIGNS: Final = {TEXT + "tab": "\t", TEXT + "line-break": "\n", LIBREOFFICE + "line-break": "\n"}
_SILENT: Final = frozenset(
    (
        OFFICE + "annotation",
        OFFICE + "annotation-end",
        TEXT + "ruby-text",
        TEXT + "script",
        TEXT + "number",
        TEXT + "label",
        TEXT + "tracked-changes",
        TEXT + "note-body",
    )
)
_NOT_SHOWN: Final = ("true", "1")


class Line:
    """Reads a paragraph once. `anchored` are its frames and shapes, `notes` its footnotes and endnotes."""

    def __init__(self, package: Package, styles: Styles, *, on_white: bool) -> None:
        self.anchored: list[Element] = []
        self.objects: list[Embedded] = []
        self.notes: list[Element] = []
        self.is_hidden = False
        self._package = package
        self._styles = styles
        self._on_white = on_white

    def read(self, paragraph: Element) -> str:
        """The text, "" where the paragraph is hidden."""
        look = self._styles.of("paragraph", paragraph.get(TEXT + "style-name", ""))
        if is_hidden(look):
            self.is_hidden = True
            return ""
        text = written(list(self._spans(paragraph, look))).strip()
        return "" if self.is_hidden else text

    def _spans(self, element: Element, look: Mapping[str, str]) -> Iterator[Span]:
        yield _span(element.text, look)
        for part in element:
            if isinstance(part.tag, str):
                yield from self._part(part, look)
            yield _span(part.tail, look)

    def _part(self, part: Element, look: Mapping[str, str]) -> Iterator[Span]:
        tag = part.tag
        if tag == TEXT + "s":
            yield Span(" " * min(whole(part.get(TEXT + "c"), 1), _MOST_BLANKS))
        elif tag in _SIGNS:
            yield Span(_SIGNS[tag])
        elif tag == TEXT + "note":
            yield self._note(part)
        elif tag == TEXT + "hidden-paragraph":
            self.is_hidden = self.is_hidden or _says_hidden(part)
        elif tag == FIELD + "fieldmark":
            yield Span(_form_value(part))
        elif tag.startswith(DRAW) and tag != DRAW + "a":
            yield self._drawing(part)
        elif tag not in _SILENT and part.get(TEXT + "display") != "none" and not _says_hidden(part):
            yield from self._styled(part, look)

    def _styled(self, part: Element, look: Mapping[str, str]) -> Iterator[Span]:
        if part.tag == TEXT + "span":
            own = self._styles.of("text", part.get(TEXT + "style-name", ""))
            look = {**look, **own}
            if self._on_white and is_white_on_white(own) and is_white_on_white(look):
                return
        if not is_hidden(look):
            yield from self._spans(part, look)

    def _note(self, note: Element) -> Span:
        self.notes.append(note)
        mark = citation_of(note)
        return Span(mark and "^" + mark)

    def _drawing(self, part: Element) -> Span:
        found = frame_object(part)
        if found is None:
            self.anchored.append(part)
            return Span("")
        shown = embedded(self._package, found)
        if shown.is_formula:
            return Span(shown.text)
        self.objects.append(shown)
        return Span("")


def citation_of(note: Element) -> str:
    """The mark of a note, as it stands in the text and before the note itself."""
    found = note.find(TEXT + "note-citation")
    return "" if found is None else " ".join("".join(found.itertext()).split())


def _form_value(mark: Element) -> str:
    """What a form field of Word's shows: a ticked or an empty box, or the chosen entry of a list."""
    values: dict[str, list[str]] = {}
    for each in mark.iterfind(FIELD + "param"):
        values.setdefault(each.get(FIELD + "name", ""), []).append(each.get(FIELD + "value", ""))
    if mark.get(FIELD + "type", "").endswith("FORMCHECKBOX"):
        return "☒" if "true" in values.get("Checkbox_Checked", ()) else "☐"
    entries = values.get("Dropdown_ListEntry", [])
    at = whole(next(iter(values.get("Dropdown_Selected", ())), None), 0)
    return entries[at] if at < len(entries) else ""


def _says_hidden(part: Element) -> bool:
    return part.get(TEXT + "is-hidden") in _NOT_SHOWN


def _span(text: str | None, look: Mapping[str, str]) -> Span:
    if not text:
        return Span("")
    return Span(_BLANKS.sub(" ", text), shift_of(look), is_struck(look))
