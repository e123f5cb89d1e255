"""What the environment says beside the settings: their old names, which are read until 1.0, and tiktoken's folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import AliasChoices

OLD_NAMES = {
    "retrieval_top_k": "passages",
    "audit_log_retention_days": "audit_days",
    "chat_rate_limit_per_minute": "send_per_minute",
    "no_context_behavior": "fallback",
    "file_storage": "originals",
}


# What ORIGINALS said.
OLD_VALUES = {"sql": "db", "files": "disk"}


def names_of(setting: str) -> str | AliasChoices:
    """The names under which a setting is read, the current one first."""
    return AliasChoices(setting, OLD_NAMES[setting]) if setting in OLD_NAMES else setting


def current_value(value: str) -> str:
    """The value of FILE_STORAGE for one of ORIGINALS; others stay as they are."""
    return OLD_VALUES.get(value, value)


def renamed(env_file: Path, variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The old names that the environment or the `.env` file still sets to something, each with the current name."""
    found = {name.lower() for name, value in {**dotenv_values(env_file), **variables}.items() if value}
    return {old.upper(): new.upper() for new, old in OLD_NAMES.items() if old in found}


def tiktoken_cache_folder() -> Path | None:
    """The folder in which tiktoken keeps its vocabularies, None where its variable is set to nothing: no cache.

    Its own variables, read here like every other.
    """
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder is None:
        return Path(tempfile.gettempdir()) / "data-gym-cache"
    return Path(folder) if folder else None
