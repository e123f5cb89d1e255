"""Texts that once stopped a process: in a filter, a model's answer, a document and a told conversation.

Each would take minutes to years if what reads it tried its parts over and over. `processor_time` turns that into a
failure where the test's own thread reads it, and its limit is far above what they take; in another thread it hangs.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from flask import Flask

from chatbot.knowledge.parsing.extractors.markup import markdown
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.prompt_injection import signs
from chatbot.rag.grounding.citations import CitedText
from chatbot.rag.grounding.critical_tokens import names
from chatbot.rag.grounding.known_urls import Addresses
from chatbot.rag.grounding.link_filter import LinkFilter
from chatbot.rag.llm.prompt_escaping import as_quotation
from chatbot.rag.text.sentences import units
from chatbot.rag.text.splitter import split
from tests.chat.asking import QUESTION, stream, text_of, with_model
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

MODEL = "gpt-3.5-turbo"
LIMIT_SECONDS = 60
LONG = 50_000


@pytest.fixture(autouse=True)
def processor_time() -> Iterator[None]:
    def fail(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError("this text takes for ever")

    before = signal.signal(signal.SIGPROF, fail)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


@pytest.fixture
def shop(make_app: MakeApp, openai_server: OpenAIServer) -> Flask:
    app = with_model(make_app, openai_server, model_read_seconds=LIMIT_SECONDS)
    add_and_ingest(app, HOURS)
    return app


@pytest.mark.parametrize(
    ("filter_", "status"),
    [
        ("a:" + "xxxxxxxx|" * 9 + " ", 422),
        ("a:" + "xxxxxxxx|" * 55 + " ", 422),
        ("a:" + " |" * 249, 422),
        ("a:" + "x" * 498, 200),
        (("a:" + "xxxxxxxx|" * 60)[:500].rstrip("|"), 200),
        (",".join(["a:" + "x|" * 20 + "y"] * 11), 422),
        (",".join(["a:" + "x|" * 20 + "y"] * 10), 200),
    ],
)
def test_long_filter_is_answered(client: Any, ada: Person, filter_: str, status: int) -> None:
    answer = client.get("/api/knowledge/search/", query_string={"q": "x", "filter": filter_}, headers=ada.headers)

    assert answer.status_code == status


@pytest.mark.parametrize(
    "answer",
    [
        "Here is the list: [" + ", ".join(map(str, range(1, 200))) + ", ... and so on",
        "Fibonacci: [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, ...] and so on.",
        "[ " + "1 , " * 500 + "x",
        "[" + " " * 2_000 + "x and [docs" + " " * 2_000 + "1",
        "Nine [" + "9" * 5_000 + "] is too many [1" + "†x" * 500,
    ],
)
def test_numbers_in_an_answer_stream_to_the_end(shop: Flask, openai_server: OpenAIServer, answer: str) -> None:
    openai_server.say(MODEL, answer)

    events = stream(shop, sign_up(shop, "ada"), QUESTION)

    assert events[-1][0] == "done"
    assert text_of(events).split()[0] == answer.split()[0] or answer.startswith("Nine")


def test_number_that_python_does_not_read_names_no_passage() -> None:
    cited = CitedText([])

    assert cited.feed("Nine [" + "9" * 3_900 + "].").text + cited.end().text == "Nine."
    assert cited.removed == 1
    assert cited.feed(" Ten [" + "9" * 8_000 + "].").text


LINES = ["=", "`", "~", "# ", "{#", "[", "](", "<", "<link", "aB", "_", "1, ", "A. ", "eyJ-", " ", "> ", "``x`"]


@pytest.mark.parametrize("repeated", LINES)
def test_long_line_of_a_document_is_read(repeated: str) -> None:
    """In a document that is looked through, cut, quoted and cited."""
    text = (repeated * (1_000_000 // len(repeated) + 1))[:1_000_000] + "x"

    assert signs(text) == []
    assert markdown.extract(f"# {text}".encode(), Limits()).text
    assert units(text[:LONG]) is not None
    assert as_quotation(text, "=====passage-0123456789abcdef=====")
    assert len(names(text[:LONG])) <= LONG
    assert split(f"# {text[:400]}\n{text[:2_000]}", 230, lambda piece: len(piece) // 4)


@pytest.mark.parametrize("repeated", ["`", "~", "[1", "[1]", " ", "<a b='", "](", "www.", "。", "A word [1]. "])
@pytest.mark.parametrize("size", [7, LONG])
def test_long_line_of_an_answer_is_read(repeated: str, size: int) -> None:
    """Whether it comes in small pieces or in a large one."""
    text = repeated * (LONG // len(repeated))
    links, cited = LinkFilter(Addresses([])), CitedText([])

    for start in range(0, len(text), size):
        cited.feed(links.feed(text[start : start + size]))
    cited.feed(links.end())
    cited.end()

    assert links.waiting == 0
    assert cited.checked() is not None


def test_document_with_a_line_of_equals_signs_is_looked_through(client: Any, root: Person) -> None:
    body = {"title": "Line", "content": "=" * LONG}
    answer = client.post("/api/knowledge/documents/?dry_run=1", json=body, headers=root.headers)

    assert answer.status_code == 200
    assert answer.json["instruction_score"] == 0


def test_told_messages_of_equals_signs_are_read(shop: Flask) -> None:
    told = [{"role": role, "content": "=" * 8_000} for role in ("user", "assistant") * 10]
    body = {"model": MODEL, "messages": [*told, {"role": "user", "content": QUESTION}]}

    answer = shop.test_client().post("/v1/chat/completions", json=body, headers=sign_up(shop, "ada").headers)

    assert answer.status_code == 200
