"""What a request holds until it ends: a slot, an Idempotency-Key. A stream takes it over from its request."""

from __future__ import annotations

from contextlib import ExitStack

from flask import g

from chatbot.extensions import db


def request_resources() -> ExitStack:
    """What this request holds. A package that holds something ends its requests with `release`."""
    if "holding" not in g:
        g.holding = ExitStack()
    held: ExitStack = g.holding
    return held


def release(_error: BaseException | None) -> None:
    """Gives everything back, at the end of a request."""
    held = g.pop("holding", None)
    if held is not None:
        # A transaction that failed may still lock what is written now.
        db.session.rollback()
        held.close()
