"""/api/chat/messages/: what is done with one message."""

from __future__ import annotations

from typing import Any

from flask import current_app

from chatbot.auth.guard import caller, user_required
from chatbot.chat import feedback, schemas
from chatbot.chat.answer_cache import AnswerCache
from chatbot.chat.models import Owner
from chatbot.chat.routes import blp
from chatbot.extensions import db

__all__ = ["blp"]


@blp.route("/messages/<uuid:message_id>/feedback/", methods=["POST"])
@user_required
@blp.arguments(schemas.GiveFeedbackSchema)
@blp.response(200, schemas.MessageSchema)
def give_feedback(body: dict[str, Any], message_id: Any) -> Any:
    """Rate an answer

    Up or down, and in words if you like; each time in place of what was said before. A rating of null without a
    comment takes it back. Only answers can be rated: for a question it is 422 `not_an_answer`.
    """
    id_ = str(message_id)
    rated = feedback.give_feedback(db.session(), Owner.of(caller()), id_, body["rating"], body["comment"])
    if rated.rating == "down":
        answers: AnswerCache = current_app.extensions["answer_cache"]
        answers.forget(id_)
    return rated
