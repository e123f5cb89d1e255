"""The nightly jobs: each once a night, whenever the processes run, however many there are."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

import celeryconfig
from chatbot import background, nightly
from chatbot.auth import tasks as auth_tasks
from chatbot.current import services

JOBS = {"late": time(2, 30), "early": time(2, 0)}
NIGHT = datetime(2026, 3, 10, 2, 0, 5, tzinfo=UTC)


def run(session, now: datetime) -> list[str]:
    """What one look runs to its end."""
    done = []
    for name in nightly.due(session, JOBS, now):
        if nightly.claim(session, name, JOBS[name], now):
            nightly.finish(session, name, now)
            done.append(name)
    return done


def test_jobs_without_a_last_run_are_due_in_order_of_time(session):
    assert run(session, NIGHT) == ["early", "late"]


def test_jobs_run_once_a_night_from_their_time_on(session):
    run(session, NIGHT - timedelta(hours=3))
    looks = [NIGHT - timedelta(seconds=6), NIGHT, NIGHT + timedelta(minutes=1), NIGHT + timedelta(minutes=30), NIGHT]
    assert [run(session, now) for now in looks] == [[], ["early"], [], ["late"], []]
    assert run(session, NIGHT + timedelta(hours=20)) == []


@pytest.mark.parametrize("later", [timedelta(hours=7), timedelta(days=9, hours=20)])
def test_jobs_missed_by_a_machine_that_was_off_run_once_later(session, later):
    run(session, NIGHT - timedelta(days=1, hours=-1))
    assert run(session, NIGHT + later) == ["early", "late"]
    assert run(session, NIGHT + later + timedelta(minutes=1)) == []


def test_time_in_another_zone_counts_as_utc(session):
    run(session, NIGHT - timedelta(hours=3))
    zone = datetime.fromisoformat("2026-03-10T03:00:05+02:00")  # 01:00:05 UTC
    assert run(session, zone) == []


def test_job_that_did_not_finish_is_due_after_an_hour(session):
    assert nightly.claim(session, "early", JOBS["early"], NIGHT)
    assert "early" not in nightly.due(session, JOBS, NIGHT + timedelta(minutes=59))
    assert not nightly.claim(session, "early", JOBS["early"], NIGHT + timedelta(minutes=59))
    assert nightly.claim(session, "early", JOBS["early"], NIGHT + timedelta(minutes=61))


@pytest.mark.parametrize("has_run", [False, True])
def test_claims_at_the_same_moment_are_won_by_one(app, session, has_run):
    if has_run:
        run(session, NIGHT - timedelta(days=2))
    barrier, won = threading.Barrier(6), []

    def claim() -> None:
        with services(app).sessions() as own:
            barrier.wait()
            won.append(nightly.claim(own, "early", JOBS["early"], NIGHT))

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 5 + [True]


def rows(session) -> dict[str, bool]:
    session.rollback()
    return {row.name: row.finished_at is not None for row in session.scalars(select(nightly.NightlyJob))}


def test_task_runs_all_jobs_and_a_failed_one_stops_no_other(app, session, monkeypatch, caplog):
    def fail(*_args):
        raise RuntimeError("no")

    monkeypatch.setattr(auth_tasks.sessions, "forget_dead_families", fail)
    with app.app_context():
        background.run_nightly()
        background.run_nightly()
    assert rows(session) == dict.fromkeys(celeryconfig.NIGHTLY, True) | {"auth.forget_dead_families": False}
    assert caplog.text.count("nightly_job_failed") == 1


def test_outage_of_the_database_ends_the_look_without_a_traceback(sqlite_app, monkeypatch, caplog):
    def fail(*_args):
        raise OperationalError("SELECT 1", None, Exception("no"))

    monkeypatch.setattr(auth_tasks.sessions, "forget_dead_families", fail)
    background.run_nightly()
    background.run_nightly()
    assert (caplog.text.count("'database_unavailable'"), caplog.text.count("Traceback")) == (1, 0)
    with services(sqlite_app).sessions() as session:
        assert rows(session) == dict.fromkeys(celeryconfig.NIGHTLY, True) | {"auth.forget_dead_families": False}
