"""/api/knowledge/gaps/: what is asked of the documents comes from conversations, so it is made in this room."""

from __future__ import annotations

from typing import Any

import click
import marshmallow as ma
from flask import current_app
from rich.table import Table

from chatbot.auth.guard import admin_required
from chatbot.chat.gaps import list_gaps
from chatbot.errors import ChatbotError
from chatbot.extensions import db
from chatbot.knowledge.cli import knowledge_cli
from chatbot.knowledge.routes.blueprint import blp, retriever
from chatbot.terminal import show_table
from chatbot.web.fields import Utc, Whole

_QUESTION = "Do you ship to Iceland?"


class GapArgs(ma.Schema):
    """How many."""

    limit = Whole(load_default=20, validate=ma.validate.Range(min=1, max=100), metadata={"example": 20})


class GapSchema(ma.Schema):
    """Questions of one meaning that the documents did not answer well."""

    question = ma.fields.String(metadata={"description": "The newest of them.", "example": _QUESTION})
    questions = ma.fields.List(
        ma.fields.String(), metadata={"description": "The newest wordings, at most five.", "example": [_QUESTION]}
    )
    count = ma.fields.Integer(metadata={"description": "How often it was asked.", "example": 3})
    fell_back = ma.fields.Integer(metadata={"description": "How often nothing was found.", "example": 3})
    voted_down = ma.fields.Integer(metadata={"description": "How often the answer was voted down.", "example": 1})
    last_asked_at = Utc(metadata={"type": "string", "format": "date-time", "example": "2026-11-22T18:00:00.000Z"})


class GapListSchema(ma.Schema):
    """What the documents do not answer."""

    items = ma.fields.List(ma.fields.Nested(GapSchema))


@blp.route("/gaps/", methods=["GET"])
@admin_required
@blp.arguments(GapArgs, location="query")
@blp.response(200, GapListSchema)
def gaps(args: dict[str, Any]) -> Any:
    """List what the documents do not answer

    Questions that found nothing, or whose answer was voted down, grouped by meaning; those asked most often first. Of
    who asked nothing is told. The newest 500 are looked at.
    """
    return {"items": list_gaps(db.session(), retriever().embedder(), args["limit"])}


@knowledge_cli.command("gaps")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
def print_gaps(limit: int) -> None:
    """List questions that found nothing or were voted down, grouped by meaning."""
    try:
        found = list_gaps(db.session(), current_app.extensions["retriever"].embedder(), limit)
    except ChatbotError as error:
        raise click.ClickException(str(error)) from None
    table = Table("asked", "nothing found", "voted down", "question")
    for gap in found:
        table.add_row(str(gap.count), str(gap.fell_back), str(gap.voted_down), gap.question)
    show_table(table)
