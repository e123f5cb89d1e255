"""What the tests of this room share."""

from __future__ import annotations

import pytest

from chatbot.config import load_settings
from chatbot.rag.embedders import LocalEmbedder


@pytest.fixture
def embedder(tmp_path, models_path) -> LocalEmbedder:
    """The real one, from the installed package."""
    return LocalEmbedder(load_settings(_env_file=None, instance_path=tmp_path, models_path=models_path))
