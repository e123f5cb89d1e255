"""What commands show people in a terminal, and how they get the application they run in.

The modules of the commands are imported by `flask --help`, so this one and they import only what a command's name,
options and help are made of. What a command works with is imported when it runs.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from chatbot.errors import ChatbotError

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

FULL = "The disk is full, and this was not done. Make room, and run the command again."
AWAY = "The database cannot be reached, or is busy. Look at DATABASE_URL. It says: "
NOT_MIGRATED = "The database does not have the tables of this version. Run `flask db upgrade` first."
# The longest name and the longest address side by side.
PIPE_WIDTH = 600
# PostgreSQL's undefined_table and undefined_column.
_UNDEFINED = ("42P01", "42703")


# Where an application that only lists the commands keeps the factory of the one they run in.
FACTORY = "command_factory"


def enter_application(ctx: click.Context, *, web: bool = False) -> None:
    """Enters the context of the application that commands run in, unless it is the current one already."""
    create: Callable[..., Flask] | None = current_app.extensions.get(FACTORY) if current_app else None
    if create is not None:
        ctx.with_resource(create(web=web).app_context())


class Command(click.Command):
    """A command that tells in a sentence what is refused, and what is wrong around it."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            with outages_as_cli_errors():
                enter_application(ctx)
                return super().invoke(ctx)
        except ChatbotError as error:
            raise click.ClickException(sentence(error)) from None
        except OverflowError:
            raise click.ClickException("One of the numbers is larger than any that can be stored.") from None


class Commands(AppGroup):
    """A group of such commands."""

    command_class = Command


class LazyCommand(click.Command):
    """A command of a library, which is imported when it runs, or when its own help is asked for."""

    def __init__(
        self,
        name: str,
        short_help: str,
        load: Callable[[], click.Command],
        *,
        web: bool = False,
        bind: Callable[[Flask], None] | None = None,
    ) -> None:
        """`bind` prepares the application for the library."""
        super().__init__(name, short_help=short_help)
        self._load, self._web, self._bind = load, web, bind

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: object
    ) -> click.Context:
        context = self._load().make_context(info_name, args, parent, **extra)
        enter_application(context, web=self._web)
        if self._bind is not None:
            self._bind(current_app._get_current_object())  # type: ignore[attr-defined]
        return context


def sentence(error: Exception) -> str:
    """What an error says to whoever operates the application, with its fields by their names."""
    if not isinstance(error, ChatbotError):
        return str(error)
    fields = " ".join(f"{e.pointer.removeprefix('/')}: {e.detail}" for e in error.errors)
    return error.hint or fields or str(error)


@contextmanager
def outages_as_cli_errors() -> Iterator[None]:
    """A full disk, and a database that is away or was not migrated, end the command with a sentence."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit):
        raise
    except Exception as error:
        said = _of_outage(error)
        if said is None:
            raise
        raise click.ClickException(said) from None


def _of_outage(error: Exception) -> str | None:
    from sqlalchemy.exc import DBAPIError, OperationalError

    from chatbot.system.disk_space import is_full

    if isinstance(error, OSError | DBAPIError) and is_full(error):
        return FULL
    if not isinstance(error, DBAPIError):
        return None
    cause = error.orig
    if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return NOT_MIGRATED if str(cause).startswith(("no such table", "no such column")) else None
    if getattr(cause, "sqlstate", None) in _UNDEFINED:
        return NOT_MIGRATED
    return AWAY + _reason(cause) if isinstance(error, OperationalError) else None


def _reason(cause: object) -> str:
    """The driver's own words, without the names in them: a part of a password may be taken for a host's."""
    line = str(cause).strip().partition("\n")[0]
    return re.sub(r"""(["']).*\1""", "…", line).rpartition(": ")[2].strip().rstrip(".") + "."


def show_table(table: Table) -> None:
    """Prints a table of what people and documents call themselves: `[/x]` in it is not markup. A pipe gets each row
    on one line."""
    from rich.console import Console

    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table)


def progress_bar() -> Progress:
    """A bar on standard error that is gone when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


@contextmanager
def silence_logs() -> Iterator[None]:
    """No log lines for what the summary says; the bar wants its line for itself."""
    logger = logging.getLogger("chatbot")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
