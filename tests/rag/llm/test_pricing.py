"""What models cost: the table, and the operator's own prices before it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from chatbot.config import ConfigError
from chatbot.rag.llm import pricing
from chatbot.rag.llm.pricing import load_prices
from chatbot.rag.text.tokens import cost_usd
from chatbot.rag.types import Usage
from tests.openai_server import OpenAIServer
from tests.rag.conftest import MODEL, MakeModels


def own(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "prices.json"
    path.write_text(content)
    return path


def test_the_table_says_of_when_it_is_and_agrees_with_its_source() -> None:
    table = json.loads(pricing.TABLE.read_bytes())

    assert date.fromisoformat(table["as_of"])
    different = {
        name for name in table["models"] if load_prices(None).cost(name, 10**6, 10**6) != cost_usd(name, 10**6, 10**6)
    }
    assert different == set()


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        ("gpt-4o-mini", "0.000750"),
        ("openai:gpt-4o-mini", "0.000750"),
        ("extractive", "0.000000"),
        ("our-own-model", None),
        ("anthropic:claude", None),
    ],
)
def test_a_model_that_is_nowhere_has_no_price(model: str, cost: str | None) -> None:
    assert load_prices(None).cost(model, 1000, 1000) == cost


def test_the_operators_own_prices_come_first(tmp_path: Path) -> None:
    content = (
        '{"models": {"our-own-model": {"prompt": 1, "completion": 2.5}, "gpt-4o": {"prompt": 0, "completion": 0}}}'
    )
    table = load_prices(own(tmp_path, content))

    assert table.cost("our-own-model", 1_000_000, 2_000_000) == "6.000000"
    assert table.cost("gpt-4o", 1000, 1000) == "0.000000"
    assert table.cost("gpt-4o-mini", 1000, 1000) == "0.000750"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"models": []}',
        '{"models": {"m": {"prompt": 1}}}',
        '{"models": {"m": {"prompt": "canary", "completion": 1}}}',
        '{"models": {"m": {"prompt": -1, "completion": 1}}}',
        '{"models": {"m": {"prompt": NaN, "completion": 1}}}',
        '{"models": {"m": {"prompt": true, "completion": 1}}}',
    ],
)
def test_a_file_of_another_shape_stops_the_start(tmp_path: Path, content: str) -> None:
    """P11"""
    with pytest.raises(ConfigError) as refused:
        load_prices(own(tmp_path, content))
    assert "MODEL_PRICES" in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    """P11"""
    with pytest.raises(ConfigError):
        load_prices(tmp_path / "none.json")


def test_costs_add_up_and_a_part_without_a_price_is_not_nothing() -> None:
    one = Usage(1, 2, estimated=False, cost_usd="0.100000")
    two = Usage(10, 20, estimated=True, cost_usd="0.000001")

    assert one + two == Usage(11, 22, estimated=True, cost_usd="0.100001")
    assert (one + Usage(0, 0, estimated=False, cost_usd=None)).cost_usd is None


def test_a_rewritten_question_has_its_own_price(make_models: MakeModels, openai_server: OpenAIServer) -> None:
    """J10"""
    from tests.rag.llm.test_answerers import HISTORY

    openai_server.say(MODEL, "When does the shop open on Saturdays?", plain=True)

    taken = make_models().get(None).condense("And on Saturdays?", HISTORY).usage

    assert not taken.estimated
    assert taken.completion_tokens == 7
    assert taken.prompt_tokens > 10
    # The table that is compared with reckons in floats, so a half in the last place may be rounded the other way.
    priced = cost_usd(MODEL, taken.prompt_tokens, 7)
    assert float(taken.cost_usd or 0) == pytest.approx(float(priced or 0), abs=1.1e-6)
