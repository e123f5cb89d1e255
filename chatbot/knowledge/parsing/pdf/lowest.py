"""A segment tree over the width of a page: which line is the lowest above a place."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

Value = tuple[float, bool, int]

_NOTHING: Final = (float("inf"), False, 0)


class LowestOver:
    """The lowest value of the spans that lie over a span, in a time that grows with the logarithm of their number.

    A leaf stands for one edge or for what is between two edges. `_whole` holds the lowest value of the spans that cover
    all of a node, `_any` that of all spans within or over it.
    """

    def __init__(self, edges: Iterable[float]) -> None:
        self._edges = sorted(set(edges))
        self._leaves = 1 << (2 * len(self._edges)).bit_length()
        self._whole = [_NOTHING] * (2 * self._leaves)
        self._any = [_NOTHING] * (2 * self._leaves)

    def add(self, left: float, right: float, value: Value) -> None:
        """Note a value from `left` to `right`, both of which are edges."""
        first, end = self._leaf(left), self._leaf(right) + 1
        for node in _cover(first, end):
            self._whole[node] = min(self._whole[node], value)
            self._any[node] = min(self._any[node], value)
        for node in _above(first, end):
            self._any[node] = min(self._whole[node], self._any[2 * node], self._any[2 * node + 1])

    def over(self, left: float, right: float) -> Value | None:
        """The lowest value that was noted for any place between `left` and `right`, without these edges."""
        first, end = self._leaf(left) + 1, self._leaf(right)
        if first >= end:
            return None
        within = min(self._any[node] for node in _cover(first, end))
        lowest = min(within, min(self._whole[node] for node in _above(first, end)))
        return None if lowest == _NOTHING else lowest

    def _leaf(self, edge: float) -> int:
        return self._leaves + 2 * bisect_left(self._edges, edge)


def _cover(first: int, end: int) -> Iterator[int]:
    """The fewest nodes that cover the leaves from `first` to before `end`."""
    while first < end:
        if first & 1:
            yield first
            first += 1
        if end & 1:
            end -= 1
            yield end
        first, end = first >> 1, end >> 1


def _above(first: int, end: int) -> Iterator[int]:
    """The nodes above the first and the last of these leaves, from the lowest on."""
    left, right = first >> 1, (end - 1) >> 1
    while left:
        yield left
        if right != left:
            yield right
        left, right = left >> 1, right >> 1
