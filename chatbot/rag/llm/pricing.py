"""What models cost: the table in prices.json, and the file that MODEL_PRICES names before it.

Both hold US dollars for a million tokens:

    {"models": {"our-own-model": {"prompt": 0.5, "completion": 1.5}}}

Names that stand in neither are looked for in langchain-community's table, which knows fine-tuned and dated ones. A
model that is nowhere has no price, which is not the same as nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from chatbot.config import EXTRACTIVE, ConfigError
from chatbot.rag.text.tokens import cost_usd

TABLE = Path(__file__).with_name("prices.json")
MILLION = 1_000_000


@dataclass(frozen=True)
class Prices:
    """The prices of prompt and answer by model, in US dollars for a million tokens."""

    models: Mapping[str, tuple[float, float]]

    def cost(self, model: str, prompt_tokens: int, completion_tokens: int) -> str | None:
        """The price of a call in US dollars with six places, or None for a model without a known price."""
        if model == EXTRACTIVE:
            return "0.000000"
        prices = self.models.get(model.removeprefix("openai:"))
        if prices is None:
            return cost_usd(model.removeprefix("openai:"), prompt_tokens, completion_tokens)
        return f"{(prices[0] * prompt_tokens + prices[1] * completion_tokens) / MILLION:.6f}"


def load_prices(own: Path | None) -> Prices:
    """The table, with the operator's own prices before it.

    Raises:
        ConfigError: that file cannot be read, or has another shape.
    """
    if own is None:
        return Prices(_models(TABLE))
    try:
        return Prices({**_models(TABLE), **_models(own)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        reason = 'must name a file like {"models": {"our-own-model": {"prompt": 0.5, "completion": 1.5}}}'
        raise ConfigError(f"These settings cannot be used:\n  MODEL_PRICES: {reason}") from None


def embedding_cost_usd(model: str, tokens: int) -> str | None:
    """The price of embedding so many tokens in US dollars with six places, or None for a model without a known one."""
    price = _embeddings().get(model)
    return None if price is None else f"{price * tokens / MILLION:.6f}"


@cache
def _embeddings() -> dict[str, float]:
    found: dict[str, float] = json.loads(TABLE.read_bytes())["embeddings"]
    return found


def _models(path: Path) -> dict[str, tuple[float, float]]:
    read: dict[str, dict[str, Any]] = json.loads(path.read_bytes())["models"]
    return {name: (_price(each["prompt"]), _price(each["completion"])) for name, each in read.items()}


def _price(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1_000_000:
        raise ValueError(value)
    return float(value)
