"""What a sheet's XML says about its rows, columns and formulas that openpyxl's reading row by row leaves out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final

from openpyxl.xml.functions import iterparse

from chatbot.knowledge.parsing.office.merged_cells import Merged
from chatbot.knowledge.parsing.office.ooxml import Element

_RANGE: Final = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})(?::\$?([A-Z]{1,3})\$?(\d{1,7}))?")
_SPECIAL: Final = re.compile(rb"hidden|mergeCell|[<:]f[\s/>]|\s(ht|width)=[\"']0[\"']")
_STEP: Final = 1024 * 1024
_OVERLAP: Final = 16
_TRUE: Final = ("1", "true", "on")


@dataclass
class Layout:
    """What is hidden, what is merged, and which formulas have no value of their own."""

    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    merged: list[Merged] = field(default_factory=list)
    without_value: set[tuple[int, int]] = field(default_factory=set)

    def shows_column(self, number: int) -> bool:
        """Whether a column is seen."""
        return not any(first <= number <= last for first, last in self.hidden_columns)


def column_number(letters: str) -> int:
    """1 for A, 28 for AB."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def says_more_than_values(source: IO[bytes]) -> bool:
    """Whether anything in a sheet's XML looks hidden, merged or calculated. Much quicker than reading it."""
    before = b""
    while piece := source.read(_STEP):
        if _SPECIAL.search(before + piece):
            return True
        before = piece[-_OVERLAP:]
    return False


def layout_of(source: IO[bytes], zero_is_no_value: bool) -> Layout:
    """Reads a sheet once. `zero_is_no_value`: its formulas wait for a calculation, and a 0 was written for them."""
    layout = Layout()
    row = 0
    for _, element in iterparse(source):
        name = element.tag.rpartition("}")[2]
        if name == "row":
            row = _row_number(element, row)
            if element.get("hidden") in _TRUE or element.get("ht") == "0":
                layout.hidden_rows.add(row)
            layout.without_value.update((row, at) for at in _formulas(element, zero_is_no_value))
            element.clear()
        elif name == "col" and (element.get("hidden") in _TRUE or element.get("width") == "0"):
            layout.hidden_columns.append((int(element.get("min", "0")), int(element.get("max", "0"))))
        elif name == "mergeCell":
            layout.merged += _ranges(element.get("ref", ""))
    return layout


def _row_number(element: Element, before: int) -> int:
    number = element.get("r", "")
    return int(number) if number.isdecimal() and len(number) < 10 else before + 1


def _formulas(row: Element, zero_is_no_value: bool) -> Iterator[int]:
    """The columns of a row's formulas that have no number saved."""
    at = 0
    for cell in row:
        place = _RANGE.fullmatch(cell.get("r", ""))
        at = column_number(place[1]) if place else at + 1
        if cell.get("t", "n") == "n" and cell.find("{*}f") is not None:
            value = (cell.findtext("{*}v") or "").strip()
            if not value or (zero_is_no_value and value == "0"):
                yield at


def _ranges(reference: str) -> Iterator[Merged]:
    found = _RANGE.fullmatch(reference)
    if found and found[3]:
        yield Merged(int(found[2]), column_number(found[1]), int(found[4]), column_number(found[3]))
