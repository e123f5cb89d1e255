"""A stream that broke is picked up where it was, and nothing is asked or paid for twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from chatbot.chat.models import DailyUsage
from chatbot.current import services
from tests.chat.asking import Event, ask, events_of, open_stream, stored, text_of, visitor, with_model
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

MODEL = "gpt-3.5-turbo"
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"
WORDS = " ".join(f"word{n}" for n in range(60))


@pytest.fixture
def app(make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None) -> Flask:
    """An application whose model takes two seconds and more for an answer."""
    app = with_model(make_app, openai_server, database_url=database_url, resume_seconds=20)
    add_and_ingest(app, HOURS)
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, WORDS)
    return app


def pick_up(app: Flask, person: Person, message_id: str, after: object = None) -> TestResponse:
    headers = person.headers | ({} if after is None else {"Last-Event-ID": str(after)})
    return app.test_client().get(f"/api/chat/messages/{message_id}/stream/", headers=headers, buffered=False)


def heard_until(events: Iterator[Event], token: int) -> list[Event]:
    """The events up to a token."""
    heard = []
    while sum(name == "token" for name, _ in heard) < token:
        heard.append(next(events))
    return heard


def numbers(text: str) -> list[int]:
    return [int(line.removeprefix("id: ")) for line in text.splitlines() if line.startswith("id: ")]


def test_a_stream_that_broke_goes_on_where_it_was(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """K10: one message, one call of the model, one charge; no token twice and none missing."""
    response = open_stream(app, ada, key=KEY)
    heard = heard_until(events_of(response.response), 5)
    response.close()

    resumed = pick_up(app, ada, heard[0][1]["message_id"], len(heard))
    rest = list(events_of(resumed.response))
    resumed.close()

    assert text_of(heard + rest) == WORDS
    assert [name for name, _ in rest if name != "token"] == ["done"]
    assert rest[-1][1]["message"]["status"] == "complete"
    assert [message.status for message in stored(app)] == ["complete", "complete"]
    assert len(openai_server.streams()) == 1
    with services(app).sessions() as session:
        assert session.scalars(select(DailyUsage.answers)).all() == [1]
    limit = services(app).concurrency_limit
    openai_server.wait_for(lambda: limit._free._value == limit.count)
    openai_server.wait_for(lambda: services(app).broadcast._feeds == {})


def test_the_events_that_come_again_have_the_same_numbers(app: Flask, ada: Person) -> None:
    """K10"""
    response = open_stream(app, ada, key=KEY)
    message_id = heard_until(events_of(response.response), 3)[0][1]["message_id"]
    response.close()

    resumed = pick_up(app, ada, message_id, 4).text
    assert numbers(resumed)[0] == 5
    assert numbers(resumed) == list(range(5, len(numbers(resumed)) + 5))


def test_two_can_read_one_stream_and_either_may_leave(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """K10: without a key as well, as long as somebody reads."""
    response = open_stream(app, ada)
    first = events_of(response.response)
    message_id = heard_until(first, 2)[0][1]["message_id"]
    second = pick_up(app, ada, message_id)
    others = events_of(second.response)
    begun = heard_until(others, 1)

    response.close()

    assert text_of([*begun, *others]) == WORDS
    assert openai_server.streams()[0].left_at is None
    assert stored(app)[1].status == "complete"


def test_without_a_key_nobody_who_left_is_waited_for(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """K4, K10: what there was can be read whole."""
    response = open_stream(app, ada)
    message_id = heard_until(events_of(response.response), 3)[0][1]["message_id"]
    response.close()
    openai_server.wait_for(lambda: len(stored(app)) == 2, seconds=2)

    (done,) = events_of(pick_up(app, ada, message_id, 5).response)

    assert (done[0], done[1]["message"]["status"]) == ("done", "interrupted")
    assert done[1]["message"]["content"] == stored(app)[1].content


def test_with_a_key_somebody_who_does_not_come_back_is_not_waited_for_long(
    make_app: MakeApp, ada: Person, openai_server: OpenAIServer, database_url: str | None
) -> None:
    """K4"""
    app = with_model(make_app, openai_server, database_url=database_url, resume_seconds=0.3)
    openai_server.behave(MODEL, "hang")
    response = open_stream(app, ada, key=KEY)
    events = events_of(response.response)
    while next(events)[0] != "sources":
        pass
    response.close()

    openai_server.wait_for(lambda: openai_server.streams() and openai_server.streams()[0].left_at)
    openai_server.wait_for(lambda: [message.status for message in stored(app)] == ["complete", "interrupted"])


def test_an_answer_that_is_stored_is_told_as_done(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """K10"""
    openai_server.behave(MODEL, "answers")
    reply = ask(app, ada).json
    assert reply is not None

    for after in (None, 0, 9):
        text = pick_up(app, ada, reply["message"]["id"], after).text
        assert numbers(text) == [(after or 0) + 1]
        assert list(events_of([text])) == [("done", reply)]
    assert len(openai_server.streams()) == 1
    assert len(stored(app)) == 2


def test_another_process_says_that_it_does_not_have_the_stream(
    app: Flask, make_app: MakeApp, ada: Person, openai_server: OpenAIServer, database_url: str | None
) -> None:
    """K10: and once the answer is stored, it tells it."""
    other = with_model(make_app, openai_server, database_url=database_url)
    events = events_of(open_stream(app, ada).response)
    message_id = heard_until(events, 1)[0][1]["message_id"]

    refused = pick_up(other, ada, message_id, 3)

    assert (refused.status_code, refused.json["code"]) == (409, "reply_elsewhere")  # type: ignore[index]
    assert refused.headers["Retry-After"] == "1"
    done = list(events)[-1]
    assert list(events_of(pick_up(other, ada, message_id, 3).response)) == [done]


def test_a_stranger_picks_nothing_up(app: Flask, ada: Person, bob: Person) -> None:
    """F2, F3"""
    events = events_of(open_stream(app, ada).response)
    start = heard_until(events, 1)[0][1]

    for stranger in (bob, visitor(app, ada, "vera")):
        told = [pick_up(app, stranger, wanted) for wanted in (start["message_id"], str(uuid4()))]
        assert [(t.status_code, t.json["code"]) for t in told] == [(404, "message_not_found")] * 2  # type: ignore[index]

    list(events)
    refused = pick_up(app, ada, start["user_message_id"])
    assert (refused.status_code, refused.json["code"]) == (422, "not_an_answer")  # type: ignore[index]


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "", "9" * 30])
def test_a_number_of_an_event_is_a_number(sqlite_app: Flask, after: str) -> None:
    """G13"""
    ada = sign_up(sqlite_app, "ada")
    reply: Any = ask(sqlite_app, ada).json

    answer = pick_up(sqlite_app, ada, reply["message"]["id"], after)

    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")


def test_picking_up_takes_a_slot_while_it_reads(
    make_app: MakeApp, ada: Person, openai_server: OpenAIServer, database_url: str | None
) -> None:
    """K15"""
    app = with_model(make_app, openai_server, database_url=database_url, web_streams=2)
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, WORDS)
    events = events_of(open_stream(app, ada).response)
    message_id = heard_until(events, 1)[0][1]["message_id"]
    taken = [services(app).concurrency_limit.take() for _ in range(services(app).concurrency_limit.count - 1)]

    refused = pick_up(app, ada, message_id)

    assert (refused.status_code, refused.json["code"]) == (503, "too_many_streams")  # type: ignore[index]
    taken[0].release()
    assert list(events_of(pick_up(app, ada, message_id).response))[-1] == list(events)[-1]
