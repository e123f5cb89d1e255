"""Fields of forms and notes among the lines of their page.

A form may have thousands of fields, so none of them looks at all lines.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import accumulate, chain
from typing import Final

from chatbot.knowledge.parsing.pdf.engine import Box, Word
from chatbot.knowledge.parsing.pdf.fields import Field
from chatbot.knowledge.parsing.pdf.lines import Line
from chatbot.knowledge.parsing.pdf.lowest import LowestOver

_FAR: Final = 3.0
"""Beyond this many times the font's size, words behind a box are another's."""
_MAX_LINES_BESIDE: Final = 64
"""At most this many lines, from the top of a field on, are searched for its label."""
_TOP: Final = -1
"""Stands for the beginning of the page in the order of its lines."""


def with_fields(lines: Sequence[Line], fields: Sequence[Field]) -> list[Line]:
    """The lines with each field behind its label, or on a line of its own with its name."""
    page = _Lines(lines, [field.box for field in fields])
    for field in sorted(fields, key=lambda field: (-field.box.top, field.box.left)):
        page.put(field)
    return [row.words() for row in page]


class _Row:
    """A line of the page with the fields that are put into it."""

    def __init__(self, line: Line, left: float, right: float) -> None:
        seen = [word for word in line if not word.is_blank]
        self._line = line
        self._fields: list[Line] = []
        self._starts = sorted(word.left for word in seen)
        self._first_end = min((word.right - word.size / 2 for word in seen), default=right)
        self.left, self.right = left, right
        self.base, self.size = line[0].base, line[0].size

    def shared(self, box: Box) -> float:
        """How much of its height the line shares with a box."""
        shared = min(box.top, self.base + 0.8 * self.size) - max(box.bottom, self.base - 0.2 * self.size)
        return round(shared - 0.3 * self.size, 3)

    def has_label(self, field: Field) -> bool:
        """Whether words stand before a field, or close behind a box."""
        if self._first_end <= field.box.left:
            return True
        behind = bisect_left(self._starts, field.box.right - self.size / 2)
        return field.is_box and behind < len(self._starts) and self._starts[behind] - field.box.right < _FAR * self.size

    def is_label_of(self, box: Box) -> bool:
        """Whether a line above a box is close to it and begins where it does."""
        return self.base - box.top < self.size and abs(self.left - box.left) < 2 * self.size

    def put(self, field: Field) -> None:
        """Take in a field."""
        words = _words(field, " ".join(_parts(field)), self._line[0])
        self._fields.append(words)
        word = words[1]
        insort(self._starts, word.left)
        self._first_end = min(self._first_end, word.right - word.size / 2)
        self.left, self.right = min(self.left, field.box.left), max(self.right, field.box.right)

    def words(self) -> Line:
        """The words of the line with each field before the first word that begins behind its left edge."""
        begins = (float("-inf") if word.is_blank else word.left + word.size / 4 for word in self._line)
        farthest = list(accumulate(begins, max))
        put: list[Line] = [[] for _ in range(len(self._line) + 1)]
        for field in sorted(self._fields, key=lambda words: words[0].left):
            put[bisect_left(farthest, field[0].left)] += field
        return [*chain.from_iterable((*fields, word) for fields, word in zip(put, self._line, strict=False)), *put[-1]]


class _Lines:
    """The lines of a page in the order of reading, to which fields are added from the top to the bottom."""

    def __init__(self, lines: Sequence[Line], boxes: Sequence[Box]) -> None:
        sides = [(min(word.left for word in line), max(word.right for word in line)) for line in lines]
        self._printed = len(lines)
        self._rows: list[_Row] = []
        self._next: dict[int, int] = {}
        self._by_base: list[tuple[float, int]] = []
        self._largest = 0.0
        self._lowest = LowestOver(chain(chain.from_iterable(sides), *((box.left, box.right) for box in boxes)))
        # The rows that are not above the next field yet, those first that will be so first.
        self._below: list[tuple[float, int]] = []
        for number, (line, (left, right)) in enumerate(zip(lines, sides, strict=True)):
            self._insert(_Row(line, left, right), number - 1)
            if line[0].upright:
                self._may_be_beside(number)
            self._will_be_above(number)

    def __iter__(self) -> Iterator[_Row]:
        at = self._next.get(_TOP)
        while at is not None:
            yield self._rows[at]
            at = self._next.get(at)

    def put(self, field: Field) -> None:
        """Add a field behind its label, or on a line of its own."""
        number = self._beside(field) if field.name is not None else None
        if number is None:
            self._put_between(field)
        else:
            self._rows[number].put(field)
            self._will_be_above(number)

    def _put_between(self, field: Field) -> None:
        """Put a field on a line of its own, below the line that stands above it."""
        box = field.box
        at = self._above(box)
        parts = _parts(field)
        if field.name and not (at != _TOP and self._rows[at].is_label_of(box)):
            parts = [f"{parts[0]} {field.name}"] if field.is_box else [f"{field.name}: {parts[0]}", *parts[1:]]
        like = Word("", box.left, box.right, (box.top + box.bottom) / 2, min(12.0, box.top - box.bottom) or 1.0)
        first = len(self._rows)
        for part in parts:
            at = self._insert(_Row(_words(field, part, like), box.left, box.right), at)
        self._may_be_beside(first)
        self._will_be_above(at)

    def _insert(self, row: _Row, after: int) -> int:
        number = len(self._rows)
        self._rows.append(row)
        if after in self._next:
            self._next[number] = self._next[after]
        self._next[after] = number
        return number

    def _may_be_beside(self, number: int) -> None:
        insort(self._by_base, (self._rows[number].base, number))
        self._largest = max(self._largest, self._rows[number].size)

    def _will_be_above(self, number: int) -> None:
        heappush(self._below, (-self._rows[number].base - self._rows[number].size, number))

    def _beside(self, field: Field) -> int | None:
        """The line that a field stands on, with words beside it."""
        box = field.box
        best, most = None, 0.0
        below = bisect_left(self._by_base, (box.top,))
        for base, number in reversed(self._by_base[max(below - _MAX_LINES_BESIDE, 0) : below]):
            if base < box.bottom - self._largest / 2:
                break
            shared = self._rows[number].shared(box)
            is_first = best is not None and shared == most and number < best
            if (shared > most or is_first) and self._rows[number].has_label(field):
                best, most = number, shared
        return best

    def _above(self, box: Box) -> int:
        """The lowest of the lines above a box, and of several at one height the last that is printed."""
        while self._below and -self._below[0][0] > box.top:
            number = heappop(self._below)[1]
            row = self._rows[number]
            self._lowest.add(row.left, row.right, (row.base, number >= self._printed, -number))
        lowest = self._lowest.over(box.left, box.right)
        return -lowest[2] if lowest else _TOP


def _words(field: Field, text: str, like: Word) -> Line:
    """A text as one word in the place of its field, with a blank on both sides."""
    left, right = field.box.left, min(field.box.right, field.box.left + len(text) * like.size / 2)
    inner = like._replace(text=text, left=left, right=right, made_up=False)
    before, after = like._replace(text=" ", left=left, right=left), like._replace(text=" ", left=right, right=right)
    return [before, inner, after]


def _parts(field: Field) -> list[str]:
    return [part.strip() for part in field.text.splitlines() if part.strip()]
