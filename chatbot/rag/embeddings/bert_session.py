"""A BERT model on onnxruntime: its graph is built once, kept in a file, and run in small batches.

A damaged or missing file is built again, and a folder that cannot be written costs only the time of a build.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chatbot.rag.embeddings.bert_graph import WIDTH, FloatArray
from chatbot.rag.embeddings.wheels import sha256_of
from chatbot.system.private_files import make_folder
from chatbot.system.threadpool import run_in_thread

# onnxruntime and onnx are imported where they are needed: a process that only wants to catch errors does not pay
# their 60 MB.
if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]

# Raise this with every change to bert_graph.py, so that a file cached by older code is never opened.
GRAPH_VERSION = 1

# Long texts gain nothing from company (19 texts of 206 tokens a second on one core, alone or by four), short
# ones gain half as much again. So few tokens run together, which also keeps the arena below small.
BATCH_TEXTS = 32
BATCH_TOKENS = 512


def vectors_of(session: InferenceSession, rows: Sequence[Sequence[int]]) -> FloatArray:
    """Return one vector for each text, given as the ids of its tokens, in order."""
    vectors = np.empty((len(rows), WIDTH), dtype=np.float32)
    for batch in _batches([len(row) for row in rows]):
        vectors[batch] = _run(session, [rows[index] for index in batch])
    return vectors


def _run(session: InferenceSession, rows: Sequence[Sequence[int]]) -> FloatArray:
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    mask = np.zeros(ids.shape, dtype=np.float32)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    vectors: FloatArray = run_in_thread(session.run, ["vectors"], {"ids": ids, "mask": mask})[0]
    return vectors


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


def open_model(
    name: str, weights_sha256: str, build: Callable[[], bytes], cache_dir: Path | None, threads: int = 1
) -> InferenceSession:
    """Open the graph that is kept in `cache_dir`, or build it and keep it there.

    With `threads` above 1 onnxruntime starts a pool of native threads, which a fork does not copy.
    """
    cached = cache_dir / f"{name.lower()}-{weights_sha256[:16]}-v{GRAPH_VERSION}.onnx" if cache_dir else None
    session = _open_cached(cached, threads) if cached else None
    if session is not None:
        return session
    model = build()
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
        return _checksum_path(cached).read_text("ascii").split()[:1] == [sha256_of(cached)]
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
