"""What Office files show beside their text and what is not read of it: told as warnings."""

from collections.abc import Iterator
from typing import Any, Final

from chatbot.knowledge.parsing.office.ooxml import Element, attribute, children, local_name
from chatbot.knowledge.parsing.office.parts import related_root
from chatbot.knowledge.parsing.warnings import note

_UNREAD: Final = {
    "pic": "pictures_not_read",
    "imagedata": "pictures_not_read",
    "object": "objects_not_read",
    "oleObj": "objects_not_read",
    "altChunk": "objects_not_read",
    "subDoc": "objects_not_read",
    "textpath": "objects_not_read",
    "contentPart": "objects_not_read",
    "rt": "readings_not_read",
}
# The elements of drawings on a sheet of Excel, of which nothing is read.
_UNREAD_ON_SHEETS: Final = _UNREAD | {"graphicFrame": "objects_not_read"}
_NOT_SHOWN: Final = frozenset(("Fallback", "del", "moveFrom"))
_MEDIA: Final = frozenset(("videoFile", "audioFile", "wavAudioFile", "quickTimeFile", "audioCd"))


def note_unread(element: Element, codes: dict[str, str] = _UNREAD) -> None:
    """Notes the pictures, objects and readings in an element, each once: Office repeats them for old readers."""
    for part in element:
        name = local_name(part)
        if not name or name in _NOT_SHOWN or _is_hidden(part):
            continue
        if name in codes:
            is_media = name == "pic" and any(local_name(each) in _MEDIA for each in part.iter())
            note("objects_not_read" if is_media else codes[name])
        else:
            note_unread(part, codes)


def note_unread_on_sheet(drawing: Element) -> None:
    """Notes what a drawing on a sheet of Excel shows: pictures, charts, and shapes with text."""
    note_unread(drawing, _UNREAD_ON_SHEETS)
    note("objects_not_read", sum(local_name(shape) == "sp" and has_text(shape) for shape in _shown(drawing)))


def _shown(element: Element) -> Iterator[Element]:
    for part in element:
        if local_name(part) not in _NOT_SHOWN and not _is_hidden(part):
            yield part
            yield from _shown(part)


def _is_hidden(element: Element) -> bool:
    """Whether a shape is one that its application does not show."""
    found = element.find("*/{*}cNvPr") if local_name(element) in ("sp", "pic", "graphicFrame", "grpSp") else None
    return found is not None and found.get("hidden") in ("1", "true")


def has_text(element: Element) -> bool:
    """Whether there is any text in an element."""
    return any((text.text or "").strip() for text in element.iterfind(".//{*}t"))


def related_roots(part: Any, *kinds: str) -> Iterator[Element]:
    """The roots of the parts that a part refers to by relations of these kinds (`header`)."""
    for key, relation in part.rels.items():
        if not relation.is_external and relation.reltype.rpartition("/")[2] in kinds:
            root = related_root(part, key)
            if root is None:
                note("damaged_parts_not_read")
            else:
                yield root


def note_beside_the_body(part: Any) -> None:
    """Notes the comments, footnotes, headers and footers of a Word document."""
    for root in related_roots(part, "comments"):
        note("comments_left_out", len(children(root, "comment")))
    for root in related_roots(part, "footnotes", "endnotes"):
        # Those with a type are the lines that separate them from the text.
        notes = [each for each in root if attribute(each, "type") in ("", "normal")]
        note("footnotes_not_read", sum(map(has_text, notes)))
    note("repeated_text_left_out", sum(map(has_text, related_roots(part, "header", "footer"))))
