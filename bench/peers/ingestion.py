"""Documents going in: over HTTP into each server, and by this project's command."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select

from bench.corpus import Text
from bench.peers.servers import Failed, FastApi, Ours, Txtai, started
from chatbot.config import ROOT
from chatbot.current import services
from chatbot.knowledge.models import Document

# So many clients send documents to this project, which takes one a request.
CLIENTS = 4
PATIENCE = 300.0


def by_peer(target: FastApi | Txtai, texts: Sequence[Text], log: Path) -> float:
    """Seconds until a peer has stored the texts; one process, for its index lies in one."""
    with started(target, log) as running:
        begin = time.perf_counter()
        target.add(target.line(running.port), texts)
        return time.perf_counter() - begin


def by_requests(ours: Ours, texts: Sequence[Text], log: Path) -> float:
    """Seconds until everything can be found; two web processes, one worker, beat, as the Procfile has them."""
    with started(ours, log, ours.processes) as running, _procfile(ours, log):
        begin = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(lambda n: _send(ours, running.port, texts[n::CLIENTS]), range(CLIENTS)))
        while _count(ours) < len(texts):
            if time.perf_counter() - begin > PATIENCE:
                raise Failed(f"{_count(ours)} of {len(texts)} documents are in after {PATIENCE:.0f} s")
            time.sleep(0.1)
        return time.perf_counter() - begin


def by_command(ours: Ours, texts: Sequence[Text], folder: Path, log: Path) -> float:
    """Seconds that `flask knowledge ingest FOLDER --wait` takes over them as files."""
    folder.mkdir()
    for text in texts:
        (folder / f"{text.title}.md").write_text(f"# {text.title}\n\n{text.text}\n", encoding="utf-8")
    command = [sys.executable, "-m", "flask", "knowledge", "ingest", str(folder), "--wait"]
    begin = time.perf_counter()
    with log.open("ab") as output:
        code = subprocess.run(command, cwd=ROOT, env=_environment(ours), stdout=output, stderr=output).returncode
    if code:
        raise Failed(f"the command ended with {code}")
    return time.perf_counter() - begin


def _send(ours: Ours, port: int, texts: Sequence[Text]) -> None:
    line = ours.line(port)
    for text in texts:
        body = {"title": text.title, "content": text.text, "metadata": {"team": text.team}}
        line.call("POST", "/api/knowledge/documents/", body)


def _count(ours: Ours) -> int:
    with services(ours.app).sessions() as session:
        return int(session.scalars(select(func.count(Document.id)).where(Document.status == "ready")).one())


def _environment(ours: Ours) -> dict[str, str]:
    """Without the port, which only the web process is told."""
    settings = {name: value for name, value in ours.command(0, 1)[1].items() if name != "PORT"}
    here = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | settings | {"PATH": here, "FLASK_APP": "wsgi"}


@contextmanager
def _procfile(ours: Ours, log: Path) -> Iterator[None]:
    """The worker and beat, by the Procfile's own lines."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    commands = [line.partition(":")[2] for line in lines if line.startswith(("worker:", "beat:"))]
    with log.open("ab") as output:
        processes = [
            subprocess.Popen(
                shlex.split(command),
                cwd=ROOT,
                env=_environment(ours),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            for command in commands
        ]
    try:
        yield
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
