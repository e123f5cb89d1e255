"""The settings, and what may be said of them; see `settings.py`."""

from chatbot.config.environment import tiktoken_cache_folder
from chatbot.config.settings import (
    EXTRACTIVE,
    LOCAL_EMBEDDER,
    MULTILINGUAL_EMBEDDER,
    ROOT,
    ConfigError,
    Settings,
    load_settings,
)

__all__ = [
    "EXTRACTIVE",
    "LOCAL_EMBEDDER",
    "MULTILINGUAL_EMBEDDER",
    "ROOT",
    "ConfigError",
    "Settings",
    "load_settings",
    "tiktoken_cache_folder",
]
