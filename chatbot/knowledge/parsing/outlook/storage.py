"""The properties of a message, a recipient or an attachment, by their ids."""

import io
import struct
from datetime import UTC, datetime, timedelta
from typing import Final

from olefile import OleFileIO

from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.errors import ParseError

PROPERTIES: Final = "__properties_version1.0"
_HEADERS: Final = (32, 8)  # The stream of properties begins with so many bytes: in the message, and in what is in it.
_ENTRY: Final = struct.Struct("<HHIQ")
_INTEGER: Final = 0x0003
_TIME: Final = 0x0040
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
_ENCRYPTED: Final = "EncryptedPackage"
_INTERNET_CODE_PAGE: Final = 0x3FDE
_MESSAGE_CODE_PAGE: Final = 0x3FFD
# What Windows calls these is not what Python does; the others are "cp" and the number.
_CODE_PAGES: Final = {
    936: "gbk",
    20127: "ascii",
    20866: "koi8-r",
    21866: "koi8-u",
    50220: "iso-2022-jp",
    50221: "iso-2022-jp",
    50222: "iso-2022-jp",
    50225: "iso-2022-kr",
    51932: "euc-jp",
    51936: "gbk",
    51949: "euc-kr",
    52936: "hz",
    54936: "gb18030",
    65001: "utf-8",
    **{28590 + part: f"iso-8859-{part}" for part in range(1, 16)},
}


class Storage:
    """A storage of a compound file, with the code page of the message that it belongs to."""

    def __init__(self, file: OleFileIO, path: tuple[str, ...] = (), code_page: str | None = None) -> None:
        self._file = file
        self._path = path
        self._fixed = self._fixed_properties(_HEADERS[len(path) > 0])
        self._code_page = code_page or self.code_page(_MESSAGE_CODE_PAGE) or self.code_page(_INTERNET_CODE_PAGE)

    def _fixed_properties(self, header: int) -> dict[tuple[int, int], int]:
        raw = self._stream(PROPERTIES)[header:]
        whole = raw[: len(raw) - len(raw) % _ENTRY.size]
        return {(key, kind): value for kind, key, _, value in _ENTRY.iter_unpack(whole)}

    def _stream(self, name: str) -> bytes:
        path = [*self._path, name]
        return bytes(self._file.openstream(path).read()) if self._file.exists(path) else b""

    def text(self, key: int) -> str:
        """A string, which a file has as UTF-16 or in its code page."""
        wide = self._stream(f"__substg1.0_{key:04X}001F")
        if wide:
            return wide.decode("utf-16-le", "replace").rstrip("\0")
        return decode(self._stream(f"__substg1.0_{key:04X}001E"), self._code_page).rstrip("\0")

    def line(self, key: int) -> str:
        """A string in one line."""
        return " ".join(self.text(key).split())

    def binary(self, key: int) -> bytes:
        """Bytes, as they stand."""
        return self._stream(f"__substg1.0_{key:04X}0102")

    def number(self, key: int) -> int | None:
        """A whole number."""
        found = self._fixed.get((key, _INTEGER))
        return None if found is None else found & 0xFFFFFFFF

    def time(self, key: int) -> datetime | None:
        """A point in time, None where there is none or it is in no calendar."""
        try:
            return _EPOCH + timedelta(microseconds=self._fixed[key, _TIME] // 10)
        except (KeyError, OverflowError):
            return None

    def code_page(self, key: int = _INTERNET_CODE_PAGE) -> str | None:
        """The encoding that a property names, as Python calls it."""
        number = self.number(key)
        return _CODE_PAGES.get(number, f"cp{number}") if number else None

    def storages(self, prefix: str) -> list["Storage"]:
        """The storages in this one whose names begin so, in the order of their names."""
        names = {path[0] for path in self._file.listdir() if len(path) > 1 and path[0].startswith(prefix)}
        return [Storage(self._file, (name,), self._code_page) for name in sorted(names)]


def open_message(data: bytes) -> Storage:
    """The message in a compound file. Raises ParseError: unsupported or encrypted, for old Office files."""
    file = OleFileIO(io.BytesIO(data))
    if not file.exists(PROPERTIES):
        raise ParseError("encrypted" if file.exists(_ENCRYPTED) else "unsupported")
    return Storage(file)
