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

from chatbot.rag.errors import EmbedderUnavailable


def plain_embeddings(**options: Any) -> OpenAIEmbeddings:
    """An embedding model whose answers are read as plain JSON; its vectors are arrays, or lists."""
    model = OpenAIEmbeddings(**options)
    model.client = _Embeddings(model.client)
    return model


class _Embeddings:
    """The client's embeddings."""

    def __init__(self, embeddings: Any) -> None:
        self._embeddings = embeddings

    def create(self, **payload: Any) -> dict[str, Any]:
        """The answer with its vectors.

        Raises:
            EmbedderUnavailable: what has come is no answer.
        """
        response = self._embeddings.with_raw_response.create(encoding_format="base64", **payload)
        try:
            rows = json.loads(response.content)["data"]
            return {"data": [{"embedding": _vector(row["embedding"])} for row in rows]}
        except (ValueError, LookupError, TypeError):
            raise EmbedderUnavailable(retry_after=5) from None


def _vector(told: Any) -> Any:
    return np.frombuffer(base64.b64decode(told, validate=True), dtype="<f4") if isinstance(told, str) else told
