"""What commands show people in a terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from chatbot.storage import is_full

FULL = "The disk is full, and this was not done. Make room, and run the command again."
# The longest name and the longest address side by side.
PIPE_WIDTH = 600


class Commands(AppGroup):
    """A group of commands that tell of a full disk in a sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (OSError, DBAPIError) as error:
            if not is_full(error):
                raise
            raise click.ClickException(FULL) from None


def show_table(table: Table) -> None:
    """Prints a table of what people and documents call themselves: `[/x]` in it is not markup. A pipe gets each row
    on one line."""
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table)


def progress_bar() -> Progress:
    """A bar on standard error that is gone when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines for what the summary says; the bar wants its line for itself."""
    logger = logging.getLogger("chatbot")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
