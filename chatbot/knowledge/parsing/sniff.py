"""What a file is: by its content first, by its name second."""

import re
import zlib
from pathlib import PurePosixPath
from typing import Final

from chatbot.knowledge.parsing.encoding import decode, wide_encoding
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.formats import (
    BY_EXTENSION,
    BY_MEDIA_TYPE,
    BY_ZIP_TYPE,
    HTML,
    MSG,
    PDF,
    RTF,
    TABLE,
)

_HEAD: Final = 4096
_PDF: Final = re.compile(rb"^%PDF-", re.MULTILINE)
_HTML: Final = re.compile(
    r"\s*+(?:<\?xml[^>]*+>\s*+)?+(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype\s++html|html|head|body)[\s>]", re.I | re.S
)
_FOREIGN: Final = (
    b"\x7fELF",
    b"\x89PNG",
    b"GIF87a",
    b"GIF89a",
    b"\xff\xd8\xff",
    b"\x1f\x8b\x08",
    b"BZh9",
    b"7z\xbc\xaf\x27\x1c",
    b"\xfd7zXZ\x00",
    b"Rar!\x1a",
    b"%!PS",
    b"OggS",
    b"ID3\x03",
    b"ID3\x04",
    b"SQLite format 3\x00",
    b"\xca\xfe\xba\xbe",
    b"\xcf\xfa\xed\xfe",
    b"II*\x00",
    b"MM\x00*",
    b"\x00asm",
    b"wOFF",
    b"wOF2",
)
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_OLE_MESSAGE: Final = "__properties_version1.0".encode("utf-16-le")
_CONTROLS: Final = bytes(range(9)) + bytes(range(14, 27)) + bytes(range(28, 32))
_EOCD: Final = b"PK\x05\x06"
_ENTRY: Final = b"PK\x01\x02"
# The entry of a member called `mimetype`: its method of compression, its size and where it stands.
_OWN_TYPE: Final = re.compile(rb"PK\x01\x02.{6}(..).{8}(.{4}).{4}\x08\x00.{12}(.{4})mimetype", re.DOTALL)
_LONGEST_TYPE: Final = 200


def sniff(data: bytes, filename: str = "", media_type: str | None = None) -> str:
    """The media type of `data`, one of those in the table of formats.

    `media_type` is what the sender claims; it is asked only when the name has no extension.
    Raises ParseError: unsupported, encrypted (an Office file with a password) or damaged (the content is
    not what the extension promises).
    """
    directory = _zip_directory(data)
    if _is_pdf(data, filename):
        # A PDF that is a zip as well shows each reader another document, and never by chance.
        return PDF if directory is None else _refuse("unsupported")
    if data.startswith(b"PK\x03\x04") or directory is not None:
        return _package(data, directory or b"")
    if data.startswith(_OLE):
        if _OLE_MESSAGE in data:
            return MSG  # An old Word file may have one in it: the extractor knows, which opens the file.
        _refuse("encrypted" if _OLE_ENCRYPTED in data else "unsupported")
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{\\rtf"):
        # Word writes it into files called .doc too.
        return RTF
    if data.startswith(_FOREIGN) or _is_binary(data):
        _refuse("unsupported")
    return _textual(data, filename, media_type)


def _refuse(code: str) -> str:
    raise ParseError(code)


def _extension(filename: str) -> str:
    """The extension in lower case; `.hidden` has none."""
    return PurePosixPath(filename.replace("\\", "/")).suffix.lower()


def _is_pdf(data: bytes, filename: str) -> bool:
    """The mark at the beginning, or after junk (which readers forgive) in something that is not text."""
    head = data[:1024]
    if head.lstrip(b"\0\t\n\f\r \xef\xbb\xbf").startswith(b"%PDF-"):
        return True
    return bool(_PDF.search(head)) and (_extension(filename) == ".pdf" or not _is_utf8(data))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def _zip_directory(data: bytes) -> bytes | None:
    """The raw central directory of a zip archive at the end of `data`, None when there is none."""
    end = data.rfind(_EOCD, max(0, len(data) - 65_557))
    if end < 0 or len(data) < end + 22:
        return None
    size = int.from_bytes(data[end + 12 : end + 16], "little")
    directory = data[max(0, end - size) : end]
    return directory if directory.startswith(_ENTRY) else None


def _package(data: bytes, directory: bytes) -> str:
    """Which format a package is. Names stand uncompressed in the directory, and `mimetype` is a few bytes long."""
    own = _own_type(data, directory).strip()
    for row in TABLE:
        # A book without a `mimetype` is one all the same; a package that says it is something else is not.
        if row.zip_part and row.zip_part in directory and not (row.zip_type and own):
            return row.media_type
    # A template has the structure of a document, and is one.
    found = BY_ZIP_TYPE.get(own.removesuffix(b"-template"))
    return found.media_type if found else _refuse("unsupported")


def _own_type(data: bytes, directory: bytes) -> bytes:
    """What the member `mimetype` says. It is stored, unless a program that knows no better packed it again."""
    found = _OWN_TYPE.search(directory)
    if not found:
        return b""
    is_deflated, size, at = (int.from_bytes(value, "little") for value in found.groups())
    names = int.from_bytes(data[at + 26 : at + 28], "little") + int.from_bytes(data[at + 28 : at + 30], "little")
    start = at + 30 + names
    raw = data[start : start + min(size, _LONGEST_TYPE)]
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, _LONGEST_TYPE) if is_deflated else raw
    except zlib.error:
        return b""


def _is_binary(data: bytes) -> bool:
    """More control characters than any text has. UTF-16 and UTF-32 are full of NULs and are text."""
    head = data[:_HEAD]
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")) or wide_encoding(head):
        return False
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls > 4 and controls * 10 > len(head)


def _textual(data: bytes, filename: str, media_type: str | None) -> str:
    extension = _extension(filename)
    claimed = (media_type or "").partition(";")[0].strip().lower()
    row = BY_EXTENSION.get(extension)
    if not extension and claimed in BY_MEDIA_TYPE:
        row = BY_MEDIA_TYPE[claimed]
    if row is None:
        return _refuse("unsupported")
    if data.strip() and not row.textual:
        return _refuse("damaged")
    return HTML if not row.language and _looks_like_html(data) else row.media_type


def _looks_like_html(data: bytes) -> bool:
    """Only what opens a whole page counts: Markdown may well begin with a <div> or an <h1>."""
    return bool(_HTML.match(decode(data[:_HEAD], "latin-1")))
