"""Rows of cells as lines that say on their own what they mean: each value stands behind its column's name."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from chatbot.knowledge.parsing.clean import joined
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits

NOT_CALCULATED: Final = "[not calculated]"
"""Stands for a formula whose value the writing program did not save; Excel calculates it when it opens the file."""
# Numbers, amounts, dates and times: what stands below a header, not in one. Years do stand in headers.
_VALUE: Final = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d\s.,:/'%()$€£¥-]*(T[\d:.]+Z?)?")
# `# | Team` is a row, not a heading.
_AS_HEADING: Final = re.compile(r"\A(?=#{1,6}\s)")
_YEAR: Final = re.compile(r"(19|20)\d\d")
# A name stands before each value of its column: a long one would multiply the text.
_LONGEST_NAME: Final = 80


def table_text(rows: Iterable[Sequence[str]], limits: Limits) -> str:
    """`Team: Leafs; Wins: 3` for each row below the header `Team | Wins`.

    The header is the first row of two cells or more, if none of them is a number; without one a row is
    `Leafs | 3`. Lines of one cell above it stay as they are; one after an empty row begins another table.
    """
    return joined(_lines(rows, limits.columns), limits)


def row_text(cells: Sequence[str]) -> str:
    """A row as it stands: `North | | 7`. Empty cells keep the others in their columns; a single value stands alone."""
    filled = [cell for cell in cells if cell]
    if len(filled) < 2:
        return "".join(filled)
    last = max(at for at, cell in enumerate(cells) if cell)
    return " | ".join(cells[: last + 1]).replace("  ", " ").strip()


def _lines(rows: Iterable[Sequence[str]], most: int) -> Iterator[str]:
    names: list[str] | None = None
    apart = False
    for row in rows:
        if len(row) > most:
            raise ParseError("too_complex")
        cells = [" ".join(cell.split()) for cell in row]
        filled = [cell for cell in cells if cell]
        if len(filled) == 1 and apart:
            names = None
        if not filled:
            apart = True
            continue
        if apart:
            yield ""
        apart = False
        begins = names is None and len(filled) > 1 and is_header(filled)
        row = _labelled(names, cells) if names else " | ".join(filled) if begins else row_text(cells)
        yield _AS_HEADING.sub(r"\\", row, count=1)
        if names is None and len(filled) > 1:
            names = [_short(cell) for cell in cells] if begins else []


def is_header(cells: list[str]) -> bool:
    """Whether these are names of columns: no numbers, amounts or dates, except years."""
    return all(_YEAR.fullmatch(cell) or not _VALUE.fullmatch(cell) for cell in cells)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _labelled(names: list[str], cells: list[str]) -> str:
    pairs = zip(names + [""] * (len(cells) - len(names)), cells, strict=False)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
