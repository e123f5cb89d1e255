"""Rich Text Format 1.9, as Word, LibreOffice, WordPad, TextEdit and Outlook write it.

The kept library for it (striprtf 0.0.35) shows hidden text, joins "25" and a raised "1" to "251", and drops notes.
"""

import codecs
import re
from dataclasses import dataclass, field, replace
from typing import Final

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.markup.spans import Span, written
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.table import table_text
from chatbot.knowledge.parsing.warnings import note

_TOKEN: Final = re.compile(
    rb"\\(?:'([0-9A-Fa-f]{2})|([a-zA-Z]{1,32})(-?[0-9]{1,10})? ?|([^a-zA-Z']))|([{}])|([\r\n]+)|([^\\{}\r\n]+)",
    re.DOTALL,
)
# Groups that say how the text looks, or hold what a page shows elsewhere or not at all.
_SILENT: Final = frozenset(
    b"fonttbl colortbl stylesheet listtable listoverridetable rsidtbl revtbl generator info pict object fldinst header "
    b"footer headerl headerr headerf footerl footerr footerf xe tc themedata colorschememapping latentstyles datastore "
    b"xmlnstbl filetbl mmathPr nonshppict bkmkstart bkmkend annotation atnid atnauthor atrfstart atrfend pgptbl pntext "
    b"wgrffmtfilter listpicture protusertbl userprops template docvar sp ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn "
    b"atnref atntime atndate atnicn".split()
)
# What is told of them.
_TOLD: Final = {
    b"pict": "pictures_not_read",
    b"object": "objects_not_read",
    b"annotation": "comments_left_out",
    **dict.fromkeys(b"header headerl headerr headerf footer footerl footerr footerf".split(), "repeated_text_left_out"),
}
_SHOWN: Final = frozenset((b"shptxt", b"fldrslt", b"listtext", b"footnote", b"shppict", b"shpinst", b"dptxbxtext"))
_LETTERS: Final = {
    b"par": "\n",
    b"line": "\n",
    b"sect": "\n",
    b"page": "\n",
    b"tab": "\t",
    b"emdash": "—",
    b"endash": "–",
    b"lquote": "‘",
    b"rquote": "’",
    b"ldblquote": "“",
    b"rdblquote": "”",
    b"bullet": "•",
    b"emspace": " ",
    b"enspace": " ",
    b"qmspace": " ",
}
_SIGNS: Final = {b"~": "\xa0", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\n": "\n", b"\r": "\n"}
# How an item of a list begins: with its number, or with a sign in whatever font.
_ITEM: Final = re.compile(r"\A(?:(\d{1,4}[.)]|[a-zA-Z][.)])|[•·▪◦§o\uf0b7\uf0a7-])\t+")
# Windows's numbers for character sets, as code pages.
_CHARSETS: Final = {
    0: 1252,
    77: 10000,
    128: 932,
    129: 949,
    130: 1361,
    134: 936,
    136: 950,
    161: 1253,
    162: 1254,
    163: 1258,
    177: 1255,
    178: 1256,
    186: 1257,
    204: 1251,
    222: 874,
    238: 1250,
}
_MOST_OPEN: Final = 1000


@dataclass(frozen=True)
class _State:
    """What holds inside a group."""

    silent: bool = False
    hidden: bool = False
    struck: bool = False
    shift: str = ""
    codepage: str = "cp1252"
    skip: int = 1
    """Letters behind `\\uN` that stand for it in old programs."""
    destination: bytes = b""
    in_table: bool = False
    level: int = 0
    """The level of the heading that a paragraph is."""


@dataclass
class _Reader:
    """The text as it grows."""

    limits: Limits
    lines: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fonts: dict[int, str] = field(default_factory=dict)
    font: int = 0
    title: str = ""
    pending: bytearray = field(default_factory=bytearray)
    """Bytes of a code page that may belong to one character."""

    def add(self, text: str, state: _State) -> None:
        """Text in the state of its group."""
        if state.destination == b"title":
            self.title += text
        if not (state.silent or state.hidden):
            self.spans.append(Span(text, state.shift, state.struck))

    def line(self) -> str:
        """What was read since the last paragraph ended."""
        text, self.spans = written(self.spans), []
        # A character beyond U+FFFF is written as two halves.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return _ITEM.sub(lambda match: f"{match[1] or '-'} ", text, count=1)

    def end_paragraph(self, state: _State) -> None:
        """Ends a paragraph, in a cell or outside."""
        if state.in_table:
            self.spans.append(Span(" "))
            return
        self.end_table()
        text = self.line().strip()
        self.lines.append(f"{'#' * state.level} {text}" if state.level and text else text)

    def end_table(self) -> None:
        """Writes the rows that were read."""
        if self.rows:
            self.lines += ["", table_text(self.rows, self.limits), ""]
            self.rows = []


def extract(data: bytes, limits: Limits) -> Extracted:
    """The visible text, tables as rows, and notes at the end."""
    if not data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{\\rtf"):
        raise ParseError("damaged")
    reader = _Reader(limits)
    _read(data, reader)
    reader.end_paragraph(_State())
    body = "\n".join([*reader.lines, "", *reader.notes])
    return Extracted(squeeze(clean(body)), sensible_title(reader.title))


def _read(data: bytes, reader: _Reader) -> None:
    """Walks over the tokens. A group that is not closed ends with the file."""
    states = [_State()]
    held: list[list[Span]] = []
    at = left = 0
    starred = False
    while match := _TOKEN.match(data, at):
        at = match.end()
        hexadecimal, word, number, sign, brace, _, text = match.groups()
        state = states[-1]
        if hexadecimal is None:
            _flush(reader, state)
        if brace == b"{":
            states.append(state)
            if len(states) > _MOST_OPEN:
                raise ParseError("too_complex")
            starred = False
        elif brace == b"}":
            if len(states) > 1:
                closed = states.pop()
                if closed.destination == b"footnote" and states[-1].destination != b"footnote" and held:
                    _end_note(reader, held.pop())
        elif word == b"bin":
            at += max(0, int(number or 0))
        elif word == b"u" and number:
            code = int(number) % 0x10000
            reader.add(chr(code), state)
            left = state.skip
        elif word:
            if word == b"footnote":
                held.append(reader.spans)
                reader.spans = []
            states[-1] = _applied(word, number, state, reader, starred)
            starred = False
        elif sign == b"*":
            starred = True
        elif sign:
            if sign in _SIGNS:
                reader.add(_SIGNS[sign], state)
        elif hexadecimal or text:
            piece = bytes.fromhex(hexadecimal.decode()) if hexadecimal else text or b""
            dropped = min(left, len(piece))
            left -= dropped
            reader.pending += piece[dropped:]
            if not hexadecimal:
                _flush(reader, state)
    _flush(reader, states[-1])


def _flush(reader: _Reader, state: _State) -> None:
    """Decodes the bytes that were read, all of them together: a character may have two."""
    if reader.pending:
        reader.add(bytes(reader.pending).decode(state.codepage, "replace"), state)
        reader.pending.clear()


def _end_note(reader: _Reader, text_around: list[Span]) -> None:
    """Puts a note's text below and its number where it stands."""
    note = reader.line().strip()
    reader.spans = text_around
    reader.notes.append(f"[{len(reader.notes) + 1}] {note}")
    reader.spans.append(Span(f"[{len(reader.notes)}]"))


def _applied(word: bytes, number: bytes | None, state: _State, reader: _Reader, starred: bool) -> _State:
    """The state behind a control word, which may also be a letter, or end a paragraph, a cell or a row."""
    value = int(number) if number else None
    if word in _SILENT or (starred and word not in _SHOWN):
        if not state.silent and word in _TOLD:
            note(_TOLD[word])
        return replace(state, silent=True, destination=word)
    if word in _SHOWN:
        return replace(state, destination=word)
    if state.destination == b"info" and word in (b"title", b"author", b"subject", b"operator", b"keywords"):
        return replace(state, destination=word)
    if state.silent and state.destination not in (b"fonttbl",):
        return _encoded(word, value, state, reader)
    match word:
        case b"par" | b"sect" | b"page":
            reader.end_paragraph(state)
        case b"cell" | b"nestcell":
            reader.cells.append(reader.line().strip())
        case b"row" | b"nestrow":
            reader.rows.append(reader.cells)
            reader.cells = []
        case b"pard":
            return replace(state, in_table=False, level=0)
        case b"intbl":
            return replace(state, in_table=True)
        case b"outlinelevel":
            return replace(state, level=min((value or 0) + 1, 6) if (value or 0) < 9 else 0)
        case b"plain":
            return replace(state, hidden=False, struck=False, shift="")
        case b"v" | b"deleted":
            note("hidden_left_out", int(value != 0 and not state.hidden))
            return replace(state, hidden=value != 0)
        case b"strike" | b"striked":
            return replace(state, struck=value != 0)
        case b"super" | b"up":
            return replace(state, shift="superscript" if value != 0 else "")
        case b"sub" | b"dn":
            return replace(state, shift="subscript" if value != 0 else "")
        case b"nosupersub":
            return replace(state, shift="")
        case _ if word in _LETTERS:
            reader.add(_LETTERS[word], state)
        case _:
            return _encoded(word, value, state, reader)
    return state


def _encoded(word: bytes, value: int | None, state: _State, reader: _Reader) -> _State:
    """What a word says of the encoding."""
    match word:
        case b"ansicpg":
            return replace(state, codepage=_codec(value or 1252))
        case b"mac":
            return replace(state, codepage="mac_roman")
        case b"pc":
            return replace(state, codepage="cp437")
        case b"uc":
            return replace(state, skip=max(0, value or 0))
        case b"f" if state.destination == b"fonttbl":
            reader.font = value or 0
        case b"f":
            return replace(state, codepage=reader.fonts.get(value or 0, state.codepage))
        case b"fcharset" if value in _CHARSETS:
            reader.fonts[reader.font] = _codec(_CHARSETS[value])
    return state


def _codec(page: int) -> str:
    name = {10000: "mac_roman", 65001: "utf-8", 1361: "johab"}.get(page, f"cp{page}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"
