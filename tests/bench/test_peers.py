"""The comparison with other servers compares what it says it does, and tells what failed."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import corpus, load, model
from bench.peers import __main__ as peers
from bench.peers import servers
from bench.peers.report import Figures
from bench.processes import below, memory


@pytest.fixture(scope="module")
def model_port() -> Iterator[int]:
    with model.model_server() as port:
        yield port


def post(port: int, path: str, body: object) -> dict[str, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse().read()
    connection.close()
    return dict(json.loads(answer))


def test_documents_are_the_same_each_time_and_5_of_100_are_the_teams() -> None:
    first, again = corpus.documents(200), corpus.documents(200)

    assert first == again
    assert len({text.title for text in first}) == 200
    assert sum(text.team == servers.TEAM for text in first) == 10
    assert corpus.questions(first, 20) == corpus.questions(again, 20)


def test_a_document_is_as_long_as_one_passage() -> None:
    lengths = [len(text.text) / corpus.WORDS for text in corpus.documents(200)]

    # English has some six characters a word, its space or full stop among them.
    assert 5 < sum(lengths) / len(lengths) < 6.5


def test_a_question_is_near_the_document_it_was_made_from() -> None:
    texts = corpus.documents(300)
    vectors = np.stack([model.embed(text.text) for text in texts])

    found = 0
    for question, text in corpus.questions(texts, 50):
        nearest = np.argsort(-(vectors @ model.embed(question)))[:8]
        found += any(texts[place] is text for place in nearest)

    assert found >= 45


def test_the_model_server_embeds_as_this_process_does_in_either_form(model_port: int) -> None:
    texts = ["one two", "", "ünï ヴ"]
    plain = post(model_port, "/v1/embeddings", {"model": "x", "input": texts})
    packed = post(model_port, "/v1/embeddings", {"model": "x", "input": "one two", "encoding_format": "base64"})

    assert np.allclose([row["embedding"] for row in plain["data"]], [model.embed(text) for text in texts])
    assert packed["data"][0]["embedding"] == model.packed(model.embed("one two"))
    assert np.allclose(np.linalg.norm([row["embedding"] for row in plain["data"]], axis=1), 1)


def test_users_hear_every_token_of_the_model(model_port: int) -> None:
    asked = itertools.repeat(load.request("/v1/chat/completions", {"stream": True}))

    run = load.ask(model_port, asked, 3, 0)

    assert (len(run.total), run.lost) == (3, 0)
    assert min(run.total) >= model.NOMINAL


def test_what_was_no_answer_is_lost_and_says_why(model_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "PATIENCE", 1)
    silent = load.ask(1, itertools.repeat(b""), 2, 0)
    wrong = load.ask(model_port, itertools.repeat(load.request("/v1/embeddings", {"input": "x"})), 1, 0)

    assert (silent.lost, wrong.lost) == (2, 1)
    assert list(silent.why) == ["ConnectionRefusedError silence"]


class Ends(servers.FastApi):
    """A server that ends at once."""

    def command(self, port: int, processes: int) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-c", "import sys; print('why'); sys.exit(3)"], {}


def test_a_server_that_does_not_start_is_told_of_and_ends_nothing(tmp_path: Path) -> None:
    figures = Figures()

    def start() -> None:
        with servers.started(Ends(tmp_path, {}), tmp_path / "log"):
            raise AssertionError("it has not started")

    peers.attempt(figures, "it", start)
    peers.attempt(figures, "another", lambda: figures.add("a figure", "raw FAISS", 2))

    assert figures.notes == ["it failed: it ended by itself with 3; its log ends with 'why'"]
    assert figures.values == {"a figure": {"raw FAISS": 2}}


def test_the_table_has_each_peers_figure_with_its_ratio_to_this_projects() -> None:
    figures = Figures()
    figures.add("search, ms", "raw FAISS", 0.5)
    figures.add("search, ms", "this project", 2)

    assert "| search, ms | 2 | raw FAISS 0.50 (0.25) |" in figures.table()


def test_processes_below_this_one_are_found_with_what_they_hold() -> None:
    async def count() -> tuple[list[int], float]:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print(); input()", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout
        await child.stdout.readline()
        found = below(os.getpid(), "input()")
        held = memory(found)
        await child.communicate(b"\n")
        return found, held

    found, held = asyncio.run(count())

    assert len(found) == 1
    assert held > 1
