"""Collections on the wire."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from chatbot.knowledge.models import EVERYONE, MEMBERS
from chatbot.web.fields import VISIBLE, UtcDateTime, text

COLLECTION_ID = {"example": "0b6f8f0e-3c0e-4a7e-9a55-3f1f7a1f5c2d"}
USER_ID = {"example": "7c1d0a52-3c5f-4d5e-8a3e-0d7c7b1f9e44"}
TIME = {"type": "string", "format": "date-time", "example": "2026-11-22T18:00:00.000Z"}
NAME = {"pattern": VISIBLE, "example": "handbooks"}


def _visibility(**kwargs: Any) -> ma.fields.String:
    return ma.fields.String(
        validate=ma.validate.OneOf([EVERYONE, MEMBERS]),
        metadata={
            "description": "Who may find what is in it: `everyone` who is signed in, or its `members`. Administrators "
            "find everything.",
            "example": MEMBERS,
        },
        **kwargs,
    )


class NewCollectionSchema(ma.Schema):
    """A collection to make."""

    name = text(1, 100, required=True, metadata=NAME)
    visibility = _visibility(load_default=EVERYONE)


class CollectionChangeSchema(ma.Schema):
    """What is to change; what is left out stays."""

    name = text(1, 100, metadata=NAME)
    visibility = _visibility()


class CollectionSchema(ma.Schema):
    """A collection."""

    id = ma.fields.String(metadata=COLLECTION_ID)
    name = ma.fields.String(metadata={"example": "handbooks"})
    visibility = ma.fields.String(validate=ma.validate.OneOf([EVERYONE, MEMBERS]), metadata={"example": MEMBERS})
    document_count = ma.fields.Integer(
        metadata={"description": "Whatever their status, but for deleted ones.", "example": 12}
    )
    created_at = UtcDateTime(metadata=TIME)


class CollectionReceiptSchema(ma.Schema):
    """What the deletion of a collection has removed."""

    id = ma.fields.String(metadata=COLLECTION_ID)
    name = ma.fields.String(metadata={"example": "handbooks"})
    members = ma.fields.Integer(metadata={"description": "How many memberships it had.", "example": 3})


class NewMemberSchema(ma.Schema):
    """Who is to be a member."""

    username = text(1, 150, required=True, metadata={"example": "ada"})


class MemberSchema(ma.Schema):
    """Somebody who may read a collection."""

    user_id = ma.fields.String(metadata=USER_ID)
    username = ma.fields.String(metadata={"example": "ada"})
    created_at = UtcDateTime(metadata=TIME | {"description": "Since when."})
