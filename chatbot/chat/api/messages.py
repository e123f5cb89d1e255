"""/api/chat/messages/: what is done with one message; and the members of conversations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.typing import ResponseReturnValue

from chatbot.auth import login_throttle
from chatbot.auth.guard import caller, no_visitors, user_required
from chatbot.chat import schemas
from chatbot.chat.api.sessions import STREAM, answered, blp, stream_response, take_permit
from chatbot.chat.api.sse_events import done_again
from chatbot.chat.api.trace_schemas import TraceSchema
from chatbot.chat.conversations import feedback, members
from chatbot.chat.conversations.views import events_for, views
from chatbot.chat.models import Owner
from chatbot.chat.replies import active_replies, traces
from chatbot.chat.replies.turns import Turn, begin_again
from chatbot.current import services, settings
from chatbot.errors import Conflict
from chatbot.extensions import db
from chatbot.knowledge.documents.collections import Reader, asked_for
from chatbot.web.idempotency.http import IdempotencySchema
from chatbot.web.idempotency.service import Held
from chatbot.web.limits import rate_limits
from chatbot.web.streaming.broadcast import EventBuffer

__all__ = ["blp"]


_PICKED_UP = {
    "responses": {
        200: {
            "description": "The events after the one that was named.",
            "content": {"text/event-stream": {"example": 'event: token\nid: 8\ndata: {"text": "it "}\n\n'}},
        },
        409: {"description": "`reply_elsewhere`: it is not streamed by this process; ask again soon."},
    }
}


class ReplyElsewhere(Conflict):
    code, detail = (
        "reply_elsewhere",
        "Another process makes this answer, or nobody streams it; read it when it is done.",
    )


@blp.route("/messages/<uuid:message_id>/feedback/", methods=["POST"])
@user_required
@blp.arguments(schemas.GiveFeedbackSchema)
@blp.response(200, schemas.MessageSchema)
def give_feedback(body: dict[str, Any], message_id: UUID) -> object:
    """Rate an answer

    Up or down, and in words if you like; each time in place of what was said before. A rating of null without a
    comment takes it back. Only answers can be rated: for a question it is 422 `not_an_answer`.
    """
    id_ = str(message_id)
    rated = feedback.give_feedback(db.session(), Owner.of(caller()), id_, body["rating"], body["comment"])
    if rated.rating == "down":
        services().answer_cache.forget(id_)
    return views(db.session(), Reader.of(caller()), [rated])[0]


@blp.route("/messages/<uuid:message_id>/trace/", methods=["GET"])
@user_required
@blp.response(200, TraceSchema)
def trace(message_id: UUID) -> object:
    """Tell why an answer says what it says

    The question as it was searched, every passage that was looked at with its scores and why it was kept or dropped,
    what the gate decided, which models were asked, and how long each step took. A passage that you may not read, or
    not any more, is shown without its text and its place. For a question it is 422 `not_an_answer`.
    """
    who = caller()
    return traces.read_trace(db.session(), Owner.of(who), Reader.of(who), str(message_id))


@blp.route("/messages/<uuid:message_id>/stop/", methods=["POST"])
@user_required
@blp.response(202, schemas.StopSchema)
def stop(message_id: UUID) -> object:
    """Stop an answer

    Wherever it is being made, and also while it waits for the model's first word. What there is of it is stored as
    `interrupted`, and whoever reads its stream gets `done` with that. To stop an answer that is stored changes nothing.
    """
    status = active_replies.ask_to_stop(db.session(), Owner.of(caller()), str(message_id))
    services().replies.running.stop(str(message_id))
    return {"message_id": str(message_id), "status": status}


@blp.route("/messages/<uuid:message_id>/regenerate/", methods=["POST"])
@user_required
@rate_limits.send
@blp.arguments(IdempotencySchema, location="headers")
@blp.arguments(schemas.RegenerateSchema, required=False)
@blp.response(200, schemas.ReplySchema)
@blp.doc(**STREAM)
def regenerate(headers: dict[str, Any], body: dict[str, Any], message_id: UUID) -> ResponseReturnValue:
    """Answer a question once more

    The message is a question, or an answer to it. The new answer stands beside the ones there are, below the same
    question, and knows what was said before that. It comes as JSON or as a stream, like the answers of send/. The
    body may be left out, with its Content-Type.
    """

    def begin(key: Held) -> Turn:
        only = asked_for(body["collections"])
        return begin_again(db.session(), caller(), str(message_id), only, settings().daily_tokens, key)

    return answered(headers, body, begin)


@blp.route("/messages/<uuid:message_id>/stream/", methods=["GET"])
@user_required
@blp.arguments(schemas.LastEventSchema, location="headers")
@blp.doc(**_PICKED_UP)
def pick_up(headers: dict[str, Any], message_id: UUID) -> ResponseReturnValue:
    """Pick up a stream

    The events of an answer that is being made: those after `Last-Event-ID`, or all. Of an answer that is stored
    already the event `done`, with the whole of it. Nothing is asked of a model, and nothing is stored. A passage that
    you may not read is left out, or reduced to what the answer quotes.
    """
    owner, reader, session = Owner.of(caller()), Reader.of(caller()), db.session()
    after = headers["after"]
    chat_id = active_replies.under_way(session, owner, str(message_id))
    if chat_id is None:
        question, answer = active_replies.stored_reply(session, owner, reader, str(message_id))
        last = EventBuffer(done_again((question, answer)), first=after + 1)
        return stream_response(last, answer.message.chat_session_id, after=after)
    feed = services().broadcast.get(str(message_id))
    if feed is None:
        raise ReplyElsewhere(retry_after=1)
    session.rollback()
    take_permit()
    view = events_for(services().sessions, reader)
    return stream_response(feed, chat_id, after=after, view=view)


@blp.route("/sessions/<uuid:session_id>/members/", methods=["GET"])
@user_required
@blp.response(200, schemas.MembersSchema)
def chat_members(session_id: UUID) -> object:
    """List the members of a conversation

    Those who take part in it beside its owner.
    """
    return {"members": members.list_members(db.session(), Owner.of(caller()), str(session_id))}


@blp.route("/sessions/<uuid:session_id>/members/", methods=["POST"])
@user_required
@no_visitors
@rate_limits.counts_inside
@blp.arguments(schemas.NameOfMemberSchema)
@blp.response(200, schemas.MembersSchema)
def add_chat_member(body: dict[str, Any], session_id: UUID) -> object:
    """Let somebody take part in a conversation

    The owner does it. Members read, ask, stop and rate; each asks in the collections that they may read, and pays
    from their own budget. What an answer quotes is read by everybody who takes part. A visitor's token cannot do it,
    and naming accounts that are not there too often is 429.
    """
    with login_throttle.naming():
        found = members.add_member(db.session(), Owner.of(caller()), str(session_id), body["username"])
    return {"members": found}


@blp.route("/sessions/<uuid:session_id>/members/", methods=["DELETE"])
@user_required
@blp.arguments(schemas.NameOfMemberSchema, location="query")
@blp.response(204)
def remove_chat_member(args: dict[str, Any], session_id: UUID) -> None:
    """End somebody's part in a conversation

    The owner may do it for everybody, and each member for themselves.
    """
    members.remove_member(db.session(), Owner.of(caller()), str(session_id), args["username"])
