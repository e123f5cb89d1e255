"""What OpenAI's clients send, as far as it means something here."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from chatbot.chat.schemas import MAX_MESSAGE, MAX_MESSAGE_BYTES
from chatbot.errors import FieldError, Invalid
from chatbot.rag.types import HistoryMessage
from chatbot.web.fields import StrictBool, StrictInt, text

# The newest messages of a request that are looked at: what the conversations of this server keep too.
HISTORY_MESSAGES = 20
ROLES = ("user", "assistant", "system", "developer", "tool", "function")
_EMPTY = ma.validate.Length(max=0, error="This server has no tools.")


class Content(ma.fields.Field[list[Any]]):
    """A message's content as a list of parts: a string is one, null is none. What is in them is looked at later, for
    what cannot be read matters in the question only."""

    def _deserialize(self, value: object, *_args: object, **_kwargs: object) -> list[object]:
        if isinstance(value, str):
            return [{"type": "text", "text": value}]
        if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
            raise ma.ValidationError(_ONLY_TEXT)
        return value


_ONLY_TEXT = "Only text can be read: a string, or parts of the type `text`."
# The names of parts that are text, in both of OpenAI's protocols, and of a part that has one in a field of its own.
_TEXTS = ("text", "input_text", "output_text")


def _text_of(part: dict[str, object]) -> str | None:
    """The text of a part; None where it is something else, like an image."""
    kind = part.get("type")
    text = part.get("text") if kind in _TEXTS else part.get("refusal") if kind == "refusal" else None
    return text if isinstance(text, str) else None


_PART = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": {"type": "string"}, "text": {"type": "string"}},
}


class TurnSchema(ma.Schema):
    """A message of the request."""

    class Meta:
        unknown = ma.INCLUDE

    role = ma.fields.String(
        required=True,
        validate=ma.validate.OneOf(ROLES),
        metadata={
            "description": "The last message is the user's question. Those before it are this request's history. "
            "`system` and `developer` are taken and ignored: the instructions of this server are its own; so are "
            "`tool` and `function`.",
            "example": "user",
        },
    )
    content = Content(
        load_default=[],
        allow_none=True,
        metadata={
            "description": "A string, or a list of parts. The question has parts of the type `text` only; of earlier "
            "messages other parts are skipped. Null is no text, as in a message that calls a tool.",
            "oneOf": [{"type": "string", "nullable": True}, {"type": "array", "items": _PART}],
            "example": "How do I add a document?",
        },
    )


def _is_usage_flag(options: dict[str, object]) -> None:
    if not isinstance(options.get("include_usage"), bool | None):
        raise ma.ValidationError({"include_usage": ["Not a valid boolean."]})


def _is_off(value: bool | None) -> None:
    if value:
        raise ma.ValidationError("Only false can be given.")


def _is_text_format(wanted: dict[str, object]) -> None:
    if wanted.get("type") != "text":
        raise ma.ValidationError({"type": ["Only text can be given."]})


# Said here, because a nested schema that may be null allows any object in the document.
_STREAM_OPTIONS = {
    "description": "`include_usage` adds one more chunk with the usage.",
    "properties": {"include_usage": {"type": "boolean", "nullable": True}},
}
_FORMAT = {"required": ["type"], "properties": {"type": {"type": "string", "enum": ["text"]}}}


class CompletionSchema(ma.Schema):
    """A question as OpenAI's clients ask it."""

    class Meta:
        # Parameters of a model (temperature, max_tokens, seed ...) change no shape, and nothing here.
        unknown = ma.INCLUDE

    model = text(1, 100, required=True, metadata={"description": "One of GET /v1/models.", "example": "extractive"})
    messages = ma.fields.List(ma.fields.Nested(TurnSchema), required=True, validate=ma.validate.Length(min=1, max=1000))
    stream = StrictBool(load_default=False, allow_none=True)
    stream_options = ma.fields.Dict(
        load_default=None, allow_none=True, validate=_is_usage_flag, metadata=_STREAM_OPTIONS
    )
    n = StrictInt(
        load_default=1, allow_none=True, strict=True, validate=ma.validate.Equal(1, error="Only one answer is given.")
    )
    logprobs = StrictBool(
        load_default=False,
        allow_none=True,
        validate=_is_off,
        metadata={"description": "Only false.", "not": {"enum": [True]}},
    )
    response_format = ma.fields.Dict(load_default=None, allow_none=True, validate=_is_text_format, metadata=_FORMAT)
    tools = ma.fields.List(ma.fields.Raw(), load_default=None, allow_none=True, validate=_EMPTY)
    functions = ma.fields.List(ma.fields.Raw(), load_default=None, allow_none=True, validate=_EMPTY)

    @ma.post_load
    def _something_to_ask(self, body: dict[str, Any], **_kwargs: object) -> dict[str, object]:
        last = len(body["messages"]) - 1
        asked = body["messages"][last]
        if asked["role"] != "user":
            raise Invalid(
                errors=[FieldError(f"/messages/{last}/role", "The last message has to be a question of the user.")]
            )
        parts = asked["content"] or []
        asked["content"] = _joined(parts)
        unread = any(_text_of(part) is None for part in parts)
        reason = _ONLY_TEXT if unread else _cannot_be_asked(asked["content"])
        if reason:
            raise Invalid(errors=[FieldError(f"/messages/{last}/content", reason)])
        return body


def _cannot_be_asked(question: str) -> str | None:
    if not question.strip():
        return "Ask something."
    if len(question) > MAX_MESSAGE or len(question.encode()) > MAX_MESSAGE_BYTES:
        return f"A question has at most {MAX_MESSAGE} characters and {MAX_MESSAGE_BYTES} bytes."
    return None


def _joined(parts: list[dict[str, Any]]) -> str:
    return "\n".join(text for part in parts if (text := _text_of(part)) is not None)


def history_of(body: dict[str, Any]) -> tuple[HistoryMessage, ...]:
    """What was said before, as the client tells it; the newest part."""
    told = [(m["role"] == "user", _joined(m["content"] or [])) for m in _earlier(body)]
    said = [(is_user, text) for is_user, text in told if text.strip()]
    return tuple(HistoryMessage(is_user, text[:MAX_MESSAGE], told=True) for is_user, text in said[-HISTORY_MESSAGES:])


def skipped_parts(body: dict[str, Any]) -> int:
    """How many parts of earlier messages were not read: images, files and others that are no text."""
    return sum(_text_of(part) is None for m in _earlier(body) for part in m["content"] or [])


def _earlier(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages before the question that somebody has said."""
    return [m for m in body["messages"][:-1] if m["role"] in ("user", "assistant")]


class UrlCitationSchema(ma.Schema):
    """Where a citation stands in the answer, and where it leads."""

    start_index = ma.fields.Integer(metadata={"example": 0})
    end_index = ma.fields.Integer(metadata={"example": 54})
    title = ma.fields.String(metadata={"example": "The knowledge base"})
    url = ma.fields.String(
        metadata={"example": "https://chat.example.com/api/knowledge/documents/6d0f1f8e/versions/1/"}
    )


class AnnotationSchema(ma.Schema):
    """A citation: in OpenAI's shape, and whole as `citation`."""

    type = ma.fields.String(metadata={"example": "url_citation"})
    url_citation = ma.fields.Nested(UrlCitationSchema)
    citation = ma.fields.Dict(metadata={"description": "The citation as in the answers of send/."})


class AnswerSchema(ma.Schema):
    """The answer's message."""

    role = ma.fields.String(metadata={"example": "assistant"})
    content = ma.fields.String(metadata={"example": "To add a document, send its title and content as JSON. [1]"})
    refusal = ma.fields.String(
        allow_none=True,
        metadata={"description": "The words of a model that declines; `content` has them too.", "example": None},
    )
    annotations = ma.fields.List(ma.fields.Nested(AnnotationSchema))


class ChoiceSchema(ma.Schema):
    """The one choice."""

    index = ma.fields.Integer(metadata={"example": 0})
    message = ma.fields.Nested(AnswerSchema)
    logprobs = ma.fields.Dict(allow_none=True, metadata={"example": None})
    finish_reason = ma.fields.String(
        validate=ma.validate.OneOf(("stop", "length", "content_filter")),
        metadata={
            "description": "`length`: the model reached its limit of tokens. `content_filter`: the provider's filter "
            "stopped it.",
            "example": "stop",
        },
    )


class TokensSchema(ma.Schema):
    """What it took."""

    prompt_tokens = ma.fields.Integer(metadata={"example": 812})
    completion_tokens = ma.fields.Integer(metadata={"example": 64})
    total_tokens = ma.fields.Integer(metadata={"example": 876})


class ChatCompletionSchema(ma.Schema):
    """An answer as OpenAI's clients read it, and beside it what tells where it comes from."""

    id = ma.fields.String(metadata={"example": "chatcmpl-b3c0f7a8-0a4e-4d6c-8d5f-1f2e3d4c5b6a"})
    object = ma.fields.String(metadata={"example": "chat.completion"})
    created = ma.fields.Integer(metadata={"example": 1795600000})
    model = ma.fields.String(metadata={"example": "extractive"})
    choices = ma.fields.List(ma.fields.Nested(ChoiceSchema))
    usage = ma.fields.Nested(TokensSchema)
    system_fingerprint = ma.fields.String(metadata={"description": "The prompt's version.", "example": "8eafd5c3b1cb"})
    chat_session_id = ma.fields.String(metadata={"example": "2f6b2d3e-5a53-4a0e-8f35-7d0b3f0a9c11"})
    message_id = ma.fields.String(metadata={"example": "b3c0f7a8-0a4e-4d6c-8d5f-1f2e3d4c5b6a"})
    metadata = ma.fields.Dict(metadata={"description": "The metadata of an answer of send/."})
    skipped_parts = ma.fields.Integer(
        metadata={"description": "How many parts of earlier messages were no text and not read.", "example": 0}
    )


class OpenAIModelSchema(ma.Schema):
    """A model."""

    id = ma.fields.String(metadata={"example": "extractive"})
    object = ma.fields.String(metadata={"example": "model"})
    created = ma.fields.Integer(metadata={"example": 0})
    owned_by = ma.fields.String(metadata={"example": "chatbot"})


class OpenAIModelsSchema(ma.Schema):
    """The models."""

    object = ma.fields.String(metadata={"example": "list"})
    data = ma.fields.List(ma.fields.Nested(OpenAIModelSchema))
