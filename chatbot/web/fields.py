"""Schema pieces every room uses: times with `Z`, texts with limits in code points and bytes, the page of a list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import marshmallow as ma


class Utc(ma.fields.Field[datetime]):
    """An RFC 3339 time in UTC with `Z`. Only written, never read."""

    def _serialize(self, value: datetime | None, *_args: Any, **_kwargs: Any) -> str | None:
        if value is None:
            return None
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text(low: int, high: int, **kwargs: Any) -> ma.fields.String:
    """A string of `low` to `high` code points."""
    return ma.fields.String(validate=ma.validate.Length(min=low, max=high), **kwargs)


def page_of(item: type[ma.Schema]) -> type[ma.Schema]:
    """The schema of one page of a list of `item`."""
    name = item.__name__.removesuffix("Schema") + "Page"
    fields = {
        "items": ma.fields.List(ma.fields.Nested(item)),
        "next_cursor": ma.fields.String(
            allow_none=True, metadata={"description": "Give it as `cursor` to get the next page; null at the end."}
        ),
    }
    return type(name, (ma.Schema,), fields)


class PageArgs(ma.Schema):
    """How much of a list, and from where."""

    limit = ma.fields.Integer(
        load_default=20, validate=ma.validate.Range(min=1, max=100), metadata={"description": "How many items."}
    )
    cursor = ma.fields.String(
        load_default=None,
        validate=ma.validate.Length(max=200),
        metadata={"description": "`next_cursor` of the page before."},
    )


class ProblemSchema(ma.Schema):
    """An RFC 9457 problem object."""

    type = ma.fields.String(metadata={"example": "about:blank"})
    title = ma.fields.String(metadata={"example": "Unprocessable Entity"})
    status = ma.fields.Integer(metadata={"example": 422})
    detail = ma.fields.String(metadata={"example": "Some fields are not valid."})
    instance = ma.fields.String(allow_none=True, metadata={"example": "/api/users/signup/"})
    code = ma.fields.String(metadata={"example": "invalid"})
    request_id = ma.fields.String(allow_none=True, metadata={"example": "5a6f1d0c9b7e4f0f8f5b1c2d3e4f5a6b"})
    errors = ma.fields.List(
        ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.String()),
        metadata={"example": [{"pointer": "/password", "detail": "Shorter than minimum length 8."}]},
    )
