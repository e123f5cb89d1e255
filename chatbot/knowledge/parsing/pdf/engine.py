"""PDFium: the characters of a page, each with its place.

PDFium decodes fonts, puts the characters in the order of reading and marks line ends and divided words; nothing of it
starts a program or reads a file of the machine. Memory that is refused to it ends the process (SIGABRT).
"""

import ctypes
import io
import unicodedata
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pypdfium2
from pypdfium2 import raw

from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.pdf import box_font
from chatbot.knowledge.parsing.warnings import note

# pypdfium2 has no types.
Document = Any
Page = Any

UNKNOWN: Final = "\ufffd"
"""Stands for a glyph whose font does not say which character it is."""
_HYPHEN: Final = 2
_WHITE: Final = frozenset((9, 10, 13))
_LAST: Final = 0x10FFFF
# As a number: the pointer of the bindings is a new Python object for each character.
_object_of: Final = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int)(
    ctypes.cast(raw.FPDFText_GetTextObject, ctypes.c_void_p).value or 0
)
_NO_FONTS: Final = box_font.install()
"""PDFium calls back into this as long as it is loaded."""


class Box(NamedTuple):
    """A rectangle of a page as it is shown."""

    left: float
    bottom: float
    right: float
    top: float

    def is_beside(self, other: "Box") -> bool:
        """Whether the two have nothing but a part of an edge in common."""
        apart = self.right <= other.left or other.right <= self.left
        return apart or self.top <= other.bottom or other.top <= self.bottom


class Word(NamedTuple):
    """A word, a part of one in another font, a blank, or the value of a field.

    `base` is the height of the line it stands on, `size` the font's in points. A blank or line end that PDFium made
    up is `made_up`. `upright` is False where the text runs upwards, downwards or aslant.
    """

    text: str
    left: float
    right: float
    base: float
    size: float
    made_up: bool = False
    upright: bool = True

    @property
    def is_blank(self) -> bool:
        """Whether nothing is seen of it."""
        return self.text.isspace()


class Turn(NamedTuple):
    """How a page is turned before it is shown."""

    quarters: int

    def point(self, x: float, y: float) -> tuple[float, float]:
        """A point of the page where it is shown, up to a shift."""
        return ((x, y), (y, -x), (-x, -y), (-y, x))[self.quarters]

    def box(self, left: float, bottom: float, right: float, top: float) -> Box:
        """A rectangle of the page where it is shown."""
        (x1, y1), (x2, y2) = self.point(left, bottom), self.point(right, top)
        return Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


def open_document(data: bytes) -> Document:
    """A document, also one that opens with the empty password. Raises ParseError."""
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY)
        raise ParseError("encrypted" if error.err_code in locked else "damaged") from None


def repaired(document: Document) -> bytes:
    """The document as PDFium understands it, written anew without a password. Raises ParseError."""
    out = io.BytesIO()
    try:
        document.save(out, flags=raw.FPDF_REMOVE_SECURITY)
    except pypdfium2.PdfiumError:
        raise ParseError("damaged") from None
    return out.getvalue()


def turn_of(page: Page) -> Turn:
    """How a page is turned."""
    return Turn(raw.FPDFPage_GetRotation(page) % 4)


def shown_box(page: Page) -> Box:
    """What is shown of a page: its CropBox, as far as it is within the MediaBox."""
    return turn_of(page).box(*page.get_bbox())


def has_notes(page: Page) -> bool:
    """Whether a page has annotations other than links."""
    for number in range(raw.FPDFPage_GetAnnotCount(page)):
        note = raw.FPDFPage_GetAnnot(page, number)
        kind = raw.FPDFAnnot_GetSubtype(note)
        raw.FPDFPage_CloseAnnot(note)
        if kind in (raw.FPDF_ANNOT_WIDGET, raw.FPDF_ANNOT_FREETEXT):
            return True
    return False


def words_of(page: Page, most: int) -> list[Word]:
    """The words of a page that lie within what is shown of it. Raises too_complex for more than `most` characters."""
    text = page.get_textpage()
    try:
        count = raw.FPDFText_CountChars(text)
        if count > most:
            raise ParseError("too_complex")
        shown = shown_box(page)
        words = list(_words(text.raw, count, turn_of(page)))
        within = [word for word, box in words if word.made_up or not box.is_beside(shown)]
        note("hidden_left_out", sum(not w.is_blank for w, _ in words) - sum(not w.is_blank for w in within))
        return within
    finally:
        text.close()


def _words(text: Any, count: int, turn: Turn) -> Iterator[tuple[Word, Box]]:
    look = _Look(text, turn)
    letters = ""
    first = 0
    for number in range(count):
        code, object_ = raw.FPDFText_GetUnicode(text, number), _object_of(text, number)
        apart = code <= 32 or code == 0xA0
        if letters and (apart or object_ != look.object):
            yield look.word(letters, first, number - 1)
            letters = ""
        if not letters:
            first = number
            look.take(object_, number)
        letters += _letter(text, number, code)
        if apart:
            yield look.word(letters, number, number, code != _HYPHEN and raw.FPDFText_IsGenerated(text, number) == 1)
            letters = ""
    if letters:
        yield look.word(letters, first, count - 1)


def _letter(text: Any, number: int, code: int) -> str:
    if code == _HYPHEN and raw.FPDFText_IsHyphen(text, number) == 1:
        return "-\n"
    if raw.FPDFText_HasUnicodeMapError(text, number) == 1 or (code < 32 and code not in _WHITE) or code > _LAST:
        return UNKNOWN
    letter = chr(code)
    # Ligatures and the shapes of Arabic letters, which no one types into a search.
    return unicodedata.normalize("NFKC", letter) if "\ufb00" <= letter <= "\ufefc" else letter


class _Look:
    """Place, size and direction of words; asked for once for all words of a text object."""

    def __init__(self, text: Any, turn: Turn) -> None:
        self._text = text
        self._turn = turn
        self._matrix = raw.FS_MATRIX()
        self._box, self._x, self._y = raw.FS_RECTF(), ctypes.c_double(), ctypes.c_double()
        self._size = 1.0
        self._upright = True
        self.object = 0

    def take(self, object_: int, number: int) -> None:
        """Take over what a character looks like; those that PDFium made up look like the one before."""
        if not object_ or object_ == self.object:
            return
        self.object, matrix = object_, self._matrix
        if raw.FPDFText_GetMatrix(self._text, number, matrix):
            self._size = raw.FPDFText_GetFontSize(self._text, number) * (matrix.c**2 + matrix.d**2) ** 0.5 or 1.0
            self._upright = (_quarters(matrix.a, matrix.b) - self._turn.quarters) % 4 == 0

    def word(self, letters: str, first: int, last: int, made_up: bool = False) -> tuple[Word, Box]:
        """A word of these characters, and the box around it."""
        raw.FPDFText_GetCharOrigin(self._text, first, self._x, self._y)
        base = self._turn.point(self._x.value, self._y.value)[1]
        start = self._place(first)
        end = start if first == last else self._place(last)
        box = Box(min(start[0], end[0]), min(start[1], end[1]), max(start[2], end[2]), max(start[3], end[3]))
        return Word(letters, box.left, box.right, base, self._size, made_up, self._upright), box

    def _place(self, number: int) -> Box:
        raw.FPDFText_GetLooseCharBox(self._text, number, self._box)
        return self._turn.box(self._box.left, self._box.bottom, self._box.right, self._box.top)


def _quarters(a: float, b: float) -> int:
    """The direction of a line in quarters of a turn against the clock, or 5 for one aslant."""
    if abs(b) * 10 <= abs(a):
        return 0 if a > 0 else 2
    if abs(a) * 10 <= abs(b):
        return 1 if b > 0 else 3
    return 5
