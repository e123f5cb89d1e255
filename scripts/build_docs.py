"""Writes docs/configuration.md, docs/cli.md and .env.example from the code.

    python scripts/build_docs.py

The settings come from `chatbot.config.Settings`, the commands from click, so neither page can describe what is not
there. A test compares the files with what this would write.
"""

from __future__ import annotations

import re
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from chatbot.config import Settings, load_settings  # noqa: E402 - the project is not installed.

# The first setting of each section, in the order of config/settings.py.
SECTIONS = {
    "instance_path": "Storage and URLs",
    "secret_key": "Secrets",
    "cors_origins": "Browsers and proxies",
    "access_token_minutes": "Accounts and limits",
    "openai_api_key": "Models",
    "max_upload_mb": "Documents",
    "mail_server": "E-mail",
    "retention_days": "Retention and maintenance",
    "web_concurrency": "Processes and logs",
}
GROUPS = ("users", "knowledge", "index", "eval", "chat", "backup", "mail")


def pages() -> dict[Path, str]:
    """The text of each generated file."""
    return {
        ROOT / "docs" / "configuration.md": configuration(),
        ROOT / "docs" / "cli.md": commands(),
        ROOT / ".env.example": example(),
    }


def configuration() -> str:
    """docs/configuration.md: a table of settings for each section."""
    lines = [
        "# Configuration",
        "",
        "Settings are environment variables; a file named `.env` in the project's folder is read too "
        "([.env.example](../.env.example) lists them all). All are optional. Invalid values stop the start with one "
        "message that names all of them.",
    ]
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            lines += ["", f"## {SECTIONS[name]}", "", "| setting | default | meaning |", "|---|---|---|"]
        default = f"`{value}`" if (value := _default(field)) else ""
        lines.append(f"| `{name.upper()}` | {default} | {_one_line(field.description)} |")
    return "\n".join(lines) + "\n"


def example() -> str:
    """.env.example: every setting commented out, with its default or an example."""
    lines = [
        "# Copy this file to .env and uncomment what you want to change. Every setting is optional; each line shows",
        "# its default or, if it has none, an example. docs/configuration.md has the same list.",
    ]
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            lines += ["", f"# {SECTIONS[name]}"]
        text = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", _one_line(field.description)).replace("`", "")
        lines += textwrap.wrap(text, 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        lines.append(f"# {name.upper()}={_default(field) or (field.examples or [''])[0]}")
    return "\n".join(lines) + "\n"


def _default(field: Any) -> str:
    """A default that can be written into an environment variable; empty if it depends on something else."""
    if isinstance(field.default, Path):
        return field.default.relative_to(ROOT).as_posix()
    if isinstance(field.default, bool):
        return str(field.default).lower()
    if isinstance(field.default, list):
        return ",".join(map(str, field.default))
    return str(field.default) if isinstance(field.default, str | int | float) else ""


def commands() -> str:
    """docs/cli.md: usage, description and options of every command."""
    from chatbot.app import create_app

    with tempfile.TemporaryDirectory() as folder:
        app = create_app(load_settings(_env_file=None, instance_path=Path(folder), log_level="ERROR"))
        lines = [
            "# Commands",
            "",
            "Run these from the project's folder, with `.venv/bin/` in front or in an activated environment. "
            "`flask COMMAND --help` prints the same text.",
        ]
        for name in GROUPS:
            group = app.cli.commands[name]
            lines += ["", f"## flask {name}", "", _one_line(group.help)]
            lines += _group(group, f"flask {name}")
    return "\n".join(lines) + "\n"


def _group(group: Any, path: str) -> Iterator[str]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = click.Context(command, info_name=f"{path} {name}")
        usage = " ".join([f"{path} {name}", *command.collect_usage_pieces(inner)])
        yield from ("", f"### {path} {name}", "", f"`{usage}`", "", _paragraphs(command.help or ""))
        records = [p.get_help_record(inner) for p in command.params if isinstance(p, click.Option)]
        if options := [record for record in records if record is not None]:
            yield from ("", "| option | meaning |", "|---|---|")
            yield from (
                f"| `{flags.replace('|', ',')}` | {_one_line(text).replace('|', ', ')} |" for flags, text in options
            )


def _paragraphs(text: str) -> str:
    return "\n\n".join(_one_line(part) for part in text.replace("\b\n", "").split("\n\n") if part.strip())


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
