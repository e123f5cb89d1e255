"""Where txtai gets its vectors from: the model server, asked over OpenAI's protocol on kept connections."""

from __future__ import annotations

import base64
import os

import httpx
import numpy as np

# A text for each chunk goes with many others; as many as this project sends at once.
BATCH = 128
_client = httpx.Client(
    base_url=os.environ["OPENAI_BASE_URL"], headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
)


def transform(texts: list[str]) -> np.ndarray:
    """The vectors of texts."""
    return np.concatenate([_embedded(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)])


def _embedded(texts: list[str]) -> np.ndarray:
    asked = {"model": os.environ["EMBEDDING_MODEL"], "input": texts, "encoding_format": "base64"}
    answer = _client.post("embeddings", json=asked)
    answer.raise_for_status()
    return np.array([np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in answer.json()["data"]])
