"""A stream ends soon after its reader may not read any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from chatbot.auth.models import ApiKey, User
from chatbot.chat.models import DailyUsage
from chatbot.db import begin_write
from chatbot.web import sse
from tests.chat.asking import events_of, open_stream, stored, text_of, visitor, with_model
from tests.conftest import HOURS, MakeApp, Person, put_in, sign_up
from tests.openai_server import OpenAIServer

MODEL = "gpt-3.5-turbo"


@pytest.fixture
def app(
    make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> Flask:
    """An application whose streams ask often, and whose model has a lot to say."""
    real = sse.stream
    monkeypatch.setattr(sse, "stream", lambda *args, **kwargs: real(*args, **kwargs, check_seconds=0.05))
    app = with_model(make_app, openai_server, database_url=database_url, web_streams=2)
    put_in(app, HOURS)
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, "word " * 2000)
    return app


def do(app: Flask, *statements: Any) -> None:
    with app.extensions["sessions"]() as session:
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
    with app.extensions["sessions"]() as session:
        assert session.scalars(select(DailyUsage.tokens)).one() == partial.extra["usage"]["total_tokens"] > 0
    slots = app.extensions["slots"]
    openai_server.wait_for(lambda: slots._free._value == slots.count)


def test_a_visitors_stream_ends_with_the_key(app: Flask, openai_server: OpenAIServer) -> None:
    """F8"""
    ada = sign_up(app, "ada")
    events = events_of(open_stream(app, visitor(app, ada, "vera")).response)
    while next(events)[0] != "token":
        pass

    do(app, delete(ApiKey))

    assert list(events)[-1][1]["code"] == "session_ended"
    _is_stopped(app, openai_server)


def test_a_stream_goes_on_when_its_token_has_expired(app: Flask, openai_server: OpenAIServer) -> None:
    """K6"""
    openai_server.say(MODEL, "word " * 50)
    vera = visitor(app, sign_up(app, "ada"), "vera", lifetime=timedelta(seconds=1))

    heard = list(events_of(open_stream(app, vera).response))

    assert app.test_client().get("/api/chat/usage/", headers=vera.headers).status_code == 401
    assert heard[-1][0] == "done"
    assert text_of(heard).count("word") == 50
