"""`flask chat ...`, and what `flask knowledge` tells of conversations."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from chatbot.cli_support import Commands, show_table, silence_logs
from chatbot.current import services
from chatbot.errors import ChatbotError, FieldError, Invalid
from chatbot.knowledge.cli.documents import knowledge_cli
from chatbot.knowledge.cli.index import told

if TYPE_CHECKING:
    from chatbot.chat.gaps.service import Gap, Status

chat_cli = Commands("chat", help="Conversations.")


@knowledge_cli.command("gaps")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@click.option("--status", type=click.Choice(["open", "resolved", "all"]), default="open", show_default=True)
def print_gaps(limit: int, status: Status) -> None:
    """List questions that found nothing or were voted down, grouped by meaning."""
    from rich.table import Table

    from chatbot.chat.gaps.service import list_gaps
    from chatbot.extensions import db

    try:
        found = list_gaps(db.session(), services().retriever.embedder(), limit, status)
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
    from chatbot.background import enqueue
    from chatbot.extensions import db
    from chatbot.knowledge.documents import curated
    from chatbot.knowledge.models import DEFAULT_COLLECTION
    from chatbot.knowledge.tasks import ingest_document

    if (answer is None) == (not relevant):
        raise click.UsageError("Give either --answer or --relevant.")
    if (collection and not answer) or (set_name and not relevant):
        raise click.UsageError("--collection goes with --answer, and --set with --relevant.")
    try:
        if answer is None:
            case = curated.add_case(db.session(), question, relevant, set_name or curated.GAPS_SET)
            click.echo(f"The question is in the set {case.set_name}; `flask eval run {case.set_name}` asks it.")
            return
        outcome, document, to_ingest = curated.curate(db.session(), question, answer, collection or DEFAULT_COLLECTION)
    except Invalid as error:
        raise click.ClickException(_sentences(error)) from None
    if to_ingest:
        enqueue(ingest_document, document.id)
    click.echo(f"{outcome}: {document.id}, version {document.version}")


def _sentences(error: Invalid) -> str:
    errors: list[FieldError] = list(error.errors or ())
    return " ".join(f"{e.pointer.removeprefix('/')}: {e.detail}" for e in errors) or str(error)


@chat_cli.command("replay")
@click.argument("message_id", type=click.UUID)
@click.option("--generation", "generation_id", type=click.IntRange(1), help="Search in this one, not the active one.")
@click.option("--model", help="Ask this model, not the one that was asked.")
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
def replay(message_id: UUID, generation_id: int | None, model: str | None, as_json: bool) -> None:
    """Make the answer MESSAGE_ID once more, as its question stood, and show what is different.

    The same conversation up to it and the same collections; nothing is stored. A language model is asked, and paid.

    Exit status: 0 when the answer was made, 1 when it cannot be.
    """
    from chatbot.chat.replies import replay as replaying
    from chatbot.chat.replies.replay import ReplayRefused
    from chatbot.knowledge.retrieval.retriever import Index

    with told(ReplayRefused), silence_logs():
        index, missing = None, 0
        with services().sessions() as session:
            before = replaying.recall(session, str(message_id))
            if generation_id is not None:
                generation, missing = replaying.searchable(session, generation_id)
                index = Index(services().sessions, services().embedders, generation)
        try:
            answer = replaying.replay(services().retriever, services().settings, index, before, model)
        except Invalid as error:
            raise click.ClickException(_sentences(error)) from None
    found = replaying.difference(before, answer) | {"notes": replaying.notes(before, missing)}
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "before", "now")
    table.add_row("searched", *map(str, found["question"]["searched"]))
    table.add_row("generation", *(f"{g['generation']} ({g['embedder']})" if g else "" for g in found["generation"]))
    table.add_row("model", *found["model"])
    table.add_row("grounding", *(_grounding(one) for one in found["grounding"]))
    table.add_row("citations", *map(str, found["citations"]))
    table.add_row("tokens", *(str(one["total_tokens"]) for one in found["usage"]))
    for name in dict.fromkeys(name for one in found["timings_ms"] for name in one):
        table.add_row(f"{name} (ms)", *(str(one.get(name, "")) for one in found["timings_ms"]))
    show_table(table)
    _show_passages(found["passages"])
    console = Console(markup=False, emoji=False, highlight=False)
    if found["same_prompt"] is not None:
        console.print("The prompt is the same." if found["same_prompt"] else "The prompt is another one.")
    for line in ["The text is the same."] if found["text"]["same"] else found["text"]["diff"].splitlines():
        console.print(Text(_plain(line), style=_COLOURS.get(line[:1], "")), soft_wrap=True)
    for note in found["notes"]:
        console.print(note, soft_wrap=True)


_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def _grounding(one: dict[str, Any]) -> str:
    score = "" if one["top_score"] is None else f" {one['top_score']:.2f}"
    return f"{one['status']}{score} (asks {one['threshold'] or 0:.2f})"


def _show_passages(passages: dict[str, Any]) -> None:
    from rich.table import Table

    click.echo(f"{passages['kept']} passage(s) in the same place")
    table = Table("passage", "before", "now", "page")
    rows = [(passage, *passage["rank"]) for passage in passages["moved"]]
    rows += [(passage, passage["rank"], "") for passage in passages["lost"]]
    rows += [(passage, "", passage["rank"]) for passage in passages["gained"]]
    for passage, before, now in rows:
        table.add_row(passage["title"], str(before), str(now), str(passage["page"] or ""))
    if rows:
        show_table(table)


def _plain(line: str) -> str:
    """A line without what a terminal would obey."""
    return "".join(c for c in line if unicodedata.category(c) != "Cc" or c == "\t")
