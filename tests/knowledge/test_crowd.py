"""J2: one passage that somebody may read, among ten thousand nearer ones that they may not."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import insert

from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.documents import collections
from chatbot.knowledge.index import keywords
from chatbot.knowledge.index.generations import active_generation, next_revision
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion
from tests.conftest import HOURS, add_and_ingest
from tests.knowledge.test_routes import get

QUESTION = "When is the shop open on Saturdays?"
MANY = 10_000
NEARER = "When is the shop open on Saturdays? The shop is open on Saturdays."


def crowd(app, collection: str, count: int) -> None:
    """Fills a collection with chunks all but equal to the question, in meaning and in words."""
    question = services(app).retriever.embedder().embed([QUESTION])[0]
    rows = question + np.random.default_rng(7).normal(scale=0.002, size=(count, len(question)))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("<f4")
    assert float((rows @ question).min()) > 0.99
    with services(app).sessions() as session:
        begin_write(session)
        document = Document(collection_id=collection, title="Theirs", content_hash="x", status="ready", language="en")
        session.add(document)
        session.flush()
        version = DocumentVersion(document_id=document.id, version=1, content_hash="x", content=b"x", text="x")
        session.add(version)
        session.flush()
        generation = active_generation(session)
        revision = next_revision(session, generation.id)
        same = {
            "generation_id": generation.id,
            "document_id": document.id,
            "version_id": version.id,
            "version": 1,
            "char_start": 0,
            "char_end": len(NEARER),
            "headings": [],
            "text": NEARER,
            "tokens": 15,
            "text_hash": "x",
            "added_revision": revision,
        }
        chunks = [{**same, "ordinal": n, "embedding": row.tobytes()} for n, row in enumerate(rows)]
        made = session.execute(insert(ChunkRow).returning(ChunkRow.id), chunks).scalars().all()
        for start in range(0, len(made), 500):
            keywords.index_chunks(session, made[start : start + 500])
        session.commit()


@pytest.fixture
def crowded(app, ada, bob) -> None:
    """ada's ten thousand passages, and one that everybody may read."""
    add_and_ingest(app, HOURS, title="Hours", extra={"team": "shop"})
    with services(app).sessions() as session:
        theirs = collections.create_collection(session, "theirs", "members").id
        collections.add_member(session, theirs, "ada")
    crowd(app, theirs, MANY)


def test_one_readable_passage_is_found_among_ten_thousand_nearer_ones(app, client, crowded, ada, bob, root):
    """J2: by every way, with and without a filter, and in an answer; who may read all finds the nearer ones."""
    for query in ({}, {"filter": "team:shop"}, {"filter": "-team:x"}, {"collection": "default"}):
        for mode in ("hybrid", "dense", "keyword"):
            hits = get(client, bob, "search/", q=QUESTION, k=50, mode=mode, **query).json["items"]
            assert (query, mode, [hit["text"] for hit in hits]) == (query, mode, [HOURS])
    for person in (ada, root):
        for mode in ("hybrid", "dense", "keyword"):
            hits = get(client, person, "search/", q=QUESTION, k=5, mode=mode).json["items"]
            assert [hit["text"] for hit in hits] == [NEARER] * 5
    answer = client.post("/api/chat/send/", json={"message": QUESTION}, headers=bob.headers).json["message"]
    assert [hit["text"] for hit in answer["metadata"]["retrieved_docs"]] == [HOURS]
    assert "Saturdays it opens at ten" in answer["content"]
