"""What an e-mail says, and the registry of who writes which kind.

The packages above register their writers in the factory; this package only knows that a kind has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from chatbot.mail.models import Mail


@dataclass(frozen=True)
class Email:
    """A subject, and what it says twice: as plain text and as html."""

    subject: str
    text: str
    html: str


# Writes the e-mail of a row, or gives None when there is no reason to send it any more.
LetterBuilder = Callable[[Session, Mail], Email | None]
LetterBuilders = Mapping[str, LetterBuilder]
