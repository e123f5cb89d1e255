"""Search inside the process: FAISS by itself, LangChain's FAISS store, and this project's store over rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from flask import Flask
from langchain_core.embeddings import FakeEmbeddings
from sqlalchemy import update

from bench.peers.report import Figures
from bench.search import DIMENSION, fill, timed, vectors
from bench.temp_app import temp_app
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.models import Collection, Document

COUNT, K, QUESTIONS = 10_000, 8, 200
# Each that many document of 20 chunks is in the collection that the filter asks for: 5 %.
EVERY = 20
Search = Callable[[np.ndarray], list[int]]
OURS, RAW, LANGCHAIN = "this project", "raw FAISS", "LangChain FAISS"


def measure(figures: Figures) -> None:
    """Adds what searches take, how many of the nearest are found with the filter, and what 10,000 vectors take."""
    rows, queries = vectors(COUNT), vectors(QUESTIONS)[:, None, :]
    few = np.arange(COUNT) // 20 % EVERY == 0
    exact = [set(np.where(few, rows @ query[0], -2).argsort()[-K:].tolist()) for query in queries]
    with temp_app() as app:
        fill(app, rows)
        stores = {RAW: _raw(rows, few), LANGCHAIN: _langchain(rows, few), OURS: _ours(app)}
        for name, (seconds, plain, filtered) in stores.items():
            hits = [len(near & set(filtered(query))) for near, query in zip(exact, queries, strict=True)]
            figures.add(f"{COUNT:,} vectors added, ms", name, 1000 * seconds)
            for what, search in (("search", plain), ("search, 5 % filter", filtered)):
                p50, p99 = timed(lambda n, search=search: search(queries[n % QUESTIONS]))  # type: ignore[misc]
                figures.add(f"{what} in the process, p50 ms", name, p50)
                figures.add(f"{what} in the process, p99 ms", name, p99)
            figures.add(f"found of {K} with the filter", name, float(np.mean(hits)), better="more")


def _raw(rows: np.ndarray, few: np.ndarray) -> tuple[float, Search, Search]:
    faiss.omp_set_num_threads(1)
    index, begin = faiss.IndexFlatIP(DIMENSION), time.perf_counter()
    index.add(rows)
    seconds = time.perf_counter() - begin

    def filtered(query: np.ndarray) -> list[int]:
        bits = np.packbits(few, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        found = index.search(query, K, params=faiss.SearchParameters(sel=selector))  # type: ignore[call-arg]
        return list(found[1][0])

    return seconds, lambda query: list(index.search(query, K)[1][0]), filtered


def _langchain(rows: np.ndarray, few: np.ndarray) -> tuple[float, Search, Search]:
    # When they are imported they warn that they are no longer maintained.
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS

    index = faiss.IndexFlatIP(DIMENSION)
    store = FAISS(FakeEmbeddings(size=DIMENSION), index, InMemoryDocstore(), {})
    texts = [(f"text {n}", row) for n, row in enumerate(rows.tolist())]
    metadatas = [{"place": n, "few": bool(is_few)} for n, is_few in enumerate(few)]
    begin = time.perf_counter()
    store.add_embeddings(texts, metadatas)
    seconds = time.perf_counter() - begin

    def search(query: np.ndarray, **only: Any) -> list[int]:
        found = store.similarity_search_with_score_by_vector(query[0], k=K, **only)
        return [document.metadata["place"] for document, _ in found]

    return seconds, search, lambda query: search(query, filter={"few": True})


def _ours(app: Flask) -> tuple[float, Search, Search]:
    """What is added comes from the rows, and a search ends with passages from them."""
    index = services(app).retriever.index()
    with services(app).sessions() as session:
        begin_write(session)
        collection = Collection(name="few")
        session.add(collection)
        session.flush()
        titles = [f"Document {start}" for start in range(0, COUNT, 20 * EVERY)]
        session.execute(update(Document).where(Document.title.in_(titles)).values(collection_id=collection.id))
        few = frozenset([collection.id])
        session.commit()
    begin = time.perf_counter()
    first = min(index.store.current().ids().tolist())
    seconds = time.perf_counter() - begin

    def search(query: np.ndarray, only: frozenset[str] | None = None) -> list[int]:
        passages = index.rows.passages(index.store.search_vector(query, K, only))
        return [passage.chunk_id - first for passage in passages]

    return seconds, search, lambda query: search(query, few)
