"""BERT as its paper states it, in plain numpy: a second, independent forward pass to check the ONNX graphs with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

HEADS, EPSILON = 12, 1e-12


class NumpyBert:
    """One text at a time: no padding, no mask, no batch, float64."""

    def __init__(self, weights: Mapping[str, np.ndarray], layers: int) -> None:
        self.weights = {name: tensor.astype(np.float64) for name, tensor in weights.items()}
        self.layers = layers

    def embed(self, ids: Sequence[int]) -> np.ndarray:
        hidden = self.weights["embeddings.word_embeddings.weight"][ids]
        hidden = hidden + self.weights["embeddings.position_embeddings.weight"][: len(ids)]
        hidden = hidden + self.weights["embeddings.token_type_embeddings.weight"][[0] * len(ids)]
        hidden = self.norm(hidden, "embeddings.LayerNorm")
        for layer in range(self.layers):
            hidden = self.layer(hidden, f"encoder.layer.{layer}.")
        mean = hidden.mean(axis=0)
        return mean / math.sqrt(float(mean @ mean))

    def layer(self, hidden: np.ndarray, name: str) -> np.ndarray:
        attended = self.dense(self.attention(hidden, name + "attention.self."), name + "attention.output.dense")
        hidden = self.norm(hidden + attended, name + "attention.output.LayerNorm")
        inner = self.dense(hidden, name + "intermediate.dense")
        inner = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        return self.norm(hidden + self.dense(inner, name + "output.dense"), name + "output.LayerNorm")

    def attention(self, hidden: np.ndarray, name: str) -> np.ndarray:
        query, key, value = (self.dense(hidden, name + part) for part in ("query", "key", "value"))
        width = query.shape[1] // HEADS
        mixed = []
        for start in range(0, HEADS * width, width):
            part = slice(start, start + width)
            scores = np.exp(query[:, part] @ key[:, part].T / math.sqrt(width))
            mixed.append(scores / scores.sum(axis=1, keepdims=True) @ value[:, part])
        return np.concatenate(mixed, axis=1)

    def dense(self, hidden: np.ndarray, name: str) -> np.ndarray:
        return hidden @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, hidden: np.ndarray, name: str) -> np.ndarray:
        centred = hidden - hidden.mean(axis=1, keepdims=True)
        variance = (centred**2).mean(axis=1, keepdims=True)
        scaled = centred / np.sqrt(variance + EPSILON)
        return scaled * self.weights[name + ".weight"] + self.weights[name + ".bias"]
