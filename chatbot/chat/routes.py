"""/api/chat/"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import current_app, g, jsonify, request
from flask.typing import ResponseReturnValue

from chatbot.auth.guard import caller, user_required
from chatbot.chat import schemas, service
from chatbot.chat.frames import drain, frames
from chatbot.chat.replies import Replies
from chatbot.chat.turns import begin_turn
from chatbot.errors import problem
from chatbot.extensions import db
from chatbot.web import sse
from chatbot.web.blueprint import Blueprint
from chatbot.web.fields import PageArgs, page_of
from chatbot.web.slots import Slots

blp = Blueprint("chat", __name__, url_prefix="/api/chat", description="Conversations and answers.")

_STREAM = {
    "responses": {
        200: {
            "description": "The Reply; as a stream the events start, sources, token, citation, done or error.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'event: token\nid: 3\ndata: {"text": "Run "}\n\n',
                },
            },
        },
        502: {"description": "The language model refuses this server."},
        503: {"description": "The language model does not answer, or too many answers are under way."},
        504: {"description": "The language model took too long."},
    }
}


def replies() -> Replies:
    """This process's replies."""
    found: Replies = current_app.extensions["replies"]
    return found


@blp.route("/send/", methods=["POST"])
@user_required
@blp.arguments(schemas.SendSchema)
@blp.response(200, schemas.ReplySchema)
@blp.doc(**_STREAM)
def send(body: dict[str, Any]) -> ResponseReturnValue:
    """Ask

    Stores the question, finds the passages, and answers with citations: as one JSON object, or as server-sent events.
    """
    answerer = replies().models.get(body["model"])
    slots: Slots = current_app.extensions["slots"]
    slot = slots.take()
    g.slot = slot
    chat_id = str(body["chat_session_id"]) if body["chat_session_id"] else None
    only = frozenset(body["collections"]) if body["collections"] else None
    turn = begin_turn(db.session(), caller(), body["message"], chat_id, only)
    events = replies().reply(turn, answerer)
    if not _wants_stream(body["stream"]):
        return jsonify(drain(events))
    del g.slot
    as_problem = partial(problem, instance=request.path, request_id=g.request_id)
    return sse.stream(frames(events, as_problem), on_end=slot.release)


def _wants_stream(stream: bool | None) -> bool:
    if stream is None:
        return request.accept_mimetypes.best == "text/event-stream"
    return stream


@blp.teardown_request
def _free_slot(_error: BaseException | None) -> None:
    """An answer read as JSON, or refused before it began, gives its place back with the request."""
    slot = g.pop("slot", None)
    if slot is not None:
        slot.release()


@blp.route("/models/", methods=["GET"])
@user_required
@blp.response(200, schemas.ModelListSchema)
def models() -> Any:
    """List the models a request may name"""
    names = replies().models.names
    return {"items": [{"id": name, "default": name == names[0]} for name in names]}


@blp.route("/history/", methods=["GET"])
@user_required
@blp.arguments(schemas.HistoryArgs, location="query")
@blp.response(200, page_of(schemas.ChatSessionSchema))
def history(args: dict[str, Any]) -> Any:
    """List conversations

    The caller's own, the one used last first; `q` searches titles and messages.
    """
    return service.list_sessions(db.session(), caller().user_id, args["q"], args["limit"], args["cursor"])


@blp.route("/sessions/<uuid:session_id>/", methods=["GET"])
@user_required
@blp.response(200, schemas.ChatSessionSchema)
def get_session(session_id: Any) -> Any:
    """Read one conversation"""
    return service.get_session(db.session(), caller().user_id, str(session_id))


@blp.route("/sessions/<uuid:session_id>/", methods=["PATCH"])
@user_required
@blp.arguments(schemas.RenameSchema)
@blp.response(200, schemas.ChatSessionSchema)
def rename_session(body: dict[str, Any], session_id: Any) -> Any:
    """Rename a conversation"""
    return service.rename_session(db.session(), caller().user_id, str(session_id), body["title"])


@blp.route("/sessions/<uuid:session_id>/", methods=["DELETE"])
@user_required
@blp.response(204)
def delete_session(session_id: Any) -> None:
    """Delete a conversation and its messages"""
    service.delete_session(db.session(), caller().user_id, str(session_id))


@blp.route("/sessions/<uuid:session_id>/messages/", methods=["GET"])
@user_required
@blp.arguments(PageArgs, location="query")
@blp.response(200, page_of(schemas.MessageSchema))
def messages(args: dict[str, Any], session_id: Any) -> Any:
    """List the messages of a conversation

    Oldest first.
    """
    return service.list_messages(db.session(), caller().user_id, str(session_id), args["limit"], args["cursor"])
