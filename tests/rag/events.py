"""The events of an answer, as tests look at them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from chatbot.rag.events import Event, Finished, Token, Withdrawn

T = TypeVar("T")


def of_kind(events: Iterable[Event], kind: type[T]) -> list[T]:
    """Those of one kind."""
    return [event for event in events if isinstance(event, kind)]


def text_of(events: Iterable[Event]) -> str:
    """What is shown in the end."""
    shown = ""
    for event in events:
        shown = "" if isinstance(event, Withdrawn) else shown + event.text if isinstance(event, Token) else shown
    return shown


def finished(events: Iterable[Event]) -> Finished:
    """The last one."""
    *_, last = events
    assert isinstance(last, Finished)
    return last
