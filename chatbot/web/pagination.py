"""Pages of long lists by cursor: the sort key of the last item, opaque on the wire."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal, tuple_
from sqlalchemy.orm import Session

from chatbot.errors import FieldError, Invalid

T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """Some items and the cursor of the next page, or None."""

    items: Sequence[Any]
    next_cursor: str | None


def newest_first(
    session: Session,
    query: Select[Any],
    when: Any,
    row_id: Any,
    limit: int,
    cursor: str | None,
    build: Callable[[Any], T] = lambda row: row,
) -> Page:
    """One page of `query`, sorted by the time column `when` and then `row_id`, both descending.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    if cursor:
        query = query.where(_before(when, row_id, *_decode(cursor)))
    rows = list(session.execute(query.order_by(when.desc(), row_id.desc()).limit(limit + 1)).scalars())
    more = len(rows) > limit
    rows = rows[:limit]
    last = _wrap([getattr(rows[-1], when.key).isoformat(), getattr(rows[-1], row_id.key)]) if more else None
    return Page([build(row) for row in rows], last)


def oldest_first(session: Session, query: Select[Any], position: Any, limit: int, cursor: str | None) -> Page:
    """One page of `query`, sorted by the integer column `position`, ascending."""
    if cursor:
        query = query.where(position > _integer(cursor))
    rows = list(session.execute(query.order_by(position).limit(limit + 1)).scalars())
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows, _wrap([getattr(rows[-1], position.key)]) if more else None)


def highest_first(session: Session, query: Select[Any], position: Any, limit: int, cursor: str | None) -> Page:
    """One page of `query`, sorted by the integer column `position`, descending."""
    if cursor:
        query = query.where(position < _integer(cursor))
    rows = list(session.execute(query.order_by(position.desc()).limit(limit + 1)).scalars())
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows, _wrap([getattr(rows[-1], position.key)]) if more else None)


def _before(when: Any, row_id: Any, moment: datetime, last_id: str) -> ColumnElement[bool]:
    # With the columns' own types: PostgreSQL compares no uuid with a text, and SQLite stores both in another form.
    return tuple_(when, row_id) < tuple_(literal(moment, when.type), literal(last_id, row_id.type))


def _decode(cursor: str) -> tuple[datetime, str]:
    try:
        moment, row_id = _unwrap(cursor)
        parsed = datetime.fromisoformat(moment)
        if parsed.tzinfo is None:
            raise ValueError("naive")
        # In UTC already here: a time at the end of the calendar cannot be brought there.
        return parsed.astimezone(UTC), str(UUID(row_id))
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise _bad_cursor() from None


def _integer(cursor: str) -> int:
    try:
        (position,) = _unwrap(cursor)
    except (ValueError, TypeError):
        raise _bad_cursor() from None
    if type(position) is not int or not 0 <= position < 2**31:
        raise _bad_cursor()
    return position


def _wrap(parts: list[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _unwrap(cursor: str) -> list[Any]:
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, UnicodeError, RecursionError):
        raise ValueError("not a cursor") from None
    if not isinstance(parts, list):
        raise ValueError("not a cursor")
    return parts


def _bad_cursor() -> Invalid:
    return Invalid(errors=[FieldError("/cursor", "This is not a cursor of this list.")])
