"""What the suite replaces in libraries, and why: only to be faster, never to make a test pass.

A test application is made some thousands of times. Without these the suite takes about twice as long and must pass
all the same: `SPEEDUPS=off make test` runs it so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

from chatbot.rag.embeddings.embedders import LocalEmbedder

ON = os.environ.get("SPEEDUPS") != "off"
_compiled: Any = LRUCache(5_000)
_compile_builder = Rule._compile_builder
_embed = LocalEmbedder.embed


@contextmanager
def applied() -> Iterator[None]:
    """Applies them until the end of the block, unless they are switched off."""
    with pytest.MonkeyPatch.context() as patch:
        if ON:
            patch.setattr(Rule, "_compile_builder", _compiled_when_needed)
            patch.setattr(LocalEmbedder, "embed", _remembering())
            # Each application has an engine of its own, which would compile each statement anew: a third of a small
            # test. What is compiled for one database of a kind holds for all of that kind.
            patch.setattr(DefaultDialect, "__hash__", lambda self: hash(type(self)))
            patch.setattr(DefaultDialect, "__eq__", lambda self, other: type(self) is type(other))
        yield


def share_statements(engine: Engine) -> None:
    """Lets an engine use the statements that others have compiled."""
    if ON:
        engine.update_execution_options(compiled_cache=_compiled)


def _compiled_when_needed(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    """Werkzeug compiles two functions for each rule that build URLs, which takes half of the time in which an
    application is made; the suite builds hardly any URL."""
    made: list[Callable[..., tuple[str, str]]] = []

    def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
        if not made:
            made.append(_compile_builder(rule, append_unknown))
        return made[0](rule, **values)

    return build


def _remembering() -> Callable[..., Any]:
    """Hundreds of tests ingest the same few texts. Each process of the suite embeds a text once and gives that vector
    again; tests/rag/embeddings/test_minilm.py shows that the embedder would give the same."""
    known: dict[str, Any] = {}

    def embed(self: LocalEmbedder, texts: Sequence[str], questions: int = 0) -> Any:
        new = list(dict.fromkeys(text for text in texts if text not in known))
        known.update(zip(new, _embed(self, new), strict=True))
        return np.stack([known[text] for text in texts]) if texts else _embed(self, texts)

    return embed
