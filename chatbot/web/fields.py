"""Schema pieces for every package: strict values, times with `Z`, texts limited in code points, the page of a list.

Marshmallow reads "yes" as true, 1 as true, `1_0` as ten and eight other spellings of a UUID. The OpenAPI document
promises one spelling, and what it does not promise is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import marshmallow as ma

# What strips to nothing has nothing to read: the pattern of a text that needs a visible character.
VISIBLE = r"[^\s\u001c-\u001f]"
_DIGITS = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?")


class StrictBool(ma.fields.Boolean):
    """true or false in JSON, and nothing else."""

    def _deserialize(self, value: object, *args: object, **kwargs: object) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class StrictInt(ma.fields.Integer):
    """A whole number, in a query as plain digits. With `strict=True` only a number of JSON."""

    def _validated(self, value: object) -> Any:
        if isinstance(value, bool) or (isinstance(value, str) and not _DIGITS.fullmatch(value)):
            raise self.make_error("invalid")
        return super()._validated(value)


class StrictFloat(ma.fields.Float):
    """A number, in a query as JSON would write it."""

    def _validated(self, value: object) -> Any:
        if isinstance(value, bool) or (isinstance(value, str) and not _DECIMAL.fullmatch(value)):
            raise self.make_error("invalid")
        return super()._validated(value)


class Id(ma.fields.UUID):
    """A UUID in its usual spelling."""

    def _validated(self, value: object) -> UUID:
        found: UUID = super()._validated(value)
        if str(value).lower() != str(found):
            raise self.make_error("invalid_uuid")
        return found


class UtcDateTime(ma.fields.Field[datetime]):
    """An RFC 3339 time in UTC with `Z`. Only written, never read."""

    def _serialize(self, value: datetime | None, *_args: object, **_kwargs: object) -> str | None:
        if value is None:
            return None
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text(low: int, high: int, **kwargs: Any) -> ma.fields.String:
    """A string of `low` to `high` code points."""
    return ma.fields.String(validate=ma.validate.Length(min=low, max=high), **kwargs)


def visible(value: str) -> None:
    """What a field with the pattern VISIBLE is checked with.

    Raises:
        ValidationError: there is nothing to read.
    """
    if not value.strip():
        raise ma.ValidationError("This is blank.")


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

    limit = StrictInt(
        load_default=20, validate=ma.validate.Range(min=1, max=100), metadata={"description": "How many items."}
    )
    cursor = ma.fields.String(
        load_default=None,
        validate=ma.validate.Length(max=200),
        metadata={"description": "`next_cursor` of the page before."},
    )


class FieldErrorSchema(ma.Schema):
    """One bad field."""

    pointer = ma.fields.String(metadata={"description": "Where, as a JSON pointer.", "example": "/password"})
    detail = ma.fields.String(metadata={"example": "Shorter than minimum length 8."})


class ProblemSchema(ma.Schema):
    """An RFC 9457 problem object."""

    type = ma.fields.String(metadata={"example": "about:blank"})
    title = ma.fields.String(metadata={"example": "Unprocessable Content"})
    status = ma.fields.Integer(metadata={"example": 422})
    detail = ma.fields.String(metadata={"example": "Some fields are not valid."})
    instance = ma.fields.String(allow_none=True, metadata={"example": "/api/users/signup/"})
    code = ma.fields.String(metadata={"example": "invalid"})
    request_id = ma.fields.String(allow_none=True, metadata={"example": "5a6f1d0c9b7e4f0f8f5b1c2d3e4f5a6b"})
    errors = ma.fields.List(
        ma.fields.Nested(FieldErrorSchema),
        metadata={"description": "Which fields are not valid; only where there are some.", "x-sometimes": True},
    )
