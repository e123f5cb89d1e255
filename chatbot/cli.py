"""What `flask` starts from (.flaskenv).

To list commands, and to show what one of them takes, Flask needs an application. It gets one that knows the commands
and nothing else, for building the whole one takes seconds; a command then runs in the application that it needs.
"""

from __future__ import annotations

import click
from flask import Flask

from chatbot.cli_support import FACTORY, LazyCommand
from chatbot.commands import add_commands
from chatbot.system import private_files


def create_app() -> Flask:
    """The application that only knows the commands, or the whole one for `flask run`, `flask shell` and
    `flask routes`, which ask for it themselves."""
    context = click.get_current_context(silent=True)
    if context is None or context.parent is not None:
        return _application(web=True)
    app = Flask("chatbot")
    app.extensions[FACTORY] = _application
    add_commands(app)
    app.cli.add_command(LazyCommand("db", "Perform database migrations.", _migrations, bind=_bind_migrations))
    app.cli.add_command(LazyCommand("openapi", "OpenAPI commands.", _openapi, web=True))
    return app


def _application(*, web: bool) -> Flask:
    private_files.umask()
    if web:
        from chatbot.app import create_app

        return create_app()
    from chatbot.core import create_core

    return create_core()


def _migrations() -> click.Command:
    from flask_migrate.cli import db

    group: click.Command = db
    return group


def _bind_migrations(app: Flask) -> None:
    from chatbot.core import bind_migrations

    bind_migrations(app)


def _openapi() -> click.Command:
    from flask_smorest.spec import openapi_cli

    group: click.Command = openapi_cli
    return group
