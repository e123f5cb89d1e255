"""Visitors of an account's product: each has conversations of their own, in the collections they may search."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from chatbot.auth.callers import Caller
from chatbot.chat.models import Owner
from tests.chat.asking import QUESTION, ask, stored, visitor, with_model
from tests.conftest import HOURS, RETURNS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

API = "/api/chat"
BODIES: dict[str, dict[str, str]] = {"PATCH": {"title": "mine now"}, "POST": {"username": "ada"}}


def begin(app: Flask, person: Person, message: str = QUESTION) -> str:
    reply = ask(app, person, message).json
    assert reply is not None
    return str(reply["chat_session_id"])


def titles(client: FlaskClient, person: Person, **query: Any) -> list[str]:
    page = client.get(f"{API}/history/", query_string=query, headers=person.headers).json
    assert page is not None
    return [item["title"] for item in page["items"]]


def told(answer: Any) -> dict[str, Any]:
    return {k: v for k, v in (answer.json or {}).items() if k not in ("request_id", "instance")}


def calls_with_a_conversation(app: Flask) -> list[tuple[str, str]]:
    """(method, path) of every call of this package that names a conversation in its path."""
    rules = [
        rule for rule in app.url_map.iter_rules() if rule.rule.startswith(API) and "<uuid:session_id>" in rule.rule
    ]
    calls = [(method, rule.rule) for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}]
    return sorted(calls)


def test_each_visitor_and_the_owner_see_only_their_own(app: Flask, client: FlaskClient, ada: Person) -> None:
    """F2"""
    people = {"ada": ada, "vera": visitor(app, ada, "vera"), "karl": visitor(app, ada, "karl")}
    for name, person in people.items():
        begin(app, person, f"A zeppelin of {name}")

    for name, person in people.items():
        assert titles(client, person) == [f"A zeppelin of {name}"]
        assert titles(client, person, q="zeppelin") == [f"A zeppelin of {name}"]


def test_the_same_visitor_name_at_two_accounts_is_two_visitors(
    app: Flask, client: FlaskClient, ada: Person, bob: Person
) -> None:
    begin(app, visitor(app, ada, "vera"), "Asked at Ada's")

    assert titles(client, visitor(app, bob, "vera")) == []


def test_a_visitor_keeps_their_conversations_with_a_new_token(app: Flask, client: FlaskClient, ada: Person) -> None:
    chat = begin(app, visitor(app, ada, "vera"))

    again = ask(app, visitor(app, ada, "vera"), "And on Sundays?", chat_session_id=chat)

    assert again.status_code == 200
    assert [message.author for message in stored(app) if message.is_user] == ["vera", "vera"]


def test_no_call_reaches_a_conversation_across_the_line(app: Flask, client: FlaskClient, ada: Person) -> None:
    """F2, F3"""
    vera, karl = visitor(app, ada, "vera"), visitor(app, ada, "karl")
    adas, veras = begin(app, ada, "Private"), begin(app, vera, "Private")
    calls = calls_with_a_conversation(app)
    assert len(calls) >= 4

    for stranger, chat in ((karl, veras), (ada, veras), (vera, adas)):
        for method, rule in calls:
            paths = [rule.replace("<uuid:session_id>", wanted) for wanted in (chat, str(uuid4()))]
            fields = {"username": "ada"} if (method, rule.endswith("members/")) == ("DELETE", True) else None
            call: dict[str, Any] = {"method": method, "json": BODIES.get(method), "query_string": fields}
            answers = [client.open(path, headers=stranger.headers, **call) for path in paths]
            invites = method == "POST" and rule.endswith("members/")
            status = 403 if invites and stranger is not ada else 404  # no visitor invites anybody, anywhere
            assert [answer.status_code for answer in answers] == [status, status], (method, rule)
            assert told(answers[0]) == told(answers[1])

    assert titles(client, ada) == titles(client, vera) == ["Private"]
    assert len(stored(app)) == 4


def test_no_question_reaches_a_conversation_across_the_line(app: Flask, ada: Person) -> None:
    """F2"""
    vera, karl = visitor(app, ada, "vera"), visitor(app, ada, "karl")
    adas, veras = begin(app, ada), begin(app, vera)

    for stranger, chat in ((karl, veras), (ada, veras), (vera, adas)):
        answers = [ask(app, stranger, chat_session_id=wanted) for wanted in (chat, str(uuid4()))]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert told(answers[0]) == told(answers[1])

    assert len(stored(app)) == 4


def test_another_visitors_conversation_is_in_no_prompt(make_app: MakeApp, openai_server: OpenAIServer) -> None:
    """J1"""
    app = with_model(make_app, openai_server)
    ada = sign_up(app, "ada")
    ask(app, visitor(app, ada, "vera"), "My canary is GREEN-FALCON-77, remember the word.")

    ask(app, visitor(app, ada, "karl"), "What is the canary word? GREEN?")

    assert "FALCON" not in str(openai_server.requests[-1].body)


def test_a_visitor_searches_only_where_they_may(app: Flask, ada: Person) -> None:
    """J1, J2"""
    add_and_ingest(app, HOURS, collection="shop")
    add_and_ingest(app, RETURNS, collection="returns")
    question = "How many days do I have to return goods?"

    def finds_it(person: Person, **body: Any) -> bool:
        reply = ask(app, person, question, **body).json
        assert reply is not None
        return RETURNS in {passage["text"] for passage in reply["message"]["metadata"]["retrieved_docs"]}

    assert not finds_it(visitor(app, ada, "vera", collections=["shop"]))
    assert finds_it(visitor(app, ada, "karl", collections=["shop", "returns"]))
    assert not finds_it(visitor(app, ada, "karl", collections=["shop", "returns"]), collections=["shop"])
    assert finds_it(visitor(app, ada, "nora"))


def test_a_visitor_of_no_collection_finds_nothing(app: Flask, ada: Person) -> None:
    add_and_ingest(app, HOURS)

    reply = ask(app, visitor(app, ada, "vera", collections=[])).json

    assert reply is not None
    assert reply["message"]["metadata"]["retrieved_docs"] == []
    assert reply["message"]["metadata"]["grounding"]["top_score"] is None


@pytest.mark.parametrize("asked", [["returns"], ["shop", "returns"], ["no such"]])
def test_asking_for_another_collection_is_refused_before_anything_is_stored(
    app: Flask, ada: Person, asked: list[str]
) -> None:
    add_and_ingest(app, HOURS, collection="shop")
    add_and_ingest(app, RETURNS, collection="returns")

    answer = ask(app, visitor(app, ada, "vera", collections=["shop"]), collections=asked)

    assert (answer.status_code, answer.json["code"]) == (403, "collection_not_allowed")  # type: ignore[index]
    assert stored(app) == []


def test_an_owner_is_the_user_or_one_visitor() -> None:
    caller = Caller("u", "k", "ada", False, True)

    assert Owner.of(caller) == Owner("u")
    assert Owner.of(Caller("u", "k", "vera", False, True, via="visitor", visitor="vera")) == Owner("u", "vera")
