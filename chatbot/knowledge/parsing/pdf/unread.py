"""What a PDF shows beside its text and what is not read of it: told as warnings."""

import ctypes
from collections.abc import Iterator
from typing import Any, Final

from pypdfium2 import raw

from chatbot.knowledge.parsing.pdf.engine import Document, Page
from chatbot.knowledge.parsing.warnings import note

_SMALLEST: Final = 0.02
"""The part of a page from which on a picture counts: a letterhead's logo is smaller, a photograph is not."""
_DEEPEST: Final = 4
_IMAGE: Final = frozenset((raw.FPDF_PAGEOBJ_IMAGE,))
_IMAGES_AND_FORMS: Final = _IMAGE | {raw.FPDF_PAGEOBJ_FORM}
_PAINTED: Final = _IMAGE | {raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING}
_TEXT: Final = frozenset((raw.FPDF_PAGEOBJ_TEXT,))
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


def _quick(function: Any, *arguments: Any) -> Any:
    """A function with pointers as numbers: those of the bindings are new Python objects for each of many objects."""
    return ctypes.CFUNCTYPE(ctypes.c_size_t, *arguments)(ctypes.cast(function, ctypes.c_void_p).value or 0)


_object_of_page: Final = _quick(raw.FPDFPage_GetObject, ctypes.c_void_p, ctypes.c_int)
_object_of_form: Final = _quick(raw.FPDFFormObj_GetObject, ctypes.c_void_p, ctypes.c_ulong)
_kind_of: Final = _quick(raw.FPDFPageObj_GetType, ctypes.c_size_t)


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
    if not has_text:
        note("pages_not_read", int(any(_is_seen(*each) for each in _objects(page.raw, _PAINTED))))
        return
    # Of a form that has pictures, the form: it has its place on the page.
    tops = _objects(page.raw, _IMAGES_AND_FORMS, 1)
    pictures = sum(_share(object_, page) >= _SMALLEST for object_, kind in tops if _has_picture(object_, kind))
    if pictures and not any(_is_invisible(text) for text, _ in _objects(page.raw, _TEXT)):
        note("pictures_not_read", pictures)


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


def _objects(
    owner: Any, kinds: frozenset[int], depth: int = _DEEPEST, is_form: bool = False
) -> Iterator[tuple[Any, int]]:
    """The objects of a page or form of these kinds, each with its kind, and those of the forms in it."""
    count = raw.FPDFFormObj_CountObjects(owner) if is_form else raw.FPDFPage_CountObjects(owner)
    find, quick = (raw.FPDFFormObj_GetObject, _object_of_form) if is_form else (raw.FPDFPage_GetObject, _object_of_page)
    for number in range(count):
        kind = _kind_of(quick(owner, number))
        if kind in kinds:
            yield find(owner, number), kind
        if kind == raw.FPDF_PAGEOBJ_FORM and depth > 1:
            yield from _objects(find(owner, number), kinds, depth - 1, is_form=True)


def _has_picture(object_: Any, kind: int) -> bool:
    return kind != raw.FPDF_PAGEOBJ_FORM or any(True for _ in _objects(object_, _IMAGE, _DEEPEST - 1, is_form=True))


def _share(object_: Any, page: Page) -> float:
    """The part of a page that an object takes up."""
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    raw.FPDFPageObj_GetBounds(object_, left, bottom, right, top)
    x1, y1, x2, y2 = page.get_bbox()
    width = min(right.value, x2) - max(left.value, x1)
    height = min(top.value, y2) - max(bottom.value, y1)
    return float(max(0.0, width) * max(0.0, height) / (abs((x2 - x1) * (y2 - y1)) or 1.0))


def _is_invisible(text: Any) -> bool:
    return bool(raw.FPDFTextObj_GetTextRenderMode(text) == _INVISIBLE)


def _is_seen(object_: Any, kind: int) -> bool:
    """Whether an object paints anything else than white."""
    if kind != raw.FPDF_PAGEOBJ_PATH:
        return True
    mode, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(object_, mode, stroke)
    filled = mode.value and _colour(raw.FPDFPageObj_GetFillColor, object_) != _WHITE
    return bool(filled or (stroke.value and _colour(raw.FPDFPageObj_GetStrokeColor, object_) != _WHITE))


def _colour(of: Any, object_: Any) -> tuple[int, ...] | None:
    parts = [ctypes.c_uint() for _ in range(4)]
    return tuple(part.value for part in parts[:3]) if of(object_, *parts) else None
