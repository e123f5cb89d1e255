"""`flask backup ...`"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatbot.cli_support import Commands, progress_bar, silence_logs
from chatbot.current import services, settings

if TYPE_CHECKING:
    from chatbot.backup.service import Told

backup_cli = Commands("backup", help="Backups of everything that is stored, while all runs.")

FILE = click.Path(dir_okay=False, path_type=Path)


@contextmanager
def _told() -> Iterator[None]:
    """What is refused ends the command with its sentence."""
    from chatbot.backup.archive import BackupRefused

    try:
        yield
    except BackupRefused as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def _progress() -> Iterator[Told]:
    """Shows which part is at work."""
    with progress_bar() as bar:
        task = bar.add_task("", total=None)
        yield lambda name: bar.update(task, description=name)


@backup_cli.command("create")
@click.argument("file", type=FILE, required=False)
@click.option("--with-secret", is_flag=True, help="Also put in the file secret_key, which signs sessions and links.")
def create(file: Path | None, with_secret: bool) -> None:
    """Write a backup of this moment to FILE (chatbot-backup-DATE.zip), whatever goes on meanwhile.

    Exit status: 0 when all of it is there, 1 when originals are missing or damaged.
    """
    from chatbot.backup import service
    from chatbot.backup.archive import reading
    from chatbot.db import utcnow

    path = file or Path(f"chatbot-backup-{utcnow():%Y%m%d-%H%M%S}.zip")
    secret = _secret() if with_secret else None
    with _told(), silence_logs(), services().sessions() as session, _progress() as told:
        damaged = service.create(session, path, secret, told)
    with reading(path) as archive:
        made = archive.manifest
    files, size = len(made.named("originals/")), path.stat().st_size / 1e6
    click.echo(
        f"{path}: {made.rows} rows, {files} original(s) in files, {size:.1f} MB. It holds secrets: keep it safe."
    )
    for content_hash in damaged:
        click.echo(f"  missing or damaged original: {content_hash}", err=True)
    raise SystemExit(1 if damaged else 0)


def _secret() -> bytes:
    from chatbot.config.signing_secrets import SECRET_FILE

    if settings().secret_key is not None:
        raise click.ClickException("SECRET_KEY is a setting here and in no file; keep it where your settings are.")
    return (settings().instance_path / SECRET_FILE).read_bytes()


@backup_cli.command("check")
@click.argument("file", type=FILE)
def check(file: Path) -> None:
    """Prove that a backup is whole: every part has the length and the SHA-256 that its manifest says."""
    from chatbot.backup.archive import reading

    with _told(), reading(file) as archive:
        archive.check()
        made = archive.manifest
    click.echo(f"Whole: {made.rows} rows of {made.created_at}, schema {made.revision}, from {made.database}.")


@backup_cli.command("restore")
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="Delete what is in the database first.")
def restore(file: Path, replace: bool) -> None:
    """Make the database what it was, all of it or nothing. Stop the other processes first."""
    from chatbot.backup import service
    from chatbot.backup.archive import SECRET, reading

    with _told(), silence_logs(), reading(file) as archive, services().sessions() as session:
        with _progress() as told:
            service.restore(session, archive, replace=replace, told=told)
        made = archive.manifest
        if made.named(SECRET):
            _put_secret(b"".join(archive.pieces(SECRET)))
    click.echo(f"{made.rows} rows of {made.created_at} are there again. `flask knowledge verify` proves it.")


def _put_secret(secret: bytes) -> None:
    from chatbot.config.signing_secrets import SECRET_FILE
    from chatbot.db import new_id

    if settings().secret_key is not None:
        click.echo("SECRET_KEY is a setting here; the backup's secret was not used.", err=True)
        return
    path = settings().instance_path / SECRET_FILE
    made = path.with_name(f".{SECRET_FILE}-{new_id()}")
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
