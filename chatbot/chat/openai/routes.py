"""/v1/: the same questions and answers for OpenAI's clients, which change their base_url and api_key and nothing else.

Guard, limits, ownership, budget and services are those of send/. A question is stored as a conversation of one turn,
so usage, export, history and feedback know it; what the client tells of earlier turns is used for this one answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response, jsonify
from flask.typing import ResponseReturnValue

from chatbot.auth.guard import caller, user_required
from chatbot.chat.api.sessions import stream_response, take_permit
from chatbot.chat.api.sse_events import drain, reply_object
from chatbot.chat.openai import schemas as openai_schemas
from chatbot.chat.openai import sse_events
from chatbot.chat.replies.turns import Turn, begin_turn, earlier_answer
from chatbot.current import services, settings
from chatbot.errors import NotFound
from chatbot.extensions import db
from chatbot.web.http.blueprint import Blueprint
from chatbot.web.http.content_language import language
from chatbot.web.http.openai_errors import body_of
from chatbot.web.http.request_resources import release, request_resources
from chatbot.web.idempotency import http as idempotency
from chatbot.web.idempotency.http import IdempotencySchema
from chatbot.web.idempotency.service import Held
from chatbot.web.limits import rate_limits
from chatbot.web.streaming.broadcast import EventBuffer

blp = Blueprint("openai", __name__, url_prefix="/v1", description="The same for clients of OpenAI's API.")
blp.teardown_request(release)

_STREAM = {
    "responses": {
        200: {
            "description": "The completion; as a stream its chunks, and `[DONE]`.",
            "headers": idempotency.REPLAYED_HEADER,
            "content": {
                "text/event-stream": {
                    "schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "string"}}},
                    "example": 'data: {"object": "chat.completion.chunk", "choices": []}\n\n',
                }
            },
        },
        404: {"description": "`model_not_found`: there is no such model."},
        409: {"description": "`idempotency_in_progress`: the first request with this key is still at work."},
        429: {"description": "Too many questions, or `quota_exceeded`; `Retry-After` says when to come back."},
        502: {"description": "The language model refuses this server."},
        503: {"description": "The language model does not answer, or too many answers are under way."},
        504: {"description": "The language model took too long."},
    }
}


class ModelNotFound(NotFound):
    code, detail = "model_not_found", "There is no such model; GET /v1/models lists them."


@blp.route("/models", methods=["GET"])
@user_required
@blp.response(200, openai_schemas.OpenAIModelsSchema)
def list_models() -> object:
    """List the models, as OpenAI does"""
    return {"object": "list", "data": [_model(name) for name in services().replies.models.names]}


@blp.route("/models/<path:model>", methods=["GET"])
@user_required
@blp.response(200, openai_schemas.OpenAIModelSchema)
def retrieve_model(model: str) -> object:
    """Read one model, as OpenAI does

    The names of some models have a slash in them.
    """
    name = model.rstrip("/")
    if name not in services().replies.models.names:
        raise ModelNotFound()
    return _model(name)


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "chatbot"}


@blp.route("/chat/completions", methods=["POST"])
@user_required
@rate_limits.send
@blp.arguments(IdempotencySchema, location="headers")
@blp.arguments(openai_schemas.CompletionSchema, unknown=None)
@blp.response(200, openai_schemas.ChatCompletionSchema)
@blp.doc(**_STREAM)
def create_completion(headers: dict[str, Any], body: dict[str, Any]) -> ResponseReturnValue:
    """Ask, as OpenAI's clients do

    The last message is the question; it is answered from the documents. User and assistant messages before it help to
    understand it: their text is read, and `skipped_parts` says how many of their parts were something else. Messages
    of other roles and the parameters of a model (temperature, max_tokens ...) are ignored. Citations are the message's
    `annotations`, in a stream those of the last delta. What would change the shape of an answer (`n`, `tools`, another
    `response_format`, `logprobs`) is refused.
    """
    models = services().replies.models
    if body["model"] not in models.names:
        raise ModelNotFound()
    answerer = models.get(body["model"])
    key = idempotency.taken(caller(), headers.get("key"))
    earlier = earlier_answer(db.session(), caller(), key)
    if earlier is not None:
        return _again(reply_object(*earlier), body)
    take_permit()
    turn, skipped = _turn(body, key), openai_schemas.skipped_parts(body)
    events = services().replies.reply(turn, answerer)
    if not body["stream"]:
        return jsonify(sse_events.completion(drain(events), settings().public_url, skipped))
    chunks = sse_events.Chunks(settings().public_url, _wants_usage(body), skipped)
    return _stream(EventBuffer(events, request_resources().pop_all().close, as_frames=chunks.of), turn.session_id)


def _turn(body: dict[str, Any], key: Held) -> Turn:
    question = body["messages"][-1]["content"]
    turn = begin_turn(db.session(), caller(), question, None, None, settings().daily_tokens, key)
    return replace(turn, ask=replace(turn.ask, history=openai_schemas.history_of(body), language=language()))


def _again(reply: dict[str, Any], body: dict[str, Any]) -> Response:
    url, skipped = settings().public_url, openai_schemas.skipped_parts(body)
    if body["stream"]:
        chunks = sse_events.Chunks(url, _wants_usage(body), skipped)
        response = _stream(EventBuffer(chunks.again(reply)), reply["chat_session_id"])
    else:
        response = jsonify(sse_events.completion(reply, url, skipped))
    response.headers.update(idempotency.REPLAYED)
    return response


def _wants_usage(body: dict[str, Any]) -> bool:
    return bool((body["stream_options"] or {}).get("include_usage"))


def _stream(feed: EventBuffer, chat_id: str) -> Response:
    return stream_response(feed, chat_id, tell=body_of, encode=sse_events.data_line)
