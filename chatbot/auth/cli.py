"""`flask users ...`"""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import AppGroup

from chatbot.auth import service
from chatbot.errors import ChatbotError
from chatbot.extensions import db

users_cli = AppGroup("users", help="Accounts.")


@users_cli.command("create-admin")
@click.argument("email")
@click.option("--username", required=True, help="The administrator's user name.")
@click.option("--password", envvar="ADMIN_PASSWORD", prompt=True, hide_input=True, confirmation_prompt=True)
def create_admin(email: str, username: str, password: str) -> None:
    """Create an administrator. The password is asked for, or taken from ADMIN_PASSWORD."""
    try:
        user = service.create_admin(db.session(), current_app.extensions["settings"], email, username, password)
    except ChatbotError as error:
        reasons = "; ".join(f.detail for f in error.errors) or str(error)
        raise click.ClickException(reasons) from None
    click.echo(f"{user.username} <{user.email}> is an administrator now.")
