"""The trace of an answer on the wire."""

from __future__ import annotations

import marshmallow as ma

from chatbot.chat.schemas import ANSWER_METADATA, TIME
from chatbot.web.fields import UtcDateTime

_KEPT = ("best", "curated", "variety", "gate", "threshold", "similar", "rank")
_REMOVED = ("no_such_passage", "not_supported")


class TracedQuestionSchema(ma.Schema):
    """The question, as it was asked and as it was searched."""

    asked = ma.fields.String(metadata={"example": "And for production?"})
    searched = ma.fields.String(allow_none=True, metadata={"example": "Which database do I need? And for production?"})
    beside = ma.fields.String(
        allow_none=True, metadata={"description": "What was searched as well: the question as typed.", "example": None}
    )
    history = ma.fields.Dict(
        metadata={
            "description": "How many messages before it were known, and how many of them the client told.",
            "example": {"messages": 2, "told": 0},
        }
    )


class TracedIndexSchema(ma.Schema):
    """What was searched."""

    generation = ma.fields.Integer(metadata={"example": 1})
    revision = ma.fields.Integer(metadata={"example": 12})
    embedder = ma.fields.String(metadata={"example": "all-MiniLM-L6-v2"})


class CandidateSchema(ma.Schema):
    """A passage that was looked at. Of one that the reader may not read, or not any more, only the scores are told."""

    place = ma.fields.Integer(metadata={"description": "Its place by the fused score.", "example": 1})
    kept = ma.fields.Boolean(metadata={"description": "Whether the answer was made from it.", "example": True})
    reason = ma.fields.String(
        validate=ma.validate.OneOf(_KEPT),
        metadata={
            "description": "Kept as one of the `best`, as `curated` for this question, or for `variety`; dropped by "
            "the `gate`, below the `threshold`, too `similar` to better ones, or for its `rank` behind them.",
            "example": "best",
        },
    )
    scores = ma.fields.Dict(metadata={"example": {"dense": 0.71, "keyword": 9.2, "fused": 0.94, "evidence": 0.76}})
    readable = ma.fields.Boolean(metadata={"example": True})
    document_id = ma.fields.String(allow_none=True, metadata={"example": "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"})
    title = ma.fields.String(allow_none=True, metadata={"example": "The knowledge base"})
    source = ma.fields.String(allow_none=True, metadata={"example": "docs/knowledge.md"})
    version = ma.fields.Integer(allow_none=True, metadata={"example": 1})
    chunk_id = ma.fields.Integer(allow_none=True, metadata={"example": 871})
    page = ma.fields.Integer(allow_none=True, metadata={"example": None})
    text = ma.fields.String(
        allow_none=True,
        metadata={"description": "null where it is no longer searched.", "example": "To add a document, send it."},
    )


class TracedGateSchema(ma.Schema):
    """Whether what was found could carry an answer."""

    calibrated = ma.fields.Boolean(metadata={"description": "Whether a calibrated gate decided."})
    features = ma.fields.Dict(
        allow_none=True,
        metadata={
            "description": "What the calibrated gate or the trained classifier saw; null where a threshold decides.",
            "example": {"near": 0.71, "dense": 0.66, "general": 0.2, "words": 0.6, "met": 0.8, "chunks": 12},
        },
    )
    score = ma.fields.Float(allow_none=True, metadata={"example": 0.76})
    threshold = ma.fields.Float(allow_none=True, metadata={"example": 0.67})
    lower_threshold = ma.fields.Float(
        allow_none=True,
        metadata={"description": "Between this and the threshold the passages may not answer.", "example": 0.17},
    )
    passed = ma.fields.Boolean(metadata={"example": True})


class FailureSchema(ma.Schema):
    """A model whose place another one took."""

    model = ma.fields.String(metadata={"example": "gpt-4o-mini"})
    code = ma.fields.String(metadata={"example": "model_unavailable"})


class TracedModelSchema(ma.Schema):
    """Which model was asked, and which one answered."""

    asked = ma.fields.String(metadata={"example": "gpt-4o-mini"})
    answered = ma.fields.String(metadata={"example": "gpt-4o-mini"})
    failures = ma.fields.List(ma.fields.Nested(FailureSchema))
    cached = ma.fields.Boolean(metadata={"description": "Whether an earlier answer was given again."})


class SentMessageSchema(ma.Schema):
    """A message of a prompt."""

    role = ma.fields.String(metadata={"example": "system"})
    tokens = ma.fields.Integer(metadata={"example": 812})
    sha256 = ma.fields.String(metadata={"description": "Of its text, the boundaries around passages left out."})


class PromptSchema(ma.Schema):
    """A prompt as it was sent."""

    model = ma.fields.String(metadata={"example": "gpt-4o-mini"})
    tokens = ma.fields.Integer(metadata={"example": 836})
    messages = ma.fields.List(ma.fields.Nested(SentMessageSchema))


class RemovedMarkerSchema(ma.Schema):
    """A marker that was taken out of the answer."""

    marker = ma.fields.Integer(metadata={"example": 7})
    at = ma.fields.Integer(metadata={"description": "Where in the answer it stood.", "example": 64})
    reason = ma.fields.String(validate=ma.validate.OneOf(_REMOVED), metadata={"example": "no_such_passage"})


class TraceSchema(ma.Schema):
    """Why an answer says what it says."""

    message_id = ma.fields.String(metadata={"example": "b3c0f7a8-0a4e-4d6c-8d5f-1f2e3d4c5b6a"})
    created_at = UtcDateTime(metadata=TIME)
    status = ma.fields.String(metadata={"example": "complete"})
    error = ma.fields.String(allow_none=True, metadata={"description": "The code of what ended it.", "example": None})
    question = ma.fields.Nested(TracedQuestionSchema)
    collections = ma.fields.List(
        ma.fields.String(),
        metadata={"description": "What was searched, as far as the reader may read it.", "example": ["default"]},
    )
    index = ma.fields.Nested(
        TracedIndexSchema, allow_none=True, metadata={"description": "null where nothing was searched."}
    )
    candidates = ma.fields.List(ma.fields.Nested(CandidateSchema))
    gate = ma.fields.Nested(TracedGateSchema)
    model = ma.fields.Nested(TracedModelSchema)
    prompts = ma.fields.List(
        ma.fields.Nested(PromptSchema), metadata={"description": "In the order in which they were sent."}
    )
    prompt_version = ma.fields.String(metadata={"example": ANSWER_METADATA["prompt_version"]})
    timings_ms = ma.fields.Dict(metadata={"example": ANSWER_METADATA["timings_ms"]})
    usage = ma.fields.Dict(metadata={"example": ANSWER_METADATA["usage"]})
    citations = ma.fields.List(ma.fields.Dict(), metadata={"example": ANSWER_METADATA["citations"]})
    removed_markers = ma.fields.List(
        ma.fields.Nested(RemovedMarkerSchema), metadata={"description": "The first fifty of them."}
    )
