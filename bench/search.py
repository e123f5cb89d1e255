"""Search latency at 10,000 chunks in the process, beside raw FAISS on the same vectors.

    python -m bench.search [CHUNKS]

Three ways through the same 10,000 vectors: FAISS alone; our store (revision check, search, passages out of SQL) with
the question's vector given; and the whole search of a question, which embeds it first.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import faiss
import numpy as np
from flask import Flask
from sqlalchemy import insert

from bench.house import house, quantiles
from chatbot.db import begin_write, new_id
from chatbot.knowledge.models import ChunkRow, Collection, Document, DocumentVersion, Generation

DIMENSION, K, ROUNDS = 384, 5, 1_000
QUESTIONS = [f"What does the manual say about {word} number {n}?" for n in range(50) for word in ("pump", "valve")]


def vectors(count: int) -> np.ndarray:
    """Clustered unit vectors, as texts give them: random ones are no likeness."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(250, DIMENSION))
    rows = centres[rng.integers(0, 250, count)] + 0.5 * rng.normal(size=(count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def fill(app: Flask, rows: np.ndarray) -> None:
    """Puts the vectors in as visible chunks, 20 to a document, without embedding anything."""
    with app.extensions["sessions"]() as session:
        begin_write(session)
        collection = Collection(name="default")
        generation = Generation(
            embedder="all-MiniLM-L6-v2", dimension=DIMENSION, chunk_tokens=200, threshold=0.0, active=1, revision=1
        )
        session.add_all([collection, generation])
        session.flush()
        for start in range(0, len(rows), 20):
            document = Document(id=new_id(), collection=collection, title=f"Document {start}", content_hash=str(start))
            document.status = "ready"
            version = DocumentVersion(
                document_id=document.id, version=1, content_hash=str(start), content=b"x", text="x"
            )  # fmt: skip
            session.add(document)
            session.flush()
            session.add(version)
            session.flush()
            session.execute(
                insert(ChunkRow),
                [_chunk(generation, version, n, row) for n, row in enumerate(rows[start : start + 20])],
            )
        session.commit()


def _chunk(generation: Generation, version: DocumentVersion, ordinal: int, row: np.ndarray) -> dict[str, object]:
    text = "A passage of about eight hundred characters stands here. " * 14
    return {
        "generation_id": generation.id, "document_id": version.document_id, "version_id": version.id, "version": 1,
        "ordinal": ordinal, "char_start": 0, "char_end": len(text), "headings": [], "text": text, "tokens": 150,
        "text_hash": f"{version.id}-{ordinal}", "embedding": row.tobytes(), "added_revision": 1,
    }  # fmt: skip


def timed(call: Callable[[int], object]) -> tuple[float, float]:
    """Median and 99th percentile of many calls, in milliseconds, after a few to warm up."""
    for n in range(20):
        call(n)
    seconds = []
    for n in range(ROUNDS):
        begin = time.perf_counter()
        call(n)
        seconds.append(time.perf_counter() - begin)
    return quantiles(seconds)


def main(count: int = 10_000) -> None:
    """Prints the table."""
    rows = vectors(count)
    queries = vectors(200)[:, None, :]
    flat = faiss.IndexFlatIP(DIMENSION)
    flat.add(rows)
    with house() as app:
        fill(app, rows)
        retriever = app.extensions["retriever"]
        retriever.warm_up()
        store = retriever._active[1]
        raw = timed(lambda n: flat.search(queries[n % 200], K))
        ours = timed(lambda n: store._rows.passages(store.search_vector(queries[n % 200], K)))
        whole = timed(lambda n: retriever.search(f"{QUESTIONS[n % 100]} {n}", K))
    print(f"\nSearch at {count:,} chunks, {K} passages, {ROUNDS} searches, one thread")
    print(f"{'':44}{'p50 ms':>9}{'p99 ms':>9}{'p50 / raw':>11}")
    for name, (p50, p99) in (
        ("raw FAISS, flat", raw),
        ("store: revision, search, passages from SQL", ours),
        ("whole search, question embedded first", whole),
    ):
        print(f"{name:44}{p50:9.2f}{p99:9.2f}{p50 / raw[0]:11.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
