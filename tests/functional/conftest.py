"""One house for all journeys: two web processes, a worker and beat; the model is the scripted one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.house import ProcessFleet
from tests.openai_server import OpenAIServer, running

METRICS_TOKEN = "canary-metrics-token-0123456789"


@pytest.fixture(scope="session")
def provider() -> Iterator[OpenAIServer]:
    """The scripted model that the house may ask as gpt-3.5-turbo."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def house(
    tmp_path_factory: pytest.TempPathFactory, models_path: Path, provider: OpenAIServer
) -> Iterator[ProcessFleet]:
    house = ProcessFleet(
        tmp_path_factory.mktemp("house"),
        models_path,
        WEB_CONCURRENCY=2,
        OPENAI_API_KEY="sk-test-canary-0123456789abcdef",
        OPENAI_BASE_URL=provider.base_url,
        CHAT_MODEL="extractive",
        CHAT_MODELS="gpt-3.5-turbo",
        EMBEDDING_MODEL="all-MiniLM-L6-v2",
        MODEL_TITLES="false",
        METRICS_TOKEN=METRICS_TOKEN,
    )
    try:
        house.start("web", "worker", "beat")
        house.ready()
        yield house
    finally:
        house.close()


@pytest.fixture(scope="session")
def admin(house: ProcessFleet) -> dict[str, str]:
    """The headers of an administrator of that house."""
    return house.admin("root")
