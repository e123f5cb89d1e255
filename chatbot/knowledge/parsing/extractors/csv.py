"""Tables as text: comma-separated values and their relatives. A formula is a text like any other."""

import csv
import io
import re
from collections import Counter
from typing import Final

from chatbot.knowledge.parsing.clean import clean
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.extractors.table import table_text
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted

_DELIMITERS: Final = ",;\t|"
_SAMPLE: Final = 64 * 1024
# Excel's way to say the separator, in the first line.
_SAID: Final = re.compile(r"sep=(.)\n")


def extract(data: bytes, limits: Limits) -> Extracted:
    """Each row as a line with the names of its columns; such a file has no title."""
    source = decode(data)
    if len(source) > limits.text_bytes:
        raise ParseError("too_complex")
    text = clean(source)
    # A cell may be as long as a text may be; the module's own bound would call long cells damage.
    csv.field_size_limit(limits.text_bytes)
    said = _SAID.match(text)
    delimiter = said[1] if said else _delimiter(text[:_SAMPLE])
    lines = io.StringIO(text[said.end() :] if said else text)
    return Extracted(table_text(csv.reader(lines, delimiter=delimiter), limits))


def _delimiter(sample: str) -> str:
    """The one that cuts the most lines into the same number of cells; the first of the list among equals."""
    return max(_DELIMITERS, key=lambda delimiter: _regularity(sample, delimiter))


def _regularity(sample: str, delimiter: str) -> int:
    widths = Counter(len(row) for row in csv.reader(io.StringIO(sample), delimiter=delimiter))
    return max((count for width, count in widths.items() if width > 1), default=0)
