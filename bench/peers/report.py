"""The figures of a run, and the table they become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

OURS = "this project"
Better = Literal["less", "more"]


@dataclass
class Figures:
    """Each figure by what it tells and whose it is, in the order they came; what failed is told instead."""

    values: dict[str, dict[str, float]] = field(default_factory=dict)
    better: dict[str, Better] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, whose: str, value: float, better: Better = "less") -> None:
        self.values.setdefault(what, {})[whose] = value
        self.better[what] = better
        print(f"  {whose:22}{what:62}{number(value):>10}", flush=True)

    def note(self, text: str) -> None:
        """Something that the figures do not say."""
        self.notes.append(text)
        print(f"  {text}", flush=True)

    def table(self) -> str:
        """As Markdown: whatever is told, this project's figure, and each peer's with its ratio to it."""
        lines = ["| | this project | peers: figure (its ratio to this project's) |", "|---|---|---|"]
        for what, by_name in self.values.items():
            ours = by_name.get(OURS)
            peers = [f"{name} {number(v)}{_ratio(v, ours)}" for name, v in by_name.items() if name != OURS]
            lines.append(f"| {what} | {'–' if ours is None else number(ours)} | {' · '.join(peers)} |")
        return "\n".join([*lines, "", *self.notes])


def number(value: float) -> str:
    """With as many digits as mean something."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(value: float, ours: float | None) -> str:
    return f" ({value / ours:.2f})" if ours else ""
