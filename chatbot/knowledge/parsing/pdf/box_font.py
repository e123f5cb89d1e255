"""The font that PDFium uses for every font that a PDF names but does not contain.

PDFium leaves out text whose glyphs have no extent, and looks for fonts on the machine: what is read of a document
with Hebrew or Japanese letters would depend on what is installed there. This font has one glyph, a box, for every
character, so that each of them has a place. Nothing is ever drawn with it.
"""

import ctypes
import struct
from typing import Any, Final

from pypdfium2 import raw

_EM: Final = 1000
_BOX: Final = (50, 0, 450, 700)
"""Left, bottom, right and top: as wide as an average letter."""


def box_font() -> bytes:
    """A TrueType font whose character map sends all of Unicode to one box."""
    tables = {
        b"OS/2": _os2(),
        b"cmap": struct.pack(">HHHHI", 0, 1, 3, 10, 12) + struct.pack(">HHIIIIII", 13, 0, 28, 0, 1, 0, 0x10FFFF, 1),
        b"glyf": _glyph() * 2,
        b"head": struct.pack(">IIIIHHQQhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 0, _EM, 0, 0, *_BOX, 0, 8, 2, 0, 0),
        b"hhea": struct.pack(">IhhhHhhhhhhhhhhhH", 0x10000, 800, -200, 0, 500, 0, 0, 450, 1, *[0] * 7, 1),
        b"hmtx": struct.pack(">Hhh", 500, 50, 50),
        # Each number is that of a box, which lies there twice: an end before its start means the end of the table.
        b"loca": struct.pack(">HH", 0, len(_glyph()) // 2) * 0x8000,
        b"maxp": struct.pack(">IHHHHHHHHHHHHHH", 0x10000, 0xFFFF, 4, 1, 0, 0, 1, *[0] * 8),
        b"name": struct.pack(">HHH", 0, 0, 6),
        b"post": struct.pack(">IIhhIIIII", 0x30000, *[0] * 8),
    }
    start, body = 12 + 16 * len(tables), b""
    directory = struct.pack(">IHHHH", 0x10000, len(tables), 128, 3, 16 * len(tables) - 128)
    for tag, table in tables.items():
        directory += tag + struct.pack(">III", 0, start + len(body), len(table))
        body += table + bytes(-len(table) % 4)
    return directory + body


def _glyph() -> bytes:
    left, bottom, right, top = _BOX
    across = struct.pack(">hhhh", left, 0, right - left, 0)
    upwards = struct.pack(">hhhh", bottom, top - bottom, 0, bottom - top)
    # One outline that ends at its fourth point, no program, four points on the outline.
    glyph = struct.pack(">hhhhhHH4B", 1, left, bottom, right, top, 3, 0, 1, 1, 1, 1) + across + upwards
    return glyph + bytes(-len(glyph) % 4)


def _os2() -> bytes:
    numbers = struct.pack(">HhHHH11h10x", 4, 500, 400, 5, 0, *[0] * 11)
    ranges = struct.pack(">IIII4sHHH", *[0xFFFFFFFF] * 4, b"NONE", 0, 0x20, 0xFFFF)
    return numbers + ranges + struct.pack(">hhhHH", 800, -200, 0, 800, 200)


def install() -> Any:
    """Make PDFium use the font and none of the machine. What is returned has to live as long as PDFium does."""
    font = box_font()
    fonts = raw.FPDF_SYSFONTINFO(version=1)

    def data(_fonts: Any, _font: Any, table: int, buffer: Any, size: int) -> int:
        if table:
            return 0
        if buffer and size >= len(font):
            ctypes.memmove(buffer, font, len(font))
        return len(font)

    def name(_fonts: Any, _font: Any, buffer: Any, size: int) -> int:
        if buffer and size >= 4:
            ctypes.memmove(buffer, b"Box\0", 4)
        return 4

    answers = {
        "EnumFonts": lambda *_: None,
        "MapFont": lambda *_: 1,
        "GetFont": lambda *_: None,
        "GetFontData": data,
        "GetFaceName": name,
        "GetFontCharset": lambda *_: 1,
        "DeleteFont": lambda *_: None,
    }
    types = dict(raw.FPDF_SYSFONTINFO._fields_)
    for field, answer in answers.items():
        setattr(fonts, field, types[field](answer))
    raw.FPDF_SetSystemFontInfo(fonts)
    return fonts
