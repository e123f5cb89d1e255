"""A stream ends soon after its reader may not read any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from chatbot.auth import accounts
from chatbot.auth.models import ApiKey, User
from chatbot.chat.conversations import members
from chatbot.chat.models import ChatSession, DailyUsage, Owner
from chatbot.config import EXTRACTIVE
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.web.streaming import sse
from tests.chat.asking import events_of, open_stream, stored, stream, text_of, visitor, with_model
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

MODEL = "gpt-3.5-turbo"


@pytest.fixture
def app(
    make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> Flask:
    """An application whose streams ask often, and whose model has a lot to say."""
    real = sse.stream
    monkeypatch.setattr(sse, "stream", lambda *args, **kwargs: real(*args, **kwargs, check_seconds=0.05))
    app = with_model(make_app, openai_server, database_url=database_url, web_streams=2, chat_models=EXTRACTIVE)
    add_and_ingest(app, HOURS)
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, "word " * 2000)
    return app


def do(app: Flask, *statements: Any) -> None:
    with services(app).sessions() as session:
        begin_write(session)
        for statement in statements:
            session.execute(statement)
        session.commit()


def log_out(app: Flask, person: Person) -> None:
    client = app.test_client()
    answer = client.post("/api/users/logout/", json={"refresh": person.refresh}, headers=person.headers)
    assert answer.status_code == 204


def disable(app: Flask, person: Person) -> None:
    do(app, update(User).where(User.id == person.id).values(is_active=False))


@pytest.mark.parametrize("end", [log_out, disable])
def test_a_stream_ends_with_its_session(
    app: Flask, openai_server: OpenAIServer, end: Callable[[Flask, Person], None]
) -> None:
    """F8, K14"""
    ada = sign_up(app, "ada")
    events = events_of(open_stream(app, ada).response)
    while next(events)[0] != "token":
        pass

    end(app, ada)
    rest = list(events)

    name, problem = rest[-1]
    assert (name, problem["status"], problem["code"]) == ("error", 401, "session_ended")
    assert (problem["instance"], bool(problem["request_id"])) == ("/api/chat/send/", True)
    assert len(rest) < 1000
    _is_stopped(app, openai_server)


def _is_stopped(app: Flask, openai_server: OpenAIServer) -> None:
    """The model's call is cancelled, what there is is stored and paid for, and the slot is free."""
    openai_server.wait_for(lambda: openai_server.streams()[0].left_at)
    openai_server.wait_for(lambda: len(stored(app)) == 2)
    partial = stored(app)[1]
    assert partial.status == "interrupted"
    assert 0 < partial.content.count("word") < 1000
    with services(app).sessions() as session:
        assert session.scalars(select(DailyUsage.tokens)).one() == partial.extra["usage"]["total_tokens"] > 0
    limit = services(app).concurrency_limit
    openai_server.wait_for(lambda: limit._free._value == limit.count)


def test_a_visitors_stream_ends_with_the_key(app: Flask, openai_server: OpenAIServer) -> None:
    """F8"""
    ada = sign_up(app, "ada")
    events = events_of(open_stream(app, visitor(app, ada, "vera")).response)
    while next(events)[0] != "token":
        pass

    do(app, delete(ApiKey))

    assert list(events)[-1][1]["code"] == "session_ended"
    _is_stopped(app, openai_server)


def remove(app: Flask, owner: Person, chat: str) -> None:
    answer = app.test_client().delete(
        f"/api/chat/sessions/{chat}/members/", query_string={"username": "bob"}, headers=owner.headers
    )
    assert answer.status_code == 204


def delete_account(app: Flask, _owner: Person, _chat: str) -> None:
    with app.app_context(), services(app).sessions() as session:
        accounts.delete_user(session, "bob")


def group(app: Flask) -> tuple[Person, Person, str]:
    """Ada's conversation in which bob takes part."""
    ada, bob = sign_up(app, "ada"), sign_up(app, "bob")
    chat = stream(app, ada, model=EXTRACTIVE)[0][1]["chat_session_id"]
    with app.app_context(), services(app).sessions() as session:
        members.add_member(session, Owner(ada.id), chat, "bob")
    return ada, bob, chat


@pytest.mark.parametrize(("end", "code"), [(remove, "chat_session_not_found"), (delete_account, "session_ended")])
def test_joined_stream_ends_when_member_is_removed(
    app: Flask, end: Callable[[Flask, Person, str], None], code: str
) -> None:
    ada, bob, chat = group(app)
    mine = open_stream(app, ada, chat_session_id=chat)
    events = events_of(mine.response)
    _, begun = next(events)
    joined = app.test_client().get(
        f"/api/chat/messages/{begun['message_id']}/stream/", headers=bob.headers, buffered=False
    )
    theirs = events_of(joined.response)
    while next(theirs)[0] != "token":
        pass

    end(app, ada, chat)
    rest = list(theirs)

    assert (rest[-1][0], rest[-1][1]["code"]) == ("error", code)
    assert len(rest) < 1000
    # The owner reads on.
    assert next(events)[0] != "error"
    mine.close()


def test_own_stream_of_removed_member_ends_and_is_stopped(app: Flask, openai_server: OpenAIServer) -> None:
    ada, bob, chat = group(app)
    events = events_of(open_stream(app, bob, chat_session_id=chat).response)
    while next(events)[0] != "token":
        pass

    remove(app, ada, chat)
    rest = list(events)

    assert (rest[-1][0], rest[-1][1]["code"]) == ("error", "chat_session_not_found")
    openai_server.wait_for(lambda: len(stored(app)) == 4)
    assert stored(app)[-1].status == "interrupted"


def test_stream_ends_when_its_conversation_is_deleted(app: Flask, openai_server: OpenAIServer) -> None:
    """Whether or not the process that makes the answer has noticed it by then."""
    ada = sign_up(app, "ada")
    events = events_of(open_stream(app, ada).response)
    _, begun = next(events)
    while next(events)[0] != "token":
        pass

    deleted = delete(ChatSession).where(ChatSession.id == begun["chat_session_id"])
    do(app, deleted)
    rest = list(events)

    assert (rest[-1][0], rest[-1][1]["code"]) == ("error", "chat_session_not_found")
    openai_server.wait_for(lambda: openai_server.streams()[0].left_at)


def test_streams_ask_at_least_every_thirty_seconds() -> None:
    assert sse.CHECK_SECONDS <= 30


def test_a_stream_goes_on_when_its_token_has_expired(app: Flask, openai_server: OpenAIServer) -> None:
    """K6"""
    openai_server.say(MODEL, "word " * 50)
    vera = visitor(app, sign_up(app, "ada"), "vera", lifetime=timedelta(seconds=1))

    heard = list(events_of(open_stream(app, vera).response))

    assert app.test_client().get("/api/chat/usage/", headers=vera.headers).status_code == 401
    assert heard[-1][0] == "done"
    assert text_of(heard).count("word") == 50
