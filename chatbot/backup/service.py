"""Making a backup while everything runs, and making a database from one.

Both read and write rows through the models, so a backup of SQLite can be restored into PostgreSQL and the other way
round. What derives from rows is left out: the keyword index is written anew with the rows, vectors in a table of
their own follow them by themselves, and who is at work just now is nobody's past.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Date, LargeBinary, Table, bindparam, exists, func, inspect, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from chatbot import __version__
from chatbot.backup.archive import SECRET, Archive, BackupRefused, Manifest, Writer, writing
from chatbot.db import Base, UtcDateTime, begin_write, utcnow
from chatbot.knowledge.documents.blobs import file_of, put_back
from chatbot.knowledge.index import keywords
from chatbot.knowledge.models import ChunkRow, Collection, DocumentVersion, Generation, IndexFile, WorkerRow

LEFT_OUT = frozenset({WorkerRow.__tablename__, IndexFile.__tablename__})
# What `flask db upgrade` makes in an empty database.
MADE_AT_ONCE = frozenset({Collection.__tablename__, *LEFT_OUT})
# Rows that are read or written at once; versions hold whole files.
ROWS, VERSIONS = 500, 2
BYTES = 8 * 1024 * 1024
NO_SCHEMA = "none"
# A document that goes while its bytes are read takes them along; then all is begun anew.
ATTEMPTS = 5

Told = Callable[[str], None]


class _Gone(Exception):
    """An original that the snapshot names is not there."""


def tables() -> list[Table]:
    """What is in a backup, each after what it refers to."""
    return [table for table in Base.metadata.sorted_tables if table.name not in LEFT_OUT]


# Making one


def create(session: Session, path: Path, secret: bytes | None = None, told: Told = lambda _: None) -> list[str]:
    """Writes a backup of one moment, whatever goes on meanwhile; gives the hashes of originals that are not whole.

    `told` hears of each part. A `secret` is put in as it is.

    Raises:
        BackupRefused: it cannot be written.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with writing(path) as writer:
                return _write(session, writer, secret, told, complete=attempt < ATTEMPTS)
        except _Gone:
            continue
        finally:
            session.rollback()
    raise AssertionError("the last attempt takes what there is")


def _write(session: Session, writer: Writer, secret: bytes | None, told: Told, complete: bool) -> list[str]:
    if session.get_bind().dialect.name != "sqlite":  # There every transaction is such a snapshot.
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    revision = schema_of(session)
    damaged = _add_originals(session, writer, told, complete)
    for table in tables():
        told(table.name)
        writer.add(f"tables/{table.name}.jsonl", _lines(session, table), lines=True)
    if secret is not None:
        writer.add(SECRET, [secret])
    now = utcnow().isoformat(timespec="seconds")
    writer.end(Manifest(__version__, revision, now, session.get_bind().dialect.name, tuple(writer.parts)))
    return damaged


def schema_of(session: Session) -> str:
    """The revision of the database's schema; `none` where it has no tables yet."""
    if not inspect(session.connection()).has_table("alembic_version"):
        return NO_SCHEMA
    return str(session.scalar(text("SELECT version_num FROM alembic_version")) or NO_SCHEMA)


def _add_originals(session: Session, writer: Writer, told: Told, complete: bool) -> list[str]:
    """The files first: none of them stays for long after its document."""
    damaged = []
    hashes = select(DocumentVersion.content_hash).where(DocumentVersion.in_file).distinct()
    for content_hash in session.scalars(hashes.order_by(DocumentVersion.content_hash)).all():
        told("originals")
        try:
            with file_of(session, content_hash).open("rb") as file:
                part = writer.add(f"originals/{content_hash}", iter(lambda f=file: f.read(1024 * 1024), b""))  # type: ignore[misc]
            if part.sha256 != content_hash:
                damaged.append(content_hash)
        except FileNotFoundError:
            if complete:
                raise _Gone() from None
            damaged.append(content_hash)
    return damaged


def _lines(session: Session, table: Table) -> Iterator[bytes]:
    size = VERSIONS if table.name == DocumentVersion.__tablename__ else ROWS
    for row in session.execute(select(table).execution_options(yield_per=size)):
        yield json.dumps(dict(row._mapping), default=_plain, ensure_ascii=False).encode() + b"\n"


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, date):  # A time is one, too.
        return value.isoformat()
    raise TypeError(type(value).__name__)


# Restoring one


def restore(session: Session, archive: Archive, *, replace: bool = False, told: Told = lambda _: None) -> None:
    """Makes the database what it was, in one transaction: all of it, or nothing.

    Raises:
        BackupRefused: the backup is damaged or of another schema, the database is not empty (and `replace` was not
            asked for), or it does not take the rows. Nothing is changed.
    """
    archive.check()
    begin_write(session)
    try:
        _check_schema(schema_of(session), archive.manifest.revision)
        if session.get_bind().dialect.name == "postgresql":
            # Whoever wants to write waits until the end.
            session.execute(text(f"LOCK TABLE {', '.join(table.name for table in tables())} IN EXCLUSIVE MODE"))
        if not replace and not is_empty(session):
            raise BackupRefused("This database is not empty. --replace deletes what is in it first.")
        newest = dict(session.execute(select(Generation.id, Generation.revision)).all())
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
        _fill(session, archive, told)
        _after(session, newest, told)
        for part in archive.manifest.named("originals/"):
            told("originals")
            put_back(session, part.name.removeprefix("originals/"), b"".join(archive.pieces(part.name)))
        session.commit()
    except SQLAlchemyError as error:
        session.rollback()
        cause = str(getattr(error, "orig", None) or type(error).__name__).partition("\n")[0]
        raise BackupRefused(f"The database does not take this backup, and nothing was changed: {cause}") from error
    except BaseException:
        session.rollback()
        raise


def _check_schema(here: str, there: str) -> None:
    if here == NO_SCHEMA:
        raise BackupRefused("This database has no tables yet. Run `flask db upgrade` first.")
    if here == there:
        return
    if there < here:
        way = f"Restore it with the version that made it (schema {there}), then upgrade with `flask db upgrade`."
    else:
        way = "Install the version that made it, or a newer one, and run `flask db upgrade` first."
    raise BackupRefused(f"This backup has the schema {there} and this database {here}. {way}")


def is_empty(session: Session) -> bool:
    """Whether a database holds nothing but what its migrations make."""
    kept = [table for table in tables() if table.name not in MADE_AT_ONCE]
    found = any(session.scalar(select(exists(select(1).select_from(table)))) for table in kept)
    return not found and (session.scalar(select(func.count()).select_from(Collection)) or 0) <= 1


def _fill(session: Session, archive: Archive, told: Told) -> None:
    there = {part.name for part in archive.manifest.named("tables/")}
    if there != {f"tables/{table.name}.jsonl" for table in tables()}:
        raise BackupRefused("The tables of this backup are not those of this version.")
    for table in tables():
        told(table.name)
        # A row may refer to one of its own table that comes later: it does so when all are there.
        later = [column for column in table.columns if any(key.column.table is table for key in column.foreign_keys)]
        for rows in _batches(archive, table):
            emptied: dict[str, object] = {column.name: None for column in later}
            session.execute(table.insert(), [{**row, **emptied} for row in rows])
        for column in later:
            _refer(session, archive, table, column)


def _refer(session: Session, archive: Archive, table: Table, column: Column[Any]) -> None:
    (key,) = table.primary_key.columns
    statement = update(table).where(key == bindparam("the_row")).values({column.name: bindparam("refers_to")})
    for rows in _batches(archive, table):
        pairs = [{"the_row": r[key.name], "refers_to": r[column.name]} for r in rows if r[column.name] is not None]
        if pairs:
            session.connection().execute(statement, pairs)


def _batches(archive: Archive, table: Table) -> Iterator[list[dict[str, object]]]:
    """The rows of a table, some at a time."""
    rows, size = list[dict[str, object]](), 0
    for line in archive.lines(f"tables/{table.name}.jsonl"):
        rows.append(_row(line, table))
        size += len(line)
        if len(rows) >= ROWS or size >= BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _row(line: bytes, table: Table) -> dict[str, object]:
    try:
        told = json.loads(line)
        if set(told) != {column.name for column in table.columns}:
            raise ValueError("other columns")
        return {column.name: _typed(column, told[column.name]) for column in table.columns}
    except (ValueError, TypeError):
        raise BackupRefused(f"A row of {table.name} in this backup is not one of this version.") from None


def _typed(column: Column[Any], value: Any) -> object:
    if value is None:
        return None
    if isinstance(column.type, LargeBinary):
        return b64decode(value, validate=True)
    if isinstance(column.type, UtcDateTime):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if isinstance(column.type, Date) else value


def _after(session: Session, newest: dict[int, int], told: Told) -> None:
    """What follows from the rows: the next numbers, the keyword index, and revisions that every process notices."""
    if session.get_bind().dialect.name == "postgresql":
        for table in tables():
            _count_on(session, table)
    for generation in session.scalars(select(Generation)).all():
        # A process that holds an index of the time before reads all of it again.
        generation.revision = max(generation.revision, newest.get(generation.id, 0)) + 1
        generation.purged_revision = generation.revision
    told("keywords")
    for ids in _numbers(session):
        keywords.index_chunks(session, ids)


def _count_on(session: Session, table: Table) -> None:
    counted = table.autoincrement_column
    if counted is not None and isinstance(counted.type.python_type(), int):
        last = session.scalar(select(func.max(counted)))
        sequence = func.pg_get_serial_sequence(table.name, counted.name)
        session.execute(select(func.setval(sequence, last or 1, last is not None)))


def _numbers(session: Session) -> Iterable[list[int]]:
    """The numbers of the chunks that the keyword index has, some at a time."""
    query = select(ChunkRow.id).where(ChunkRow.text != "").order_by(ChunkRow.id).limit(keywords.BATCH)
    after = 0
    while ids := session.scalars(query.where(ChunkRow.id > after)).all():
        yield list(ids)
        after = ids[-1]
