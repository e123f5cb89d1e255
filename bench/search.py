"""Search latency at 10,000 chunks in the process, beside raw FAISS on the same vectors.

    python -m bench.search [CHUNKS]

The same 10,000 chunks: FAISS alone; our store (revision check, search, passages out of SQL) with the question's vector
given; the keyword leg; and the whole search of a question by both, which embeds it first. The chunks' words are drawn
as often as words of a language are (Zipf), from 20,000.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import faiss
import numpy as np
from flask import Flask
from sqlalchemy import insert, select

from bench.temp_app import quantiles, temp_app
from chatbot.config import LOCAL_EMBEDDER
from chatbot.current import services
from chatbot.db import begin_write, new_id
from chatbot.knowledge.index import keywords
from chatbot.knowledge.models import ChunkRow, Collection, Document, DocumentVersion, Generation

DIMENSION, K, ROUNDS = 384, 5, 1_000
WORDS = np.array([f"word{n}" for n in range(20_000)])


def vectors(count: int) -> np.ndarray:
    """Clustered unit vectors, as texts give them: random ones are no likeness."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(250, DIMENSION))
    rows = centres[rng.integers(0, 250, count)] + 0.5 * rng.normal(size=(count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def words(rng: np.random.Generator, count: int) -> str:
    """A text of words that are as frequent as those of a language."""
    return " ".join(WORDS[np.minimum(rng.zipf(1.2, count), len(WORDS)) - 1])


def fill(app: Flask, rows: np.ndarray, embedder: str = LOCAL_EMBEDDER) -> None:
    """Puts the vectors in as visible chunks of an embedder, 20 to a document, without embedding anything."""
    rng = np.random.default_rng(11)
    with services(app).sessions() as session:
        begin_write(session)
        collection = session.scalars(select(Collection)).one()
        generation = Generation(
            embedder=embedder,
            dimension=DIMENSION,
            chunk_tokens=200,
            threshold=0.0,
            active=1,
            revision=1,
            languages=[""],
        )
        session.add(generation)
        session.flush()
        for start in range(0, len(rows), 20):
            document = Document(id=new_id(), collection=collection, title=f"Document {start}", content_hash=str(start))
            document.status = "ready"
            version = DocumentVersion(
                document_id=document.id, version=1, content_hash=str(start), content=b"x", text="x"
            )
            session.add(document)
            session.flush()
            session.add(version)
            session.flush()
            values = [_chunk(generation, version, n, row, rng) for n, row in enumerate(rows[start : start + 20])]
            ids = session.scalars(insert(ChunkRow).returning(ChunkRow.id), values).all()
            keywords.index_chunks(session, ids)
        session.commit()


def _chunk(
    generation: Generation, version: DocumentVersion, ordinal: int, row: np.ndarray, rng: np.random.Generator
) -> dict[str, object]:
    text = words(rng, 110)
    return {
        "generation_id": generation.id,
        "document_id": version.document_id,
        "version_id": version.id,
        "version": 1,
        "ordinal": ordinal,
        "char_start": 0,
        "char_end": len(text),
        "headings": [],
        "text": text,
        "tokens": 150,
        "text_hash": f"{version.id}-{ordinal}",
        "embedding": row.tobytes(),
        "added_revision": 1,
    }


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
    with temp_app() as app:
        fill(app, rows)
        retriever = services(app).retriever
        retriever.warm_up()
        index = retriever.index()
        store, rng = index.store, np.random.default_rng(13)
        questions = [words(rng, 8) for _ in range(ROUNDS + 20)]
        raw = timed(lambda n: flat.search(queries[n % 200], K))
        ours = timed(lambda n: index.rows.passages(store.search_vector(queries[n % 200], K)))
        leg = timed(lambda n: index.search(questions[n], K, mode="keyword"))
        whole = timed(lambda n: retriever.search(f"{questions[n]} ?", K))
    print(f"\nSearch at {count:,} chunks, {K} passages, {ROUNDS} searches, one thread")
    print(f"{'':44}{'p50 ms':>9}{'p99 ms':>9}{'p50 / raw':>11}")
    for name, (p50, p99) in (
        ("raw FAISS, flat", raw),
        ("store: revision, search, passages from SQL", ours),
        ("keyword leg, passages from SQL", leg),
        ("whole search by both, question embedded", whole),
    ):
        print(f"{name:44}{p50:9.2f}{p99:9.2f}{p50 / raw[0]:11.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
