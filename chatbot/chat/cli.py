"""`flask chat ...`"""

from __future__ import annotations

import json
import unicodedata
from typing import Any
from uuid import UUID

import click

from chatbot.cli_support import Commands, show_table, silence_logs
from chatbot.current import services
from chatbot.knowledge.cli.index import told

chat_cli = Commands("chat", help="Conversations.")


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
        answer = replaying.replay(services().retriever, services().settings, index, before, model)
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


def _grounding(one: dict[str, object]) -> str:
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
