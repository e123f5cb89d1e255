"""A web process that is alone: documents that wait for a worker, and an index that is changed while it answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bench import switch
from tests.conftest import RETURNS, MakeApp, add_and_ingest
from tests.functional.house import ProcessFleet, wait_for
from tests.openai_server import OpenAIServer

QUESTIONS = ("When is the shop open?", "How long can goods be returned?", "Where is the lantern kept?")


@pytest.fixture(scope="module")
def alone(
    tmp_path_factory: pytest.TempPathFactory, models_path: Path, provider: OpenAIServer
) -> Iterator[tuple[ProcessFleet, dict[str, str]]]:
    settings = switch.SETTINGS | {"OPENAI_BASE_URL": provider.base_url}
    house = ProcessFleet(tmp_path_factory.mktemp("alone"), models_path, **settings)
    try:
        house.start("web")
        house.ready()
        yield house, house.admin("root")
    finally:
        house.close()


def test_a_document_says_that_no_worker_is_there_until_one_is(alone: tuple[ProcessFleet, dict[str, str]]) -> None:
    house, admin = alone

    def read(path: str) -> dict[str, Any]:
        return dict(requests.get(f"{house.url}/api/knowledge/{path}", headers=admin, timeout=20).json())

    waiting = house.add(admin, "Lanterns", "The lantern is kept in cupboard nine.")
    path = f"documents/{waiting['id']}/"
    assert (waiting["status"], waiting["queue_position"]) == ("queued", 1)
    assert waiting["blocked_because"] == "No worker has ever been seen."
    assert read(path)["blocked_because"] == "No worker has ever been seen."
    assert read("stats/")["workers"] == 0

    house.start("worker")
    wait_for(lambda: read(path)["status"] == "ready", 30, "the worker has taken the document")
    wait_for(lambda: read("stats/")["workers"] == 1, 30, "the worker is counted")
    # These are described while they are still in the queue.
    later = [house.add(admin, f"Lantern {n}", f"Lantern {n} is kept in cupboard {n}.") for n in range(5)]
    assert {document["blocked_because"] for document in [*later, read(path)]} == {None}
    wait_for(lambda: set(read("stats/")["documents"]) == {"ready"}, 30, "every document is ready")
    house.kill("worker")


def test_no_question_fails_or_comes_back_empty_while_the_index_is_changed(
    alone: tuple[ProcessFleet, dict[str, str]], make_app: MakeApp
) -> None:
    """M11"""
    house, admin = alone
    hours = " ".join(f"The shop in street {n} is open from nine to five, on list {n * 7}." for n in range(60))
    app = make_app(instance_path=house.folder)
    add_and_ingest(app, hours, title="Hours")
    add_and_ingest(app, RETURNS, title="Returns")

    build = ("--chunk-size", "60", "--embedding-model", "scripted")
    met = switch.measure(house, admin, QUESTIONS, [build], threads=3, calm=0.5)

    assert (met.failures, met.empty, met.stale, met.mixed) == ([], 0, 0, 0)
    first, second, third = met.switches
    assert (first.generation, third.generation) == (second.generation - 1, first.generation)
    assert None not in [found.first for found in met.switches]
