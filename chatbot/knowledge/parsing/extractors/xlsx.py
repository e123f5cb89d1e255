"""Excel workbooks by openpyxl, row by row. Values are read, not formulas, and nothing is calculated."""

import contextlib
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from openpyxl import load_workbook

from chatbot.knowledge.parsing.clean import clean, joined, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.extractors.ooxml import open_package
from chatbot.knowledge.parsing.extractors.table import table_text
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted

# openpyxl has no types.
Cell = Any
Sheet = Any

_MOST_ROWS: Final = 1_048_576
"""Excel's own bound. Rows that a file leaves out are counted, since a number of a row may be anything."""


def extract(data: bytes, limits: Limits) -> Extracted:
    """Each visible sheet as a heading of level two and its rows."""
    with warnings.catch_warnings():
        # openpyxl tells what it leaves out when a workbook is saved again.
        warnings.simplefilter("ignore")
        with contextlib.closing(_open(data, limits)) as book:
            sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
            text = joined((_sheet(sheet, limits) for sheet in sheets), limits)
            return Extracted(squeeze(clean(text)), sensible_title(book.properties.title))


def _open(data: bytes, limits: Limits) -> Any:
    package = open_package(data, limits)
    try:
        return load_workbook(package, read_only=True, data_only=True, keep_links=False)
    except OSError:
        # No part that calls itself a workbook: the binary .xlsb, for one.
        raise ParseError("unsupported") from None


def _sheet(sheet: Sheet, limits: Limits) -> str:
    # A sheet may say it has a million columns; the rows know better.
    sheet.reset_dimensions()
    text = table_text(_rows(sheet), limits)
    return f"## {' '.join(sheet.title.split())}\n\n{text}\n" if text.strip() else ""


def _rows(sheet: Sheet) -> Iterator[list[str]]:
    for number, row in enumerate(sheet.iter_rows(), 1):
        if number > _MOST_ROWS:
            raise ParseError("too_complex")
        yield [_shown(cell) for cell in row]


def _shown(cell: Cell) -> str:
    """The value nearly as Excel shows it; errors (#N/A) are nothing."""
    value = cell.value
    if value is None or cell.data_type == "e":
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value, cell)
    return value.isoformat(" ").removesuffix(" 00:00:00") if isinstance(value, datetime) else str(value)


def _number(value: int | float, cell: Cell) -> str:
    with contextlib.suppress(IndexError):  # A style that is not there costs only the per cent sign.
        if cell.number_format.endswith("%"):
            return f"{value * 100:.10g}%"
    # Excel calculates with 15 digits; those after them are rounding errors.
    return str(value) if isinstance(value, int) else f"{value:.15g}"
