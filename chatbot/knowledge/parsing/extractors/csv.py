"""Tables as text: comma-separated values and their relatives. A formula is a text like any other."""

import csv
import io
import re
from collections import Counter
from typing import Any, Final

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
# A quoted cell behind a blank, and a quote inside a cell that a backslash keeps from ending it.
_BLANK_BEFORE_QUOTE: Final = re.compile(r'(?:^|[,;\t|]) +"[^"\n]*+"(?=[,;\t|\n]|\Z)', re.MULTILINE)
_BACKSLASH_QUOTE: Final = re.compile(r'(?<!\\)\\"(?![,;\t|\n"]|\Z)')


def extract(data: bytes, limits: Limits) -> Extracted:
    """Each row as a line with the names of its columns; such a file has no title."""
    return _extracted(data, limits, None)


def extract_tsv(data: bytes, limits: Limits) -> Extracted:
    """As a file of comma-separated values whose separator is the tab, if it has any."""
    return _extracted(data, limits, "\t")


def _extracted(data: bytes, limits: Limits, delimiter: str | None) -> Extracted:
    source = decode(data)
    if len(source) > limits.text_bytes:
        raise ParseError("too_complex")
    text = clean(source)
    # A cell may be as long as a text may be; the module's own bound would call long cells damage.
    csv.field_size_limit(limits.text_bytes)
    said = _SAID.match(text)
    sample = text[:_SAMPLE]
    if said:
        delimiter = said[1]
    elif delimiter is None or delimiter not in sample:
        delimiter = _delimiter(sample)
    lines = io.StringIO(text[said.end() :] if said else text)
    return Extracted(table_text(csv.reader(lines, **_dialect(sample, delimiter)), limits))


def _dialect(sample: str, delimiter: str) -> dict[str, Any]:
    """How cells are quoted: by RFC 4180, or with blanks before a quote, or with backslashes as databases write them."""
    escaped = bool(_BACKSLASH_QUOTE.search(sample))
    return {
        "delimiter": delimiter,
        "skipinitialspace": bool(_BLANK_BEFORE_QUOTE.search(sample)),
        "escapechar": "\\" if escaped else None,
    }


def _delimiter(sample: str) -> str:
    """The one that cuts the most lines into the same number of cells; the first of the list among equals."""
    return max(_DELIMITERS, key=lambda delimiter: _regularity(sample, delimiter))


def _regularity(sample: str, delimiter: str) -> int:
    widths = Counter(len(row) for row in csv.reader(io.StringIO(sample), **_dialect(sample, delimiter)))
    return max((count for width, count in widths.items() if width > 1), default=0)
