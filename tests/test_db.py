"""The database's rules, on both kinds."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from chatbot.auth.models import TokenFamily, User
from chatbot.current import services
from chatbot.db import begin_write, detached, engine_options, for_writing, new_id, utcnow
from chatbot.extensions import db


def person(name: str = "ada", **values) -> User:
    return User(username=name, username_key=name, email=f"{name}@example.com", password_hash="canary-hash", **values)


def add(session, user: User) -> User:
    begin_write(session)
    session.add(user)
    session.commit()
    return user


def test_a_time_comes_back_aware_and_in_utc(session):
    """G17"""
    east = datetime(2026, 3, 1, 12, 0, 0, 123456, timezone(timedelta(hours=5, minutes=30)))
    user = add(session, person(created_at=east))
    found = session.scalar(select(User.created_at).where(User.id == user.id))
    assert (found, found.tzinfo, found.hour) == (east, UTC, 6)


def test_times_compare_across_zones(session):
    """G17"""
    moment = utcnow()
    add(session, person(created_at=moment))
    later = (moment + timedelta(seconds=1)).astimezone(timezone(timedelta(hours=-8)))
    assert session.scalar(select(User.id).where(User.created_at < later))


def test_a_time_without_a_zone_is_not_stored(session):
    """G17"""
    begin_write(session)
    session.add(person(created_at=datetime(2026, 1, 1)))
    with pytest.raises(StatementError, match="without a zone"):
        session.flush()
    session.rollback()


def test_an_absent_time_stays_absent(session):
    user = add(session, person())
    family = TokenFamily(user_id=user.id, current_jti=new_id(), expires_at=utcnow())
    add(session, family)
    assert session.scalars(select(TokenFamily.revoked_at)).all() == [None]


def test_ids_are_random():
    """A7"""
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert {UUID(value).version for value in ids} == {4}


@pytest.mark.parametrize("make", [lambda: insert(User), lambda: update(User).values(email="x"), lambda: delete(User)])
def test_sqlite_refuses_a_write_that_was_not_announced(sqlite_app, make):
    """M3: it would fail under load only."""
    with services(sqlite_app).sessions() as session, pytest.raises(RuntimeError, match="begin_write"):
        session.execute(make(), [vars_of(person())] if make().is_insert else None)


def vars_of(user: User) -> dict:
    return {"id": new_id(), "username": user.username, "username_key": "x", "email": user.email, "password_hash": ""}


def test_a_write_is_announced_before_the_first_query(session):
    session.execute(text("SELECT 1"))
    with pytest.raises(RuntimeError, match="first query"):
        begin_write(session)


def test_announcing_twice_is_once(session):
    begin_write(session)
    begin_write(session)
    session.add(person())
    session.commit()
    assert session.scalar(select(User.username)) == "ada"


def test_a_detached_row_opens_no_transaction(session):
    """M2"""
    add(session, person())
    user = detached(session, session.scalars(select(User)).one())
    assert (user.username, session.in_transaction()) == ("ada", False)


def test_many_writers_wait_for_each_other(app):
    """M3: no lost update and no error."""
    sessions, start = services(app).sessions, threading.Barrier(8)
    with sessions() as session:
        add(session, person(first_name="0"))

    def count():
        start.wait()
        with sessions() as mine:
            for _ in range(5):
                begin_write(mine)
                user = mine.scalars(select(User).with_for_update()).one()
                user.first_name = str(int(user.first_name) + 1)
                mine.commit()
                mine.expire_all()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sessions() as session:
        assert session.scalar(select(User.first_name)) == "40"


@pytest.fixture
def hurried(monkeypatch, make_app):
    """An application on SQLite in which nobody waits long for the lock."""
    monkeypatch.setattr("chatbot.db.sqlite_writer.BUSY_TIMEOUT_MS", 50)
    return make_app()


def test_a_second_writer_of_the_same_thread_is_told_that_the_database_is_busy(hurried):
    """M3: it cannot wait for itself; the first one goes on, and after it there is room again."""
    sessions = services(hurried).sessions
    with sessions() as first, sessions() as second:
        begin_write(first)
        first.add(person())
        with pytest.raises(OperationalError, match="locked"):
            begin_write(second)
        second.rollback()
        first.commit()
        add(second, person("bob"))
        assert second.scalars(select(User.username).order_by(User.username)).all() == ["ada", "bob"]


def refused(session) -> None:
    with suppress(IntegrityError):
        session.execute(insert(User), [vars_of(person())] * 2)
    session.rollback()


ENDINGS = {
    "commit": lambda session: session.commit(),
    "rollback": lambda session: session.rollback(),
    "close": lambda session: session.close(),
    "an error": refused,
    "a lost connection": lambda session: (session.connection().invalidate(), session.close()),
    "an invalid session": lambda session: session.invalidate(),
}


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_a_writer_gives_its_turn_back_however_it_ends(hurried, end):
    """M3: a turn that was kept would stop every writer of the process for good."""
    sessions = services(hurried).sessions
    for _ in range(2):
        with sessions() as session:
            begin_write(session)
            end(session)
        with sessions() as reader, sessions() as other:
            # It takes the connection that was given back, so that the writer gets another.
            reader.execute(text("SELECT 1"))
            begin_write(other)


def test_a_bare_connection_may_write_twice(hurried):
    """M3: as migrations do; it has its turn already."""
    with hurried.app_context(), db.engine.connect() as plain:
        connection = for_writing(plain)
        for name in ("ada", "bob"):
            connection.execute(insert(User), [vars_of(person(name)) | {"username_key": name, "email": name}])
            connection.commit()
        assert connection.scalar(select(func.count()).select_from(User)) == 2


def test_writers_of_two_databases_do_not_wait_for_each_other(hurried, make_app, tmp_path):
    """M3"""
    other = make_app(instance_path=tmp_path / "other")
    with services(hurried).sessions() as mine, services(other).sessions() as theirs:
        begin_write(mine)
        add(theirs, person())
        mine.commit()


def test_a_turn_does_not_keep_other_processes_out_or_let_them_in(hurried, make_app):
    """M3: another engine of the same file stands for another process; SQLite's own lock is between them."""
    other = make_app()
    with services(hurried).sessions() as mine, services(other).sessions() as theirs:
        begin_write(mine)
        with pytest.raises(OperationalError, match="locked"):
            begin_write(theirs)
        theirs.rollback()
        mine.commit()
        begin_write(theirs)


OTHERS = """
import sqlite3, sys, time
other = sqlite3.connect(sys.argv[1], isolation_level=None)
until = time.monotonic() + 1.5
print("begun", flush=True)
while time.monotonic() < until:
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE alembic_version SET version_num = version_num")
    time.sleep(0.03)
    other.execute("COMMIT")
"""


def test_a_writer_waits_for_other_processes_as_long_as_they_get_on(hurried, monkeypatch):
    """M3: each of them holds the lock for less than anybody waits, all together for much longer."""
    # On a busy machine 0.03 s may become some tenths.
    monkeypatch.setattr("chatbot.db.sqlite_writer.BUSY_TIMEOUT_MS", 500)
    database = services(hurried).sessions.kw["bind"].url.database
    with subprocess.Popen([sys.executable, "-c", OTHERS, database], stdout=subprocess.PIPE) as others:
        assert others.stdout.readline() == b"begun\n"
        with services(hurried).sessions() as session:
            add(session, person())
    assert others.returncode == 0


def test_children_go_with_their_parent(session):
    """F14: also on SQLite, where one has to ask for it."""
    user = add(session, person())
    add(session, TokenFamily(user_id=user.id, current_jti=new_id(), expires_at=utcnow()))
    begin_write(session)
    session.execute(delete(User))
    session.commit()
    assert session.scalars(select(TokenFamily.id)).all() == []


def test_an_error_of_the_database_does_not_repeat_values(session):
    """P1: it would reach the log."""
    add(session, person())
    begin_write(session)
    session.add(person())
    with pytest.raises(IntegrityError) as refused:
        session.flush()
    session.rollback()
    assert "canary-hash" not in str(refused.value)


def test_sqlite_is_made_dependable(sqlite_app):
    """M3"""
    with sqlite_app.app_context(), db.engine.connect() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    assert found == ["wal", 2, 1, 5000]


def test_the_pool_covers_every_thread_and_checks_what_it_gives():
    """M1 M2"""
    options = engine_options("postgresql+psycopg://h/d", 32)
    assert (options["pool_size"], options["pool_pre_ping"], "connect_args" in options) == (32, True, False)
    assert engine_options("sqlite:///x", 4)["connect_args"]["timeout"] == 5
