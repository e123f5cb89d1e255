"""What every command says when something around it is wrong."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import click
import psycopg
import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy.exc import OperationalError, ProgrammingError

from chatbot.terminal import Commands
from tests.conftest import MakeApp

COMMANDS = (
    "knowledge list", "knowledge search x", "knowledge stats", "knowledge verify", "knowledge gaps", "index list",
    "index verify", "index activate 1", "users list", "mail list", "eval run gaps", "backup create B.zip",
    "chat replay 00000000-0000-0000-0000-000000000000",
)  # fmt: skip
NOBODY = "postgresql://somebody:a%20pass@word@127.0.0.1:1/x"


@pytest.fixture(autouse=True)
def _quiet_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    level = logging.getLogger("chatbot").level
    yield
    logging.getLogger("chatbot").setLevel(level)


def told(app: Flask, command: str) -> Result:
    """What a command says, which has to end with a sentence and status 1."""
    result = app.test_cli_runner().invoke(args=command.split())
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    return result


@pytest.mark.parametrize("command", [*COMMANDS, "db upgrade"])
def test_a_database_that_cannot_be_reached_is_told_in_a_line(make_app: MakeApp, command: str) -> None:
    said = told(make_app(database_url=NOBODY), command).output.strip()
    assert said.startswith("Error: The database cannot be reached, or is busy. Look at DATABASE_URL. It says: ")
    assert "\n" not in said
    assert "word" not in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_that_was_not_migrated_is_told_in_a_line(make_app: MakeApp, tmp_path: Path, command: str) -> None:
    said = told(make_app(database_url=f"sqlite:///{tmp_path / 'new.db'}"), command).output
    assert said.strip() == (
        "Error: The database does not have the tables of this version. Run `flask db upgrade` first."
    )  # fmt: skip


LOCKED = sqlite3.OperationalError("database is locked")
WRONG = sqlite3.OperationalError('near "SELEC": syntax error')
WRONG.sqlite_errorcode = sqlite3.SQLITE_ERROR


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OperationalError("", None, LOCKED), "is busy. Look at DATABASE_URL. It says: database is locked."),
        (ProgrammingError("", None, psycopg.errors.UndefinedTable()), "flask db upgrade"),
        (ProgrammingError("", None, psycopg.errors.SyntaxError()), None),
        (OperationalError("", None, WRONG), None),
    ],
)
def test_what_is_wrong_in_the_code_is_no_outage(sqlite_app: Flask, error: Exception, sentence: str | None) -> None:
    group = Commands("group")

    @group.command("ask")
    def ask() -> None:
        raise error

    result = sqlite_app.test_cli_runner().invoke(group, ["ask"])
    assert isinstance(ask, click.Command)
    assert (sentence in result.output) if sentence else result.exception is error
