"""Excel workbooks by openpyxl, row by row. Values are read as they are shown, and nothing is calculated."""

import contextlib
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any, Final

from openpyxl import load_workbook
from openpyxl.packaging.relationship import get_dependents, get_rels_path
from openpyxl.utils.datetime import to_excel
from openpyxl.xml.functions import fromstring

from chatbot.knowledge.parsing.clean import clean, joined, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.office.merged_cells import Merges, with_groups
from chatbot.knowledge.parsing.office.number_format import is_general, shown_duration, shown_number, shown_text
from chatbot.knowledge.parsing.office.ooxml import open_package
from chatbot.knowledge.parsing.office.sheet_layout import Layout, layout_of, says_more_than_values
from chatbot.knowledge.parsing.office.unread import note_unread_on_sheet
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.table import NOT_CALCULATED, table_text
from chatbot.knowledge.parsing.warnings import note, noted_at

# openpyxl has no types.
Cell = Any
Sheet = Any

_MOST_ROWS: Final = 1_048_576
"""Excel's own bound. Rows that a file leaves out are counted, since a number of a row may be anything."""
_WITH_STRINGS: Final = re.compile(r"xl/(sharedStrings|worksheets/[^/]+)\.xml")
_CALCULATED_LATER: Final = re.compile(rb"<[\w:]{0,20}calcPr\s[^<>]*fullCalcOnLoad=[\"'](1|true)")
_ESCAPED: Final = re.compile(rb"_x([0-9A-Fa-f]{4})_")
_QUOTED: Final = re.compile(r'"[^"]*"|\\.|\[[^\[\]]*\]')


def extract(data: bytes, limits: Limits) -> Extracted:
    """Each visible sheet as a heading of level two and its rows."""
    with warnings.catch_warnings():
        # openpyxl tells what it leaves out when a workbook is saved again.
        warnings.simplefilter("ignore")
        package = _unescaped(open_package(data, limits))
        waits = _waits_for_calculation(package)
        with contextlib.closing(_open(package)) as book:
            sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
            _note_other_sheets(book)
            text = joined((_sheet(sheet, limits, waits) for sheet in sheets), limits)
            return Extracted(squeeze(clean(text)), sensible_title(book.properties.title))


def _open(package: io.BytesIO) -> Any:
    try:
        return load_workbook(package, read_only=True, data_only=True, keep_links=False)
    except OSError:
        # No part that calls itself a workbook: the binary .xlsb, for one.
        raise ParseError("unsupported") from None


def _waits_for_calculation(package: io.BytesIO) -> bool:
    """Whether the program that wrote the workbook left the calculation to the one that opens it."""
    with zipfile.ZipFile(package) as opened:
        known = "xl/workbook.xml" in opened.namelist()
        waits = known and _CALCULATED_LATER.search(opened.read("xl/workbook.xml")) is not None
    package.seek(0)
    return waits


def _unescaped(package: io.BytesIO) -> io.BytesIO:
    """The package with _xHHHH_ in its strings decoded; openpyxl knows only the escaped underscore."""
    with zipfile.ZipFile(package) as old:
        names = [name for name in dict.fromkeys(old.namelist()) if _WITH_STRINGS.fullmatch(name)]
        changed = {name: _ESCAPED.sub(_character, body) for name in names if _ESCAPED.search(body := old.read(name))}
        if changed:
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w") as new:
                for name in dict.fromkeys(old.namelist()):
                    new.writestr(name, changed.get(name) or old.read(name))
            package = out
    package.seek(0)
    return package


def _character(escaped: re.Match[bytes]) -> bytes:
    code = int(escaped[1], 16)
    if (code < 0x20 and code not in (0x9, 0xA, 0xD)) or 0xD800 <= code <= 0xDFFF or code > 0xFFFD:
        return b" "  # XML has no way to write these, and nobody sees them.
    return b"&#%d;" % code


def _note_other_sheets(book: Any) -> None:
    """Notes the sheets that are hidden, that only show a chart, and that the workbook names but does not have."""
    for sheet in (*book.worksheets, *book.chartsheets):
        if sheet.sheet_state != "visible":
            note("hidden_left_out", name=sheet.title)
        elif sheet in book.chartsheets:
            note("objects_not_read", name=sheet.title)
    if "xl/workbook.xml" in book._archive.namelist():
        root = fromstring(book._archive.read("xl/workbook.xml"))
        for entry in root.iterfind("{*}sheets/{*}sheet"):
            if entry.get("name") not in book.sheetnames:
                note("damaged_parts_not_read", name=entry.get("name"))


_RELATED: Final = {
    "comments": "comments_left_out",
    "oleObject": "objects_not_read",
    "package": "objects_not_read",
    "ctrlProp": "fields_not_read",
}


def _note_unread(sheet: Sheet) -> None:
    """Notes the drawings, comments, objects and controls of a sheet."""
    package, path = sheet.parent._archive, get_rels_path(sheet._worksheet_path)
    for relation in get_dependents(package, path) if path in package.namelist() else ():
        kind = relation.Type.rpartition("/")[2]
        try:
            if kind == "drawing":
                note_unread_on_sheet(fromstring(package.read(relation.target)))
            elif kind == "comments":
                note(_RELATED[kind], len(fromstring(package.read(relation.target)).findall(".//{*}comment")))
            elif kind in _RELATED:
                note(_RELATED[kind])
        except (KeyError, SyntaxError, zipfile.BadZipFile):
            note("damaged_parts_not_read")


def _sheet(sheet: Sheet, limits: Limits, waits: bool) -> str:
    with noted_at(name=sheet.title):
        _note_unread(sheet)
        return _seen(sheet, limits, waits)


def _seen(sheet: Sheet, limits: Limits, waits: bool) -> str:
    # A sheet may say it has a million columns; the rows know better.
    sheet.reset_dimensions()
    layout = Layout()
    with sheet._get_source() as source:
        special = says_more_than_values(source)
    if special:
        with sheet._get_source() as source:
            layout = layout_of(source, waits)
    note("formulas_not_read", len(layout.without_value))
    rows = with_groups(_rows(sheet, layout), layout.merged)
    text = table_text(rows, limits)
    return f"## {' '.join(sheet.title.split())}\n\n{text}\n" if text.strip() else ""


def _rows(sheet: Sheet, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """The rows that are seen, with their numbers, of their columns those that are seen."""
    merged = Merges(layout.merged)
    hidden: dict[int, bool] = {}
    columns: set[int] = set()  # Those that are hidden and have any value.
    for number, row in enumerate(sheet.iter_rows(), 1):
        if number > _MOST_ROWS:
            raise ParseError("too_complex")
        cells = [_shown(cell, number, at, layout) for at, cell in enumerate(row, 1)]
        merged.fill(number, cells)
        for at in range(len(hidden) + 1, len(cells) + 1):
            hidden[at] = not layout.shows_column(at)
        if number in layout.hidden_rows:
            note("hidden_left_out", int(any(cells)))
            continue
        columns.update(at for at, cell in enumerate(cells, 1) if cell and hidden[at])
        yield number, ["" if hidden[at] else cell for at, cell in enumerate(cells, 1)]
    note("hidden_left_out", len(columns))


def _shown(cell: Cell, row: int, column: int, layout: Layout) -> str:
    """The value as Excel shows it, dates in the ISO form; errors (#N/A) are nothing."""
    value = cell.value
    if layout.without_value and (row, column) in layout.without_value:
        return NOT_CALCULATED
    if value is None or cell.data_type == "e":
        note("errors_left_out", int(value is not None))
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    number_format = _format(cell)
    if isinstance(value, int | float):
        return shown_number(value, number_format)
    if isinstance(value, timedelta):
        return shown_duration(value, number_format)
    if isinstance(value, datetime | time) and is_general(number_format):
        # openpyxl takes the d of the German "Standard" for a day.
        return shown_number(to_excel(value, cell.parent.parent.epoch), number_format)
    if isinstance(value, datetime):
        return _date(value, number_format)
    return shown_text(value, number_format) if isinstance(value, str) else str(value)


def _format(cell: Cell) -> str:
    with contextlib.suppress(IndexError):  # A style that is not there costs only the format.
        return str(cell.number_format or "General")
    return "General"


def _date(value: datetime, number_format: str) -> str:
    """A date in the ISO form, as far as its format shows it: `Jan-26` stays a month, a time has no date."""
    letters = set(_QUOTED.sub("", number_format).lower().replace("am/pm", ""))
    if "h" in letters and not letters & set("yd"):
        return value.time().isoformat()
    if "m" in letters and "d" not in letters and "h" not in letters and "y" in letters:
        return value.strftime("%b %Y")
    return value.isoformat(" ").removesuffix(" 00:00:00")
