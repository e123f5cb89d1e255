"""What a letter says, and the registry of who writes which kind.

The rooms above register their writers in the factory; this room only knows that a kind has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session


@dataclass(frozen=True)
class Letter:
    """A subject and a plain text."""

    subject: str
    text: str


LetterBuilder = Callable[[Session, str], Letter | None]
LetterBuilders = Mapping[str, LetterBuilder]
