"""`flask chat ...`, and what `flask knowledge` tells of conversations."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import AppGroup
from rich.table import Table

from chatbot.background import wake
from chatbot.chat.gaps import Gap, Status, list_gaps
from chatbot.errors import ChatbotError, FieldError, Invalid
from chatbot.extensions import db
from chatbot.knowledge import curated
from chatbot.knowledge.cli import knowledge_cli
from chatbot.knowledge.models import DEFAULT_COLLECTION
from chatbot.knowledge.tasks import ingest_document
from chatbot.terminal import show_table

chat_cli = AppGroup("chat", help="Conversations.")


@knowledge_cli.command("gaps")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@click.option("--status", type=click.Choice(["open", "resolved", "all"]), default="open", show_default=True)
def print_gaps(limit: int, status: Status) -> None:
    """List questions that found nothing or were voted down, grouped by meaning."""
    try:
        found = list_gaps(db.session(), current_app.extensions["retriever"].embedder(), limit, status)
    except ChatbotError as error:
        raise click.ClickException(str(error)) from None
    table = Table("asked", "nothing found", "voted down", "question", "resolved")
    for gap in found:
        table.add_row(str(gap.count), str(gap.fell_back), str(gap.voted_down), gap.question, _done(gap))
    show_table(table)


def _done(gap: Gap) -> str:
    if gap.resolved is None:
        return ""
    what = gap.resolved.document_id or f"set {gap.resolved.evaluation_set}"
    return f"{gap.resolved.at:%Y-%m-%d} {what}"


@knowledge_cli.command("curate")
@click.argument("question")
@click.option("--answer", help="The answer, which comes first wherever the question is asked.")
@click.option("--collection", help="Where the answer goes.  [default: default]")
@click.option("--relevant", multiple=True, metavar="ID", help="A document that answers it; may be given several times.")
@click.option("--set", "set_name", help="The stored set that the question goes to.  [default: gaps]")
def curate(
    question: str, answer: str | None, collection: str | None, relevant: tuple[str, ...], set_name: str | None
) -> None:
    """Close a gap: answer a QUESTION, or say which documents are to be found for it."""
    if (answer is None) == (not relevant):
        raise click.UsageError("Give either --answer or --relevant.")
    if (collection and not answer) or (set_name and not relevant):
        raise click.UsageError("--collection goes with --answer, and --set with --relevant.")
    try:
        if answer is None:
            case = curated.add_case(db.session(), question, relevant, set_name or curated.GAPS_SET)
            click.echo(f"The question is in the set {case.set_name}; `flask eval run {case.set_name}` asks it.")
            return
        outcome, document, to_ingest = curated.curate(
            db.session(), question, answer, collection or DEFAULT_COLLECTION
        )  # fmt: skip
    except Invalid as error:
        raise click.ClickException(_sentences(error)) from None
    if to_ingest:
        wake(ingest_document, document.id)
    click.echo(f"{outcome}: {document.id}, version {document.version}")


def _sentences(error: Invalid) -> str:
    errors: list[FieldError] = list(error.errors or ())
    return " ".join(f"{e.pointer.removeprefix('/')}: {e.detail}" for e in errors) or str(error)
