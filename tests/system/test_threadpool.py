"""Native threads beside greenlets. Greenlets change a whole process, so each test has one of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chatbot.system.threadpool import run_in_thread
from tests.conftest import ROOT

PATCHED = "from gevent import monkey; monkey.patch_all(); import gevent, time; t = lambda: time.monotonic()\n"
REAL_SLEEP = "from gevent.monkey import get_original; sleep = get_original('time', 'sleep')\n"


def run(code: str) -> str:
    """What a process with greenlets prints."""
    command = [
        sys.executable,
        "-c",
        PATCHED + REAL_SLEEP + "from chatbot.system.threadpool import run_in_thread as in_native_thread\n" + code,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_without_greenlets_a_function_is_simply_called() -> None:
    assert run_in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        run_in_thread(divmod, 7, 0)
    assert "gevent" not in sys.modules


def test_others_go_on_while_a_function_blocks() -> None:
    """K15"""
    code = """
order = []
def long(): order.append("begin"); sleep(0.5); order.append("end"); return 7
def other():
    while "end" not in order: order.append("other"); gevent.sleep(0.05)
jobs = [gevent.spawn(lambda: order.append(in_native_thread(long))), gevent.spawn(other)]
gevent.joinall(jobs)
print(order.count("other") > 3, "begin" in order[:2], order.index("other") < order.index("end"), 7 in order)
"""
    assert run(code) == "True True True True\n"


def test_what_is_raised_arrives_and_is_not_printed() -> None:
    """P1"""
    code = """
try:
    in_native_thread(int, "canary")
except ValueError as error:
    print("raised", error)
"""
    assert run(code) == "raised invalid literal for int() with base 10: 'canary'\n"


def test_one_within_another_is_simply_called() -> None:
    assert run("print(in_native_thread(in_native_thread, len, 'four'))") == "4\n"


def test_who_is_told_to_end_ends_after_the_function_has() -> None:
    """K12: a commit that is on its way is not met by a rollback."""
    code = """
order = []
def long(): sleep(0.3); order.append("end")
def work():
    try: in_native_thread(long)
    except BaseException as error: order.append(type(error).__name__)
job = gevent.spawn(work); gevent.sleep(0.05); job.kill(); print(order)
"""
    assert run(code) == "['end', 'GreenletExit']\n"


def test_writers_of_one_process_never_stop_each_other(tmp_path) -> None:
    """M3, Q6: a writer that waits for the lock lets the one that has it go on, and takes its turn."""
    code = f"""
from sqlalchemy import create_engine, text
from chatbot.db import begin_write, engine_options, prepare_engine
url = "sqlite:///{tmp_path / "writers.db"}"
sessions = prepare_engine(create_engine(url, **engine_options(url, 4)))
with sessions() as session:
    begin_write(session); session.execute(text("CREATE TABLE t (n INTEGER)")); session.commit()
def write(n):
    with sessions() as session:
        begin_write(session)
        session.execute(text("INSERT INTO t VALUES (:n)"), {{"n": n}})
        gevent.sleep(0.005)
        session.commit()
jobs = [gevent.spawn(write, n) for n in range(200)]
gevent.joinall(jobs, raise_error=True)
with sessions() as session: print(session.scalar(text("SELECT count(*) FROM t")))
"""
    assert run(code) == "200\n"


def test_others_go_on_while_postgresql_computes(postgres_server) -> None:
    """M2: the driver waits as greenlets do."""
    code = f"""
from sqlalchemy import create_engine, text
engine = create_engine({postgres_server.replace("postgresql://", "postgresql+psycopg://")!r})
ticks = []
def ask():
    with engine.connect() as connection: connection.execute(text("SELECT pg_sleep(0.5)"))
def tick():
    while not asking.ready(): ticks.append(1); gevent.sleep(0.02)
asking = gevent.spawn(ask)
gevent.joinall([asking, gevent.spawn(tick)], raise_error=True)
print(len(ticks) > 5)
"""
    assert run(code) == "True\n"
