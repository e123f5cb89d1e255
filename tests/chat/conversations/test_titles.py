"""The title of a conversation, as its model words it after the first answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from chatbot.chat.tasks import make_title
from tests.broker_files import messages
from tests.chat.asking import ask, stream, visitor, with_model
from tests.chat.talking import serving, talking
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

MODEL = "gpt-3.5-turbo"
QUESTION = "When does the shop open on Saturdays?"
TITLE = "Opening hours"


@pytest.fixture
def app(make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None) -> Flask:
    openai_server.say(MODEL, TITLE, plain=True)
    app = with_model(make_app, openai_server, database_url=database_url, chat_models="extractive")
    add_and_ingest(app, HOURS)
    return app


@pytest.fixture
def ada(app: Flask) -> Person:
    return sign_up(app, "ada")


def work(app: Flask, chat: str) -> None:
    """What a worker does."""
    with app.app_context():
        make_title(chat)


def begin(app: Flask, person: Person, question: str = QUESTION, **body: Any) -> str:
    answer = ask(app, person, question, **body)
    assert answer.status_code == 200
    return str(answer.json["chat_session_id"])  # type: ignore[index]


def titles(app: Flask, person: Person) -> list[str]:
    page = app.test_client().get("/api/chat/history/", headers=person.headers).json
    return [item["title"] for item in page["items"]]  # type: ignore[index]


def rename(app: Flask, person: Person, chat: str, title: str) -> None:
    path = f"/api/chat/sessions/{chat}/"
    assert app.test_client().patch(path, json={"title": title}, headers=person.headers).status_code == 200


def used(app: Flask, person: Person) -> dict[str, Any]:
    return dict(app.test_client().get("/api/chat/usage/", headers=person.headers).json or {})


def test_the_model_words_the_title_from_question_and_answer(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    chat = begin(app, ada)
    assert titles(app, ada) == [QUESTION]

    work(app, chat)

    assert titles(app, ada) == [TITLE]
    (asked,) = openai_server.plains()
    assert "in the language of its question" in asked.messages[0][1]
    assert QUESTION in asked.messages[1][1]
    assert "opens at nine" in asked.messages[1][1]


def test_a_conversation_that_begins_with_a_greeting_asks_no_model(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    chat = begin(app, ada, "Hello!")
    work(app, chat)
    assert (titles(app, ada), openai_server.plains()) == (["Hello!"], [])


def test_a_title_is_written_once(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """N8: a message that comes twice does its work once."""
    chat = begin(app, ada)
    work(app, chat)
    work(app, chat)
    assert len(openai_server.plains()) == 1


def test_a_title_costs_tokens_and_is_no_answer(app: Flask, ada: Person) -> None:
    """J10"""
    chat = begin(app, ada)
    before = used(app, ada)
    work(app, chat)
    after = used(app, ada)
    assert (after["answers"], after["unpriced_answers"]) == (before["answers"], before["unpriced_answers"])
    assert after["tokens"] > before["tokens"]
    assert float(after["cost_usd"]) > float(before["cost_usd"])


def test_a_visitors_title_is_paid_by_the_visitor(app: Flask, ada: Person) -> None:
    vera = visitor(app, ada, "vera")
    chat = begin(app, vera)
    before = used(app, vera)["tokens"]
    work(app, chat)
    assert used(app, vera)["tokens"] > before


def test_a_title_that_a_person_wrote_stays(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    chat = begin(app, ada)
    rename(app, ada, chat, QUESTION)
    work(app, chat)
    assert titles(app, ada) == [QUESTION]
    assert openai_server.plains() == []


def test_a_title_that_a_person_writes_meanwhile_stays(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    chat = begin(app, ada)

    def meanwhile(_body: dict[str, Any]) -> str:
        rename(app, ada, chat, "My own")
        return TITLE

    openai_server.say(MODEL, meanwhile, plain=True)
    work(app, chat)
    assert titles(app, ada) == ["My own"]


@pytest.mark.parametrize("behaviour", ["http-500", "http-401", "429-for-ever", "html", "context-length"])
def test_a_model_that_fails_leaves_the_title_there_was(
    app: Flask, ada: Person, openai_server: OpenAIServer, behaviour: str
) -> None:
    openai_server.behave(MODEL, behaviour, plain=True)
    chat = begin(app, ada)
    before = used(app, ada)
    work(app, chat)
    assert titles(app, ada) == [QUESTION]
    assert used(app, ada) == before


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ('"**Opening hours**"\n\nBecause you asked', "Opening hours"),
        ("Öffnungszeiten am Samstag.", "Öffnungszeiten am Samstag"),
        ("周六的营业时间", "周六的营业时间"),
        ("word " * 40, "word word word word word word word word word word word word…"),
        ("Opening\u202e\u200b hours\U000e0041", "Opening hours"),
        ("", QUESTION),
        ("***", QUESTION),
        ("See [this](https://evil.example.com)", QUESTION),
        ("<img src=x>", QUESTION),
    ],
    ids=["ornament", "german", "chinese", "too-long", "invisible", "nothing", "only-ornament", "link", "markup"],
)
def test_what_a_model_says_becomes_one_line_of_plain_text(
    app: Flask, ada: Person, openai_server: OpenAIServer, said: str, title: str
) -> None:
    """J7"""
    openai_server.say(MODEL, said, plain=True)
    chat = begin(app, ada)
    work(app, chat)
    assert titles(app, ada) == [title]


def test_a_conversation_that_is_gone_has_no_title(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    chat = begin(app, ada)
    app.test_client().delete(f"/api/chat/sessions/{chat}/", headers=ada.headers)
    work(app, chat)
    assert openai_server.plains() == []


def test_an_answer_without_a_model_leaves_the_question_for_a_title(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    chat = begin(app, ada, model="extractive")
    work(app, chat)
    assert titles(app, ada) == [QUESTION]
    assert openai_server.plains() == []


# Who is told to do it -------------------------------------------------------------------------------------------------


def woken(folder: Path) -> int:
    """How many messages of the broker ask for a title."""
    return sum(b"chat.make_title" in path.read_bytes() for path in messages(folder))


def as_json(app: Flask, person: Person, **body: Any) -> None:
    with ask(app, person, QUESTION, **body) as answer:  # A server closes what it has sent.
        assert answer.status_code == 200


def as_stream(app: Flask, person: Person, **body: Any) -> None:
    stream(app, person, QUESTION, **body)


def over_a_socket(app: Flask, person: Person, **body: Any) -> None:
    with serving(app) as url, talking(url, person.access) as ws:
        ws.ask(QUESTION, **body)


@pytest.mark.parametrize("way", [as_json, as_stream, over_a_socket])
def test_a_worker_is_told_when_the_first_answer_is_over(
    make_app: MakeApp, openai_server: OpenAIServer, tmp_path: Path, way: Callable[..., None]
) -> None:
    app = with_model(make_app, openai_server, chat_models="extractive")
    ada = sign_up(app, "ada")
    way(app, ada, model="extractive")
    assert woken(tmp_path) == 0
    way(app, ada)
    openai_server.wait_for(lambda: woken(tmp_path) == 1)
    chat = app.test_client().get("/api/chat/history/", headers=ada.headers).json["items"][0]["id"]  # type: ignore[index]
    way(app, ada, chat_session_id=chat)
    assert woken(tmp_path) == 1


def test_titles_by_the_model_can_be_switched_off(
    make_app: MakeApp, openai_server: OpenAIServer, tmp_path: Path
) -> None:
    app = with_model(make_app, openai_server, model_titles=False)
    as_json(app, sign_up(app, "ada"))
    assert woken(tmp_path) == 0
