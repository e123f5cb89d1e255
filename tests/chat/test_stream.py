"""A reply as server-sent events."""

from __future__ import annotations

import json
import threading
import time

import pytest
from flask import Flask

from chatbot.chat.api.sse_events import drain, frames_of
from chatbot.current import services
from chatbot.errors import ChatbotError, problem
from chatbot.rag.events import Withdrawn
from chatbot.web.streaming import sse
from tests.chat.asking import (
    QUESTION,
    ask,
    connections_in_use,
    events_of,
    open_stream,
    stored,
    stream,
    text_of,
    with_model,
)
from tests.conftest import HOURS, PASSWORD, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import ANSWER, OpenAIServer

MODEL = "gpt-3.5-turbo"
LONG = "word " * 2000


@pytest.fixture
def model_app(make_app: MakeApp, openai_server: OpenAIServer) -> Flask:
    app = with_model(make_app, openai_server)
    add_and_ingest(app, HOURS)
    return app


def test_the_events_come_in_the_order_of_the_contract(app: Flask, ada: Person) -> None:
    """K3"""
    add_and_ingest(app, HOURS)

    events = stream(app, ada)

    names = [name for name, _ in events]
    assert names[:2] == ["start", "sources"]
    assert names[-1] == "done"
    assert names.count("done") == 1
    assert set(names[2:-1]) == {"token", "citation"}
    start, done = events[0][1], events[-1][1]
    assert set(start) == {"chat_session_id", "user_message_id", "message_id", "model"}
    assert start["message_id"] == done["message"]["id"]
    assert start["user_message_id"] == done["user_message"]["id"]
    assert text_of(events) == done["message"]["content"]
    assert events[1][1]["retrieved_docs"] == done["message"]["metadata"]["retrieved_docs"]
    assert [payload for name, payload in events if name == "citation"] == done["message"]["metadata"]["citations"]


def test_each_event_has_the_next_number(sqlite_app: Flask) -> None:
    text = open_stream(sqlite_app, sign_up(sqlite_app, "ada")).text

    numbers = [int(line.removeprefix("id: ")) for line in text.splitlines() if line.startswith("id: ")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert text.startswith(": hello\n\n")


def test_a_stream_and_json_tell_the_same(app: Flask, ada: Person) -> None:
    add_and_ingest(app, HOURS)

    plain, streamed = ask(app, ada).json, stream(app, ada)[-1][1]

    assert plain is not None
    assert plain["message"]["content"] == streamed["message"]["content"]
    assert plain["message"]["metadata"].keys() == streamed["message"]["metadata"].keys()
    assert plain.keys() == streamed.keys()


def test_a_model_is_heard_token_by_token(model_app: Flask, openai_server: OpenAIServer) -> None:
    openai_server.behave(MODEL, "slow")
    response = open_stream(model_app, sign_up(model_app, "ada"))
    events = events_of(response.response)

    arrived = [time.monotonic() for name, _ in events if name == "token"]

    assert len(arrived) == len(ANSWER.split())
    assert arrived[-1] - arrived[0] > 0.2
    assert stored(model_app)[1].extra["usage"]["completion_tokens"] == len(ANSWER.split())


@pytest.mark.parametrize(
    ("accept", "field", "streams"),
    [
        ("text/event-stream", None, True),
        ("application/json", None, False),
        ("*/*", None, False),
        ("text/event-stream", False, False),
        ("application/json", True, True),
        ("text/event-stream, application/json;q=0.5", None, True),
    ],
)
def test_the_caller_says_how_to_be_answered(sqlite_app: Flask, accept: str, field: bool | None, streams: bool) -> None:
    headers = sign_up(sqlite_app, "ada").headers | {"Accept": accept}
    body = {"message": QUESTION} | ({} if field is None else {"stream": field})

    response = sqlite_app.test_client().post("/api/chat/send/", json=body, headers=headers)

    assert response.mimetype == ("text/event-stream" if streams else "application/json")
    assert response.data


def test_proxies_are_told_to_pass_a_stream_through(sqlite_app: Flask) -> None:
    """K16"""
    response = open_stream(sqlite_app, sign_up(sqlite_app, "ada"))

    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in response.headers
    assert "Content-Length" not in response.headers
    assert response.data


def test_an_error_before_the_first_byte_is_an_ordinary_answer(sqlite_app: Flask) -> None:
    """K1"""
    response = open_stream(sqlite_app, sign_up(sqlite_app, "ada"), model="unheard-of")

    assert (response.status_code, response.mimetype) == (422, "application/problem+json")


def test_a_client_who_leaves_stops_the_model_and_keeps_what_there_was(
    model_app: Flask, openai_server: OpenAIServer
) -> None:
    """K4"""
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, LONG)
    response = open_stream(model_app, sign_up(model_app, "ada"))
    events = events_of(response.response)
    heard = [payload["text"] for _, (name, payload) in zip(range(5), events, strict=False) if name == "token"]
    left = time.monotonic()

    response.close()

    openai_server.wait_for(lambda: openai_server.requests[0].left_at, seconds=2)
    openai_server.wait_for(lambda: len(stored(model_app)) == 2, seconds=2)
    partial = stored(model_app)[1]
    assert (openai_server.requests[0].left_at or 0) - left < 1
    assert partial.status == "interrupted"
    assert partial.content.startswith("".join(heard))
    assert len(partial.content) < 200
    assert partial.extra["usage"]["estimated"] is True


def test_no_database_connection_is_held_while_the_model_speaks(
    make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None
) -> None:
    """M2"""
    app = with_model(make_app, openai_server, database_url=database_url)
    add_and_ingest(app, HOURS)
    openai_server.behave(MODEL, "slow")
    response = open_stream(app, sign_up(app, "ada"))
    held = []

    for name, _ in events_of(response.response):
        if name == "token":
            held.append(connections_in_use(app))

    assert held == [0] * len(ANSWER.split())


def test_no_database_connection_is_held_while_json_waits_for_the_model(
    model_app: Flask, openai_server: OpenAIServer
) -> None:
    """M2"""
    openai_server.behave(MODEL, "slow")
    ada = sign_up(model_app, "ada")
    asking = threading.Thread(target=ask, args=(model_app, ada))
    asking.start()
    openai_server.wait_for(lambda: openai_server.requests and openai_server.requests[0].tokens_written >= 3)

    held = connections_in_use(model_app)

    asking.join()
    assert held == 0


def test_beyond_the_slots_a_caller_is_told_to_come_back_and_all_else_goes_on(
    make_app: MakeApp, openai_server: OpenAIServer
) -> None:
    """K15"""
    app = with_model(make_app, openai_server, web_streams=2)
    ada = sign_up(app, "ada")
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, LONG)
    under_way = [open_stream(app, ada) for _ in range(services(app).concurrency_limit.count)]
    for response in under_way:
        next(events_of(response.response))

    refused = ask(app, ada)

    assert (refused.status_code, refused.json["code"]) == (503, "too_many_streams")  # type: ignore[index]
    assert int(refused.headers["Retry-After"]) > 0
    client = app.test_client()
    assert client.get("/healthz").status_code == 200
    assert client.post("/api/users/login/", json={"email": ada.email, "password": PASSWORD}).status_code == 200
    for response in under_way:
        response.close()
    openai_server.behave(MODEL, "answers")
    openai_server.say(MODEL, ANSWER)
    # A place is free when the work is over, which is a moment after its client has left.
    openai_server.wait_for(lambda: len(stored(app)) == 2 * len(under_way))
    openai_server.wait_for(lambda: ask(app, ada).status_code == 200)


@pytest.mark.parametrize("body", [{}, {"stream": True}, {"chat_session_id": "00000000-0000-4000-8000-000000000000"}])
def test_every_way_out_gives_the_slot_back(make_app: MakeApp, body: dict[str, object]) -> None:
    """K15"""
    app = make_app(web_streams=2)
    ada = sign_up(app, "ada")
    limit = services(app).concurrency_limit

    for _ in range(limit.count + 2):
        response = ask(app, ada, **body)
        assert response.status_code in (200, 404)
        assert response.data
        response.close()

    assert [limit.take() for _ in range(limit.count)]


def test_a_silent_model_is_bridged_with_pings() -> None:
    """K9"""

    def slow():  # type: ignore[no-untyped-def]
        time.sleep(0.25)
        yield "token", {"text": "late"}

    chunks = list(sse.stream(slow(), ping_seconds=0.1).response)

    assert chunks[0] == b": hello\n\n"
    assert chunks.count(b": ping\n\n") == 2
    assert chunks[-1] == b'event: token\nid: 1\ndata: {"text": "late"}\n\n'


def test_a_line_break_in_a_token_cannot_end_an_event() -> None:
    data = sse.frame(1, "token", {"text": "a\n\nevent: done\r\n\u2028"}).decode()

    assert data.count("\n") == 4
    assert json.loads(data.split("data: ")[1])["text"] == "a\n\nevent: done\r\n\u2028"


def test_a_reply_without_an_end_is_an_error() -> None:
    with pytest.raises(ChatbotError):
        drain(event for event in ())


def test_event_of_no_interest_to_clients_has_no_frame_and_unknown_one_is_refused() -> None:
    assert frames_of(Withdrawn(), problem) == []
    with pytest.raises(AssertionError):
        frames_of(object(), problem)  # type: ignore[arg-type]
