"""The record of security events, for administrators."""

from __future__ import annotations

from typing import Any

from chatbot.auth import events, schemas
from chatbot.auth.guard import admin_required
from chatbot.auth.routes.blueprint import blp
from chatbot.extensions import db
from chatbot.web.fields import page_of


@blp.route("/security-events/", methods=["GET"])
@admin_required
@blp.arguments(schemas.EventArgs, location="query")
@blp.response(200, page_of(schemas.EventSchema))
def security_events(args: dict[str, Any]) -> object:
    """Read what happened to accounts

    Newest first; of one `kind`, or of one account. Kept for `AUDIT_LOG_RETENTION_DAYS`.
    """
    args["user_id"] = str(args["user_id"]) if args["user_id"] else None
    return events.list_events(db.session(), **args)
