"""Merged cells of a sheet: each row and each column is understood where it stands."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from chatbot.knowledge.parsing.table import is_header

_MOST_PADDED: Final = 64


class Merged(NamedTuple):
    """A merged range, counted from 1; its value stands in the first cell."""

    top: int
    left: int
    bottom: int
    right: int


class Merges:
    """Gives the value of a merged range to each of its rows, so that every row is understood where it stands."""

    def __init__(self, ranges: Iterable[Merged]) -> None:
        self._waiting = sorted((each for each in ranges if each.bottom > each.top), reverse=True)
        self._open: dict[int, tuple[int, str]] = {}

    def fill(self, number: int, cells: list[str]) -> None:
        """Fill in the row with this number what is merged into it from above."""
        has_own = any(cells)
        for left, (bottom, value) in list(self._open.items()):
            if number > bottom:
                del self._open[left]
            elif has_own and left - len(cells) <= _MOST_PADDED:
                # A row's last cells are not written where they are empty.
                cells += [""] * (left - len(cells))
                cells[left - 1] = cells[left - 1] or value
        while self._waiting and self._waiting[-1].top <= number:
            merged = self._waiting.pop()
            if merged.top == number and merged.left <= len(cells) and cells[merged.left - 1]:
                self._open[merged.left] = (merged.bottom, cells[merged.left - 1])


def with_groups(rows: Iterable[tuple[int, list[str]]], merged_ranges: Iterable[Merged]) -> Iterator[list[str]]:
    """The rows; groups that are merged above the names of columns are put before each name: `2025 Budget`."""
    wide: dict[int, list[Merged]] = {}
    for merged in merged_ranges:
        if merged.right > merged.left and merged.top == merged.bottom:
            wide.setdefault(merged.top, []).append(merged)
    groups: list[str] | None = None
    held: list[str] = []
    for number, cells in rows:
        if groups is not None:
            header = _grouped(groups, cells)
            if header is None:
                yield held
            yield header or cells
            groups = None
        elif number in wide and is_header(list(filter(None, cells))) and sum(map(bool, cells)) > 1:
            groups, held = _spread(cells, wide.pop(number)), cells
        else:
            yield cells
    if groups is not None:
        yield held


def _spread(cells: list[str], merged: list[Merged]) -> list[str]:
    out = list(cells)
    for each in merged:
        if each.left <= len(cells):
            last = min(each.right, each.left + 1000)
            out += [""] * (last - len(out))
            out[each.left - 1 : last] = [cells[each.left - 1]] * (last - each.left + 1)
    return out


def _grouped(groups: list[str], names: list[str]) -> list[str] | None:
    """A header made of two rows, None where the second one has no names below the groups."""
    width = max(len(groups), len(names))
    above, below = groups + [""] * (width - len(groups)), names + [""] * (width - len(names))
    filled = [name for name in below if name]
    if len(filled) < 2 or not is_header(filled) or len(filled) < sum(map(bool, above)):
        return None
    before = ["", *above]
    return [
        b if a == b or (not b and a == left) else f"{a} {b}".strip()
        for left, a, b in zip(before, above, below, strict=False)
    ]
