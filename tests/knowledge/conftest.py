"""What the knowledge package's tests share: an embedder that counts, a worker in a thread, and what answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import select

from chatbot.current import services
from chatbot.knowledge.documents.collections import Reader, readable
from chatbot.knowledge.documents.service import NewDocument, add_document
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.models import ChunkRow
from chatbot.rag.embeddings.embedders import LocalEmbedder


class CountingEmbedder(LocalEmbedder):
    """The real embedder, which remembers what it was given."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.texts: list[str] = []
        self.error: Exception | None = None
        self.spoil: Callable[[np.ndarray], np.ndarray] = lambda vectors: vectors

    def embed(self, texts: Sequence[str], questions: int = 0) -> np.ndarray:
        if self.error is not None:
            raise self.error
        self.texts.extend(texts)
        return self.spoil(super().embed(texts))


def counting(app: Flask) -> CountingEmbedder:
    """Puts a counting embedder into an application."""
    embedders = services(app).embedders
    embedders._made[embedders.default] = CountingEmbedder(services(app).settings)
    return embedders._made[embedders.default]


@pytest.fixture
def embedder(app: Flask) -> CountingEmbedder:
    return counting(app)


@pytest.fixture
def worker(app: Flask) -> Iterator[None]:
    """A worker: a thread that ingests whatever is due."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            with services(app).sessions() as session:
                for document_id in ingest.due_documents(session):
                    session.rollback()
                    ingest.ingest(session, services(app).embedders, document_id, 60, services(app).fetch_limits)
            stop.wait(0.02)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def add(app: Flask, content: str | bytes, filename: str = "a.md", **fields: Any) -> str:
    """Stores and queues a document; gives its id."""
    data = content.encode() if isinstance(content, str) else content
    with services(app).sessions() as session:
        document, _ = add_document(session, NewDocument(data, filename=filename, **fields))
        return document.id


def ingest_now(app: Flask, document_id: str, lease: float = 60) -> str | None:
    """Ingests a document here and now."""
    with services(app).sessions() as session:
        return ingest.ingest(session, services(app).embedders, document_id, lease, services(app).fetch_limits)


def visible(app: Flask) -> list[ChunkRow]:
    """The chunks that answer, in order."""
    with services(app).sessions() as session:
        query = select(ChunkRow).where(ChunkRow.added_revision.is_not(None), ChunkRow.removed_revision.is_(None))
        return list(session.scalars(query.order_by(ChunkRow.document_id, ChunkRow.ordinal)))


def found(app: Flask, question: str, k: int = 5, **kwargs: Any) -> list[str]:
    """The texts that the application finds for a question."""
    passages, _ = services(app).retriever.search(question, k, **kwargs)
    return [passage.text for passage in passages]


def collections_of(app: Flask, *names: str) -> frozenset[str]:
    """The ids of collections, as an administrator searches them."""
    with services(app).sessions() as session:
        return readable(session, Reader("", is_admin=True), frozenset(names))


def long_text(sections: int, word: str = "alpha") -> str:
    """A Markdown text that becomes one chunk a section."""
    body = "This section speaks about {0} number {1} and about nothing else, in a sentence of some length. " * 6
    return "".join(f"# Section {n}\n\n{body.format(word, n)}\n\n" for n in range(sections))
