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
from flask_migrate import upgrade
from sqlalchemy.exc import OperationalError, ProgrammingError

from chatbot.cli_support import Commands
from tests.conftest import HOURS, MakeApp, _sql, add_and_ingest, postgres_url

COMMANDS = (
    "knowledge list",
    "knowledge search x",
    "knowledge stats",
    "knowledge verify",
    "gaps list",
    "index list",
    "index verify",
    "index activate 1",
    "users list",
    "mail list",
    "eval run gaps",
    "backup create B.zip",
    "chat replay 00000000-0000-0000-0000-000000000000",
)
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
    )


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


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("knowledge search hi --filter bogus", "filter: Write each condition as field:value, separated by commas."),
        ("users create-admin nobody --username boss --password short", "email: "),
        ("knowledge show 00000000-0000-0000-0000-000000000000", "There is no such document."),
    ],
)
def test_a_command_names_the_field_that_is_not_valid(sqlite_app: Flask, command: str, sentence: str) -> None:
    assert sentence in told(sqlite_app, command).output


@pytest.mark.parametrize(
    "command",
    [
        "index activate {}",
        "index drop {}",
        "index build --generation {}",
        "index snapshot --generation {}",
        "chat replay {message} --generation {}",
        "eval calibrate . --generation {}",
    ],
)
def test_a_number_that_no_database_holds_is_told_in_a_line(sqlite_app: Flask, command: str) -> None:
    message = "00000000-0000-0000-0000-000000000000"
    said = told(sqlite_app, command.format(10**20, message=message)).output.strip()
    assert "\n" not in said
    if "message" not in command:
        assert said == "Error: One of the numbers is larger than any that can be stored."


@pytest.fixture
def without_pgvector(postgres_server: str, make_app: MakeApp) -> Iterator[Flask]:
    """The application as a user of PostgreSQL who may not make the extension, with two generations."""
    for statement in ("CREATE ROLE plain LOGIN", "CREATE DATABASE plain OWNER plain"):
        _sql(postgres_server, statement)
    url = postgres_url(postgres_server, "plain").replace("//postgres:", "//plain:")
    before = make_app(database_url=url, vector_store="faiss")
    with before.app_context():
        upgrade()
    add_and_ingest(before, HOURS)
    assert before.test_cli_runner().invoke(args=["index", "build", "--chunk-size", "60"]).exit_code == 0
    yield make_app(database_url=url)
    for statement in ("DROP DATABASE plain WITH (FORCE)", "DROP ROLE plain"):
        _sql(postgres_server, statement)


def test_who_has_no_pgvector_is_told_what_to_do(without_pgvector: Flask) -> None:
    for command in ("index migrate-to-pgvector", "index verify", "knowledge search hours", "index activate 2"):
        assert told(without_pgvector, command).output == (
            "Error: Install pgvector on the PostgreSQL server and run CREATE EXTENSION vector. "
            'It says: permission denied to create extension "vector".\n'
        )
