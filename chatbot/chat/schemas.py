"""The chat package on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import marshmallow as ma

from chatbot.chat.models import Message
from chatbot.errors import FieldError, Invalid
from chatbot.web.fields import VISIBLE, Id, PageArgs, StrictBool, StrictInt, UtcDateTime, text

MAX_MESSAGE = 8_000
MAX_MESSAGE_BYTES = 24_000
STATUSES = ("complete", "interrupted", "failed")
RATINGS = ("up", "down")
MAX_COMMENT = 2_000
_PLACE = {"document_id": "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a", "version": 1, "chunk_id": 871, "page": None}
_SENTENCE = "To add a document, send its title and content as JSON."
ANSWER_METADATA = {
    "model": "extractive",
    "fallback_from": None,
    "finish_reason": "stop",
    "refused": False,
    "cached": False,
    "context_used": True,
    "retrieved_docs": [
        {"rank": 1, "title": "The knowledge base", "source": "docs/knowledge.md", **_PLACE}
        | {
            "char_start": 1200,
            "char_end": 1254,
            "text": _SENTENCE,
            "scores": {"dense": 0.71, "keyword": 9.2, "fused": 0.94, "evidence": 0.76},
        }
    ],
    "grounding": {
        "status": "grounded",
        "top_score": 0.97,
        "threshold": 0.67,
        "lower_threshold": 0.17,
        "unsupported": 0,
    },
    "citations": [
        {"marker": 1, "answer_start": 0, "answer_end": 54, **_PLACE}
        | {"char_start": 1200, "char_end": 1254, "quote": _SENTENCE, "verified": True}
    ],
    "removed_markers": 0,
    "unverified_markers": 0,
    "usage": {
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
        "estimated": False,
        "cost_usd": "0.000000",
    },
    "timings_ms": {"condense": 0, "retrieve": 7, "first_token": 12, "total": 14},
    "removed_links": 0,
    "question": "How do I add a document?",
    "prompt_version": "8eafd5c3b1cb",
    "suggestions": ["How do I update or retry a document?"],
}
TIME = {"type": "string", "format": "date-time", "example": "2026-11-22T18:00:00.000Z"}


class SendSchema(ma.Schema):
    """A question."""

    message = text(1, MAX_MESSAGE, required=True, metadata={"pattern": VISIBLE, "example": "How do I add a document?"})
    chat_session_id = Id(
        load_default=None,
        allow_none=True,
        metadata={"description": "The conversation; without it a new one begins."},
    )
    stream = StrictBool(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Answer as server-sent events; so does `Accept: text/event-stream`.",
            "example": False,
        },
    )
    model = text(1, 100, load_default=None, allow_none=True, metadata={"description": "One of GET models/."})
    collections = ma.fields.List(
        text(1, 100),
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(min=1, max=50),
        metadata={"description": "Search only in these collections.", "example": ["default"]},
    )

    parent_id = Id(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The message that the question goes below, which begins a new branch; without it the "
            "newest. To ask anew from the beginning, name the conversation itself.",
        },
    )

    @ma.post_load
    def _something_to_ask(self, body: dict[str, Any], **_kwargs: object) -> dict[str, object]:
        if not body["message"].strip():
            raise Invalid(errors=[FieldError("/message", "Ask something.")])
        if len(body["message"].encode()) > MAX_MESSAGE_BYTES:
            raise Invalid(errors=[FieldError("/message", f"Longer than {MAX_MESSAGE_BYTES} bytes.")])
        return body


class RegenerateSchema(ma.Schema):
    """How a question is answered once more. Nothing at all is an empty object."""

    body_is_optional = True

    stream = StrictBool(
        load_default=None,
        allow_none=True,
        metadata={"description": "As for send/.", "example": False},
    )
    model = text(1, 100, load_default=None, allow_none=True, metadata={"description": "One of GET models/."})
    collections = ma.fields.List(
        text(1, 100),
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(min=1, max=50),
        metadata={"description": "Search only in these collections.", "example": ["default"]},
    )


class LastEventSchema(ma.Schema):
    """The header with which a reader comes back."""

    after = StrictInt(
        data_key="Last-Event-ID",
        load_default=0,
        validate=ma.validate.Range(min=0, max=2**31),
        metadata={"description": "The `id` of the last event that arrived.", "example": 7},
    )


class StopSchema(ma.Schema):
    """What becomes of an answer that was to stop."""

    message_id = ma.fields.String(metadata={"example": "b3c0f7a8-0a4e-4d6c-8d5f-1f2e3d4c5b6a"})
    status = ma.fields.String(
        validate=ma.validate.OneOf(("stopping", *STATUSES)),
        metadata={"description": "stopping, or how the answer that is stored has ended.", "example": "stopping"},
    )


class UsageSchema(ma.Schema):
    """What answers have cost today."""

    day = ma.fields.Date(metadata={"description": "The day in UTC.", "example": "2026-11-22"})
    answers = ma.fields.Integer(metadata={"example": 12})
    tokens = ma.fields.Integer(
        metadata={"description": "Of prompts and answers; an account's with those of its visitors.", "example": 8412}
    )
    budget = ma.fields.Integer(
        allow_none=True,
        metadata={
            "description": "How many tokens a day there are; null without a limit. Beyond it send/ answers 429 "
            "`quota_exceeded`.",
            "example": 50000,
        },
    )
    cost_usd = ma.fields.String(
        metadata={"description": "US dollars, as far as prices are known.", "example": "0.013720"}
    )
    unpriced_answers = ma.fields.Integer(
        metadata={"description": "Answers of models without a known price; they are not in `cost_usd`.", "example": 0}
    )
    resets_at = UtcDateTime(
        metadata=TIME | {"description": "When the next day begins.", "example": "2026-11-23T00:00:00.000Z"}
    )


class HistoryArgs(PageArgs):
    """Which conversations."""

    q = text(1, 200, load_default=None, metadata={"description": "A part of a title or a message."})


class RenameSchema(ma.Schema):
    """A new title."""

    title = text(1, 200, required=True, metadata={"example": "Adding documents"})


class ChatSessionSchema(ma.Schema):
    """A conversation."""

    id = ma.fields.String(metadata={"example": "2f6b2d3e-5a53-4a0e-8f35-7d0b3f0a9c11"})
    title = ma.fields.String(metadata={"example": "How do I add a document?"})
    created_at = UtcDateTime(metadata=TIME)
    updated_at = UtcDateTime(metadata=TIME)
    message_count = ma.fields.Integer(metadata={"example": 2})
    members = ma.fields.List(
        ma.fields.String(), metadata={"description": "Who takes part beside the owner.", "example": []}
    )

    @ma.pre_dump
    def _shape(self, row: dict[str, object], **_kwargs: object) -> dict[str, object]:
        chat = row["chat"]
        same = {name: getattr(chat, name) for name in ("id", "title", "created_at", "updated_at")}
        return same | {"message_count": row["message_count"], "members": row.get("members", [])}


@dataclass(frozen=True)
class MessageView:
    """A message as one reader sees it (chatbot/chat/conversations/views.py); nothing else of a message leaves the
    server."""

    message: Message
    metadata: dict[str, Any]


class GiveFeedbackSchema(ma.Schema):
    """What somebody says of an answer."""

    rating = ma.fields.String(
        required=True,
        allow_none=True,
        validate=ma.validate.OneOf(RATINGS),
        metadata={"description": "up, down, or null for neither.", "example": "up"},
    )
    comment = text(
        0, MAX_COMMENT, load_default=None, allow_none=True, metadata={"example": "Exactly what I was looking for."}
    )


class FeedbackSchema(ma.Schema):
    """What a person has said of an answer."""

    rating = ma.fields.String(
        allow_none=True, validate=ma.validate.OneOf(RATINGS), metadata={"description": "up or down.", "example": "up"}
    )
    comment = ma.fields.String(allow_none=True, metadata={"example": "Exactly what I was looking for."})
    at = UtcDateTime(metadata=TIME)


class MessageSchema(ma.Schema):
    """A question or an answer."""

    id = ma.fields.String(metadata={"example": "b3c0f7a8-0a4e-4d6c-8d5f-1f2e3d4c5b6a"})
    chat_session_id = ma.fields.String(metadata={"example": "2f6b2d3e-5a53-4a0e-8f35-7d0b3f0a9c11"})
    parent_id = ma.fields.String(
        allow_none=True,
        metadata={"description": "The message it follows.", "example": "9c1f4b6e-7d2a-4f0b-8a3c-5e6d7f8a9b0c"},
    )
    is_user = ma.fields.Boolean(metadata={"example": False})
    author = ma.fields.String(
        allow_none=True,
        metadata={"description": "The user's name; null for an answer, and for a deleted account.", "example": None},
    )
    content = ma.fields.String(
        metadata={
            "description": "Plain text or Markdown; treat it as untrusted.",
            "example": "To add a document, send its title and content as JSON. [1]",
        }
    )
    status = ma.fields.String(
        validate=ma.validate.OneOf(STATUSES),
        metadata={
            "description": "`interrupted`: the answer was stopped, or cut by a limit or a filter (`finish_reason` in "
            "its metadata); `failed`: there is none.",
            "example": "complete",
        },
    )
    feedback = ma.fields.Nested(
        FeedbackSchema, allow_none=True, metadata={"description": "What was said of an answer; null until then."}
    )
    metadata = ma.fields.Dict(
        metadata={
            "description": "Of an answer: model, retrieved_docs, grounding, citations, usage, timings_ms, question, "
            "removed_links; `finish_reason` (`stop`, `length`, `content_filter`, or null if it came to no end), and "
            "`refused` if the model declines to answer. In the list of messages each citation also says whether its "
            "document has changed since (`outdated`). A passage that the reader may not read is only there if the "
            "answer cites it, with the quotes for its text and `readable` false. `deleted` is true of a question whose "
            "author's account was deleted, and of its answers: they are empty.",
            "example": ANSWER_METADATA,
        }
    )
    created_at = UtcDateTime(metadata=TIME)

    @ma.pre_dump
    def _shape(self, row: MessageView, **_kwargs: object) -> dict[str, object]:
        message = row.message
        same = [
            "id",
            "chat_session_id",
            "parent_id",
            "is_user",
            "author",
            "content",
            "status",
            "created_at",
        ]
        shape = {name: getattr(message, name) for name in same}
        return shape | {"metadata": row.metadata, "feedback": message.feedback}


class ReplySchema(ma.Schema):
    """A question and its answer."""

    chat_session_id = ma.fields.String(metadata={"example": "2f6b2d3e-5a53-4a0e-8f35-7d0b3f0a9c11"})
    user_message = ma.fields.Nested(MessageSchema)
    message = ma.fields.Nested(MessageSchema)


class ModelSchema(ma.Schema):
    """A chat model."""

    id = ma.fields.String(metadata={"example": "extractive"})
    default = ma.fields.Boolean(metadata={"example": True})


class ModelListSchema(ma.Schema):
    """The models a request may name."""

    items = ma.fields.List(ma.fields.Nested(ModelSchema))


class ExportArgs(ma.Schema):
    """In which form."""

    format = ma.fields.String(
        load_default="json",
        validate=ma.validate.OneOf(("json", "markdown")),
        metadata={"description": "`json` has everything, `markdown` is for reading."},
    )


class TranscriptSchema(ChatSessionSchema):
    """A conversation with all its messages."""

    messages = ma.fields.List(ma.fields.Nested(MessageSchema))


class MembersSchema(ma.Schema):
    """Who takes part in a conversation beside its owner."""

    members = ma.fields.List(ma.fields.String(), metadata={"example": ["bob"]})


class NameOfMemberSchema(ma.Schema):
    """Somebody by their user name."""

    username = text(1, 150, required=True, metadata={"example": "bob"})
