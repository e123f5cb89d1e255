"""What a full disk is, and what is none."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import click
import psycopg
import pytest
from sqlalchemy.exc import InternalError, OperationalError

from chatbot.cli_support import Commands
from chatbot.system.disk_space import FULL, DiskSpace, is_full
from chatbot.web.db_errors import outage


def of_postgresql(kind: type[psycopg.Error]) -> Exception:
    """As SQLAlchemy gives it."""
    wrapper = InternalError if issubclass(kind, psycopg.InternalError) else OperationalError
    return wrapper("INSERT", None, kind("no"))


def test_sqlite_says_that_it_is_full(tmp_path: Path) -> None:
    """M8: a real one that may not grow."""
    with sqlite3.connect(tmp_path / "small.db") as connection:
        connection.execute("PRAGMA max_page_count=3")
        connection.execute("CREATE TABLE t (x)")
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    connection.close()
    assert is_full(OperationalError("INSERT", None, caught.value))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_file_that_cannot_grow_is_a_full_disk(number: int) -> None:
    assert is_full(OSError(number, "no"))


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EACCES, "no"), ConnectionResetError(), sqlite3.OperationalError("locked"), ValueError(), None],
)
def test_nothing_else_is_a_full_disk(error: BaseException | None) -> None:
    assert not is_full(error)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (psycopg.errors.DiskFull, "storage_full"),
        (psycopg.errors.TooManyConnections, "busy"),
        (psycopg.errors.DataCorrupted, "database_damaged"),
        (psycopg.errors.IndexCorrupted, "database_damaged"),
    ],
)
def test_what_postgresql_lacks_is_told_by_its_own_words(kind: type[psycopg.Error], code: str) -> None:
    """M8"""
    told = outage(of_postgresql(kind))
    assert told is not None
    assert (told.status, told.code) == (503, code)
    assert told.retry_after


def test_an_error_of_postgresqls_own_is_none_of_these() -> None:
    assert outage(of_postgresql(psycopg.errors.InternalError_)) is None


def test_how_much_is_left_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((1 << 40, "ok"), (7 << 20, "Only 7 MB are free on the server's disk."), (4096, FULL)):
        monkeypatch.setattr(DiskSpace, "free", lambda _disk, free=free: free)
        assert DiskSpace(tmp_path).state() == state


def test_a_disk_that_cannot_be_asked_is_not_called_full(tmp_path: Path) -> None:
    assert DiskSpace(tmp_path / "not here").free() is None
    assert DiskSpace(tmp_path / "not here").state() == "ok"
    assert DiskSpace(tmp_path).free()


@pytest.mark.parametrize(
    ("error", "told"), [(OSError(errno.ENOSPC, "no"), "The disk is full"), (OSError(errno.EIO, "no"), None)]
)
def test_a_command_tells_of_a_full_disk_and_of_nothing_else(app, error: OSError, told: str | None) -> None:
    group = Commands("group")

    @group.command("write")
    def write() -> None:
        raise error

    result = app.test_cli_runner().invoke(group, ["write"])
    assert result.exit_code == 1
    assert (told in result.output) if told else result.exception is error
    assert isinstance(write, click.Command)
