"""Everything at once for a long time: whether anything leaks, fails or is left wrong.

    python -m bench.soak [MINUTES] [--users N]

The Procfile's web (two processes), worker and beat, on SQLite and FAISS in a folder of their own, or on DATABASE_URL
and REDIS_URL where they are set; the model is a scripted server in a process of its own, mail goes to the outbox. Users
sign up, confirm their address, ask, break off, stop, search, rate, export and leave; administrators add, replace and
delete documents and collections. Every fifteen seconds each process is measured. In the end everything comes to rest,
what was measured late is compared with what was measured after the warm-up, and the verify commands look for
what is wrong. The exit status is 1 when there was an answer that was not expected, or a finding.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from bench.soak_people import Administrator, Answers, Person
from bench.soak_samples import EVERY, Sample, compared, table, taken
from chatbot.config import ROOT
from tests.functional.house import ProcessFleet, wait_for
from tests.openai_server import running

METRICS_TOKEN = "soak-metrics-token-0123456789"
USERS, ADMINISTRATORS = 16, 2
PATIENCE = 180.0
VERIFY = (("knowledge", "verify"), ("index", "verify"))


def _serve_model() -> None:
    """The scripted model, until the process is killed."""
    with running() as server:
        print(server.base_url, flush=True)
        while True:
            time.sleep(60)
            # It is asked for hours, and nobody looks at what was asked.
            server.requests.clear()


@contextmanager
def _model() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "bench.soak", "model"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


@contextmanager
def _house(folder: Path) -> Iterator[ProcessFleet]:
    with _model() as model:
        yield from _started(folder, model)


def _started(folder: Path, model: str) -> Iterator[ProcessFleet]:
    given = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL", "VECTOR_STORE") if name in os.environ}
    house = ProcessFleet(
        folder,
        ROOT / "instance" / "models",
        WEB_CONCURRENCY=2,
        OPENAI_API_KEY="sk-soak",
        OPENAI_BASE_URL=model,
        CHAT_MODEL="gpt-3.5-turbo",
        CHAT_MODELS="slow,extractive",
        EMBEDDING_MODEL="all-MiniLM-L6-v2",
        SWEEP_SECONDS=5,
        METRICS_TOKEN=METRICS_TOKEN,
        LOG_FORMAT="json",
        WEB_THREADS=32,
        INGEST_LEASE_SECONDS=60,
        LOG_LEVEL="WARNING",
        **given,
    )
    try:
        house.start("web", "worker", "beat")
        house.ready()
        yield house
    finally:
        house.close()


class Soak:
    """A house, its people, and what was measured."""

    def __init__(self, house: ProcessFleet, users: int) -> None:
        self.house, self.answers = house, Answers()
        self.samples: list[Sample] = []
        self._over = threading.Event()
        self._begin = time.monotonic()
        admin = house.admin("root")
        people: list[Any] = [Person(house, self.answers, n) for n in range(users)]
        people += [Administrator(house, self.answers, n, admin) for n in range(ADMINISTRATORS)]
        self._threads = [threading.Thread(target=each.live, args=(self._over,), daemon=True) for each in people]

    def run(self, seconds: float) -> None:
        for thread in self._threads:
            thread.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._over.wait(min(EVERY, max(0.1, until - time.monotonic())))
            self.measure()
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def measure(self) -> None:
        self.samples.append(taken(self.house, time.monotonic() - self._begin, METRICS_TOKEN))
        last, counted = self.samples[-1], self.answers.total()
        print(f"{last.at:6.0f} s  {counted:7} answers, {len(self.answers.unexpected)} unexpected  {last}", flush=True)

    def rest(self) -> None:
        """Waits until nothing is under way, and measures once more."""
        wait_for(lambda: taken(self.house, 0, METRICS_TOKEN).idle(), PATIENCE, "everything has come to rest")
        time.sleep(EVERY)
        self.measure()


def _findings(house: ProcessFleet) -> list[str]:
    """What the verify commands and the letters say is wrong."""
    found = []
    for command in VERIFY:
        done = subprocess.run(
            ["flask", *command], cwd=ROOT, env=house.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            found.append(f"flask {' '.join(command)}: {done.stdout}{done.stderr}")
    letters = house.run("flask", "mail", "list", "--status", "failed")
    if letters.count("\n") > 1:
        found.append(f"letters that failed: {letters}")
    return found


def _lines_of_trouble(house: ProcessFleet) -> Counter[str]:
    """Warnings and errors of the logs, counted by their event."""
    found: Counter[str] = Counter()
    for name in ("web", "worker", "beat"):
        for line in house.log(name).splitlines():
            for level in ("warning", "error", "critical"):
                if f'"level": "{level}"' in line:
                    event = line.partition('"event": "')[2].partition('"')[0]
                    found[f"{name} {level}: {event[:100]}"] += 1
            if "Traceback" in line:
                found[f"{name}: Traceback"] += 1
    return found


def main(minutes: float, users: int) -> bool:
    """Prints the measures while they are taken, and a verdict for each; whether all went as it should."""
    with tempfile.TemporaryDirectory(prefix="chatbot-soak-") as folder, _house(Path(folder) / "instance") as house:
        soak = Soak(house, users)
        soak.run(minutes * 60)
        soak.rest()
        ended = [name for name in ("web", "worker", "beat") if not house.running(name)]
        findings = _findings(house) + [f"{name} has ended" for name in ended]
        trouble = _lines_of_trouble(house)
    print(f"\n{minutes:g} minutes, {users} users, {ADMINISTRATORS} administrators\n")
    print(table(soak.answers.counts))
    print("\n".join(f"log  {event}: {count}" for event, count in trouble.most_common()) or "log  nothing above info")
    print("\n" + "\n".join(compared(soak.samples)))
    print(f"\n{len(soak.answers.unexpected)} answers were not expected")
    print("\n".join(f"FINDING  {line}" for line in findings) or "nothing was found wrong")
    return not soak.answers.unexpected and not findings


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("minutes", nargs="?", type=float, default=20)
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what people do, not when")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:] == ["model"]:
        _serve_model()
    else:
        asked = _arguments()
        random.seed(asked.seed)
        try:
            sys.exit(0 if main(asked.minutes, asked.users) else 1)
        except requests.RequestException as error:
            sys.exit(f"The server is gone: {error}")
