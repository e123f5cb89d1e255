"""Outlook's .msg files: a small writer of compound files (MS-CFB), and the streams that MS-OXMSG wants in one."""

import struct
from datetime import UTC, datetime

Tree = dict[str, "bytes | Tree"]
_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096


def compound_file(root: Tree) -> bytes:
    """A compound file of these storages (dicts) and streams (bytes)."""
    entries: list[list] = [["Root Entry", 5, _NONE, _NONE, _NONE, _END, 0]]
    small, mini_fat, large = bytearray(), [], []
    _add(root, 0, entries, small, mini_fat, large)
    sectors: list[bytes] = []
    fat: list[int] = []

    def put(data: bytes) -> int:
        pieces = [data[at : at + _SECTOR].ljust(_SECTOR, b"\0") for at in range(0, len(data), _SECTOR)]
        if not pieces:
            return _END
        start = len(sectors)
        sectors.extend(pieces)
        fat.extend([*range(start + 1, start + len(pieces)), _END])
        return start

    for entry, data in large:
        entry[5] = put(data)
    entries[0][5:] = [put(bytes(small)), len(small)]
    mini_start = put(b"".join(struct.pack("<I", each) for each in mini_fat))
    directory = put(b"".join(_packed(entry) for entry in entries))
    fat_size = 1
    while (len(sectors) + fat_size) * 4 > fat_size * _SECTOR:
        fat_size += 1
    places = list(range(len(sectors), len(sectors) + fat_size))
    table = [*fat, *[_FAT] * fat_size]
    table += [_FREE] * (fat_size * 128 - len(table))
    body = b"".join(sectors) + struct.pack(f"<{len(table)}I", *table)
    mini_sectors = (len(mini_fat) * 4 + _SECTOR - 1) // _SECTOR
    header = struct.pack(
        "<8s16sHHHHH6s9I",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"",
        0x3E,
        3,
        0xFFFE,
        9,
        6,
        b"",
        0,
        fat_size,
        directory,
        0,
        _CUTOFF,
        mini_start,
        mini_sectors,
        _END,
        0,
    )
    return header + struct.pack("<109I", *places, *[_FREE] * (109 - fat_size)) + body


def _add(tree: Tree, parent: int, entries: list, small: bytearray, mini_fat: list, large: list) -> None:
    """Add what is in a storage: its entries hang on one another to the right, which is a tree as well."""
    before = None
    for name, content in tree.items():
        number = len(entries)
        entry = [name, 1 if isinstance(content, dict) else 2, _NONE, _NONE, _NONE, 0, 0]
        entries.append(entry)
        if before is None:
            entries[parent][4] = number
        else:
            before[3] = number
        before = entry
        if isinstance(content, dict):
            _add(content, number, entries, small, mini_fat, large)
            continue
        entry[6] = len(content)
        if len(content) >= _CUTOFF:
            large.append((entry, content))
        elif content:
            entry[5] = len(mini_fat)
            count = (len(content) + _MINI - 1) // _MINI
            mini_fat.extend([*range(len(mini_fat) + 1, len(mini_fat) + count), _END])
            small.extend(content.ljust(count * _MINI, b"\0"))
        else:
            entry[5] = _END


def _packed(entry: list) -> bytes:
    name, kind, left, right, child, start, size = entry
    text = name.encode("utf-16-le") + b"\0\0"
    return struct.pack("<64sHBBIII16sIQQIQ", text, len(text), kind, 1, left, right, child, b"", 0, 0, 0, start, size)


def properties(values: dict[int, int | datetime], header: int = 32) -> bytes:
    """The stream of properties of a fixed length, by their ids: whole numbers and times."""
    out = bytes(header)
    for key, value in values.items():
        if isinstance(value, datetime):
            ticks = int((value - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000
            out += struct.pack("<HHIQ", 0x0040, key, 6, ticks)
        else:
            out += struct.pack("<HHIQ", 0x0003, key, 6, value)
    return out


def strings(values: dict[int, str | bytes], code_page: str = "") -> Tree:
    """The streams of strings, as UTF-16 or in a code page; bytes are binary."""
    out: Tree = {}
    for key, value in values.items():
        if isinstance(value, bytes):
            out[f"__substg1.0_{key:04X}0102"] = value
        elif code_page:
            out[f"__substg1.0_{key:04X}001E"] = value.encode(code_page)
        else:
            out[f"__substg1.0_{key:04X}001F"] = value.encode("utf-16-le")
    return out


def recipient(name: str, address: str, kind: int = 1, code_page: str = "") -> Tree:
    """A storage of a recipient: 1 for To, 2 for Cc, 3 for Bcc."""
    streams = strings({0x3001: name, 0x39FE: address}, code_page)
    return {**streams, "__properties_version1.0": properties({0x0C15: kind}, 8)}


def attachment(names: dict[int, str | bytes], method: int = 1) -> Tree:
    """A storage of an attachment with these strings."""
    return {**strings(names), "__properties_version1.0": properties({0x3705: method}, 8)}


def message(
    values: dict[int, str | bytes],
    *,
    fixed: dict[int, int | datetime] | None = None,
    recipients: tuple[Tree, ...] = (),
    attachments: tuple[Tree, ...] = (),
    code_page: str = "",
) -> bytes:
    """A .msg file of these properties, recipients and attachments."""
    tree: Tree = {"__properties_version1.0": properties(fixed or {}), "__nameid_version1.0": {}}
    tree |= strings({0x001A: "IPM.Note", **values}, code_page)
    tree |= {f"__recip_version1.0_#{n:08X}": each for n, each in enumerate(recipients)}
    tree |= {f"__attach_version1.0_#{n:08X}": each for n, each in enumerate(attachments)}
    return compound_file(tree)


def make_msg(text: str) -> bytes:
    """An e-mail whose subject and text are these words."""
    return message({0x0037: text, 0x1000: text})
