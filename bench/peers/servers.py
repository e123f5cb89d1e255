"""The servers that are compared, behind one small face: a command that starts them, and how they are talked to."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlencode

from flask import Flask

from bench.corpus import Text
from bench.load import request
from bench.model import EMBEDDER
from bench.processes import below
from bench.temp_app import gunicorn_start
from chatbot.config import ROOT

PYTHON = ROOT / ".venv-peers" / "bin" / "python"
# A peer that does not start within so many seconds, or does not answer, has failed.
START_SECONDS, ANSWER_SECONDS = 60.0, 120.0
BATCH = 200
TEAM = "support"


class Failed(Exception):
    """A server did not do what it was asked for; the message says what."""


@dataclass
class Line:
    """A kept connection to a server on this machine."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)
    _connection: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, body: object = None) -> Any:
        """What it answers.

        Raises:
            Failed: with another status than 2xx, or not at all.
        """
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        told = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, told, {"Content-Type": "application/json"} | self.headers)
            answer = self._connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Failed(f"{method} {path.partition('?')[0]}: {type(error).__name__}") from None
        if answer.will_close:
            self.close()
        if not 200 <= answer.status < 300:
            raise Failed(f"{method} {path.partition('?')[0]} answered {answer.status}: {said[:200]!r}")
        return json.loads(said) if said else None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(frozen=True)
class Running:
    """A server that has answered its first search."""

    port: int
    pid: int
    # From its start to its first healthy answer, and to the first search.
    ready: float
    searched: float

    @property
    def processes(self) -> list[int]:
        return [self.pid, *below(self.pid)]


class Target(Protocol):
    """A server that can be started on what it has stored."""

    name: str
    # The path that tells that it is there, and the processes it is asked with.
    health: str
    processes: int

    def command(self, port: int, processes: int) -> tuple[Sequence[str], dict[str, str]]:
        """What starts it, and in which environment."""
        ...

    def line(self, port: int) -> Line:
        """A connection on which it lets one search and add."""
        ...

    def search(self, question: str, k: int, filtered: bool) -> str:
        """The path of a search."""
        ...

    def found(self, answer: Any) -> list[str]:
        """The titles that a search has found."""
        ...

    def chat(self, question: str) -> bytes | None:
        """A request for a streamed answer; None where it has none."""
        ...


@dataclass
class Ours:
    """This project: gunicorn with two processes, an administrator's account, whose conversations are kept."""

    app: Flask
    model: dict[str, str]
    token: str
    name = "this project"
    health = "/readyz"
    processes = 2

    def command(self, port: int, processes: int) -> tuple[Sequence[str], dict[str, str]]:
        settings = self.model | {"WEB_CONCURRENCY": str(processes), "RATELIMIT_ENABLED": "false"}
        return gunicorn_start(self.app, port, settings)

    def line(self, port: int) -> Line:
        return Line(port, {"Authorization": f"Bearer {self.token}"})

    def search(self, question: str, k: int, filtered: bool) -> str:
        only = {"filter": f"team:{TEAM}"} if filtered else {}
        return "/api/knowledge/search/?" + urlencode({"q": question, "k": k} | only)

    def found(self, answer: Any) -> list[str]:
        return [item["title"] for item in answer["items"]]

    def chat(self, question: str) -> bytes | None:
        return request("/api/chat/send/", {"message": question, "stream": True}, self.token)


@dataclass
class FastApi:
    """FastAPI and LangChain as their documentation has them."""

    folder: Path
    model: dict[str, str]
    name = "FastAPI + LangChain"
    health = "/health"
    processes = 2

    def command(self, port: int, processes: int) -> tuple[Sequence[str], dict[str, str]]:
        settings = self.model | {"EMBEDDING_MODEL": EMBEDDER, "INDEX": str(self.folder / "fastapi")}
        return _uvicorn("bench.peers.fastapi_langchain:app", port, processes), settings

    def line(self, port: int) -> Line:
        return Line(port)

    def search(self, question: str, k: int, filtered: bool) -> str:
        return "/search?" + urlencode({"q": question, "k": k} | ({"team": TEAM} if filtered else {}))

    def found(self, answer: Any) -> list[str]:
        return [item["title"] for item in answer]

    def chat(self, question: str) -> bytes | None:
        return request("/chat", {"message": question})

    def add(self, line: Line, texts: Sequence[Text]) -> None:
        """Puts texts in, in batches; each is stored when it is answered."""
        for start in range(0, len(texts), BATCH):
            line.call("POST", "/ingest", [vars(text) for text in texts[start : start + BATCH]])


@dataclass
class Txtai:
    """txtai's own server, whose vectors come from the model server; searches only. One process holds its index."""

    folder: Path
    model: dict[str, str]
    name = "txtai"
    health = "/count"
    processes = 1

    def command(self, port: int, processes: int) -> tuple[Sequence[str], dict[str, str]]:
        embeddings = {
            "method": "external",
            "transform": "bench.peers.txtai_vectors.transform",
            "content": True,
            "hybrid": True,
            "backend": "faiss",
            "encodebatch": 128,
        }
        config = self.folder / "txtai.yml"
        told = {"path": str(self.folder / "txtai"), "writable": True, "embeddings": embeddings}
        # JSON is YAML as well.
        config.write_text(json.dumps(told), encoding="utf-8")
        settings = self.model | {
            "EMBEDDING_MODEL": EMBEDDER,
            "CONFIG": str(config),
            "ALLOW_RESOLVE_TRANSFORM": "True",
            "PYTHONPATH": str(ROOT),
        }
        return _uvicorn("txtai.api:app", port, processes), settings

    def line(self, port: int) -> Line:
        return Line(port)

    def search(self, question: str, k: int, filtered: bool) -> str:
        only = f" and team = '{TEAM}'" if filtered else ""
        query = f"select id, text, score, team from txtai where similar('{question}'){only}"
        return "/search?" + urlencode({"query": query, "limit": k})

    def found(self, answer: Any) -> list[str]:
        return [item["id"] for item in answer]

    def chat(self, question: str) -> bytes | None:
        return None

    def add(self, line: Line, texts: Sequence[Text]) -> None:
        """Puts texts in, in batches, and has them indexed and stored at the end."""
        for start in range(0, len(texts), BATCH):
            rows = [{"id": t.title, "text": t.text, "team": t.team} for t in texts[start : start + BATCH]]
            line.call("POST", "/add", rows)
        line.call("GET", "/index")


def _uvicorn(app: str, port: int, processes: int) -> list[str]:
    parts = [str(PYTHON), "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    return [*parts, "--workers", str(processes)] if processes > 1 else parts


def installed(package: str) -> bool:
    """Whether the peers' environment has it."""
    if not PYTHON.exists():
        return False
    asked = [str(PYTHON), "-c", f"import importlib.util as u, sys; sys.exit(u.find_spec({package!r}) is None)"]
    return subprocess.run(asked, check=False).returncode == 0


@contextmanager
def started(target: Target, log: Path, processes: int = 1, question: str | None = None) -> Iterator[Running]:
    """The server on a free port until the end of the block; with a question it has been searched once.

    Raises:
        Failed: it did not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, settings = target.command(port, processes)
    with log.open("ab") as output:
        begin = time.perf_counter()
        process = _process(command, settings, output)
    try:
        yield _running(process, target, port, question, begin, log)
    finally:
        _stop(process)


def _running(
    process: subprocess.Popen[bytes], target: Target, port: int, question: str | None, begin: float, log: Path
) -> Running:
    line = target.line(port)
    try:
        ready = _first(process, line, target.health, begin)
        searched = _first(process, line, target.search(question, 8, False), begin) if question else ready
    except Failed as error:
        said = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        raise Failed(f"{error}; its log ends with {said[:200]!r}") from None
    finally:
        line.close()
    return Running(port, process.pid, ready, searched)


def _process(command: Sequence[str], settings: dict[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def _first(process: subprocess.Popen[bytes], line: Line, path: str, begin: float) -> float:
    """The seconds from the beginning to the first good answer."""
    why = "it did not answer"
    while time.perf_counter() - begin < START_SECONDS:
        if process.poll() is not None:
            raise Failed(f"it ended by itself with {process.returncode}")
        try:
            line.call("GET", path)
        except Failed as error:
            why = str(error)
            time.sleep(0.02)
        else:
            return time.perf_counter() - begin
    raise Failed(f"not ready within {START_SECONDS:.0f} s: {why}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends it, and whatever of it has stayed."""
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
