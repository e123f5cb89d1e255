"""Counting tokens and their price without ever going to the network.

tiktoken fetches a vocabulary at its first use, without a time-out. So it is asked only when the vocabulary is on this
machine already; otherwise four characters count as a token, and usage is marked as estimated.
"""

from __future__ import annotations

import hashlib
import warnings
from functools import cache
from pathlib import Path

import structlog

from chatbot.config import tiktoken_cache_folder

log = structlog.get_logger(__name__)

_VOCABULARY = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
_VOCABULARY_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"


def count_tokens(text: str) -> int:
    """Tokens of a text for an OpenAI model: exact with a vocabulary, else an estimate."""
    encoding = _encoding()
    return len(encoding.encode(text, disallowed_special=())) if encoding else estimate_tokens(text)


def estimate_tokens(text: str) -> int:
    """About how many tokens: four characters each in ASCII, and one for each character outside it."""
    plain = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return (plain + 3) // 4 + len(text) - plain


@cache
def _encoding():  # type: ignore[no-untyped-def]
    path = _cached_vocabulary()
    if path is None or not _has_vocabulary(path):
        log.info("tokens_are_estimated", reason="no intact tiktoken vocabulary on this machine")
        return None
    import tiktoken

    return tiktoken.get_encoding("cl100k_base")


def _has_vocabulary(path: Path) -> bool:
    """Whether the file is there and intact. tiktoken would delete a damaged one and fetch it again."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == _VOCABULARY_SHA256
    except OSError:
        return False


def _cached_vocabulary() -> Path | None:
    """Where tiktoken keeps it (its file tiktoken/load.py), None where it keeps none."""
    folder = tiktoken_cache_folder()
    name = hashlib.sha1(_VOCABULARY.encode()).hexdigest()  # noqa: S324 - tiktoken's file name, not a secret.
    return folder / name if folder else None


def cost_usd(model: str, prompt_tokens: int, completion_tokens: int) -> str | None:
    """The price of a call in US dollars with six places, or None for a model without a known price.

    The table is langchain-community's. The package is no longer developed, so the newest models have no price.
    """
    prices = _prices()
    name = prices.standardize_model_name(model)
    done = prices.standardize_model_name(model, token_type=prices.TokenType.COMPLETION)
    table = prices.MODEL_COST_PER_1K_TOKENS
    if name not in table or done not in table:
        return None
    return f"{table[name] * prompt_tokens / 1000 + table[done] * completion_tokens / 1000:.6f}"


@cache
def _prices():  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():
        # It announces its own end at every import (its issue 674); docs/adr/0004 says why it is here.
        warnings.simplefilter("ignore", DeprecationWarning)
        from langchain_community.callbacks import openai_info
    return openai_info
