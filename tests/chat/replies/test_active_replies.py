"""Answers that are under way: one a conversation, and stopped by whoever may."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from chatbot.auth.callers import Caller
from chatbot.chat.conversations.leases import LEASE
from chatbot.chat.models import ChatSession
from chatbot.chat.replies import active_replies
from chatbot.chat.replies.turns import begin_turn
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from tests.chat.asking import Event, ask, events_of, open_stream, stored, text_of, visitor, with_model
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import ANSWER, OpenAIServer

MODEL = "gpt-3.5-turbo"


@pytest.fixture
def app(make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None) -> Flask:
    """An application whose model has a lot to say, slowly."""
    app = with_model(make_app, openai_server, database_url=database_url, model_read_seconds=30)
    add_and_ingest(app, HOURS)
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, "word " * 2000)
    return app


def stop(app: Flask, person: Person, message_id: str) -> TestResponse:
    return app.test_client().post(f"/api/chat/messages/{message_id}/stop/", headers=person.headers)


def begun(app: Flask, person: Person, until: str = "token", **body: Any) -> tuple[dict[str, Any], Iterator[Event]]:
    """The start of a streamed answer, read up to the first event of a kind, and the rest of its events."""
    events = events_of(open_stream(app, person, **body).response)
    _, start = next(events)
    while until != "start" and next(events)[0] != until:
        pass
    return start, events


def change(app: Flask, **values: Any) -> None:
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(ChatSession).values(**values))
        session.commit()


def test_an_answer_that_is_stopped_is_done_as_far_as_it_came(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    start, events = begun(app, ada)

    told = stop(app, ada, start["message_id"])

    assert (told.status_code, told.json) == (202, {"message_id": start["message_id"], "status": "stopping"})
    rest = list(events)
    name, reply = rest[-1]
    assert (name, reply["message"]["status"]) == ("done", "interrupted")
    partial = stored(app)[1]
    assert (partial.id, partial.status) == (start["message_id"], "interrupted")
    assert partial.content == reply["message"]["content"]
    assert 0 < partial.content.count("word") < 1000
    assert partial.extra["usage"]["total_tokens"] > 0
    openai_server.wait_for(lambda: openai_server.streams()[0].left_at)
    limit = services(app).concurrency_limit
    openai_server.wait_for(lambda: limit._free._value == limit.count)


@pytest.mark.parametrize("behaviour", ["hang", "stall"])
def test_an_answer_that_waits_for_the_model_is_stopped_as_well(
    app: Flask, ada: Person, openai_server: OpenAIServer, behaviour: str
) -> None:
    """L6: for its first word, or for the next one; and the model's call is closed."""
    openai_server.behave(MODEL, behaviour)
    start, events = begun(app, ada, until="sources" if behaviour == "hang" else "token")
    written = 0 if behaviour == "hang" else 3
    openai_server.wait_for(lambda: [stream.tokens_written for stream in openai_server.streams()] == [written])

    stop(app, ada, start["message_id"])

    (name, reply), *more = [event for event in events if event[0] != "token"]
    assert (name, reply["message"]["status"], more) == ("done", "interrupted", [])
    assert reply["message"]["content"] == ("" if behaviour == "hang" else "word word word")
    openai_server.wait_for(lambda: openai_server.streams()[0].left_at)
    assert len(openai_server.streams()) == 1


def test_an_answer_as_json_is_stopped_too(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    answers: list[TestResponse] = []
    asking = threading.Thread(target=lambda: answers.append(ask(app, ada)))
    asking.start()
    openai_server.wait_for(lambda: openai_server.streams() and openai_server.streams()[0].tokens_written >= 3)
    with services(app).sessions() as session:
        (answer_id,) = session.query(ChatSession.answering_id).one()

    assert stop(app, ada, str(answer_id)).status_code == 202

    asking.join(10)
    assert answers[0].status_code == 200
    assert answers[0].json["message"]["status"] == "interrupted"  # type: ignore[index]


def test_another_process_can_ask_for_it(
    app: Flask,
    make_app: MakeApp,
    ada: Person,
    openai_server: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str | None,
) -> None:
    monkeypatch.setattr(active_replies, "LOOK_SECONDS", 0.05)
    other = with_model(make_app, openai_server, database_url=database_url)
    start, events = begun(app, ada)

    assert stop(other, ada, start["message_id"]).status_code == 202

    assert list(events)[-1][1]["message"]["status"] == "interrupted"
    openai_server.wait_for(lambda: openai_server.streams()[0].left_at)


@pytest.mark.parametrize("behaviour", ["slow", "hang"])
@pytest.mark.parametrize("where", ["here", "another process"])
def test_an_answer_in_a_conversation_that_is_deleted_is_stopped(
    app: Flask,
    make_app: MakeApp,
    ada: Person,
    openai_server: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str | None,
    behaviour: str,
    where: str,
) -> None:
    """L6: nobody pays for what nobody can read."""
    monkeypatch.setattr(active_replies, "LOOK_SECONDS", 3600 if where == "here" else 0.05)
    deletes = app if where == "here" else with_model(make_app, openai_server, database_url=database_url)
    openai_server.behave(MODEL, behaviour)
    start, events = begun(app, ada, until="token" if behaviour == "slow" else "sources")
    openai_server.wait_for(lambda: openai_server.streams())

    url = f"/api/chat/sessions/{start['chat_session_id']}/"
    assert deletes.test_client().delete(url, headers=ada.headers).status_code == 204

    name, error = list(events)[-1]
    assert (name, error["code"]) == ("error", "chat_session_not_found")
    openai_server.wait_for(lambda: openai_server.streams()[0].left_at)
    assert openai_server.streams()[0].tokens_written < 1000
    assert stored(app) == []


def test_a_process_looks_once_for_all_its_answers(
    app: Flask, ada: Person, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active_replies, "LOOK_SECONDS", 0.2)
    looks: list[float] = []
    real = active_replies.ActiveReplies._look
    monkeypatch.setattr(
        active_replies.ActiveReplies, "_look", lambda self: (looks.append(time.monotonic()), real(self))[1]
    )
    begun_at = time.monotonic()
    under_way = [begun(app, ada) for _ in range(4)]

    openai_server.wait_for(lambda: len(looks) >= 4)
    assert len(looks) <= (time.monotonic() - begun_at) / 0.2 + 1
    for start, events in under_way:
        stop(app, ada, start["message_id"])
        assert list(events)[-1][0] == "done"


def test_stopping_an_answer_that_is_stored_changes_nothing(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    openai_server.behave(MODEL, "answers")
    openai_server.say(MODEL, ANSWER)
    reply = ask(app, ada).json
    assert reply is not None

    told = [stop(app, ada, reply["message"]["id"]) for _ in range(2)]

    assert [(t.status_code, t.json["status"]) for t in told] == [(202, "complete")] * 2  # type: ignore[index]
    refused = stop(app, ada, reply["user_message"]["id"])
    assert (refused.status_code, refused.json["code"]) == (422, "not_an_answer")  # type: ignore[index]
    assert stored(app)[1].content == ANSWER


def test_a_stranger_stops_nothing(app: Flask, ada: Person, bob: Person) -> None:
    """F2, F3"""
    start, events = begun(app, ada)

    told = [
        stop(app, stranger, wanted)
        for stranger in (bob, visitor(app, ada, "vera"))
        for wanted in (start["message_id"], str(uuid4()))
    ]

    assert [(t.status_code, t.json["code"]) for t in told] == [(404, "message_not_found")] * 4  # type: ignore[index]
    assert not services(app).replies.running._replies[start["message_id"]].stop.is_set()
    stop(app, ada, start["message_id"])
    assert list(events)[-1][0] == "done"


def test_a_second_question_waits_for_the_first(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """K11: it is told so, nothing of it is stored, and afterwards it has its turn."""
    start, events = begun(app, ada)
    chat = start["chat_session_id"]

    refused = ask(app, ada, "And on Sundays?", chat_session_id=chat)

    assert (refused.status_code, refused.json["code"]) == (409, "reply_in_progress")  # type: ignore[index]
    assert refused.headers["Retry-After"] == "1"
    assert [message.content for message in stored(app)] == ["When does the shop open on Saturdays?"]
    stop(app, ada, start["message_id"])
    assert list(events)[-1][0] == "done"
    openai_server.behave(MODEL, "answers")
    openai_server.say(MODEL, ANSWER)
    assert ask(app, ada, "And on Sundays?", chat_session_id=chat).status_code == 200
    assert [message.position for message in stored(app)] == [0, 1, 2, 3]


def test_another_conversation_goes_on_meanwhile(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """K11"""
    start, events = begun(app, ada)

    second, others = begun(app, ada)

    assert second["chat_session_id"] != start["chat_session_id"]
    for message, rest in ((start, events), (second, others)):
        stop(app, ada, message["message_id"])
        assert list(rest)[-1][0] == "done"


@pytest.mark.parametrize("behaviour", ["http-401", "cut", "answers"])
def test_however_an_answer_ends_the_conversation_is_free(
    app: Flask, ada: Person, openai_server: OpenAIServer, behaviour: str
) -> None:
    """K11"""
    openai_server.behave(MODEL, behaviour, "answers")
    openai_server.say(MODEL, ANSWER)
    ask(app, ada)

    again = ask(app, ada, "And on Sundays?", chat_session_id=stored(app)[0].chat_session_id)

    assert again.status_code == 200


def test_the_conversation_of_a_process_that_died_is_soon_free(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    """K11"""
    openai_server.behave(MODEL, "answers")
    with services(app).sessions() as session:
        turn = begin_turn(session, Caller(ada.id, "family", "ada", False, True), "When?", None, None)
    assert ask(app, ada, chat_session_id=turn.session_id).status_code == 409
    assert timedelta(seconds=60) >= LEASE
    change(app, answering_until=utcnow() - timedelta(seconds=1))

    assert ask(app, ada, chat_session_id=turn.session_id).status_code == 200
    told = stop(app, ada, turn.answer_id)
    assert (told.status_code, told.json["status"]) == (202, "interrupted")


def test_a_long_answer_keeps_its_conversation(
    app: Flask, ada: Person, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K11: the lease is prolonged while the answer is at work, also while the model is silent."""
    monkeypatch.setattr(active_replies, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(active_replies, "RENEW_SECONDS", 0.02)
    openai_server.behave(MODEL, "hang")
    start, events = begun(app, ada, until="sources")
    soon = utcnow() + timedelta(seconds=1)
    change(app, answering_until=soon)

    def prolonged() -> bool:
        with services(app).sessions() as session:
            (until,) = session.query(ChatSession.answering_until).one()
            return bool(until > soon)

    openai_server.wait_for(prolonged)
    stop(app, ada, start["message_id"])
    assert text_of(events) == ""


def test_a_stop_while_the_database_is_away_is_heard_in_the_process(
    app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    def away(*_args: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr(active_replies, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(active_replies.ActiveReplies, "_look", away)
    start, events = begun(app, ada)

    services(app).replies.running.stop(start["message_id"])

    assert list(events)[-1][1]["message"]["status"] == "interrupted"


def test_who_leaves_while_the_model_is_silent_cancels_it_at_once(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    """K4: the model's next word is not waited for."""
    openai_server.behave(MODEL, "hang")
    response = open_stream(app, ada)
    events = events_of(response.response)
    while next(events)[0] != "sources":
        pass
    openai_server.wait_for(openai_server.streams)

    response.close()

    openai_server.wait_for(lambda: openai_server.streams()[0].left_at, seconds=3)
    openai_server.wait_for(lambda: [message.status for message in stored(app)] == ["complete", "interrupted"])


def test_the_owner_sees_a_stop_of_a_deleted_conversation_as_missing(make_app: MakeApp) -> None:
    app = make_app()
    ada = sign_up(app, "ada")
    reply = ask(app, ada).json
    assert reply is not None
    app.test_client().delete(f"/api/chat/sessions/{reply['chat_session_id']}/", headers=ada.headers)

    assert stop(app, ada, reply["message"]["id"]).status_code == 404
