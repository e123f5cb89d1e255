"""Traces of real processes at a real collector."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.collector import Collector, attributes, collecting
from tests.functional.house import ProcessFleet, wait_for
from tests.openai_server import OpenAIServer, running

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET_WORD = "periwinkle"


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced(
    tmp_path_factory: pytest.TempPathFactory, models_path: Path, model: OpenAIServer, collector: Collector
) -> Iterator[ProcessFleet]:
    house = ProcessFleet(
        tmp_path_factory.mktemp("traced"),
        models_path,
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=model.base_url,
        EMBEDDING_MODEL="all-MiniLM-L6-v2",
        MODEL_TITLES="false",
        LOG_FORMAT="json",
        OTEL_SERVICE_NAME="the-house",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY=200,
        SWEEP_SECONDS=3600,
    )
    try:
        house.start("web", "worker")
        house.ready()
        yield house
    finally:
        house.close()


def test_a_question_is_one_trace_from_the_caller_to_the_model(traced: ProcessFleet, collector: Collector) -> None:
    admin = traced.admin("root")
    traced.add(admin, "Hours", f"The shop opens at nine. The {SECRET_WORD} is blue.", wait=20)
    caller = admin | {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-ID": "the-request-id"}
    body = {"message": f"When does the {SECRET_WORD} shop open?", "stream": True}
    answer = requests.post(f"{traced.url}/api/chat/send/", json=body, headers=caller, timeout=30)
    assert "event: done" in answer.text

    request = collector.one("POST /api/chat/send/")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, CALLER)
    told = attributes(request)
    assert told == {
        "http.request.method": "POST",
        "http.route": "/api/chat/send/",
        "http.response.status_code": 200,
        "chatbot.request_id": "the-request-id",
    }
    reply = collector.one("answer")
    assert reply.parent_span_id == request.span_id
    wait_for(lambda: {"store", "model"} <= collector.below(reply), 20, "the steps of the answer")
    assert collector.below(reply) == {"condense", "retrieve", "first token", "model", "store", "POST 127.0.0.1"}
    retrieve = next(s for s in collector.named("retrieve") if s.parent_span_id == reply.span_id)
    assert {"embed", "keyword", "dense", "read"} <= collector.below(retrieve)
    assert attributes(reply)["chatbot.status"] == "complete"
    assert collector.services == {"the-house"}
    assert f'"trace_id": "{TRACE}"' in traced.log("web")


def test_what_a_request_leaves_to_a_worker_is_in_its_trace(traced: ProcessFleet, collector: Collector) -> None:
    mary = traced.sign_up("mary")
    traced.letter_to("mary@example.com")
    request = collector.one("POST /api/users/signup/")
    task = collector.one("mail.deliver")
    assert (task.trace_id, attributes(task)["chatbot.request_id"]) == (
        request.trace_id,
        attributes(request)["chatbot.request_id"],
    )
    assert task.parent_span_id == request.span_id
    assert f'"trace_id": "{request.trace_id.hex()}"' in traced.log("worker")
    for secret in ("mary", SECRET_WORD, "sk-test", mary["Authorization"].split()[1]):
        assert secret.encode() not in collector.raw


def test_a_collector_that_is_away_is_told_once_and_costs_no_answer(traced: ProcessFleet, collector: Collector) -> None:
    """Several batches are lost, and afterwards spans come again; a server that is told to stop does not wait for it."""

    def asked(count: int = 1) -> int:
        for _ in range(count):
            assert requests.get(f"{traced.url}/healthz", timeout=10).status_code == 200
        return len(collector.named("GET /healthz"))

    collector.close()
    asked(20)
    wait_for(lambda: "traces_not_exported" in traced.log("web"), 30, "the log tells it")
    before = asked(20)
    collector.refusing = True
    collector.start()
    asked(20)
    collector.refusing = False
    wait_for(lambda: asked() > before, 30, "spans come again")
    wait_for(lambda: "traces_exported_again" in traced.log("web"), 10, "the log tells it")
    assert traced.log("web").count('"traces_not_exported"') == 1
    assert "Traceback" not in traced.log("web")

    collector.close()
    asked(20)
    assert traced.signal("web", signal.SIGTERM).wait(30) == 0
    collector.start()


def test_a_server_that_is_told_to_stop_sends_its_last_spans(traced: ProcessFleet, collector: Collector) -> None:
    traced.environment["OTEL_BSP_SCHEDULE_DELAY"] = "600000"
    traced.start("web")
    traced.ready()
    assert requests.get(f"{traced.url}/swagger/", timeout=10).status_code == 200
    assert collector.named("GET /swagger/") == []
    traced.signal("web", signal.SIGTERM).wait(30)
    collector.one("GET /swagger/")
