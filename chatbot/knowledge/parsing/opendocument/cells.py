"""The rows and cells of OpenDocument's tables, which are the same in texts, slides and sheets."""

from collections.abc import Callable, Iterator
from typing import Final

from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.office.ooxml import Element
from chatbot.knowledge.parsing.opendocument.names import TABLE
from chatbot.knowledge.parsing.opendocument.numbering import whole

ROW: Final = TABLE + "table-row"
COLUMN: Final = TABLE + "table-column"
CELL: Final = TABLE + "table-cell"
COVERED: Final = TABLE + "covered-table-cell"
MOST_REPEATED: Final = 1000
"""The same row that often in a file tells nothing that it does not tell the first time."""
_GROUPS: Final = frozenset(f"{TABLE}table-{name}" for name in ("header-rows", "rows", "row-group"))
_COLUMN_GROUPS: Final = frozenset(f"{TABLE}table-{name}" for name in ("header-columns", "columns", "column-group"))
_UNSEEN: Final = ("collapse", "filter")


def rows_of(table: Element) -> Iterator[Element]:
    """The rows, those of groups among them, but not of tables in cells."""
    for part in table:
        if part.tag == ROW:
            yield part
        elif part.tag in _GROUPS:
            yield from rows_of(part)


def columns_of(table: Element) -> Iterator[Element]:
    """The descriptions of columns, in their order."""
    for part in table:
        if part.tag == COLUMN:
            yield part
        elif part.tag in _COLUMN_GROUPS:
            yield from columns_of(part)


def is_unseen(element: Element) -> bool:
    """Whether a row or a column is hidden: by hand, by a filter, or in a group that is closed."""
    around = element.getparent()
    while around is not None and around.tag in _GROUPS | _COLUMN_GROUPS:
        if around.get(TABLE + "display") == "false":
            return True
        around = around.getparent()
    return element.get(TABLE + "visibility") in _UNSEEN


def hidden_columns(table: Element) -> list[tuple[int, int]]:
    """The ranges of columns that are hidden, counted from 0."""
    out = []
    at = 0
    for column in columns_of(table):
        after = at + repeated(column, "columns")
        if is_unseen(column):
            out.append((at, after - 1))
        at = after
    return out


def repeated(element: Element, what: str) -> int:
    """How often a row ("rows") or a cell ("columns") stands there."""
    return max(1, whole(element.get(f"{TABLE}number-{what}-repeated"), 1))


def spanned(cell: Element, what: str) -> int:
    """How many rows or columns a cell reaches over."""
    return max(1, whole(cell.get(f"{TABLE}number-{what}-spanned"), 1))


class Row:
    """The cells of a row, each in its column. Empty ones at its end are not written, however many a file says."""

    def __init__(self, most: int) -> None:
        self.cells: list[str] = []
        self.at = 0
        self._most = most

    def add(self, text: str, times: int = 1) -> None:
        """Put a cell into the next column, or into so many of them."""
        if text:
            if self.at + times > self._most:
                raise ParseError("too_complex")
            self.cells += [""] * (self.at - len(self.cells)) + [text] * times
        self.at += times


def table_rows(table: Element, cell_text: Callable[[Element], str], most: int) -> Iterator[list[str]]:
    """The rows that are seen; what is merged over rows has its value in each of them."""
    hidden = hidden_columns(table)
    above: dict[int, tuple[int, str]] = {}
    for number, element in enumerate(rows_of(table)):
        cells = _row(element, number, above, cell_text, most)
        if not is_unseen(element):
            seen = ["" if any(a <= at <= b for a, b in hidden) else cell for at, cell in enumerate(cells)]
            yield from [seen] * min(repeated(element, "rows"), MOST_REPEATED if any(seen) else 1)


def _row(
    element: Element, number: int, above: dict[int, tuple[int, str]], cell_text: Callable[[Element], str], most: int
) -> list[str]:
    row = Row(most)
    for cell in element:
        times = repeated(cell, "columns") if cell.tag in (CELL, COVERED) else 0
        if cell.tag == COVERED:
            for _ in range(times if times <= most else 0):
                last, text = above.get(row.at, (-1, ""))
                row.add(text if number <= last else "")
        elif cell.tag == CELL:
            text = cell_text(cell)
            if spanned(cell, "rows") > 1:
                above[row.at] = number + spanned(cell, "rows") - 1, text
            row.add(text, times)
    return row.cells
