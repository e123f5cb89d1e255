"""OpenDocument spreadsheets (.ods). A cell's text is stored beside its value, as it is shown; nothing is calculated."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chatbot.knowledge.parsing.clean import clean, joined, squeeze
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.office.merged_cells import Merged, Merges, with_groups
from chatbot.knowledge.parsing.office.ooxml import Element, local_name
from chatbot.knowledge.parsing.opendocument.cells import (
    CELL,
    COVERED,
    MOST_REPEATED,
    Row,
    columns_of,
    hidden_columns,
    is_unseen,
    repeated,
    rows_of,
    spanned,
)
from chatbot.knowledge.parsing.opendocument.line import Line
from chatbot.knowledge.parsing.opendocument.names import CALC, OFFICE, STYLE, TABLE, TEXT
from chatbot.knowledge.parsing.opendocument.package import Package, body_of
from chatbot.knowledge.parsing.opendocument.styles import Styles
from chatbot.knowledge.parsing.opendocument.unread import note_left_out
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.table import NOT_CALCULATED, table_text
from chatbot.knowledge.parsing.warnings import note

_BOOLEANS: Final = {"true": "TRUE", "false": "FALSE"}
_VALUES: Final = ("value", "string-value", "time-value", "date-value")


def extract(data: bytes, limits: Limits) -> Extracted:
    """Each visible sheet as a heading of level two and its rows."""
    package = Package(data, limits)
    content = package.content()
    styles = Styles(content, package.part("styles.xml"))
    body = body_of(content, "spreadsheet")
    note_left_out(body)
    sheets = body.iterfind(TABLE + "table")
    texts = (_Sheet(sheet, package, styles, limits).text() for sheet in sheets if not _is_hidden(sheet, styles))
    return Extracted(squeeze(clean(joined(texts, limits))), package.title())


def _is_hidden(sheet: Element, styles: Styles) -> bool:
    hidden = styles.of("table", sheet.get(TABLE + "style-name", "")).get(TABLE + "display") == "false"
    note("hidden_left_out", int(hidden), name=sheet.get(TABLE + "name"))
    return hidden


@dataclass(frozen=True)
class _Cells:
    """A row as it stands in the file: so many times in a row, from a number on."""

    number: int
    times: int
    is_hidden: bool
    cells: list[str]


class _Sheet:
    def __init__(self, sheet: Element, package: Package, styles: Styles, limits: Limits) -> None:
        self._sheet = sheet
        self._package = package
        self._styles = styles
        self._limits = limits
        self._merged: list[Merged] = []
        self._column_styles = _column_styles(sheet)

    def text(self) -> str:
        """The sheet's name and its rows, "" where it has none."""
        rows = list(self._rows())
        text = table_text(with_groups(self._seen(rows), self._merged), self._limits)
        name = " ".join(self._sheet.get(TABLE + "name", "").split())
        return f"## {name}\n\n{text}\n" if text.strip() else ""

    def _rows(self) -> Iterator[_Cells]:
        number = 1
        for element in rows_of(self._sheet):
            times = repeated(element, "rows")
            yield _Cells(number, times, is_unseen(element), self._cells(element, number))
            number += times

    def _seen(self, rows: list[_Cells]) -> Iterator[tuple[int, list[str]]]:
        """The rows that are seen, with their numbers; what is merged over rows has its value in each of them."""
        merges = Merges(self._merged)
        hidden = hidden_columns(self._sheet)
        for row in rows:
            merges.fill(row.number, row.cells)
            note("hidden_left_out", int(row.is_hidden and any(row.cells)), name=self._sheet.get(TABLE + "name"))
            if not row.is_hidden:
                cells = ["" if any(a <= at <= b for a, b in hidden) else cell for at, cell in enumerate(row.cells)]
                for more in range(min(row.times, MOST_REPEATED if any(cells) else 1)):
                    yield row.number + more, cells

    def _cells(self, element: Element, number: int) -> list[str]:
        row = Row(self._limits.columns)
        usual = element.get(TABLE + "default-cell-style-name", "")
        for cell in element:
            if cell.tag == CELL:
                rows, columns = spanned(cell, "rows"), spanned(cell, "columns")
                if rows > 1 or columns > 1:
                    self._merged.append(Merged(number, row.at + 1, number + rows - 1, row.at + columns))
                row.add(self._shown(cell, usual, row.at), repeated(cell, "columns"))
            elif cell.tag == COVERED:  # What was in it before it was merged is not shown.
                row.add("", repeated(cell, "columns"))
        return row.cells

    def _shown(self, cell: Element, usual: str, at: int) -> str:
        """The text of a cell, dates in the ISO form; errors (#N/A) are nothing."""
        if cell.get(CALC + "value-type") == "error":
            return ""
        paragraphs = cell.findall(TEXT + "p")
        text = " ".join(filter(None, map(self._paragraph, paragraphs)))
        kind = cell.get(OFFICE + "value-type")
        if kind == "date":
            style = cell.get(TABLE + "style-name") or usual or self._column_style(at)
            return self._date(cell.get(OFFICE + "date-value", ""), style) or text
        if paragraphs or kind is not None:
            return text if paragraphs else _value(cell)
        return NOT_CALCULATED if cell.get(TABLE + "formula") else ""

    def _paragraph(self, paragraph: Element) -> str:
        if not len(paragraph):
            return paragraph.text or ""
        return Line(self._package, self._styles, on_white=False).read(paragraph)

    def _column_style(self, at: int) -> str:
        return next((style for last, style in self._column_styles if at <= last), "")

    def _date(self, value: str, style: str) -> str:
        """A date in the ISO form, as far as its format shows it: `Jan-26` stays a month, a time has no date."""
        try:
            date = datetime.fromisoformat(value)
        except ValueError:
            return ""
        parts = self._parts_of_format(style)
        if "hours" in parts and not parts & {"day", "year"}:
            return date.time().isoformat()
        if {"month", "year"} <= parts and not parts & {"day", "hours"}:
            return date.strftime("%b %Y")
        shown = date.isoformat(" ").removesuffix(" 00:00:00")
        return shown if "hours" in parts or not parts else shown[:10]

    def _parts_of_format(self, style: str) -> set[str]:
        names = (each.get(STYLE + "data-style-name") for each in self._styles.chain("table-cell", style))
        found = self._styles.formats.get(next(filter(None, names), ""))
        return set() if found is None else set(map(local_name, found))


def _column_styles(sheet: Element) -> list[tuple[int, str]]:
    """The last column of each range, counted from 0, and the style that its cells have unless they say another."""
    out = []
    after = 0
    for column in columns_of(sheet):
        after += repeated(column, "columns")
        out.append((after - 1, column.get(TABLE + "default-cell-style-name", "")))
    return out


def _value(cell: Element) -> str:
    """The value itself, which is all that some programs write."""
    found = next((value for name in _VALUES if (value := cell.get(OFFICE + name)) is not None), "")
    return found or _BOOLEANS.get(cell.get(OFFICE + "boolean-value", ""), "")
