"""What a command loads before it does anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from flask import Flask

from chatbot.knowledge import models
from chatbot.knowledge.cli import evaluation as eval_commands
from chatbot.knowledge.cli.documents import DEFAULT_COLLECTION
from chatbot.knowledge.evaluation import retrieval_eval
from chatbot.mail import cli as mail_cli
from chatbot.mail import service as mail_service
from tests.conftest import ROOT

# What takes long to import, by what needs it.
ANSWERS = {"faiss", "langchain", "langchain_core", "langchain_openai", "numpy", "onnxruntime", "openai", "tokenizers"}
PARSERS = {"docx", "lxml", "olefile", "openpyxl", "pptx", "pypdf", "pypdfium2"}
DATABASE = {"alembic", "flask_migrate", "flask_sqlalchemy", "pydantic", "psycopg", "sqlalchemy"}
WEB = {"celery", "flask_smorest", "gevent", "kombu", "marshmallow", "redis"}

# `flask ...` in a process of its own, which prints what it has imported and how much of the processor it took.
CHILD = """
import os, runpy, sys
sys.argv = ["flask", *sys.argv[1:]]
try:
    runpy.run_module("flask", run_name="__main__")
except SystemExit as end:
    status = end.code
spent = os.times()
print("\\nloaded:", *(name for name in sys.modules if "." not in name), file=sys.stderr)
print(f"cpu: {spent.user + spent.system:.2f} s", file=sys.stderr)
sys.exit(status)
"""


def started(instance: Path, *words: str) -> tuple[str, set[str]]:
    """What a command prints, and the modules that it has imported."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *words],
        cwd=ROOT,
        env=inherited | {"INSTANCE_PATH": str(instance)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    loaded, cpu = done.stderr.splitlines()[-2:]
    sys.stdout.write(f"flask {' '.join(words)}: {cpu}\n")
    return done.stdout, set(loaded.split())


@pytest.mark.parametrize("words", ["--help", "knowledge --help", "knowledge ingest --help", "eval run --help"])
def test_help_loads_nothing_that_commands_work_with(tmp_path: Path, words: str) -> None:
    printed, loaded = started(tmp_path, *words.split())

    assert printed.startswith("Usage: ")
    assert loaded & (ANSWERS | PARSERS | DATABASE | WEB) == set()
    assert list(tmp_path.iterdir()) == []


def test_help_with_bad_settings_is_printed(tmp_path: Path) -> None:
    printed, _ = started(tmp_path / "no\\0such", "--help")

    assert "knowledge" in printed


@pytest.mark.parametrize(
    ("words", "without"),
    [
        ("users list", ANSWERS | PARSERS | WEB - {"marshmallow"}),
        ("mail list", ANSWERS | PARSERS | WEB - {"marshmallow"}),
        ("knowledge list", ANSWERS | PARSERS | WEB - {"marshmallow"}),
        ("db current", ANSWERS | PARSERS | WEB - {"marshmallow"}),
    ],
)
def test_command_loads_only_what_it_needs(tmp_path: Path, words: str, without: set[str]) -> None:
    started(tmp_path, "db", "upgrade")

    _, loaded = started(tmp_path, *words.split())

    assert loaded & without == set()
    assert "sqlalchemy" in loaded


def test_help_lists_every_command_of_the_application(sqlite_app: Flask, tmp_path: Path) -> None:
    printed, _ = started(tmp_path, "--help")
    listed = [line.split(maxsplit=1) for line in printed.partition("Commands:\n")[2].splitlines()]

    shown = {name: help_text for name, help_text in listed if name not in ("routes", "run", "shell")}
    assert shown == {name: command.get_short_help_str(100) for name, command in sqlite_app.cli.commands.items()}


def test_routes_are_those_of_the_whole_application(tmp_path: Path) -> None:
    printed, _ = started(tmp_path, "routes")

    assert "/api/chat/send/" in printed


def test_choices_of_the_command_line_are_those_of_the_services() -> None:
    assert mail_cli.STATUSES == mail_service.STATUSES
    assert eval_commands.MODES == retrieval_eval.MODES
    assert DEFAULT_COLLECTION == models.DEFAULT_COLLECTION


def test_every_command_has_a_help_text(sqlite_app: Flask) -> None:
    groups = [g for name, g in sqlite_app.cli.commands.items() if name not in ("db", "openapi")]

    for group in groups:
        assert isinstance(group, click.Group)
        assert [name for name, command in group.commands.items() if not command.help] == []
