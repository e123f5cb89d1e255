"""Messages that nobody can handle, put before a real worker: it lives on and handles the good one behind them."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.functional.house import ProcessFleet, wait_for

SECRET_WORD = "canary5c1d"


def message(**changes: Any) -> dict[str, Any]:
    """A message as Celery writes it; a change of None removes a field."""
    made: dict[str, Any] = {
        "body": coded("[[], {}, {}]"),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "chat.sweep", "id": str(uuid.uuid4()), "argsrepr": SECRET_WORD},
        "properties": {
            "correlation_id": "x",
            "delivery_mode": 2,
            "delivery_tag": str(uuid.uuid4()),
            "body_encoding": "base64",
            "delivery_info": {"exchange": "default", "routing_key": "default"},
            "priority": 0,
        },
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def with_headers(**headers: Any) -> dict[str, Any]:
    return message(headers=message()["headers"] | headers)


def with_properties(**properties: Any) -> dict[str, Any]:
    return message(properties=message()["properties"] | properties)


def coded(content: str) -> str:
    return base64.b64encode(content.encode()).decode()


RAW = {
    "empty": b"",
    "not JSON": b"{half",
    "a list": b"[1, 2]",
    "a number": b"7",
    "null": b"null",
    "not UTF-8": b"\xff\xfe{}",
    "deep": b"[" * 100_000,
    "NaN": b"NaN",
    "too large": b'{"body": "' + b"x" * 300_000 + b'"}',
    "an object": b"{}",
}
BAD = {
    "no headers": message(headers=None),
    "headers a list": message(headers=[1]),
    "headers a text": message(headers="x"),
    "no properties": message(properties=None),
    "properties a list": message(properties=[]),
    "no delivery tag": message(properties={"delivery_info": {"exchange": "", "routing_key": "default"}}),
    "delivery tag a list": with_properties(delivery_tag=[1]),
    "delivery info a text": with_properties(delivery_info="x"),
    "no exchange": with_properties(delivery_info={"routing_key": "default"}),
    "body not base64": message(body="%%%"),
    "body a number": message(body=5),
    "body encoding unknown": with_properties(body_encoding="rot13"),
    "body not JSON": message(body=coded("{")),
    "body another JSON": message(body=coded("7")),
    "no body": message(body=None),
    "body two numbers": message(body=coded("[1, 2]")),
    "arguments a text": message(body=coded('["ab", {}, {}]')),
    "content type unknown": message(**{"content-type": "application/x-other"}),
    "pickle": message(**{"content-type": "application/x-python-serialize"}),
    "content encoding unknown": message(**{"content-encoding": "utf-99"}),
    "content type a list": message(**{"content-type": [1]}),
    "compression unknown": with_headers(compression="application/x-other"),
    "compressed": with_headers(compression="application/x-gzip"),
    "task a list": with_headers(task=["chat.sweep"]),
    "task unknown": with_headers(task="os.system"),
    "task a number": with_headers(task=5),
    "no task": message(headers={"id": "1"}),
    "no id": message(headers={"task": "chat.sweep"}),
    "id a list": with_headers(id=[1]),
    "eta no time": with_headers(eta="soon"),
    "eta a list": with_headers(eta=[1]),
    "expires no time": with_headers(expires="never"),
    "expires a list": with_headers(expires=[1]),
    "time limit a text": with_headers(timelimit="x"),
    "retries a text": with_headers(retries="x"),
    "replaced by": with_headers(stamped_headers=5),
    "traceparent a list": with_headers(traceparent=[1], asked_by=[1]),
    "priority a text": with_properties(priority="high"),
    "parent a list": with_headers(root_id=[1], parent_id={}, group=[1]),
}
ALL = RAW | {name: json.dumps(content).encode() for name, content in BAD.items()}


def good() -> bytes:
    return json.dumps(
        message(headers={"task": "knowledge.note_worker", "id": str(uuid.uuid4())}, body=coded('[["reached"], {}, {}]'))
    ).encode()


def reached(house: ProcessFleet) -> bool:
    return bool(house.rows("SELECT 1 FROM workers WHERE name = 'reached'"))


Worker = tuple[ProcessFleet, Callable[[bytes], None]]


@pytest.fixture(params=["folder", "redis"])
def worker(request: pytest.FixtureRequest, tmp_path: Path, models_path: Path) -> Iterator[Worker]:
    """A worker on each broker, and how a message gets into its queue."""
    settings: dict[str, Any] = {}
    if request.param == "redis":
        settings["REDIS_URL"] = request.getfixturevalue("redis_server")
        Redis.from_url(settings["REDIS_URL"]).flushall()
    house = ProcessFleet(tmp_path / "house", models_path, LOG_FORMAT="json", **settings)
    messages = house.folder / "broker" / "messages"

    def put(raw: bytes) -> None:
        if "REDIS_URL" in settings:
            with Redis.from_url(settings["REDIS_URL"]) as redis:
                redis.lpush("default", raw)
        else:
            growing = messages / f"{uuid.uuid4().hex}.part"
            growing.write_bytes(raw)
            growing.rename(messages / f"{time.time_ns()}_x.default.msg")

    try:
        house.start("worker")
        wait_for(lambda: "worker_ready" in house.log("worker"), 60, "the worker is ready")
        yield house, put
    finally:
        house.close()


def events(house: ProcessFleet, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in house.log("worker").splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def test_bad_messages_are_set_aside_and_the_worker_handles_the_next(
    worker: Worker,
) -> None:
    house, put = worker
    for raw in ALL.values():
        put(raw)
    put(good())
    wait_for(lambda: reached(house) or not house.running("worker"), 60, "the good message is handled")
    assert house.running("worker"), house.log("worker")[-3000:]
    told = events(house, "message_dead_lettered")
    assert len(told) >= 30
    assert {event["queue"] for event in told} == {"default"}
    assert {"too_large", "not_json", "not_a_message", "compressed", "unknown_task", "invalid_task"} <= {
        e["reason"] for e in told
    }
    assert SECRET_WORD not in house.log("worker")
