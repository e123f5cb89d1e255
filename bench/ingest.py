"""Ingestion rate beside the bare embedder on the same chunks.

    python -m bench.ingest

The project's own documentation goes in as files would; then the texts that were embedded go through the embedder
alone. The ratio says what parsing, splitting and durable rows cost.
"""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import select

from bench.house import house
from chatbot.config import ROOT
from chatbot.knowledge.ingest import BATCH, in_context, ingest
from chatbot.knowledge.models import ChunkRow, Document
from chatbot.knowledge.service import NewDocument, sync_file
from chatbot.rag.embedders import Embedder


def files() -> list[Path]:
    """The project's own documents."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def bare(embedder: Embedder, texts: list[str]) -> float:
    """Seconds the embedder alone takes, in the same batches."""
    begin = time.perf_counter()
    for start in range(0, len(texts), BATCH):
        embedder.embed(texts[start : start + BATCH])
    return time.perf_counter() - begin


def main() -> None:
    """Prints the rates."""
    with house() as app:
        embedders = app.extensions["embedders"]
        embedder = embedders.get(embedders.default)
        embedder.embed(["warm up"])
        begin = time.perf_counter()
        with app.extensions["sessions"]() as session:
            for path in files():
                new = NewDocument(path.read_bytes(), filename=path.name, source=path.name)
                ingest(session, embedders, sync_file(session, new)[1].id, 60)
            whole = time.perf_counter() - begin
            query = select(Document.title, ChunkRow.headings, ChunkRow.text).join(
                Document, Document.id == ChunkRow.document_id
            )
            texts = [in_context(title, headings, text, embedder) for title, headings, text in session.execute(query)]
        alone = bare(embedder, texts)
    print(f"\nIngestion of {len(files())} files, {len(texts)} chunks, one thread")
    print(f"{'bare embedder':44}{len(texts) / alone:9.1f} chunks/s")
    print(f"{'ingestion, rows durable':44}{len(texts) / whole:9.1f} chunks/s{alone / whole:11.2f} of the bare rate")


if __name__ == "__main__":
    main()
