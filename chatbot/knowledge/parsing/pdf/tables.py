"""Tables of a page, known by columns that several lines have in common."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from chatbot.knowledge.parsing.pdf.lines import Line, text_of
from chatbot.knowledge.parsing.table import row_text

_GAP: Final = 0.9
"""Between two cells lies at least this part of the font's size; between words, about a quarter."""
_LONGEST_CELL: Final = 45
"""Characters of a cell on average: two columns of longer lines are columns of a page."""
_MARKER: Final = re.compile(r"[^\w\s]|\(?\w{1,4}[.)]|\[\w{1,4}\]|\d{1,3}(\.\d{1,3}){1,5}\.?")
"""A bullet or number of a list is no cell."""
_ROWS_APART: Final = 4.0
_MOST_ROWS: Final = 500
"""The columns are compared anew with each row: a longer table is read in parts."""


class Cell(NamedTuple):
    """The text between two gaps of a line."""

    text: str
    left: float
    right: float


def page_text(lines: Sequence[Line]) -> str:
    """The text of the lines; a row of a table is `North | Box | 7`, as in the other formats."""
    out: list[str] = []
    rows = [_cells(line) for line in lines]
    at = 0
    while at < len(lines):
        end = _table_end(lines, rows, at)
        out.append(_rows(rows[at:end]) if end else text_of(lines[at]))
        at = end or at + 1
    return "\n".join(out)


def _cells(line: Line) -> list[Cell]:
    parts: list[Line] = [[]]
    last = None
    for word in line:
        if not word.is_blank:
            begins = last and not last.text.endswith(":") and word.left - last.right > _GAP * max(word.size, last.size)
            if begins and not (len(parts) == 1 and _MARKER.fullmatch(text_of(parts[0]))):
                parts.append([])
            last = word
        parts[-1].append(word)
    return [_cell(part) for part in parts]


def _cell(part: Line) -> Cell:
    seen = [word for word in part if not word.is_blank]
    return Cell(text_of(part), min(word.left for word in seen), max(word.right for word in seen))


def _table_end(lines: Sequence[Line], rows: Sequence[list[Cell]], start: int) -> int | None:
    """The line behind the table that begins at `start`, if one does."""
    if len(rows[start]) < 2:
        return None
    end = start + 1
    for at in range(start + 1, min(len(rows), start + _MOST_ROWS)):
        if not _follows(lines[at - 1], lines[at]) or not _columns(rows[start : at + 1]):
            break
        if len(rows[at]) > 1:
            end = at + 1
    return end if _is_table(rows[start:end]) else None


def _follows(line: Line, more: Line) -> bool:
    """Whether `more` stands below `line`, not far from it."""
    size = max(line[0].size, more[0].size)
    return 0 < line[0].base - more[0].base < _ROWS_APART * size and line[0].upright and more[0].upright


def _columns(rows: Sequence[list[Cell]]) -> list[tuple[float, float]]:
    """Left and right of the columns: none where no gap goes through all rows, or two cells share a column."""
    columns: list[tuple[float, float]] = []
    for cell in sorted((cell for row in rows for cell in row), key=lambda cell: cell.left):
        if columns and cell.left < columns[-1][1] + 1:
            columns[-1] = (columns[-1][0], max(columns[-1][1], cell.right))
        else:
            columns.append((cell.left, cell.right))
    return columns if all(len(set(_places(row, columns))) == len(row) for row in rows) else []


def _places(row: list[Cell], columns: Sequence[tuple[float, float]]) -> Iterator[int]:
    """The number of the column of each cell."""
    for cell in row:
        yield next(number for number, (_, right) in enumerate(columns) if cell.left <= right)


def _is_table(rows: Sequence[list[Cell]]) -> bool:
    columns = _columns(rows)
    if len(columns) < 2 or len(rows) + len(columns) < 5 or len(rows) < 2:
        return False
    texts = [[cell.text for row in rows for cell in row if left <= cell.left <= right] for left, right in columns]
    long = [column for column in texts if sum(map(len, column)) > _LONGEST_CELL * len(column)]
    return len(long) < 2 and sum(2 * len(column) > len(rows) for column in texts) > 1


def _rows(rows: Sequence[list[Cell]]) -> str:
    columns = _columns(rows)
    lines: list[str] = []
    for row in rows:
        cells = [""] * len(columns)
        for number, cell in zip(_places(row, columns), row, strict=True):
            cells[number] = cell.text
        lines.append(row_text(cells))
    return "\n".join(lines)
