"""What the tests of this package share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatbot.config import load_settings
from chatbot.rag.embeddings.embedders import Embedders, LocalEmbedder
from chatbot.rag.llm.answerers import ChatModels
from tests.openai_server import OpenAIServer

KEY = "sk-test-canary-0123456789abcdef"
MODEL = "gpt-3.5-turbo"

MakeModels = Callable[..., ChatModels]


@pytest.fixture
def make_models(tmp_path: Path, models_path: Path, openai_server: OpenAIServer) -> MakeModels:
    """The chat models of given settings."""

    def make(**settings: Any) -> ChatModels:
        values = {
            "instance_path": tmp_path,
            "models_path": models_path,
            "openai_api_key": KEY,
            "openai_base_url": openai_server.base_url,
            "model_read_seconds": 0.5,
            "embedding_model": "all-MiniLM-L6-v2",
        }
        made = load_settings(_env_file=None, **(values | settings))
        embedders = Embedders(made)
        return ChatModels(made, lambda: embedders.get(embedders.default))

    return make


@pytest.fixture
def embedder(tmp_path, models_path) -> LocalEmbedder:
    """The real one, from the installed package."""
    return LocalEmbedder(load_settings(_env_file=None, instance_path=tmp_path, models_path=models_path))
