"""Tables as text: comma-separated values and their relatives. A formula is a text like any other."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from chatbot.knowledge.parsing.clean import clean
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.table import table_text

# In the order of preference: what people write least into cells first.
_DELIMITERS: Final = "\t|;,"
_SAMPLE: Final = 64 * 1024
# Excel's way to say the separator, in the first line.
_SAID: Final = re.compile(r"sep=(.)\n")
# A quoted cell behind a blank.
_BLANK_BEFORE_QUOTE: Final = re.compile(r'(?:^|[,;\t|]) +"[^"\n]*+"(?=[,;\t|\n]|\Z)', re.MULTILINE)
_QUOTES: Final = re.compile(r'(?<!\\)(\\*+)("++)')


def extract(data: bytes, limits: Limits) -> Extracted:
    """Each row as a line with the names of its columns; such a file has no title."""
    return _extracted(data, limits, None)


def extract_tsv(data: bytes, limits: Limits) -> Extracted:
    """As a file of comma-separated values whose separator is the tab, also when the file has none."""
    return _extracted(data, limits, "\t")


def _extracted(data: bytes, limits: Limits, delimiter: str | None) -> Extracted:
    source = decode(data)
    if len(source) > limits.text_bytes:
        raise ParseError("too_complex")
    text = clean(source)
    # A cell may be as long as a text may be; the module's own bound would call long cells damage.
    csv.field_size_limit(limits.text_bytes)
    said = _SAID.match(text)
    if said:
        delimiter, text = said[1], text[said.end() :]
    return Extracted(table_text(_rows(text, delimiter or _delimiter(text[:_SAMPLE])), limits))


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """The rows, with cells quoted by RFC 4180, or with blanks before a quote, or with backslashes as databases do."""
    blanks = bool(_BLANK_BEFORE_QUOTE.search(text))
    if '\\"' in text:
        text = _with_doubled_quotes(text, delimiter, blanks)
    return csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=blanks)


def _with_doubled_quotes(text: str, delimiter: str, blanks: bool) -> str:
    """`text` with each `\\"` inside a quoted cell written as `""`; every other backslash stays."""
    parts: list[str] = []
    done = at = 0
    while opening := _opening(text, at, delimiter, blanks):
        backslashes, at = _cell(text, opening, delimiter)
        for backslash in backslashes:
            parts += (text[done:backslash], '"')
            done = backslash + 1
    return "".join((*parts, text[done:]))


def _opening(text: str, at: int, delimiter: str, blanks: bool) -> int | None:
    """The position behind the next quote that opens a cell."""
    for run in _QUOTES.finditer(text, at):
        start = run.start()
        while blanks and start and text[start - 1] == " ":
            start -= 1
        if not run[1] and (not start or text[start - 1] in (delimiter, "\n")):
            return run.start() + 1
    return None


def _cell(text: str, start: int, delimiter: str) -> tuple[list[int], int]:
    """The positions of the backslashes that stand for a quote in the cell that begins at `start`, and its end.

    A `\\"` before a separator ends the cell (`"C:\\x\\"`), unless it closes an inner quotation (`"a \\"b\\", c"`)
    and the cell is well formed when it goes on.
    """
    escaped: list[int] = []
    doubled = 0
    early: tuple[list[int], int] | None = None
    for run in _QUOTES.finditer(text, start):
        last, count, end = run.end(1) - 1, len(run[2]), run.end()
        at_end = end == len(text) or text[end] in (delimiter, "\n")
        escapes = len(run[1]) % 2 == 1
        if escapes and at_end and count == 1 and len(escaped) % 2:
            early = early or (escaped.copy(), end)
            escaped.append(last)
        elif escapes and (count % 2 == 1) != at_end and not (at_end and doubled % 2):
            escaped.append(last)
            if at_end:
                return escaped, end
        elif count % 2:
            return (escaped, end) if at_end else early or (escaped, end)
        else:
            doubled += count // 2
    return early or (escaped, len(text))


def _delimiter(sample: str) -> str:
    """The one that cuts the most lines into the same number of cells; the first of the list among equals."""
    return max(_DELIMITERS, key=lambda delimiter: _regularity(sample, delimiter))


def _regularity(sample: str, delimiter: str) -> int:
    widths = Counter(len(row) for row in _rows(sample, delimiter))
    return max((count for width, count in widths.items() if width > 1), default=0)
