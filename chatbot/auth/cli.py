"""`flask users ...`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatbot.auth.client_info import ClientInfo
from chatbot.cli_support import Commands, show_table
from chatbot.current import settings

if TYPE_CHECKING:
    from chatbot.auth.models import User

users_cli = Commands("users", help="Accounts. ACCOUNT is an e-mail address or a user name.")

FROM_HERE = ClientInfo(device="the command line")
PAGE = 100


@users_cli.command("create-admin")
@click.argument("email")
@click.option("--username", required=True, help="The administrator's user name.")
@click.option("--password", envvar="ADMIN_PASSWORD", prompt=True, hide_input=True, confirmation_prompt=True)
def create_admin(email: str, username: str, password: str) -> None:
    """Create an administrator. The password is asked for, or taken from ADMIN_PASSWORD."""
    from chatbot.auth import accounts
    from chatbot.extensions import db

    user = accounts.create_admin(db.session(), settings(), email, username, password, FROM_HERE)
    click.echo(f"{_called(user)} is an administrator now.")


@users_cli.command("list")
@click.option("-q", "--query", help="A part of the address or the user name.")
def list_users(query: str | None) -> None:
    """List accounts, the newest first."""
    from rich.table import Table

    from chatbot.auth import accounts
    from chatbot.extensions import db

    table = Table(box=None)
    for heading in ("user name", "address", "role", "state", "since"):
        table.add_column(heading, overflow="fold")
    count, cursor = 0, None
    while True:
        page = accounts.list_users(db.session(), query, PAGE, cursor)
        for user in page.items:
            table.add_row(_shown(user.username), _shown(user.email), *_described(user), f"{user.created_at:%Y-%m-%d}")
        count, cursor = count + len(page.items), page.next_cursor
        if cursor is None:
            break
    show_table(table)
    click.echo(f"{count} account{'s' * (count != 1)}")


def _shown(text: str) -> str:
    """On one line, without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _called(user: User) -> str:
    return f"{_shown(user.username)} <{_shown(user.email)}>"


def _described(user: User) -> tuple[str, str]:
    state = "disabled" if not user.is_active else "active" if user.is_verified else "address not confirmed"
    return ("administrator" if user.is_admin else "user"), state


@users_cli.command("disable")
@click.argument("account")
def disable(account: str) -> None:
    """Refuse an account from the next request on; end its sessions, streams included."""
    from chatbot.auth import accounts
    from chatbot.extensions import db

    user = accounts.set_active(db.session(), account, False, FROM_HERE)
    click.echo(f"{_called(user)} is disabled; nothing of theirs is deleted.")


@users_cli.command("enable")
@click.argument("account")
def enable(account: str) -> None:
    """Let a disabled account in again."""
    from chatbot.auth import accounts
    from chatbot.extensions import db

    user = accounts.set_active(db.session(), account, True, FROM_HERE)
    click.echo(f"{_called(user)} is enabled.")


@users_cli.command("make-admin")
@click.argument("account")
def make_admin(account: str) -> None:
    """Make an account an administrator."""
    from chatbot.auth import accounts
    from chatbot.extensions import db

    user = accounts.set_admin(db.session(), account, True, FROM_HERE)
    click.echo(f"{_called(user)} is an administrator now.")


@users_cli.command("make-user")
@click.argument("account")
def make_user(account: str) -> None:
    """Make an administrator an ordinary user."""
    from chatbot.auth import accounts
    from chatbot.extensions import db

    user = accounts.set_admin(db.session(), account, False, FROM_HERE)
    click.echo(f"{_called(user)} is an ordinary user now.")


@users_cli.command("revoke-sessions")
@click.argument("account")
def revoke_sessions(account: str) -> None:
    """Sign an account out everywhere. API keys are not sessions and stay."""
    from chatbot.auth import accounts
    from chatbot.extensions import db

    ended = accounts.revoke_sessions(db.session(), account, FROM_HERE)
    click.echo(f"{ended} session{'s' * (ended != 1)} ended.")


@users_cli.command("delete")
@click.argument("account")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(account: str, yes: bool) -> None:
    """Delete an account and everything of theirs: sessions, conversations, keys, e-mails."""
    from chatbot.auth import accounts
    from chatbot.db import detached
    from chatbot.extensions import db

    session = db.session()
    user = detached(session, accounts.find_user(session, account))
    name = _called(user)
    if not yes:
        click.confirm(f"Delete {name} and everything of theirs?", abort=True)
    accounts.delete_user(session, account, FROM_HERE)
    click.echo(f"{name} is deleted.")
