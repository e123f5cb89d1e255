"""A body, unpacked while it comes, and never more of it than allowed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

from chatbot.egress.errors import FetchFailed

_GZIP = 16 + zlib.MAX_WBITS


def read_body(pieces: Iterable[bytes], headers: Mapping[str, str], max_bytes: int) -> bytes:
    """The body.

    Raises:
        FetchFailed: it is larger than `max_bytes`, packed or unpacked, or packed in a way that was not asked for.
    """
    said = headers.get("content-length", "")
    if said.isdecimal() and int(said[:20]) > max_bytes:
        raise _too_large(max_bytes)
    unpack = _unpacker(headers.get("content-encoding", ""))
    came, body = 0, bytearray()
    for piece in pieces:
        came += len(piece)
        body += unpack.take(piece, max_bytes + 1 - len(body))
        if max(came, len(body)) > max_bytes:
            raise _too_large(max_bytes)
    unpack.end()
    return bytes(body)


def _too_large(max_bytes: int) -> FetchFailed:
    return FetchFailed(f"The document is larger than {max_bytes // (1024 * 1024)} MB.")


def _unpacker(encoding: str) -> _Plain:
    wanted = encoding.strip().lower()
    if wanted in ("", "identity"):
        return _Plain()
    if wanted in ("gzip", "x-gzip"):
        return _Gzip()
    raise FetchFailed("The server packed the document in a way that was not asked for.")


class _Plain:
    """A body as it is."""

    def take(self, piece: bytes, room: int) -> bytes:
        """What `piece` adds; more than `room` bytes of it would be refused anyway."""
        return piece

    def end(self) -> None:
        """Raises FetchFailed when something is missing."""


class _Gzip(_Plain):
    """A body that is one or more gzip members."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._began = False

    def take(self, piece: bytes, room: int) -> bytes:
        unpacked = bytearray()
        while piece and len(unpacked) < room:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            self._began = True
            try:
                unpacked += self._member.decompress(piece, room - len(unpacked))
            except zlib.error:
                raise FetchFailed("The server packed the document badly.") from None
            piece = self._member.unused_data
        return bytes(unpacked)

    def end(self) -> None:
        if self._began and not self._member.eof:
            raise FetchFailed("The document came only in part.", may_pass=True)
