"""The events of an answer, in one closed union: what a model's answer, the chain and a reply consist of.

They are made once and passed on as they are. `Condensed` and `Retrieved` come first, then what the answer says, and at
the end `Final` where its text is kept otherwise than it was shown, `Checked` of a model's answer, and `Finished`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from chatbot.rag.types import Checked, Citation, Condensed, Final, Found, Usage


@dataclass(frozen=True)
class Retrieved:
    """What was found, and the status of the answer as far as the passages tell."""

    found: Found
    status: str


@dataclass(frozen=True)
class AnsweredBy:
    """Another model takes the place of the one that was asked; `cites` says whether it cites by itself."""

    model: str
    cites: bool = False


@dataclass(frozen=True)
class Token:
    """A piece of the text."""

    text: str


@dataclass(frozen=True)
class Withheld:
    """A piece of text that has been written and is not shown until a citation stands behind it, if one ever does."""

    text: str


@dataclass(frozen=True)
class Withdrawn:
    """All text so far was a thought of the model."""


@dataclass(frozen=True)
class Declined:
    """The text that follows is that of a model that declines to answer."""


@dataclass(frozen=True)
class Finished:
    """What the answer took, in a chain the condensing included, and why the model has ended: `stop`, `length` or
    `content_filter`. `removed_links` counts the links and images that were taken out of it."""

    usage: Usage
    finish_reason: str = "stop"
    removed_links: int = 0
    timings_ms: Mapping[str, int] = field(default_factory=dict)


Event = (
    Condensed | Retrieved | AnsweredBy | Token | Withheld | Withdrawn | Declined | Citation | Final | Checked | Finished
)
Events = Generator[Event, None, None]
