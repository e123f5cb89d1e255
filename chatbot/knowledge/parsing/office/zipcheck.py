"""A look at a zip package before any library opens it."""

import io
import zipfile
import zlib
from typing import Final

from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits

_STEP: Final = 1024 * 1024
_ENCRYPTED: Final = 0x1


def check_zip(data: bytes, limits: Limits) -> None:
    """Raise ParseError when a package is a bomb: too many members, too much in them, or sizes that lie."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        members = package.infolist()
    if len(members) > limits.zip_entries or sum(member.file_size for member in members) > limits.zip_bytes:
        raise ParseError("too_complex")
    for member in members:
        _check_member(data, member, limits)


def _check_member(data: bytes, member: zipfile.ZipInfo, limits: Limits) -> None:
    if member.flag_bits & _ENCRYPTED:
        raise ParseError("encrypted")
    # Office packages know only these two; bzip2 and LZMA reach far higher ratios.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ParseError("unsupported")
    large = member.file_size >= limits.zip_ratio_from
    if large and member.file_size > limits.zip_ratio * max(1, member.compress_size):
        raise ParseError("too_complex")
    deflated = member.compress_type == zipfile.ZIP_DEFLATED
    if deflated and _inflates_beyond(_raw(data, member), member.file_size):
        raise ParseError("too_complex")


def _raw(data: bytes, member: zipfile.ZipInfo) -> memoryview:
    """The member's compressed bytes, after its own header of 30 bytes, name and extra field."""
    at = member.header_offset
    name_length = int.from_bytes(data[at + 26 : at + 28], "little")
    extra_length = int.from_bytes(data[at + 28 : at + 30], "little")
    start = at + 30 + name_length + extra_length
    return memoryview(data)[start : start + member.compress_size]


def _inflates_beyond(raw: memoryview, declared: int) -> bool:
    """Whether there is more in it than the directory says. Holds one step in memory, not the member."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    piece = inflater.decompress(raw, _STEP)
    while piece and size <= declared:
        size += len(piece)
        piece = inflater.decompress(inflater.unconsumed_tail, _STEP)
    return size > declared
