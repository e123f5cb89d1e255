"""Searching, and what there is to search."""

from __future__ import annotations

from typing import Any

from chatbot.auth.guard import admin_required, caller, user_required
from chatbot.current import services
from chatbot.extensions import db
from chatbot.knowledge import schemas
from chatbot.knowledge.documents import service
from chatbot.knowledge.documents.collections import Reader, readable
from chatbot.knowledge.documents.filters import conditions
from chatbot.knowledge.routes.blueprint import blp


@blp.route("/search/", methods=["GET"])
@user_required
@blp.arguments(schemas.SearchArgs, location="query")
@blp.response(200, schemas.SearchAnswerSchema)
def search(args: dict[str, Any]) -> object:
    """Search

    The best passages with their scores, of what the caller may read. No language model is called.
    """
    names = frozenset([service.check_collection(args["collection"])]) if args["collection"] else None
    where = conditions(args["filter"])
    only = readable(db.session(), Reader.of(caller()), names)
    # No connection is held while the question is embedded.
    db.session.rollback()
    passages, threshold = services().retriever.search(
        args["q"], args["k"], only, mode=args["mode"], conditions=where, variety=args["variety"]
    )
    return {"items": passages, "threshold": threshold}


@blp.route("/stats/", methods=["GET"])
@admin_required
@blp.response(200, schemas.StatsSchema)
def stats() -> object:
    """Read what is stored"""
    configured = services().embedders.default
    return service.stats(db.session(), configured) | {"index": services().retriever.index_stats()}
