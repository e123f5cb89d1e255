"""Ingestion beside the bare embedder on the same texts, a second run over unchanged files, and the memory.

    python -m bench.ingest [--chunks 2000] [--own | --after N | --small N]

Documents are made of sentences of the project's own documentation, in an order that does not come twice, and go in as
files do, in one thread. The texts of each tenth document go through the embedder alone, in the same batches and
between the documents, so that whatever else the machine does meets both.

With --own the embedder answers at once, with vectors that mean nothing: what is left is ingestion's own time, which
shows in minutes whether it, or the memory, grows with what is there already. With --after so many chunks go in that
way first, and what is measured comes after them.

With --small so many documents of about 120 words go in, as `flask knowledge ingest --wait` brings them: many in one
transaction, in one thread, with the embedder answering at once. Beside it the same texts are only read, cut and
embedded, without a row.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from bench.temp_app import temp_app
from chatbot.config import ROOT
from chatbot.current import services
from chatbot.knowledge.documents.service import NewDocument, sync_file
from chatbot.knowledge.documents.sync import MOST, sync_files
from chatbot.knowledge.index.generations import ensure_generation
from chatbot.knowledge.ingestion.chunks import BATCH, CHECKPOINT, in_context, label_of
from chatbot.knowledge.ingestion.ingest import ingest, ingest_batch
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion
from chatbot.knowledge.parsing.extraction import extract_text
from chatbot.rag.embeddings.embedders import Embedder, Embedders, Vectors
from chatbot.rag.text.splitter import split

# A page has so many sentences under each heading, and so many headings.
SENTENCES, HEADINGS = 12, 12
BARE_EVERY = 10
REPORTS = 10


@dataclass
class Times:
    """Seconds and chunks of both ways."""

    whole: float = 0.0
    chunks: int = 0
    bare: float = 0.0
    bare_chunks: int = 0

    @property
    def ratio(self) -> float:
        """Ingestion's rate over the bare embedder's."""
        return (self.chunks / self.whole) / (self.bare_chunks / self.bare)


def sentences() -> list[str]:
    """What the documentation says, sentence by sentence, without its tables and examples."""
    text = "\n\n".join(path.read_text("utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if line and line[0] not in "#|>-"]
    return [found for line in lines for found in re.split(r"(?<=[.!?]) ", line) if len(found) > 30]


def pages(seed: int = 1) -> Iterator[NewDocument]:
    """Files without an end, none like another."""
    source, number = random.Random(seed), 0
    known = sentences()
    while True:
        number += 1
        parts = [
            f"## Part {part + 1} of {number}\n\n{' '.join(source.choices(known, k=SENTENCES))}"
            for part in range(HEADINGS)
        ]
        body = f"# Page {number}\n\n" + "\n\n".join(parts)
        yield NewDocument(body.encode(), filename=f"{number}.md", source=f"pages/{number}.md")


def embedded_texts(session: Session, document_id: str, embedder: Embedder) -> list[str]:
    """What was embedded for a document."""
    query = select(Document.title, Document.source, DocumentVersion.filename, ChunkRow.headings, ChunkRow.text)
    query = query.join(Document, Document.id == ChunkRow.document_id)
    query = query.join(DocumentVersion, DocumentVersion.id == ChunkRow.version_id)
    rows: list[Row[tuple[str, str, str, list[str], str]]] = list(
        session.execute(query.where(Document.id == document_id).order_by(ChunkRow.ordinal))
    )
    session.rollback()
    return [in_context(label_of(r[0], r[1], r[2]), r[3], r[4], embedder) for r in rows]


def bare(embedder: Embedder, texts: list[str]) -> float:
    """Seconds the embedder alone takes, in the same batches."""
    begin = time.perf_counter()
    for start in range(0, len(texts), CHECKPOINT):
        embedder.embed(texts[start : start + CHECKPOINT])
    return time.perf_counter() - begin


@contextmanager
def blind(embedders: Embedders) -> Iterator[None]:
    """Lets the default embedder answer at once, meanwhile."""
    embedder = embedders.get(embedders.default)
    seeing = embedder.embed

    def embed(texts: Sequence[str], **_: int) -> Vectors:
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") for text in texts]
        found = np.stack([np.random.default_rng(seed).standard_normal(384, dtype=np.float32) for seed in seeds])
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    embedder.embed = embed  # type: ignore[method-assign]
    yield
    embedder.embed = seeing  # type: ignore[method-assign]


def memory() -> float:
    """MiB that the process holds now."""
    with Path("/proc/self/status").open() as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def first_run(
    session: Session, embedders: Embedders, wanted: int, files: Iterator[NewDocument]
) -> tuple[Times, list[NewDocument]]:
    """Ingests until there are so many chunks, and reports now and then."""
    embedder, times, done = embedders.get(embedders.default), Times(), []
    embedder.embed(["warm up"])
    report = wanted / REPORTS
    for number, new in enumerate(files):
        begin = time.perf_counter()
        document_id = sync_file(session, new)[1].id
        ingest(session, embedders, document_id, 60)
        times.whole += time.perf_counter() - begin
        done.append(new)
        texts = embedded_texts(session, document_id, embedder)
        times.chunks += len(texts)
        if number % BARE_EVERY == 0:
            times.bare += bare(embedder, texts)
            times.bare_chunks += len(texts)
        if times.chunks >= report:
            rate, so_far = times.chunks / times.whole, f"{times.chunks:,} chunks"
            print(f"{so_far:>16}{rate:9.1f} chunks/s{times.ratio:9.3f} of the bare rate{memory():9.0f} MiB", flush=True)
            report += wanted / REPORTS
        if times.chunks >= wanted:
            return times, done
    raise AssertionError("there is always another page")


def second_run(session: Session, files: list[NewDocument]) -> float:
    """Seconds it takes to see that nothing has changed."""
    begin = time.perf_counter()
    for new in files:
        if sync_file(session, new)[2]:
            raise SystemExit("an unchanged file would be ingested again")
    return time.perf_counter() - begin


def notes(number: int, seed: int = 1) -> list[NewDocument]:
    """Short documents, none like another."""
    source, known = random.Random(seed), sentences()
    found = []
    for n in range(number):
        words = f"Note {n}.".split()
        while len(words) < 120:
            words += source.choice(known).split()
        found.append(NewDocument(" ".join(words).encode(), filename=f"{n}.txt", source=f"notes/{n}.txt"))
    return found


def small(session: Session, embedders: Embedders, number: int) -> None:
    """Prints how fast short documents go in, and what of it is reading, cutting and embedding them."""
    embedder, new = embedders.get(embedders.default), notes(number)
    embedder.embed(["warm up"])
    generation = ensure_generation(session, embedders)

    def rowless() -> None:
        for start in range(0, number, MOST):
            read = [extract_text(one.data, one.filename, None).parsed.text for one in new[start : start + MOST]]
            cut = [(text, split(text, generation.chunk_tokens, embedder.count_tokens)) for text in read]
            texts = [text[chunk.start : chunk.end] for text, chunks in cut for chunk in chunks]
            for first in range(0, len(texts), BATCH):
                embedder.embed(texts[first : first + BATCH])

    def added() -> None:
        for start in range(0, number, MOST):
            sync_files(session, new[start : start + MOST])

    def ingested() -> None:
        while ingest_batch(session, embedders, 60):
            pass

    parts = {"read, cut and embed, no row": rowless, "add": added, "ingest": ingested}
    times = {name: _timed(name, part, number) for name, part in parts.items()}
    bare_seconds, *whole = times.values()
    rate = number / sum(whole)
    print(f"{'add and ingest':44}{rate:9.0f} documents/s{bare_seconds / sum(whole):11.3f} of the rate without rows")


def _timed(name: str, work: Callable[[], None], number: int) -> float:
    begin, cpu = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    print(f"{name:44}{number / seconds:9.0f} documents/s{1000 * cpu / number:11.3f} ms of CPU a document", flush=True)
    return seconds


def main(given: Sequence[str] = ()) -> None:
    """Prints the rates."""
    parser = argparse.ArgumentParser(description="Ingestion beside the bare embedder.")
    parser.add_argument("--chunks", type=int, default=2000)
    parser.add_argument("--own", action="store_true", help="without the embedder's time")
    parser.add_argument("--after", type=int, default=0, help="so many chunks go in first, without the embedder's time")
    parser.add_argument("--small", type=int, default=0, help="so many documents of about 120 words, many at once")
    arguments = parser.parse_args(given)
    with temp_app() as app:
        print("\nIngestion, one thread, rows durable")
        with services(app).sessions() as session:
            embedders = services(app).embedders
            if arguments.small:
                with blind(embedders):
                    small(session, embedders, arguments.small)
                return
            source = pages()
            if arguments.after:
                with blind(embedders):
                    first_run(session, embedders, arguments.after, source)
            with blind(embedders) if arguments.own else nullcontext():
                times, files = first_run(session, embedders, arguments.chunks, source)
            again = second_run(session, files)
            stored = session.scalar(select(func.count(ChunkRow.id)))
        print(f"{len(files)} files, {stored} chunks")
        print(f"{'bare embedder':44}{times.bare_chunks / times.bare:9.1f} chunks/s")
        print(f"{'ingestion':44}{times.chunks / times.whole:9.1f} chunks/s{times.ratio:11.3f} of the bare rate")
        print(f"{'second run, nothing changed':44}{again:9.2f} s{again / times.whole:17.4f} of the first")


if __name__ == "__main__":
    main(sys.argv[1:])
