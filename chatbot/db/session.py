"""Sessions and engines. A service that writes calls `begin_write` first.

On SQLite a transaction that reads and then writes fails at once when another writer came between, whatever the
time-out, so writers take the lock at the start (https://www.sqlite.org/lang_transaction.html).
"""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session, sessionmaker

from chatbot.db import sqlite_writer
from chatbot.db.sqlite_writer import WRITES

# So long a request waits for a connection of the pool, while those before it get on: of many that come at once some do.
POOL_SECONDS = 30
# An option of statements that may take long: SQLite computes them while other requests go on.
SLOW = {sqlite_writer.SLOW_OPTION: True}

Sessions = sessionmaker[Session]
T = TypeVar("T")


def begin_write(session: Session) -> None:
    """Begins a transaction that will write. On SQLite it takes the write lock now and waits for it if it must.

    Raises:
        RuntimeError: the session has already begun a transaction that only reads.
    """
    if session.in_transaction():
        if not session.connection().get_execution_options().get(WRITES):
            raise RuntimeError("begin_write must come before the session's first query")
        return
    # Before the connection: writers who wait for each other hold none, and readers find one.
    turn = sqlite_writer.turn_on(session.get_bind())
    if turn is None:
        session.connection(execution_options={WRITES: True})
        return
    try:
        session.connection(execution_options={WRITES: turn})
    except BaseException:
        turn.give_back()
        raise


def detached(session: Session, row: T) -> T:
    """Ends the transaction and gives the row as plain values: what is needed while no connection is held.

    A row that stays in its session would read itself again at the next touch, and open a transaction for it.
    """
    session.expunge(row)
    session.rollback()
    return row


def for_writing(connection: Connection) -> Connection:
    """The same for a bare connection (migrations)."""
    return connection.execution_options(**{WRITES: True})


def engine_options(url: str, threads: int) -> dict[str, object]:
    """What `create_engine` gets: a pool that covers every thread; a connection to a server is checked before its use.

    An error of the database does not repeat the values of its statement: they would reach the log.
    """
    options: dict[str, object] = {
        "pool_size": threads,
        "max_overflow": 8,
        "pool_timeout": POOL_SECONDS,
        "pool_pre_ping": True,
        "hide_parameters": True,
    }
    if url.startswith("sqlite"):
        options["pool_pre_ping"] = False
        options["connect_args"] = {
            "check_same_thread": False,
            "timeout": sqlite_writer.BUSY_TIMEOUT_MS / 1000,
            "factory": sqlite_writer.Connection,
        }
    return options


def prepare_engine(engine: Engine) -> Sessions:
    """Arms the SQLite rules on an engine and gives the factory of short sessions on it."""
    if engine.dialect.name == "sqlite":
        sqlite_writer.prepare(engine)
    return sessionmaker(engine, expire_on_commit=False)
