"""/api/chat/"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from chatbot.auth.guard import caller, user_required
from chatbot.background import enqueue
from chatbot.chat import schemas
from chatbot.chat.api.sse_events import drain, frames_again, frames_of, reply_object
from chatbot.chat.conversations import service, usage
from chatbot.chat.conversations.members import still_takes_part
from chatbot.chat.conversations.transcripts import as_markdown, transcript
from chatbot.chat.models import Owner
from chatbot.chat.replies.reply import ReplyEvent
from chatbot.chat.replies.turns import Turn, begin_turn, earlier_answer
from chatbot.chat.tasks import make_title
from chatbot.config import EXTRACTIVE
from chatbot.current import services, settings
from chatbot.errors import problem
from chatbot.extensions import db
from chatbot.knowledge.documents.collections import Reader, asked_for
from chatbot.web.fields import PageArgs, page_of
from chatbot.web.http.blueprint import Blueprint
from chatbot.web.http.content_language import language
from chatbot.web.http.request_resources import release, request_resources
from chatbot.web.idempotency import http as idempotency
from chatbot.web.idempotency.http import IdempotencySchema
from chatbot.web.idempotency.service import Held
from chatbot.web.limits import rate_limits
from chatbot.web.streaming import sse
from chatbot.web.streaming.broadcast import EventBuffer, Frames

blp = Blueprint("chat", __name__, url_prefix="/api/chat", description="Conversations and answers.")
blp.teardown_request(release)

STREAM = {
    "responses": {
        200: {
            "description": "The Reply; as a stream the events start, sources, token, citation, done or error.",
            "headers": idempotency.REPLAYED_HEADER,
            "content": {
                "text/event-stream": {"example": 'event: token\nid: 3\ndata: {"text": "Run "}\n\n'},
            },
        },
        403: {"description": "Not allowed for this account, or `collection_not_allowed`."},
        409: {
            "description": "`reply_in_progress`: a question is being answered in this conversation; or "
            "`idempotency_in_progress`: the first request with this key is still at work."
        },
        422: {"description": "A field is not valid, or `idempotency_key_reused`: the key was used for another body."},
        429: {"description": "Too many questions, or `quota_exceeded`; `Retry-After` says when to come back."},
        502: {"description": "The language model refuses this server."},
        503: {"description": "The language model does not answer, or too many answers are under way."},
        504: {"description": "The language model took too long."},
    }
}


_DOWNLOAD = {
    "responses": {
        200: {
            "description": "The file.",
            "headers": {
                "Content-Disposition": {
                    "description": "A download, with its name.",
                    "schema": {"type": "string", "example": "attachment; filename=conversation-2f6b2d3e.md"},
                }
            },
            "content": {
                "application/json": {"schema": schemas.TranscriptSchema},
                "text/markdown": {"schema": {"type": "string"}, "example": "# How do I add a document?\n"},
            },
        }
    }
}


@blp.route("/send/", methods=["POST"])
@user_required
@rate_limits.send
@blp.arguments(IdempotencySchema, location="headers")
@blp.arguments(schemas.SendSchema)
@blp.response(200, schemas.ReplySchema)
@blp.doc(**STREAM)
def send(headers: dict[str, Any], body: dict[str, Any]) -> ResponseReturnValue:
    """Ask

    Stores the question, finds the passages, and answers with citations: as one JSON object, or as server-sent events.
    With an Idempotency-Key a question that is sent again is not asked again: it gets the stored answer, and also the
    part of one that was broken off. A conversation answers one question at a time. The question continues the newest
    message, or the one that `parent_id` names: then a new branch begins there.
    """
    return answered(headers, body, lambda key: new_turn(body, key))


def answered(headers: dict[str, Any], body: dict[str, Any], begin: Callable[[Held], Turn]) -> ResponseReturnValue:
    """The answer of a turn that `begin` makes, in the way the caller wants to read it."""
    answerer = services().replies.models.get(body["model"])
    key = idempotency.taken(caller(), headers.get("key"))
    earlier = earlier_answer(db.session(), caller(), key)
    if earlier is not None:
        return _again(reply_object(*earlier), body)
    take_permit()
    turn = begin(key)
    turn = replace(turn, ask=replace(turn.ask, language=language()))
    events = services().replies.reply(turn, answerer)
    afterwards = titled_later(turn, answerer.name)
    if not _wants_stream(body):
        response = jsonify(drain(events))
        response.call_on_close(afterwards)
        return response
    # Who names a key says that they will come back when the connection breaks.
    linger = settings().resume_seconds if headers.get("key") else 0.0
    return stream_response(_feed(turn.answer_id, events, linger, afterwards), turn.session_id)


def take_permit() -> None:
    """Holds one of this process's places for answers until the request, or its stream, has ended.

    Raises:
        TooManyStreams: all are taken.
    """
    request_resources().callback(services().concurrency_limit.take().release)


def new_turn(body: dict[str, Any], key: Held) -> Turn:
    """Stores the question of a body of send/; errors as for `begin_turn`."""
    chat_id, parent_id = (str(body[name]) if body[name] else None for name in ("chat_session_id", "parent_id"))
    only = asked_for(body["collections"])
    budget = settings().daily_tokens
    return begin_turn(db.session(), caller(), body["message"], chat_id, only, budget, key, parent_id)


def _again(reply: dict[str, Any], body: dict[str, Any]) -> Response:
    streamed = _wants_stream(body)
    response = stream_response(frames_again(reply), reply["chat_session_id"]) if streamed else jsonify(reply)
    response.headers.update(idempotency.REPLAYED)
    return response


def titled_later(turn: Turn, model: str) -> Callable[[], None]:
    """What is called when an answer is over: for a conversation's first one, a worker has its title written."""
    if not settings().model_titles or turn.answer_position != 1 or model == EXTRACTIVE:
        return lambda: None
    return partial(enqueue, make_title, turn.session_id)


def _feed(
    answer_id: str, events: Generator[ReplyEvent, None, None], linger: float, afterwards: Callable[[], None]
) -> EventBuffer:
    """A feed that takes over what its request holds, and that can be joined while it runs."""
    held = ExitStack()
    held.callback(afterwards)
    held.push(request_resources().pop_all())
    feed = EventBuffer(events, held.close, linger, as_frames=partial(frames_of, as_problem=as_problem()))
    held.callback(services().broadcast.keep(answer_id, feed))
    return feed


def stream_response(
    feed: Frames | EventBuffer,
    chat_id: str,
    *,
    after: int = 0,
    tell: sse.AsProblem | None = None,
    view: sse.View = lambda event: event,
    encode: sse.Encode = sse.frame,
) -> Response:
    """The response of a stream of a conversation, from behind the event `after` on. `tell` is how it tells an error,
    `view` what the caller sees of an event that was made for somebody else, and `encode` how an event is written."""
    allowed = partial(still_takes_part, services().sessions, caller(), chat_id)
    tell = tell or as_problem()
    response = sse.stream(feed, still_allowed=allowed, as_problem=tell, after=after, view=view, encode=encode)
    # Of a stream that is only read here, the request holds something until it has been read.
    response.call_on_close(request_resources().pop_all().close)
    return response


def as_problem() -> sse.AsProblem:
    """How a stream tells an error."""
    return partial(problem, instance=request.path, request_id=g.request_id, language=language())


def _wants_stream(body: dict[str, object]) -> bool:
    if body["stream"] is None:
        return request.accept_mimetypes.best == "text/event-stream"
    return bool(body["stream"])


@blp.route("/models/", methods=["GET"])
@user_required
@blp.response(200, schemas.ModelListSchema)
def models() -> object:
    """List the models a request may name"""
    names = services().replies.models.names
    return {"items": [{"id": name, "default": name == names[0]} for name in names]}


@blp.route("/usage/", methods=["GET"])
@user_required
@blp.response(200, schemas.UsageSchema)
def usage_today() -> object:
    """Read what answers have cost today

    The tokens of today (UTC) and how many there are. A visitor reads their own; the account's own tokens are those of
    all its visitors too, as its budget is for all of them together.
    """
    return usage.today(db.session(), caller(), settings().daily_tokens)


@blp.route("/history/", methods=["GET"])
@user_required
@blp.arguments(schemas.HistoryArgs, location="query")
@blp.response(200, page_of(schemas.ChatSessionSchema))
def history(args: dict[str, Any]) -> object:
    """List conversations

    The caller's own, the one used last first; `q` searches titles and messages.
    """
    return service.list_sessions(db.session(), Owner.of(caller()), args["q"], args["limit"], args["cursor"])


@blp.route("/sessions/<uuid:session_id>/", methods=["GET"])
@user_required
@blp.response(200, schemas.ChatSessionSchema)
def get_session(session_id: UUID) -> object:
    """Read one conversation"""
    return service.get_session(db.session(), Owner.of(caller()), str(session_id))


@blp.route("/sessions/<uuid:session_id>/", methods=["PATCH"])
@user_required
@blp.arguments(schemas.RenameSchema)
@blp.response(200, schemas.ChatSessionSchema)
def rename_session(body: dict[str, Any], session_id: UUID) -> object:
    """Rename a conversation"""
    return service.rename_session(db.session(), Owner.of(caller()), str(session_id), body["title"])


@blp.route("/sessions/<uuid:session_id>/", methods=["DELETE"])
@user_required
@blp.response(204)
def delete_session(session_id: UUID) -> None:
    """Delete a conversation and its messages

    An answer that is being made in it is stopped, and nothing of it is stored.
    """
    answer_id = service.delete_session(db.session(), Owner.of(caller()), str(session_id))
    if answer_id is not None:
        services().replies.running.stop(answer_id)


@blp.route("/sessions/<uuid:session_id>/messages/", methods=["GET"])
@user_required
@blp.arguments(PageArgs, location="query")
@blp.response(200, page_of(schemas.MessageSchema))
def messages(args: dict[str, Any], session_id: UUID) -> object:
    """List the messages of a conversation

    Oldest first.
    """
    owner, reader = Owner.of(caller()), Reader.of(caller())
    return service.list_messages(db.session(), owner, reader, str(session_id), args["limit"], args["cursor"])


@blp.route("/sessions/<uuid:session_id>/export/", methods=["GET"])
@user_required
@blp.arguments(schemas.ExportArgs, location="query")
@blp.doc(**_DOWNLOAD)
def export_session(args: dict[str, object], session_id: UUID) -> Response:
    """Download a conversation

    As JSON with everything, or as Markdown for reading, in which each citation is a footnote with the document's
    title, version, page and the quote.
    """
    talk = transcript(db.session(), Owner.of(caller()), Reader.of(caller()), str(session_id))
    markdown = args["format"] == "markdown"
    response = Response(as_markdown(talk), mimetype="text/markdown") if markdown else jsonify(talk)
    name = f"conversation-{session_id}.{'md' if markdown else 'json'}"
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    return response
