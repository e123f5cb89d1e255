"""SQLite's writers: one after another in a process, and patient with those of other processes."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from chatbot.system.private_files import create_private
from chatbot.system.threadpool import run_in_thread

BUSY_TIMEOUT_MS = 5_000
# A writer waits as long as those that came before it get on, in seconds at most.
TURN_SECONDS = 60.0
# So long a native thread waits for another process's writer before it looks whether that one gets on.
LOOK_MS = 100
# Execution options: a transaction that will write, and a statement that may take long.
WRITES = "chatbot_writes"
SLOW_OPTION = "chatbot_slow"
_TURN = "chatbot_turn"
_WRITE_WORDS = ("INSERT", "UPDATE", "DELETE", "REPLACE")


def prepare(engine: Engine) -> None:
    """Arms the rules of SQLite on an engine."""
    event.listen(engine, "do_connect", _create_file)
    event.listen(engine, "connect", _set_pragmas)
    turns = _turns[engine] = _Turns()
    event.listen(engine, "begin", lambda connection: _begin(connection, turns))
    event.listen(engine, "checkin", _give_turn)
    event.listen(engine, "before_cursor_execute", _refuse_unannounced_write)
    event.listen(engine, "do_execute", _execute_slow)


def turn_on(bind: object) -> Turn | None:
    """The turn of a writer on this engine, after a wait perhaps; None where the database orders its writers itself.

    Raises:
        OperationalError: as of SQLite itself, when the others took too long.
    """
    turns = _turns.get(bind)
    return None if turns is None else Turn(turns)


def _create_file(_dialect: object, _record: object, args: list[Any], parameters: dict[str, Any]) -> None:
    """A database file is its owner's from the beginning; SQLite gives the files beside it the same mode."""
    if args and args[0] != ":memory:" and not parameters.get("uri"):
        create_private(Path(args[0]))


def _set_pragmas(dbapi_connection: Any, _record: object) -> None:
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


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class Connection(sqlite3.Connection):
    """A commit waits for the disk; other requests go on meanwhile."""

    def commit(self) -> None:
        if self.in_transaction:
            run_in_thread(super().commit)


class Turn:
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


def _begin(connection: sqlalchemy.Connection, turns: _Turns) -> None:
    writes = connection.get_execution_options().get(WRITES)
    if not writes:
        connection.exec_driver_sql("BEGIN")
        return
    # The connection has its turn until the pool has it back.
    if _TURN not in connection.info:
        connection.info[_TURN] = writes if isinstance(writes, Turn) else Turn(turns)
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
            run_in_thread(_wait_for_lock, connection)
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


def _give_turn(_dbapi_connection: object, record: Any, *_rest: object) -> None:
    turn = record.info.pop(_TURN, None)
    if turn is not None:
        turn.give_back()


def _execute_slow(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
    """Executes a statement that is marked as SLOW; the others are the driver's."""
    if not context.execution_options.get(SLOW_OPTION):
        return None
    run_in_thread(cursor.execute, statement, parameters)
    return True


def _refuse_unannounced_write(
    connection: sqlalchemy.Connection, _cursor: object, statement: str, *_rest: object
) -> None:
    """A write that `begin_write` did not announce would fail under load only; here it always fails."""
    if statement.lstrip()[:7].upper().startswith(_WRITE_WORDS):
        if not connection.get_execution_options().get(WRITES):
            raise RuntimeError("this transaction was not begun with begin_write")
