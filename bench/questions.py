"""Twenty questions a reader of a product's documentation would ask, and where their page stands among the found.

    python -m bench.questions [FOLDER | ARCHIVE.tar.gz]

The documentation is FastAPI's, in English, which the project does not carry; by default it is looked for in
../shared/data. It is ingested with one call of the command line, then each question is searched, and the page that
answers it should be the first or the second document of the list.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
import time
from pathlib import Path

from flask import Flask

from bench.temp_app import temp_app
from chatbot.config import ROOT
from chatbot.current import services

ARCHIVE = ROOT.parent / "shared" / "data" / "docs-fastapi" / "fastapi-docs-en.tar.gz"
PASSAGES = 20

QUESTIONS = (
    ("How do I install FastAPI?", "index.md", "tutorial/index.md"),
    ("How do I run my application with fastapi dev?", "fastapi-cli.md", "tutorial/first-steps.md"),
    ("How can I add CORS to my API?", "tutorial/cors.md"),
    ("How do I upload a file?", "tutorial/request-files.md", "reference/uploadfile.md"),
    ("How do I declare a query parameter with a default value?", "tutorial/query-params.md"),
    ("How can I limit the length of a string query parameter?", "tutorial/query-params-str-validations.md"),
    ("How do I set a cookie in the response?", "advanced/response-cookies.md"),
    ("How do I declare a header parameter?", "tutorial/header-params.md"),
    ("How can I run a task in the background after the response?", "tutorial/background-tasks.md"),
    ("How do I protect my API with OAuth2 and JWT tokens?", "tutorial/security/oauth2-jwt.md"),
    ("How do I test my application?", "tutorial/testing.md"),
    ("How do I use WebSockets?", "advanced/websockets.md"),
    ("How do I serve static files?", "tutorial/static-files.md"),
    ("How do I render HTML with Jinja templates?", "advanced/templates.md"),
    ("How do I add a middleware?", "tutorial/middleware.md", "advanced/middleware.md"),
    ("How do I deploy with Docker?", "deployment/docker.md"),
    (
        "How do I return another status code?",
        "tutorial/response-status-code.md",
        "advanced/response-change-status-code.md",
        "advanced/additional-status-codes.md",
    ),
    ("How can I split my application into several files?", "tutorial/bigger-applications.md"),
    ("How do I use a SQL database?", "tutorial/sql-databases.md"),
    ("How do dependencies with yield work?", "tutorial/dependencies/dependencies-with-yield.md"),
)


def documents_found(app: Flask, question: str) -> list[str]:
    """The sources of the documents that the passages come from, best first, each once."""
    passages, _ = services(app).retriever.search(question, PASSAGES)
    return list(dict.fromkeys(passage.source for passage in passages))


def ingest(app: Flask, folder: Path) -> str:
    """One call of the command line; gives its summary."""
    result = app.test_cli_runner().invoke(args=["knowledge", "ingest", str(folder), "--wait"])
    if result.exit_code != 0:
        raise RuntimeError(result.output)
    return result.stdout.strip()


def unpacked(given: Path, into: Path) -> Path:
    """The folder of the documentation."""
    if given.is_dir():
        return given
    with tarfile.open(given) as archive:
        archive.extractall(into, filter="data")
    return next(into.iterdir())


def main(given: Path = ARCHIVE) -> int:
    """Prints each question with the rank of its page; gives how many were first or second."""
    if not given.exists():
        print(f"The documentation is not here ({given.name}); name its folder or archive as the argument.")
        return 0
    hits = 0
    with tempfile.TemporaryDirectory() as temporary, temp_app() as app:
        begin = time.perf_counter()
        summary = ingest(app, unpacked(given, Path(temporary)))
        print(f"{summary} in {time.perf_counter() - begin:.0f} s\n")
        for question, *pages in QUESTIONS:
            found = documents_found(app, question)
            ranks = [n for n, source in enumerate(found, 1) if source.partition("/")[2] in pages]
            hits += bool(ranks) and ranks[0] <= 2
            print(f"{ranks[0] if ranks else '-':>4}  {question:62} {found[0] if found else ''}")
    print(f"\n{hits} of {len(QUESTIONS)} found their page first or second")
    return hits


if __name__ == "__main__":
    sys.exit(0 if main(*map(Path, sys.argv[1:])) == len(QUESTIONS) else 1)
