"""What a PDF shows beside its text and what is not read of it: told as warnings."""

import ctypes
from collections.abc import Iterator
from typing import Any, Final

from pypdfium2 import PdfiumError, PdfObject, raw

from chatbot.knowledge.parsing.pdf.engine import Document, Page
from chatbot.knowledge.parsing.warnings import note

_SMALLEST: Final = 0.02
"""The part of a page from which on a picture counts: a letterhead's logo is smaller, a photograph is not."""
_DEEPEST: Final = 4
_INVISIBLE: Final = raw.FPDF_TEXTRENDERMODE_INVISIBLE
_WHITE: Final = (255, 255, 255)
_COMMENTS: Final = frozenset(
    (
        raw.FPDF_ANNOT_TEXT,
        raw.FPDF_ANNOT_HIGHLIGHT,
        raw.FPDF_ANNOT_UNDERLINE,
        raw.FPDF_ANNOT_SQUIGGLY,
        raw.FPDF_ANNOT_STRIKEOUT,
        raw.FPDF_ANNOT_CARET,
        raw.FPDF_ANNOT_STAMP,
        raw.FPDF_ANNOT_LINE,
        raw.FPDF_ANNOT_SQUARE,
        raw.FPDF_ANNOT_CIRCLE,
        raw.FPDF_ANNOT_POLYGON,
        raw.FPDF_ANNOT_POLYLINE,
        raw.FPDF_ANNOT_INK,
    )
)
_OBJECTS: Final = frozenset(
    (raw.FPDF_ANNOT_SOUND, raw.FPDF_ANNOT_MOVIE, raw.FPDF_ANNOT_SCREEN, raw.FPDF_ANNOT_THREED, raw.FPDF_ANNOT_RICHMEDIA)
)
_HIDDEN: Final = 2 | 32
"""The flags Hidden and NoView of an annotation (ISO 32000-2, table 167)."""


def note_unread(document: Document) -> None:
    """Notes attached files, and a form that only some readers show."""
    if raw.FPDF_GetFormType(document) == raw.FORMTYPE_XFA_FULL:
        note("dynamic_form_not_read")
    for number in range(document.count_attachments()):
        note("attachments_not_read", name=document.get_attachment(number).get_name())


def note_unread_pictures(page: Page, *, has_text: bool) -> None:
    """Notes what a page shows without words: the whole page if it has no text, else its larger pictures, and
    comments. A scan whose text was recognised has that text, invisible, in front of its picture."""
    _note_comments(page)
    try:
        if not has_text:
            note("pages_not_read", int(any(map(_is_seen, page.get_objects(max_depth=_DEEPEST)))))
            return
        pictures = sum(_share(object_, page) >= _SMALLEST for object_ in _pictures(page))
        if pictures and not any(map(_is_invisible, page.get_objects([raw.FPDF_PAGEOBJ_TEXT], _DEEPEST))):
            note("pictures_not_read", pictures)
    except PdfiumError:
        note("damaged_parts_not_read")


def _note_comments(page: Page) -> None:
    for number in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, number)
        kind = raw.FPDFAnnot_GetSubtype(annotation)
        if not raw.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
            says = raw.FPDFAnnot_GetStringValue(annotation, b"Contents", None, 0) > 2
            note("comments_left_out", int(kind in _COMMENTS and (says or kind == raw.FPDF_ANNOT_STAMP)))
            note("objects_not_read", int(kind in _OBJECTS))
            note("attachments_not_read", int(kind == raw.FPDF_ANNOT_FILEATTACHMENT))
        raw.FPDFPage_CloseAnnot(annotation)


def _pictures(page: Page) -> Iterator[PdfObject]:
    """The pictures of a page; of a form that has some, the form, which has its place on the page."""
    for object_ in page.get_objects([raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM], 1):
        inner = (
            page.get_objects([raw.FPDF_PAGEOBJ_IMAGE], _DEEPEST, object_, 1)
            if object_.type == raw.FPDF_PAGEOBJ_FORM
            else [object_]
        )
        if any(True for _ in inner):
            yield object_


def _share(object_: PdfObject, page: Page) -> float:
    """The part of a page that an object takes up."""
    left, bottom, right, top = object_.get_bounds()
    x1, y1, x2, y2 = page.get_bbox()
    width, height = min(right, x2) - max(left, x1), min(top, y2) - max(bottom, y1)
    return float(max(0.0, width) * max(0.0, height) / (abs((x2 - x1) * (y2 - y1)) or 1.0))


def _is_invisible(text: PdfObject) -> bool:
    return bool(raw.FPDFTextObj_GetTextRenderMode(text) == _INVISIBLE)


def _is_seen(object_: Any) -> bool:
    """Whether an object paints anything else than white."""
    if object_.type == raw.FPDF_PAGEOBJ_PATH:
        mode, stroke = ctypes.c_int(), ctypes.c_int()
        raw.FPDFPath_GetDrawMode(object_, mode, stroke)
        filled = mode.value and _colour(raw.FPDFPageObj_GetFillColor, object_) != _WHITE
        return bool(filled or (stroke.value and _colour(raw.FPDFPageObj_GetStrokeColor, object_) != _WHITE))
    return object_.type in (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_SHADING)


def _colour(of: Any, object_: PdfObject) -> tuple[int, ...] | None:
    parts = [ctypes.c_uint() for _ in range(4)]
    return tuple(part.value for part in parts[:3]) if of(object_, *parts) else None
