"""`flask mail ...`"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import click

from chatbot.cli_support import Commands

if TYPE_CHECKING:
    from chatbot.mail.models import Mail

# As the service has them (a test compares).
STATUSES = ("queued", "sent", "failed", "cancelled")

mail_cli = Commands("mail", help="Letters.")

# Whole lines rather than a table: an id that is cut off cannot be copied.
_LINE = "{:36}  {:16}  {:32}  {:9}  {:>8}  {:20}  {}"


@mail_cli.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
def list_mails(status: str | None, limit: int) -> None:
    """List e-mails, newest first. Failed ones stay until they are tried again or RETENTION_DAYS have passed."""
    from chatbot.extensions import db
    from chatbot.mail import service

    mails = service.list_mails(db.session(), status, limit)
    click.echo(_LINE.format("id", "kind", "to", "status", "attempts", "next attempt", "error"))
    for mail in mails:
        click.echo(_line(mail).rstrip())


def _line(mail: Mail) -> str:
    due = f"{mail.next_attempt_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if mail.status == "queued" else "-"
    to, error = masked(mail.recipient), mail.error or ""
    return _LINE.format(mail.id, mail.kind, to, mail.status, mail.attempts, due, error)


def masked(recipient: str) -> str:
    """An address as it may be shown: `a…@example.com`, whatever it holds on one line."""
    _, at, domain = recipient.rpartition("@")
    shown = f"{recipient[:1]}…{at}{domain}" if at else f"{recipient[:1]}…"
    return "".join(c if c.isprintable() else "?" for c in shown)


@mail_cli.command("retry")
@click.argument("mail_ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@click.option("--all-failed", is_flag=True, help="Every letter that has failed.")
def retry(mail_ids: tuple[object, ...], all_failed: bool) -> None:
    """Queue failed e-mails again, as if they were new.

    Exit status: 0 when all of them are queued, 1 when one was not a failed e-mail.
    """
    from chatbot.background import enqueue
    from chatbot.extensions import db
    from chatbot.mail import service
    from chatbot.mail.tasks import deliver_mail

    if bool(mail_ids) == all_failed:
        raise click.UsageError("Name letters by their ids, or give --all-failed.")
    ids = list(dict.fromkeys(map(str, mail_ids)))
    queued = service.retry_failed(db.session(), None if all_failed else ids)
    for mail_id in queued:
        enqueue(deliver_mail, mail_id)
    click.echo(f"{len(queued)} queued again")
    others = [] if all_failed else [mail_id for mail_id in ids if mail_id not in queued]
    for mail_id in others:
        click.echo(f"  not a failed letter: {mail_id}", err=True)
    raise SystemExit(1 if others else 0)
