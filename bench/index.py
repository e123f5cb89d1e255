"""The index from a thousand chunks to a million: searches beside raw FAISS of the same kind, starts, and memory.

    python -m bench.index [CHUNKS ...]        (1000 10000 100000 unless given; 1000000 takes some minutes)

Vectors are clustered, as texts give them (bench/search.py). Up to 100,000 they are rows of a real SQLite database;
beyond that they are arrays in files which a `Rows` object reads, since filling a database of gigabytes would take
longer than all the rest: there "ready from the rows" is the time without SQL. Each start is that of a new process,
after its imports. Own memory is what a process has for itself (RssAnon) after the start beyond what it had before;
mapped is what it shares with others through the file (RssFile). One thread computes.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from flask import Flask
from sqlalchemy import insert, select

from bench.search import DIMENSION
from bench.temp_app import quantiles, temp_app
from chatbot.app import create_app
from chatbot.config import load_settings
from chatbot.current import services
from chatbot.db import begin_write, new_id
from chatbot.knowledge.index.generations import active_generation
from chatbot.knowledge.models import ChunkRow, Collection, Document, DocumentVersion, Generation
from chatbot.logs import configure_logs
from chatbot.rag.embeddings.embedders import LangChainEmbeddings
from chatbot.rag.vector_store import segments
from chatbot.rag.vector_store.segments import Part, nearest
from chatbot.rag.vector_store.snapshot import Changes
from chatbot.rag.vector_store.snapshot_file import SnapshotHeader, SnapshotStore
from chatbot.rag.vector_store.store import FaissStore

K, QUERIES, SEARCHES, SHARE = 8, 200, 1_000, 0.05
# Up to so many chunks go into a database.
IN_SQL = 100_000
PIECE = 20_000


def vectors(count: int, seed: int = 7) -> np.ndarray:
    """Clustered unit vectors: the clusters are the same whatever the seed."""
    centres = np.random.default_rng(7).normal(size=(250, DIMENSION)).astype(np.float32)
    rng = np.random.default_rng(seed)
    made = np.empty((count, DIMENSION), dtype=np.float32)
    for begin in range(0, count, PIECE):
        some = made[begin : begin + PIECE]
        some[:] = 0.5 * rng.standard_normal(some.shape, dtype=np.float32) + centres[rng.integers(0, 250, len(some))]
        some /= np.linalg.norm(some, axis=1, keepdims=True)
    return made


class ArrayRows:
    """Rows that lie in files as arrays, in place of a database; nothing ever changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def revision(self) -> int:
        return 1

    def changes(self, since: int | None) -> Changes:
        rows = np.load(self._folder / "vectors.npy", mmap_mode="r")[: 0 if since else None]
        ids = np.arange(1, len(rows) + 1)
        labels = np.where(ids % round(1 / SHARE) == 0, "few", "rest").astype(object)
        return Changes(1, ids, np.array(rows), labels, ids[:0], since is None)

    def passages(self, found: Sequence[tuple[int, float]]) -> list[Any]:
        return []


class AllKnown:
    """Notes of files that nothing was lost of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def tokens(self) -> frozenset[str]:
        return frozenset(path.stem.rpartition("-")[2] for path in self._folder.glob("*.vectors"))

    def note(self, token: str, revision: int) -> bool:
        return True

    def forget(self, tokens: frozenset[str]) -> None: ...


class _Nothing(LangChainEmbeddings):
    """No question is embedded here."""

    def __init__(self) -> None: ...


def store_of(folder: Path, app: Flask | None, with_file: bool) -> FaissStore:
    """A store as a new process has it, over the rows of an application or over arrays."""
    if app is None:
        files = folder / "index"
        shelf = SnapshotStore(files, SnapshotHeader(1, "bench", DIMENSION), AllKnown(files)) if with_file else None
        return FaissStore(_Nothing(), ArrayRows(folder), shelf)
    retriever = services(app).retriever
    with services(app).sessions() as session:
        generation = active_generation(session)
    if not with_file:
        retriever._files = None
    store: FaissStore = retriever.index_of(generation).store
    return store


def fill(app: Flask, rows: np.ndarray) -> None:
    """Puts the vectors in as visible chunks, 10 to a document, a twentieth of them in a collection of their own."""
    with services(app).sessions() as session:
        begin_write(session)
        few = Collection(name="few")
        collections = [session.scalars(select(Collection)).one(), few]
        generation = Generation(
            embedder="all-MiniLM-L6-v2",
            dimension=DIMENSION,
            chunk_tokens=200,
            threshold=0.0,
            active=1,
            revision=1,
            languages=[""],
        )
        session.add_all([few, generation])
        session.flush()
        documents, versions, every = [], [], round(1 / SHARE)
        for number in range(0, len(rows), 10):
            place = collections[number // 10 % every == every - 1].id
            documents.append({"id": new_id(), "collection_id": place, "title": "x", "content_hash": str(number)})
            documents[-1] |= {"status": "ready"}
            versions.append({"document_id": documents[-1]["id"], "version": 1, "content_hash": "", "content": b""})
        session.execute(insert(Document), documents)
        numbers = session.scalars(insert(DocumentVersion).returning(DocumentVersion.id), versions).all()
        for begin in range(0, len(rows), PIECE):
            some = range(begin, min(begin + PIECE, len(rows)))
            values = [_chunk(generation.id, documents[n // 10]["id"], numbers[n // 10], n, rows[n]) for n in some]
            session.execute(insert(ChunkRow), values)
        session.commit()


def _chunk(generation: int, document: Any, version: int, number: int, row: np.ndarray) -> dict[str, object]:
    return {
        "generation_id": generation,
        "document_id": document,
        "version_id": version,
        "version": 1,
        "ordinal": number % 10,
        "char_start": 0,
        "char_end": 700,
        "headings": [],
        "text": "word " * 140,
        "tokens": 150,
        "text_hash": str(number),
        "embedding": row.tobytes(),
        "added_revision": 1,
    }


@dataclass(frozen=True)
class Start:
    """How a process was made ready: seconds, own and mapped memory in MiB."""

    seconds: float
    own: float
    mapped: float


def start(folder: Path, in_sql: bool, with_file: bool) -> Start:
    """A process's start, from a file or from the rows; run in a process of its own."""
    app = create_app(_settings(folder)) if in_sql else None
    store = store_of(folder, app, with_file)
    segments.nearest(vectors(1), vectors(1), 1)
    own, mapped = _memory()
    begin = time.perf_counter()
    store.current()
    seconds = time.perf_counter() - begin
    after = _memory()
    return Start(seconds, after[0] - own, after[1] - mapped)


def _settings(folder: Path) -> Any:
    return load_settings(_env_file=None, instance_path=folder, log_level="ERROR", ratelimit_enabled=False)


def _memory() -> tuple[float, float]:
    told = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped = (int(told[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return own, mapped


def apart(call: Callable[..., Any], *args: Any) -> Any:
    """What a call gives in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(call, args)


def raw_index(part: Part, allowed: np.ndarray | None) -> Any:
    """FAISS's own index over the same vectors, by the places they have in the part, which does what ours does: with
    few rows allowed ours compares each of those."""
    few = allowed is not None and allowed.sum() <= segments.COMPARE_ALL
    if part.lists is None or few:
        flat = faiss.IndexFlatIP(DIMENSION)
        flat.add(part.vectors)
        return flat
    middle = faiss.IndexFlatIP(DIMENSION)
    middle.add(part.lists.centres)
    lists = faiss.IndexIVFFlat(middle, DIMENSION, len(part.lists.centres), faiss.METRIC_INNER_PRODUCT)
    lists.referenced_objects = [middle]
    for begin in range(0, len(part), PIECE):
        lists.add(part.vectors[begin : begin + PIECE])
    return lists


def raw_search(index: Any, allowed: np.ndarray | None) -> Callable[[np.ndarray], Any]:
    """A search in it, with FAISS's selector for a filter."""
    bits = np.packbits(allowed, bitorder="little") if allowed is not None else None
    selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits)) if bits is not None else None
    if isinstance(index, faiss.IndexIVF):
        lists = segments.PROBES * (segments.FARTHER if allowed is not None else 1)
        told = faiss.SearchParametersIVF(nprobe=lists, sel=selector)  # type: ignore[call-arg]
    else:
        told = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
    return lambda query: (bits, index.search(query, K, params=told)[1][0])[1]


def alternately(calls: Sequence[Callable[[np.ndarray], Any]], queries: np.ndarray) -> list[tuple[float, float]]:
    """Median and 99th percentile of each call in milliseconds, one after the other with each query."""
    spent: list[list[float]] = [[] for _ in calls]
    for n in range(-20, SEARCHES):
        for call, seconds in zip(calls, spent, strict=True):
            begin = time.perf_counter()
            call(queries[n % len(queries)][None, :])
            if n >= 0:
                seconds.append(time.perf_counter() - begin)
    return [quantiles(seconds) for seconds in spent]


def found(hits: Sequence[Any], true: np.ndarray) -> float:
    """Which share of the true nearest was found."""
    return float(np.mean([len(set(ours) & set(exact)) / K for ours, exact in zip(hits, true.tolist(), strict=True)]))


def searches(store: FaissStore, label: str) -> None:
    """Prints the searches of a store, and raw FAISS's."""
    held, queries = store.current(), vectors(QUERIES, seed=11)
    base = held.base
    mask = base.labelled(frozenset([label]))
    for name, labels, allowed in (("all", None, None), (f"{mask.mean():.0%} allowed", frozenset([label]), mask)):
        true = nearest(queries, base.vectors, K, segments.Allowed(mask) if allowed is not None else None)[1]
        raw = raw_search(raw_index(base, allowed), allowed)
        ours = lambda query, labels=labels: held.search(query, K, labels)  # noqa: E731
        (raw50, raw99), (our50, our99) = alternately([raw, ours], queries)
        hits = [base.places(np.array([i for i, _ in ours(query[None, :])]))[1].tolist() for query in queries]
        recalls = found([raw(query[None, :]).tolist() for query in queries], true), found(hits, true)
        print(
            f"  {name:12}{raw50:9.2f}{raw99:8.2f}{recalls[0]:8.3f}{our50:11.2f}{our99:8.2f}{recalls[1]:8.3f}"
            f"{our50 / raw50:10.2f}"
        )


def measure(count: int) -> None:
    """Prints the figures of one size."""
    rows = vectors(count)
    if count <= IN_SQL:
        with temp_app() as app:
            fill(app, rows)
            with services(app).sessions() as session:
                few = session.scalars(select(Collection.id).where(Collection.name == "few")).one()
            _measure(count, Path(app.instance_path), app, few)
        return
    with tempfile.TemporaryDirectory(prefix="chatbot-bench-") as folder:
        np.save(Path(folder) / "vectors.npy", rows)
        del rows
        _measure(count, Path(folder), None, "few")


def _measure(count: int, folder: Path, app: Flask | None, few: str) -> None:
    from_rows = apart(start, folder, app is not None, False)
    store = store_of(folder, app, with_file=True)
    store.current()
    written = store.write()
    if written is None:
        raise RuntimeError("no snapshot file was written")
    from_file = apart(start, folder, app is not None, True)
    source = "SQL" if app is not None else "arrays"
    print(f"\n{count:,} chunks of {DIMENSION} numbers: {written.kind}, file of {written.bytes / 2**20:,.0f} MiB")
    print(f"  new base and file written in {written.seconds:.1f} s")
    shared = f"{from_file.own:,.0f} MiB own, {from_file.mapped:,.0f} mapped"
    print(f"  ready from the file in {from_file.seconds:.3f} s: {shared}")
    print(f"  ready from {source} in {from_rows.seconds:.3f} s: {from_rows.own:,.0f} MiB own")
    print(f"  {'':12}{'raw p50':>9}{'p99':>8}{'recall':>8}{'store p50':>11}{'p99':>8}{'recall':>8}{'p50/raw':>10}")
    searches(store, few)


def main(counts: Sequence[int] = (1_000, 10_000, 100_000)) -> None:
    """Prints the figures of each size."""
    configure_logs("ERROR", "console")
    print(f"\nThe index: the {K} nearest, {SEARCHES} searches, milliseconds, one thread")
    for count in counts:
        measure(count)
    print(f"  most memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main([int(number) for number in sys.argv[1:]] or (1_000, 10_000, 100_000))
