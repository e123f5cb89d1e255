"""The warnings of a document on the wire."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from chatbot.knowledge.parsing.warnings import SENTENCES


class WarningSchema(ma.Schema):
    """What of a document is not in its text. A code that ends in `_left_out` names what was left out on purpose."""

    code = ma.fields.String(validate=ma.validate.OneOf(list(SENTENCES)), metadata={"example": "pages_not_read"})
    count = ma.fields.Integer(metadata={"description": "How many there are.", "example": 2})
    pages = ma.fields.List(
        ma.fields.Integer(), metadata={"description": "The first pages or slides, from 1.", "example": [3, 7]}
    )
    names = ma.fields.List(
        ma.fields.String(), metadata={"description": "The first sheets or attached files.", "example": []}
    )
    detail = ma.fields.String(metadata={"description": "A sentence.", "example": SENTENCES["pages_not_read"]})

    @ma.pre_dump
    def _with_sentence(self, warning: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
        return warning | {"detail": SENTENCES.get(warning["code"], "")}


WARNINGS = {
    "description": "What of the document is not in its text: one entry a code. Empty while it was not read, and for "
    "one that was read before warnings were kept.",
    "example": [
        {
            "code": "pages_not_read",
            "count": 2,
            "pages": [3, 7],
            "names": [],
            "detail": SENTENCES["pages_not_read"],
        }
    ],
}
