"""The answers of the OpenAI client's embeddings as they come: arrays, not objects of checked types.

langchain-openai takes plain dictionaries as well. So the client still sends the request and tells errors; what it
would do with the answer, a number at a time, takes longer than asking. Numbers are asked for as base64, four bytes
each; a service that knows no base64 sends a list.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from langchain_openai import OpenAIEmbeddings

from chatbot.rag.compatibility import Compatibility
from chatbot.rag.errors import EmbedderUnavailable


def plain_embeddings(**options: Any) -> OpenAIEmbeddings:
    """An embedding model whose answers are read as plain JSON; its vectors are arrays, or lists."""
    model = OpenAIEmbeddings(**options)
    model.client = _Embeddings(model.client)
    return model


class _Embeddings:
    """The client's embeddings, without the fields that the service refuses."""

    def __init__(self, embeddings: Any) -> None:
        self._embeddings = embeddings
        self._compatibility = Compatibility()

    def create(self, **payload: Any) -> dict[str, Any]:
        """The answer with its vectors, in the order of the texts.

        Raises:
            EmbedderUnavailable: what has come is no answer.
        """
        response = self._compatibility.send(self._send, {"encoding_format": "base64", **payload})
        try:
            rows = json.loads(response.content)["data"]
            return {"data": [{"embedding": _vector(row["embedding"])} for row in _in_order(rows)]}
        except (ValueError, LookupError, TypeError, AttributeError):
            raise EmbedderUnavailable(retry_after=5) from None

    def _send(self, **payload: Any) -> Any:
        # Without a format the client asks for base64; numbers are every service's own default.
        return self._embeddings.with_raw_response.create(**{"encoding_format": "float"} | payload)


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows by their numbers, where they have them."""
    numbered = {row.get("index"): row for row in rows}
    return [numbered[n] for n in range(len(rows))] if numbered.keys() == set(range(len(rows))) else rows


def _vector(told: Any) -> Any:
    return np.frombuffer(base64.b64decode(told, validate=True), dtype="<f4") if isinstance(told, str) else told
