"""The database: the models' base, times in UTC, and what SQLite needs to be dependable.

Services get a `Session` and know nothing else of the database. A service that writes calls `begin_write` first:
on SQLite a transaction that reads and then writes fails at once when another writer came between, whatever the
time-out, so writers take the lock at the start (https://www.sqlite.org/lang_transaction.html).
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, DateTime, Engine, MetaData, event
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from chatbot.native import in_native_thread
from chatbot.private_files import create_private

BUSY_TIMEOUT_MS = 5_000
# A writer waits as long as those that came before it get on, in seconds at most.
TURN_SECONDS = 60.0
# So long a request waits for a connection of the pool, while those before it get on: of many that come at once some do.
POOL_SECONDS = 30
# So long a native thread waits for another process's writer before it looks whether that one gets on.
LOOK_MS = 100
# An option of statements that may take long: SQLite computes them while other requests go on.
SLOW = {"chatbot_slow": True}
_WRITES = "chatbot_writes"
_TURN = "chatbot_turn"
_WRITE_WORDS = ("INSERT", "UPDATE", "DELETE", "REPLACE")

Sessions = sessionmaker[Session]
T = TypeVar("T")


class Base(DeclarativeBase):
    """The base of every model. Constraint names are fixed, so that migrations can name them on any database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC, on SQLite as well. A naive time is a mistake and raises."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone was about to be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utcnow() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """A random id of 122 bits, as it goes over the wire."""
    return str(uuid.uuid4())


def begin_write(session: Session) -> None:
    """Begins a transaction that will write. On SQLite it takes the write lock now and waits for it if it must.

    Raises:
        RuntimeError: the session has already begun a transaction that only reads.
    """
    if session.in_transaction():
        if not session.connection().get_execution_options().get(_WRITES):
            raise RuntimeError("begin_write must come before the session's first query")
        return
    turns = _turns.get(session.get_bind())
    if turns is None:
        session.connection(execution_options={_WRITES: True})
        return
    # Before the connection: writers who wait for each other hold none, and readers find one.
    turn = _Turn(turns)
    try:
        session.connection(execution_options={_WRITES: turn})
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
    return connection.execution_options(**{_WRITES: True})


def engine_options(url: str, threads: int) -> dict[str, Any]:
    """What `create_engine` gets: a pool that covers every thread; a connection to a server is checked before its use.

    An error of the database does not repeat the values of its statement: they would reach the log.
    """
    options: dict[str, Any] = {
        "pool_size": threads, "max_overflow": 8, "pool_timeout": POOL_SECONDS, "pool_pre_ping": True,
        "hide_parameters": True,
    }  # fmt: skip
    if url.startswith("sqlite"):
        options["pool_pre_ping"] = False
        options["connect_args"] = {
            "check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000, "factory": _Connection,
        }  # fmt: skip
    return options


def prepare_engine(engine: Engine) -> Sessions:
    """Arms the SQLite rules on an engine and gives the factory of short sessions on it."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "do_connect", _create_file)
        event.listen(engine, "connect", _set_pragmas)
        turns = _turns[engine] = _Turns()
        event.listen(engine, "begin", lambda connection: _begin(connection, turns))
        event.listen(engine, "checkin", _give_turn)
        event.listen(engine, "before_cursor_execute", _refuse_unannounced_write)
        event.listen(engine, "do_execute", _execute_slow)
    return sessionmaker(engine, expire_on_commit=False)


def _create_file(_dialect: Any, _record: Any, args: list[Any], parameters: dict[str, Any]) -> None:
    """A database file is its owner's from the beginning; SQLite gives the files beside it the same mode."""
    if args and args[0] != ":memory:" and not parameters.get("uri"):
        create_private(Path(args[0]))


def _set_pragmas(dbapi_connection: Any, _record: Any) -> None:
    # The driver would otherwise begin transactions by its own rules; `_begin` does it by ours.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
    # Its own knows the letters of ASCII only, and a search would tell KÖLN from Köln.
    dbapi_connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class _Connection(sqlite3.Connection):
    """A commit waits for the disk; other requests go on meanwhile."""

    def commit(self) -> None:
        if self.in_transaction:
            in_native_thread(super().commit)


class _Turn:
    """The turn of one of an engine's writers, after a wait perhaps. Giving it back twice does nothing.

    SQLite's own waiting is a poll with growing pauses: of many writers some are overtaken until their time is over,
    and where greenlets serve the requests it would keep the writer it waits for from going on.

    Raises:
        OperationalError: as of SQLite itself, when the others took too long.
    """

    def __init__(self, turns: _Turns) -> None:
        until = time.monotonic() + TURN_SECONDS
        seen = turns.begun
        while not turns.lock.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            if turns.begun == seen or time.monotonic() > until:
                raise _busy(sqlite3.OperationalError("database is locked"))
            seen = turns.begun
        self._turns: _Turns | None = turns

    def give_back(self) -> None:
        turns, self._turns = self._turns, None
        if turns is not None:
            turns.lock.release()


class _Turns:
    """Whose turn it is among an engine's writers, and how many have begun."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun = 0


_turns: WeakKeyDictionary[Any, _Turns] = WeakKeyDictionary()


def _busy(error: sqlite3.OperationalError) -> OperationalError:
    return OperationalError("BEGIN IMMEDIATE", None, error)


def _begin(connection: Connection, turns: _Turns) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    if not writes:
        connection.exec_driver_sql("BEGIN")
        return
    # The connection has its turn until the pool has it back.
    if _TURN not in connection.info:
        connection.info[_TURN] = writes if isinstance(writes, _Turn) else _Turn(turns)
    _begin_immediate(connection.connection.dbapi_connection)
    turns.begun += 1


def _begin_immediate(connection: Any) -> None:
    """Takes the write lock from the other processes, as long as they get on.

    Raises:
        OperationalError: one held it too long.
    """
    connection.execute("PRAGMA busy_timeout=0")
    try:
        if _locked(connection) is not None:
            # What waits here would be asked again only when all that runs in this thread has had its turn.
            in_native_thread(_wait_for_lock, connection)
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


def _locked(connection: Any) -> sqlite3.OperationalError | None:
    """Takes the lock, or gives what SQLite says of the writer who has it."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise _busy(error) from error
        return error
    return None


def _wait_for_lock(connection: Any) -> None:
    begun = changed = time.monotonic()
    version = None
    connection.execute(f"PRAGMA busy_timeout={min(LOOK_MS, BUSY_TIMEOUT_MS)}")
    while (error := _locked(connection)) is not None:
        # It changes with every commit of another connection.
        newest = connection.execute("PRAGMA data_version").fetchone()[0]
        if newest != version:
            version, changed = newest, time.monotonic()
        now = time.monotonic()
        if now > changed + BUSY_TIMEOUT_MS / 1000 or now > begun + TURN_SECONDS:
            raise _busy(error) from error


def _give_turn(_dbapi_connection: Any, record: Any, *_rest: Any) -> None:
    turn = record.info.pop(_TURN, None)
    if turn is not None:
        turn.give_back()


def _execute_slow(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
    """Executes a statement that is marked as SLOW; the others are the driver's."""
    if not context.execution_options.get("chatbot_slow"):
        return None
    in_native_thread(cursor.execute, statement, parameters)
    return True


def _refuse_unannounced_write(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
    """A write that `begin_write` did not announce would fail under load only; here it always fails."""
    if statement.lstrip()[:7].upper().startswith(_WRITE_WORDS):
        if not connection.get_execution_options().get(_WRITES):
            raise RuntimeError("this transaction was not begun with begin_write")
