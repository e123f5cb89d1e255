"""Gaps on the wire."""

from __future__ import annotations

import marshmallow as ma

from chatbot.knowledge.documents.curated import GAPS_SET, LONGEST_QUESTION
from chatbot.knowledge.schemas import DocumentSchema
from chatbot.web.fields import VISIBLE, Id, StrictInt, UtcDateTime, text, visible

MAX_ANSWER = 20_000
_QUESTION = "Do you ship to Iceland?"


class GapArgs(ma.Schema):
    """How many."""

    limit = StrictInt(load_default=20, validate=ma.validate.Range(min=1, max=100), metadata={"example": 20})
    status = ma.fields.String(
        load_default="open",
        validate=ma.validate.OneOf(("open", "resolved", "all")),
        metadata={"description": "`open`: nobody has dealt with it since it was asked.", "example": "open"},
    )


class ResolutionSchema(ma.Schema):
    """What was done about a gap."""

    question = ma.fields.String(metadata={"description": "As it was put then.", "example": _QUESTION})
    at = UtcDateTime(metadata={"type": "string", "format": "date-time", "example": "2026-11-22T19:00:00.000Z"})
    document_id = ma.fields.String(
        allow_none=True,
        metadata={"description": "The curated answer.", "example": "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"},
    )
    evaluation_set = ma.fields.String(
        allow_none=True, metadata={"description": "The stored set that the question is in.", "example": None}
    )


class GapSchema(ma.Schema):
    """Questions of one meaning that the documents did not answer well."""

    question = ma.fields.String(metadata={"description": "The newest of them.", "example": _QUESTION})
    questions = ma.fields.List(
        ma.fields.String(), metadata={"description": "The newest wordings, at most five.", "example": [_QUESTION]}
    )
    count = ma.fields.Integer(metadata={"description": "How often it was asked.", "example": 3})
    fell_back = ma.fields.Integer(metadata={"description": "How often nothing was found.", "example": 3})
    voted_down = ma.fields.Integer(metadata={"description": "How often the answer was voted down.", "example": 1})
    last_asked_at = UtcDateTime(
        metadata={"type": "string", "format": "date-time", "example": "2026-11-22T18:00:00.000Z"}
    )
    resolved = ma.fields.Nested(
        ResolutionSchema,
        allow_none=True,
        metadata={"description": "What was done about it; an open gap that has this has come back."},
    )


class ResolveSchema(ma.Schema):
    """What answers a question: an `answer`, or the documents that do (`relevant`)."""

    question = ma.fields.String(
        required=True,
        validate=[ma.validate.Length(min=1, max=LONGEST_QUESTION), visible],
        metadata={"pattern": VISIBLE, "example": _QUESTION},
    )
    answer = ma.fields.String(
        load_default=None,
        validate=[ma.validate.Length(min=1, max=MAX_ANSWER), visible],
        metadata={"pattern": VISIBLE, "example": "Yes, we ship to Iceland within five days."},
    )
    collection = text(1, 100, load_default=None, metadata={"description": "Where the answer goes."})
    relevant = ma.fields.List(
        Id(metadata={"example": "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"}),
        load_default=None,
        validate=ma.validate.Length(min=1, max=100),
        metadata={"description": "Documents that are to be found for the question."},
    )
    set = text(1, 100, load_default=None, metadata={"description": "The stored set it goes to; `gaps` without it."})

    @ma.validates_schema(skip_on_field_errors=True)
    def _one_of_both(self, fields: dict[str, object], **_kwargs: object) -> None:
        if (fields["answer"] is None) == (fields["relevant"] is None):
            raise ma.ValidationError("Send either an answer or the relevant documents.", "answer")
        if fields["answer"] is None and fields["collection"] is not None:
            raise ma.ValidationError("Only an answer goes into a collection.", "collection")
        if fields["relevant"] is None and fields["set"] is not None:
            raise ma.ValidationError("Only relevant documents go into a set.", "set")


class CaseSchema(ma.Schema):
    """A question of a stored set."""

    set = ma.fields.String(attribute="set_name", metadata={"example": GAPS_SET})
    question = ma.fields.String(metadata={"example": _QUESTION})
    relevant = ma.fields.List(ma.fields.String(), metadata={"example": ["6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"]})


class ResolvedSchema(ma.Schema):
    """What has become of it: one of the two, and null for the other."""

    document = ma.fields.Nested(DocumentSchema, allow_none=True)
    case = ma.fields.Nested(CaseSchema, allow_none=True)


class GapListSchema(ma.Schema):
    """What the documents do not answer."""

    items = ma.fields.List(ma.fields.Nested(GapSchema))
