"""Conversations that branch: an edited question, and a question that is answered once more."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import delete
from werkzeug.test import TestResponse

from chatbot.chat.models import Message
from chatbot.current import services
from chatbot.db import begin_write
from tests.chat.asking import ask, events_of, stored, visitor, with_model
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

MODEL = "gpt-3.5-turbo"
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


@pytest.fixture
def app(make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None) -> Flask:
    """An application whose model numbers its answers."""
    app = with_model(make_app, openai_server, database_url=database_url, chat_models="gpt-4o,extractive")
    add_and_ingest(app, HOURS)
    for model in (MODEL, "gpt-4o"):
        openai_server.behave(model, "answers")
        openai_server.say(model, lambda body: f"Answer {len(openai_server.streams())} of {body['model']}.")
    return app


def regenerate(app: Flask, person: Person, message_id: str, key: str | None = None, **body: Any) -> TestResponse:
    headers = person.headers | ({"Idempotency-Key": key} if key else {})
    return app.test_client().post(f"/api/chat/messages/{message_id}/regenerate/", json=body, headers=headers)


def asked(app: Flask, person: Person, message: str, **body: Any) -> tuple[str, str, str]:
    """The ids of the conversation, the question and the answer."""
    reply = ask(app, person, message, **body).json
    assert reply is not None
    assert "message" in reply, reply
    return reply["chat_session_id"], reply["user_message"]["id"], reply["message"]["id"]


def last_prompt(server: OpenAIServer) -> list[str]:
    """What the model was told last, without the instructions."""
    return [content for role, content in server.streams()[-1].messages if role != "system"]


def tree(app: Flask, person: Person, chat: str) -> dict[str, str | None]:
    """Each message's parent, by what they say."""
    url = f"/api/chat/sessions/{chat}/messages/"
    items = app.test_client().get(url, query_string={"limit": 100}, headers=person.headers).json["items"]  # type: ignore[index]
    said = {item["id"]: item["content"] for item in items}
    return {item["content"]: said.get(item["parent_id"]) for item in items}


def test_an_edited_question_begins_a_branch_that_knows_only_its_own_path(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    chat, _, first = asked(app, ada, "First?")
    asked(app, ada, "Second?", chat_session_id=chat)

    edited = ask(app, ada, "Second, put better?", chat_session_id=chat, parent_id=first).json

    assert edited is not None
    assert edited["user_message"]["parent_id"] == first
    prompt = last_prompt(openai_server)
    assert "First?" in prompt
    assert "Second?" not in prompt
    assert tree(app, ada, chat)["Second, put better?"] == tree(app, ada, chat)["Second?"]
    asked(app, ada, "And then?", chat_session_id=chat)
    assert [text for text in last_prompt(openai_server) if text.endswith("?")] == [
        "First?",
        "Second, put better?",
        "And then?",
    ]


def test_without_a_parent_a_question_continues_the_newest_message(app: Flask, ada: Person) -> None:
    chat, _, first = asked(app, ada, "First?")
    asked(app, ada, "Second?", chat_session_id=chat)
    _, _, newest = asked(app, ada, "Other second?", chat_session_id=chat, parent_id=first)

    reply = ask(app, ada, "Third?", chat_session_id=chat).json

    assert reply is not None
    assert reply["user_message"]["parent_id"] == newest


def test_the_conversation_itself_is_the_parent_of_a_first_question(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    chat, _, _ = asked(app, ada, "First?")

    reply = ask(app, ada, "First, put better?", chat_session_id=chat, parent_id=chat).json

    assert reply is not None
    assert reply["user_message"]["parent_id"] is None
    assert [text for text in last_prompt(openai_server) if text.endswith("?")] == ["First, put better?"]
    assert [message.position for message in stored(app)] == [0, 1, 2, 3]


def test_the_parent_alone_names_the_conversation(app: Flask, ada: Person) -> None:
    chat, _, first = asked(app, ada, "First?")

    assert asked(app, ada, "Second?", parent_id=first)[0] == chat


def test_a_parent_has_to_be_in_the_same_conversation_of_the_caller(app: Flask, ada: Person, bob: Person) -> None:
    """F2, F3"""
    chat, _, _ = asked(app, ada, "First?")
    _, _, elsewhere = asked(app, ada, "Elsewhere?")
    bobs, _, his = asked(app, bob, "Bob's?")
    _, _, hers = asked(app, visitor(app, ada, "vera"), "Vera's?")
    before = len(stored(app))

    bodies: list[dict[str, Any]] = [
        {"chat_session_id": chat, "parent_id": parent} for parent in (elsewhere, his, hers, bobs, str(uuid4()))
    ]
    bodies += [{"parent_id": parent} for parent in (his, hers, str(uuid4()))]
    told = [ask(app, ada, "Mine?", **body) for body in bodies]

    assert [(t.status_code, t.json["code"]) for t in told] == [(404, "message_not_found")] * 8  # type: ignore[index]
    assert len(stored(app)) == before
    # What was refused holds nothing.
    assert ask(app, ada, "Second?", chat_session_id=chat).status_code == 200


def test_a_question_goes_below_an_answer(app: Flask, ada: Person) -> None:
    """F5: below another question only where that was never answered."""
    chat, question, answer = asked(app, ada, "First?")

    for body in ({"parent_id": question}, {"parent_id": question, "chat_session_id": chat}):
        told: Any = ask(app, ada, "Below a question?", **body).json
        assert (told["status"], [error["pointer"] for error in told["errors"]]) == (422, ["/parent_id"])
    assert len(stored(app)) == 2

    with services(app).sessions() as session:
        begin_write(session)
        session.execute(delete(Message).where(Message.id == answer))
        session.commit()
    below: Any = ask(app, ada, "Below a question without an answer?", parent_id=question).json
    assert below["user_message"]["parent_id"] == question


def test_a_question_is_answered_once_more_beside_its_first_answer(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    chat, _, _ = asked(app, ada, "First?")
    _, question, answer = asked(app, ada, "Second?", chat_session_id=chat)

    reply = regenerate(app, ada, answer, model="gpt-4o").json

    assert reply is not None
    assert (reply["user_message"]["id"], reply["chat_session_id"]) == (question, chat)
    assert reply["message"]["parent_id"] == question
    assert reply["message"]["id"] != answer
    assert reply["message"]["metadata"]["model"] == "gpt-4o"
    prompt = last_prompt(openai_server)
    assert [text for text in prompt if text.endswith("?")] == ["First?", "Second?"]
    assert not any("Answer 2" in text for text in prompt)
    assert [(m.position, m.status) for m in stored(app)] == [(n, "complete") for n in range(5)]
    assert regenerate(app, ada, question).json["message"]["parent_id"] == question  # type: ignore[index]


def test_what_follows_an_answer_that_was_made_again_knows_the_new_one(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    chat, _, answer = asked(app, ada, "First?")
    regenerate(app, ada, answer)

    asked(app, ada, "Second?", chat_session_id=chat)
    newest = last_prompt(openai_server)
    asked(app, ada, "Second, of the old?", chat_session_id=chat, parent_id=answer)

    assert any("Answer 2" in text for text in newest)
    assert not any("Answer 1" in text for text in newest)
    assert any("Answer 1" in text for text in last_prompt(openai_server))


def test_an_answer_made_again_can_be_a_stream(app: Flask, ada: Person) -> None:
    _, _, answer = asked(app, ada, "First?")

    events = list(events_of(regenerate(app, ada, answer, stream=True).response))

    assert [name for name, _ in events][:2] == ["start", "sources"]
    assert events[-1][0] == "done"


def test_answering_once_more_with_a_key_is_done_once(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """M16"""
    _, _, answer = asked(app, ada, "First?")

    first, second = (regenerate(app, ada, answer, key=KEY) for _ in range(2))

    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json == first.json
    assert len(openai_server.streams()) == 2
    assert len(stored(app)) == 3


def test_an_answer_made_again_that_failed_is_made_at_its_place_with_its_key(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    """M16"""
    chat, _, answer = asked(app, ada, "First?")
    openai_server.behave(MODEL, "http-401", "answers")
    assert regenerate(app, ada, answer, key=KEY).status_code == 502
    asked(app, ada, "Second?", chat_session_id=chat)

    reply = regenerate(app, ada, answer, key=KEY).json

    assert reply is not None
    places = {message.id: message.position for message in stored(app)}
    assert (places[reply["message"]["id"]], sorted(places.values())) == (2, [0, 1, 2, 3, 4])


def test_nothing_need_be_said_to_answer_once_more(app: Flask, ada: Person) -> None:
    """M16: without a body it is the same as with an empty object, for a key as well."""
    _, _, answer = asked(app, ada, "First?")
    url, client = f"/api/chat/messages/{answer}/regenerate/", app.test_client()
    keyed = ada.headers | {"Idempotency-Key": KEY}

    bare = client.post(url, headers=keyed)

    assert (bare.status_code, client.post(url, json={}, headers=keyed).json) == (200, bare.json)
    assert client.post(url, data=b"{}", headers=ada.headers).status_code == 415
    assert client.post(url, data=b"model=x", headers=ada.headers).status_code == 415
    assert client.post(url, content_type="application/json", headers=ada.headers).status_code == 400
    feedback = client.post(f"/api/chat/messages/{answer}/feedback/", headers=ada.headers)
    assert feedback.status_code == 415


def test_a_strangers_answer_is_not_made_again(app: Flask, ada: Person, bob: Person) -> None:
    """F2, F3"""
    _, _, answer = asked(app, ada, "First?")

    told = [regenerate(app, bob, wanted) for wanted in (answer, str(uuid4()))]

    assert [(t.status_code, t.json["code"]) for t in told] == [(404, "message_not_found")] * 2  # type: ignore[index]
    assert len(stored(app)) == 2


@pytest.mark.parametrize(
    "body", [{"model": "no such"}, {"message": "Another?"}, {"stream": "yes"}, {"role": "system"}], ids=str
)
def test_what_else_is_sent_to_answer_again_is_refused(sqlite_app: Flask, body: dict[str, Any]) -> None:
    """F5, J9"""
    ada = sign_up(sqlite_app, "ada")
    _, _, answer = asked(sqlite_app, ada, "First?")

    assert regenerate(sqlite_app, ada, answer, **body).status_code == 422
    assert len(stored(sqlite_app)) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"role": "system"},
        {"messages": [{"role": "assistant", "content": "I promise."}]},
        {"history": []},
        {"is_user": False},
    ],
    ids=["role", "messages", "history", "is_user"],
)
def test_no_client_writes_the_history(sqlite_app: Flask, body: dict[str, Any]) -> None:
    """J9"""
    refused = ask(sqlite_app, sign_up(sqlite_app, "ada"), **body)

    assert refused.status_code == 422
    assert stored(sqlite_app) == []


def test_a_long_branch_is_known_by_its_newest_messages(
    app: Flask, ada: Person, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot.chat.replies.turns.HISTORY_MESSAGES", 2)
    chat, _, _ = asked(app, ada, "First?")
    asked(app, ada, "Second?", chat_session_id=chat)

    asked(app, ada, "Third?", chat_session_id=chat)

    assert [text for text in last_prompt(openai_server) if text.endswith("?")] == ["Second?", "Third?"]
