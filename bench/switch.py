"""A live service that is asked all the time while its index is changed below it.

    python -m bench.switch [FOLDER | ARCHIVE.tar.gz] [--pages N] [--threads N]

A real web process answers questions of several threads, searches and conversations in turn. Meanwhile the command line
builds a generation with another chunk size and one with another embedding model (the scripted server's), activates
each and rolls it back. No question may fail, come back empty, or be answered from a generation that had been left when
it was asked.
"""

from __future__ import annotations

import argparse
import itertools
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import requests
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.crash import pages_in
from bench.questions import ARCHIVE, QUESTIONS, unpacked
from chatbot.config import LOCAL_EMBEDDER, ROOT
from chatbot.knowledge.models import ChunkRow, Generation
from tests.functional.house import ProcessFleet
from tests.openai_server import OpenAIServer, running

PAGES = 40
THREADS = 4
CALM = 3.0
# Between two questions of a thread: a steady stream, not a flood.
PAUSE = 0.05
LOOK = 0.002
BUILDS = (("--chunk-size", "120"), ("--embedding-model", "scripted"))
SETTINGS = {
    "EMBEDDING_MODEL": LOCAL_EMBEDDER,
    "CHAT_MODEL": "extractive",
    "OPENAI_API_KEY": "sk-scripted",
    # Empty is then only what found nothing; another model's scores must not decide about it.
    "RELEVANCE_THRESHOLD": 0,
}


@dataclass(frozen=True)
class Answer:
    """What became of a question; times are of `time.monotonic`."""

    began: float
    ended: float
    failure: str = ""
    chunks: tuple[int, ...] = ()

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class Questions:
    """A steady stream of questions while a `with` lasts, every answer noted."""

    def __init__(self, house: ProcessFleet, person: dict[str, str], questions: Sequence[str], threads: int) -> None:
        self.answers: list[Answer] = []
        self._house, self._person = house, person
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask_all, args=([*questions[n:], *questions[:n]],), daemon=True)
            for n in range(threads)
        ]

    def __enter__(self) -> Questions:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask_all(self, questions: Sequence[str]) -> None:
        with requests.Session() as connection:
            connection.headers.update(self._person)
            for question, ask in zip(itertools.cycle(questions), itertools.cycle((self._search, self._send))):
                began = time.monotonic()
                try:
                    failure, chunks = "", ask(connection, question)
                except (requests.RequestException, ValueError, KeyError) as error:
                    failure, chunks = f"{type(error).__name__}: {error}", ()
                self.answers.append(Answer(began, time.monotonic(), failure, chunks))
                if self._over.wait(PAUSE):
                    return

    def _search(self, connection: requests.Session, question: str) -> tuple[int, ...]:
        url = f"{self._house.url}/api/knowledge/search/"
        answer = connection.get(url, params={"q": question}, timeout=60)
        answer.raise_for_status()
        return tuple(item["chunk_id"] for item in answer.json()["items"])

    def _send(self, connection: requests.Session, question: str) -> tuple[int, ...]:
        answer = connection.post(f"{self._house.url}/api/chat/send/", json={"message": question}, timeout=60)
        answer.raise_for_status()
        return tuple(item["chunk_id"] for item in answer.json()["message"]["metadata"]["retrieved_docs"])


@dataclass(frozen=True)
class Command:
    """A command that was run."""

    words: tuple[str, ...]
    began: float
    ended: float
    output: str


@dataclass
class Spell:
    """A time through which the database is known to have had a generation active."""

    generation: int
    since: float
    until: float


@dataclass
class Service:
    """A house whose index is changed, and who watches which generation the database says is active."""

    house: ProcessFleet
    commands: list[Command] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)

    def run(self, *words: str) -> str:
        began = time.monotonic()
        output = self.house.run("flask", "index", *words, seconds=600)
        self.commands.append(Command(words, began, time.monotonic(), output))
        return output

    def watch(self, over: threading.Event) -> None:
        engine = self.house.engine()
        query = select(Generation.id).where(Generation.active == 1)
        while not over.wait(LOOK):
            looked = time.monotonic()
            with Session(engine) as session:
                active = session.scalars(query).one()
            if self.spells and self.spells[-1].generation == active:
                self.spells[-1].until = looked
            else:
                self.spells.append(Spell(active, time.monotonic(), looked))
        engine.dispose()

    def change(self, builds: Sequence[Sequence[str]], calm: float) -> None:
        """Builds, activates and rolls back, with some seconds of calm around each."""
        time.sleep(calm)
        for build in builds:
            found = re.search(r"Generation (\d+) is built", self.run("build", *build))
            assert found, self.commands[-1].output
            time.sleep(calm)
            self.run("activate", found[1])
            time.sleep(calm)
            self.run("rollback")
            time.sleep(calm)


@dataclass(frozen=True)
class Switch:
    """The active generation changed: when the database had it, and when the first answer came from it."""

    generation: int
    at: float
    first: float | None
    # Questions asked after it that were answered from another generation.
    stale: int


@dataclass(frozen=True)
class Outcome:
    """What a stream of questions met."""

    answers: list[Answer]
    switches: list[Switch]
    commands: list[Command]
    # Answers with passages of two generations.
    mixed: int

    @property
    def failures(self) -> list[str]:
        return [answer.failure for answer in self.answers if answer.failure]

    @property
    def empty(self) -> int:
        return sum(not answer.failure and not answer.chunks for answer in self.answers)

    @property
    def stale(self) -> int:
        return sum(switch.stale for switch in self.switches)


def measure(
    house: ProcessFleet,
    person: dict[str, str],
    questions: Sequence[str],
    builds: Sequence[Sequence[str]] = BUILDS,
    *,
    threads: int = THREADS,
    calm: float = CALM,
) -> Outcome:
    """Asks while the index is changed."""
    service, over = Service(house), threading.Event()
    watcher = threading.Thread(target=service.watch, args=(over,), daemon=True)
    with Questions(house, person, questions, threads) as stream:
        watcher.start()
        try:
            service.change(builds, calm)
        finally:
            over.set()
            watcher.join()
    return _judged(service, stream.answers)


def _judged(service: Service, answers: list[Answer]) -> Outcome:
    engine = service.house.engine()
    with Session(engine) as session:
        of_chunk = {row.id: row.generation_id for row in session.execute(select(ChunkRow.id, ChunkRow.generation_id))}
    engine.dispose()
    found = [(a, {of_chunk[chunk] for chunk in a.chunks}) for a in answers if a.chunks]
    switches = [_switch(spell, found) for spell in service.spells]
    mixed = sum(len(generations) > 1 for _, generations in found)
    return Outcome(answers, switches, service.commands, mixed)


def _switch(spell: Spell, found: Sequence[tuple[Answer, set[int]]]) -> Switch:
    """What was answered, and from which generations, while one of them was active all the time."""
    first = min((a.ended for a, of in found if a.ended >= spell.since and spell.generation in of), default=None)
    inside = [of for a, of in found if spell.since <= a.began and a.ended <= spell.until]
    return Switch(spell.generation, spell.since, first, sum(of != {spell.generation} for of in inside))


def report(outcome: Outcome) -> None:
    """Prints what happened."""
    seconds = [answer.seconds for answer in outcome.answers]
    before = [a.seconds for a in outcome.answers if a.ended < outcome.commands[0].began]
    for command in outcome.commands:
        print(f"{'flask index ' + ' '.join(command.words):52}{command.ended - command.began:7.2f} s")
    for switch in outcome.switches[1:]:
        first = "never" if switch.first is None else f"{1000 * (switch.first - switch.at):.0f} ms"
        print(f"{f'generation {switch.generation} active; first answer from it after':52}{first:>9}")
    rows = {
        "questions": len(outcome.answers),
        "failures": len(outcome.failures),
        "empty answers": outcome.empty,
        "answers from a generation that had been left": outcome.stale,
        "answers from two generations": outcome.mixed,
    }
    for name, count in rows.items():
        print(f"{name:52}{count:7}")
    print(f"{'median answer':52}{1000 * statistics.median(seconds):7.0f} ms")
    print(f"{'slowest answer before the first build':52}{1000 * max(before, default=0):7.0f} ms")
    print(f"{'slowest answer of all':52}{1000 * max(seconds):7.0f} ms")
    for failure in outcome.failures[:5]:
        print(f"  {failure}")


def main(given: Path, limit: int, threads: int) -> bool:
    """Prints the figures; whether every question was answered, and from the generation that was active."""
    with tempfile.TemporaryDirectory(prefix="chatbot-switch-") as temporary, running() as provider:
        return _measured(Path(temporary), given, limit, threads, provider)


def _measured(folder: Path, given: Path, limit: int, threads: int, provider: OpenAIServer) -> bool:
    pages = pages_in(unpacked(given, folder / "pages"), limit)
    house = ProcessFleet(folder / "house", ROOT / "instance" / "models", **SETTINGS, OPENAI_BASE_URL=provider.base_url)
    try:
        for source, content in pages:
            path = folder / "chosen" / source
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        house.run("flask", "knowledge", "ingest", str(folder / "chosen"), "--wait", seconds=600)
        house.start("web")
        house.ready()
        person = house.sign_up("mary")
        outcome = measure(house, person, [question for question, *_ in QUESTIONS], threads=threads)
    finally:
        house.close()
    print(f"{len(pages)} pages, {threads} threads that ask")
    report(outcome)
    answered = all(switch.first is not None for switch in outcome.switches)
    return answered and not (outcome.failures or outcome.empty or outcome.stale or outcome.mixed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.switch", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("given", nargs="?", type=Path, default=ARCHIVE, metavar="FOLDER")
    parser.add_argument("--pages", type=int, default=PAGES, help="how many pages go in")
    parser.add_argument("--threads", type=int, default=THREADS, help="how many ask at a time")
    return parser.parse_args()


if __name__ == "__main__":
    asked = _arguments()
    if not asked.given.exists():
        sys.exit(f"The documentation is not here ({asked.given.name}); name its folder or archive as the argument.")
    sys.exit(0 if main(asked.given, asked.pages, asked.threads) else 1)
