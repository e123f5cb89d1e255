"""This project beside its peers: the same documents, questions, model server and users, in one run.

    make peers                     installs the peers beside this project, and runs all of it
    python -m bench.peers [PART ...]

Parts: inside (search in the process), ingestion, ready, retrieval, chat, load (50 users), crowd (1,000 users). Peers:
FAISS and LangChain's FAISS store in the process; a plain FastAPI and LangChain application and txtai's own server over
HTTP. Servers run one after the other; the model server and the users run on the same cores. A peer that is not
installed is left out, one that fails is reported as failing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import func, select, update

from bench import model
from bench.corpus import Text, documents
from bench.model import model_server
from bench.peers import ingestion, inside, serving
from bench.peers.report import Figures
from bench.peers.servers import TEAM, Failed, FastApi, Ours, Txtai, installed
from bench.temp_app import access_token, temp_app
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.models import ChunkRow, Document

COUNT = 10_000
# What goes in over HTTP, one document a request.
REQUESTS = 300
BY_REQUESTS = "ingestion over HTTP, documents/s"
BY_COMMAND = "ingestion of files by the command (peers: HTTP), documents/s"
PARTS = ("inside", "ingestion", *serving.PARTS)


def attempt(figures: Figures, name: str, run: Callable[[], None]) -> None:
    """Runs a part; what it fails of is told in the end."""
    try:
        run()
    except Failed as error:
        figures.note(f"{name} failed: {error}")
    except Exception as error:
        figures.note(f"{name} failed: {type(error).__name__}: {error}")


def ours(texts: Sequence[Text], parts: Sequence[str], model_port: int, folder: Path, figures: Figures) -> None:
    """Adds this project's figures, on an empty application that 10,000 files go into."""
    settings, log = model.settings(model_port), folder / "ours.log"
    if "ingestion" in parts:
        with temp_app() as app:
            target = Ours(app, settings, access_token(app, admin=True))
            seconds = ingestion.by_requests(target, texts[:REQUESTS], log)
            figures.add(BY_REQUESTS, target.name, REQUESTS / seconds, better="more")
    with temp_app() as app:
        target = Ours(app, settings, access_token(app, admin=True))
        seconds = ingestion.by_command(target, texts, folder / "files", log)
        if "ingestion" in parts:
            figures.add(BY_COMMAND, target.name, len(texts) / seconds, better="more")
        chunks = name_teams(target, texts)
        figures.note(f"{target.name}: {chunks:,} passages of {len(texts):,} documents")
        serving.measure(target, texts, parts, model_port, log, figures)


def name_teams(target: Ours, texts: Sequence[Text]) -> int:
    """Gives what came as files the metadata that a filter needs; how many passages there are."""
    titles = [text.title for text in texts if text.team == TEAM]
    with services(target.app).sessions() as session:
        begin_write(session)
        session.execute(update(Document).where(Document.title.in_(titles)).values(extra={"team": TEAM}))
        session.execute(update(Document).where(Document.title.not_in(titles)).values(extra={"team": "sales"}))
        session.commit()
        return int(session.scalars(select(func.count(ChunkRow.id))).one())


def peer(
    target: FastApi | Txtai, texts: Sequence[Text], parts: Sequence[str], model_port: int, figures: Figures
) -> None:
    """Adds a peer's figures, on an empty store that the same documents go into."""
    log = target.folder / "peer.log"
    seconds = ingestion.by_peer(target, texts, log)
    for what in (BY_REQUESTS, BY_COMMAND) if "ingestion" in parts else ():
        figures.add(what, target.name, len(texts) / seconds, better="more")
    serving.measure(target, texts, parts, model_port, log, figures)


def main(given: Sequence[str] | None = None) -> None:
    """Prints the figures as they come, and then the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="This project beside its peers.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--documents", type=int, default=COUNT, help="how many documents there are")
    arguments = parser.parse_args(given)
    parts = arguments.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    figures, begin = Figures(), time.perf_counter()
    print(f"{arguments.documents:,} documents; {serving.CHATS_ARE}; {_busy()}", flush=True)
    if "inside" in parts:
        attempt(figures, "search inside", lambda: inside.measure(figures))
    if set(parts) - {"inside"}:
        over_http(documents(arguments.documents), parts, figures)
    figures.note(f"{(time.perf_counter() - begin) / 60:.1f} minutes; {_busy()}")
    print(f"\n{figures.table()}")


def over_http(texts: Sequence[Text], parts: Sequence[str], figures: Figures) -> None:
    """One server after the other, each on a folder of its own."""
    with model_server() as port, tempfile.TemporaryDirectory(prefix="chatbot-peers-") as folder:
        attempt(figures, Ours.name, lambda: ours(texts, parts, port, Path(folder), figures))
        for kind, package in ((FastApi, "fastapi"), (Txtai, "txtai")):
            if not installed(package):
                figures.note(f"{kind.name} is left out: {package} is not in .venv-peers; `make peers` installs it")
                continue
            target = kind(Path(folder), model.settings(port))
            attempt(figures, kind.name, lambda target=target: peer(target, texts, parts, port, figures))  # type: ignore[misc]


def _busy() -> str:
    """How busy the machine is, and the versions of what both sides have."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("faiss-cpu", "langchain-core", "langchain-community"))
    return f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}; {versions}"


if __name__ == "__main__":
    main()
