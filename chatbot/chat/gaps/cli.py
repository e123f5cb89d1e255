"""`flask gaps ...`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatbot.cli_support import Commands, show_table
from chatbot.current import services

if TYPE_CHECKING:
    from chatbot.chat.gaps.service import Gap, Status

gaps_cli = Commands("gaps", help="Questions that the documents do not answer.")


@gaps_cli.command("list")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@click.option("--status", type=click.Choice(["open", "resolved", "all"]), default="open", show_default=True)
def print_gaps(limit: int, status: Status) -> None:
    """List questions that found nothing or were voted down, grouped by meaning."""
    from rich.table import Table

    from chatbot.chat.gaps.service import list_gaps
    from chatbot.extensions import db

    table = Table("asked", "nothing found", "voted down", "question", "resolved")
    for gap in list_gaps(db.session(), services().retriever.embedder(), limit, status):
        table.add_row(str(gap.count), str(gap.fell_back), str(gap.voted_down), gap.question, _done(gap))
    show_table(table)


def _done(gap: Gap) -> str:
    if gap.resolved is None:
        return ""
    what = gap.resolved.document_id or f"set {gap.resolved.evaluation_set}"
    return f"{gap.resolved.at:%Y-%m-%d} {what}"


@gaps_cli.command("resolve")
@click.argument("question")
@click.option("--answer", help="The answer, which comes first wherever the question is asked.")
@click.option("--collection", help="Where the answer goes.  [default: default]")
@click.option("--relevant", multiple=True, metavar="ID", help="A document that answers it; may be given several times.")
@click.option("--set", "set_name", help="The stored set that the question goes to.  [default: gaps]")
def resolve(
    question: str, answer: str | None, collection: str | None, relevant: tuple[str, ...], set_name: str | None
) -> None:
    """Close a gap: answer a QUESTION, or say which documents are to be found for it."""
    from chatbot.background import enqueue
    from chatbot.extensions import db
    from chatbot.knowledge.documents import curated
    from chatbot.knowledge.models import DEFAULT_COLLECTION
    from chatbot.knowledge.tasks import ingest_document

    if (answer is None) == (not relevant):
        raise click.UsageError("Give either --answer or --relevant.")
    if (collection and not answer) or (set_name and not relevant):
        raise click.UsageError("--collection goes with --answer, and --set with --relevant.")
    if answer is None:
        case = curated.add_case(db.session(), question, relevant, set_name or curated.GAPS_SET)
        click.echo(f"The question is in the set {case.set_name}; `flask eval run {case.set_name}` asks it.")
        return
    outcome, document, to_ingest = curated.curate(db.session(), question, answer, collection or DEFAULT_COLLECTION)
    if to_ingest:
        enqueue(ingest_document, document.id)
    click.echo(f"{outcome}: {document.id}, version {document.version}")
