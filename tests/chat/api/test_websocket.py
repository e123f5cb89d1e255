"""GET /api/chat/ws/ over real sockets: what it tells, what it refuses, and what closes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import update
from wsproto.events import Ping

from chatbot.auth.credentials import keys
from chatbot.auth.models import User
from chatbot.chat.api import websocket
from chatbot.chat.conversations import members
from chatbot.chat.models import Owner
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.web.streaming.concurrency_limit import ConcurrencyLimit
from chatbot.web.streaming.websockets import Sockets
from tests.chat.asking import connections_in_use, stored, visitor, with_model
from tests.chat.talking import Socket, serving, talking
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

MODEL = "gpt-3.5-turbo"
QUESTION = "When does the shop open on Saturdays?"


@pytest.fixture
def app(make_app: MakeApp, openai_server: OpenAIServer) -> Flask:
    app = with_model(make_app, openai_server, chat_model="extractive", chat_models=MODEL, log_level="INFO")
    add_and_ingest(app, HOURS)
    return app


@pytest.fixture
def ada(app: Flask) -> Person:
    return sign_up(app, "ada")


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    with serving(app) as url:
        yield url


@pytest.fixture
def ws(url: str, ada: Person) -> Iterator[Socket]:
    with talking(url, ada.access) as socket:
        yield socket


# What is said ---------------------------------------------------------------------------------------------------------


def test_an_answer_comes_as_the_events_of_a_stream_in_numbered_frames(app: Flask, ws: Socket) -> None:
    events = ws.ask(QUESTION)

    names = [name for name, _, _ in events]
    assert (names[:2], names[-1]) == (["start", "sources"], "done")
    assert [number for _, number, _ in events] == [str(n + 1) for n in range(len(events))]
    text = "".join(data["text"] for name, _, data in events if name == "token")
    reply = events[-1][2]
    assert reply["message"]["content"] == text
    assert [m.content for m in stored(app)] == [QUESTION, text]
    assert "citation" in names


def test_a_socket_takes_one_question_after_another_in_the_same_conversation(ws: Socket) -> None:
    first = ws.ask(QUESTION)[-1][2]
    second = ws.ask("And on Fridays?", chat_session_id=first["chat_session_id"])[-1][2]
    assert second["chat_session_id"] == first["chat_session_id"]
    assert second["user_message"]["parent_id"] == first["message"]["id"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"message": ""}, "invalid"),
        ({"message": "Hello\0"}, "invalid"),
        ({"message": "Hello", "role": "system"}, "invalid"),
        ({"message": "Hello", "model": "another"}, "invalid"),
        ({"message": "Hello", "collections": ["secret"]}, "collection_not_found"),
        ({"message": "Hello", "chat_session_id": "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"}, "chat_session_not_found"),
        ({"stop": "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"}, "message_not_found"),
        ({"stop": "not-an-id"}, "invalid"),
        ({"access": "again"}, "invalid"),
    ],
    ids=["empty", "nul", "unknown-field", "model", "collection", "conversation", "stop", "stop-id", "token-again"],
)
def test_what_is_refused_is_a_problem_and_the_socket_stays_open(
    app: Flask, ws: Socket, fields: dict[str, Any], code: str
) -> None:
    ws.send(**fields)

    name, number, problem = ws.event()

    assert (name, number, problem["code"]) == ("error", None, code)
    assert problem["instance"] == "/api/chat/ws/"
    assert stored(app) == []
    assert ws.ask(QUESTION)[-1][0] == "done"


def test_a_problem_is_told_in_the_clients_language(url: str, ada: Person) -> None:
    """H5"""
    with talking(url, ada.access, **{"Accept-Language": "de-AT, en;q=0.5"}) as ws:
        ws.send(message="Hallo", collections=["geheim"])
        assert ws.event()[2]["title"] == "Nicht gefunden"


def test_questions_over_a_socket_count_like_others(
    make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None
) -> None:
    """J10"""
    app = with_model(
        make_app,
        openai_server,
        database_url=database_url,
        chat_model="extractive",
        chat_models=MODEL,
        ratelimit_enabled=True,
        chat_rate_limit_per_minute=3,
        daily_tokens=10,
    )
    ada = sign_up(app, "ada")
    with serving(app) as url, talking(url, ada.access) as ws:
        ws.ask(QUESTION, model=MODEL)
        ws.send(message=QUESTION)
        spent = ws.event()[2]
        ws.send(message=QUESTION)
        ws.event()
        ws.send(message=QUESTION)
        often = ws.event()[2]
    assert (spent["code"], often["code"]) == ("quota_exceeded", "too_many_requests")


def test_an_answer_is_stopped_over_its_socket(app: Flask, ws: Socket, openai_server: OpenAIServer) -> None:
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, "word " * 2000)
    ws.send(message=QUESTION, model=MODEL)
    started = ws.until("token")[0][2]

    ws.send(stop=started["message_id"])

    assert ws.until("done")[-1][2]["message"]["status"] == "interrupted"
    assert ws.ask(QUESTION)[-1][0] == "done"


def test_a_second_question_waits_for_the_first_one(ws: Socket, openai_server: OpenAIServer) -> None:
    """K11"""
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, " ".join(f"word{n}" for n in range(30)))
    ws.send(message=QUESTION, model=MODEL)
    ws.until("token")

    ws.send(message="And this?")

    refused = ws.until("error")[-1]
    assert (refused[1], refused[2]["code"]) == (None, "reply_in_progress")
    assert ws.until("done")[-1][2]["message"]["status"] == "complete"


def test_a_client_who_leaves_stops_the_answer(app: Flask, url: str, ada: Person, openai_server: OpenAIServer) -> None:
    """K4"""
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, "word " * 2000)
    with talking(url, ada.access) as ws:
        ws.send(message=QUESTION, model=MODEL)
        ws.until("token")

    openai_server.wait_for(lambda: len(stored(app)) == 2)
    assert stored(app)[1].status == "interrupted"
    openai_server.wait_for(lambda: connections_in_use(app) == 0)
    openai_server.wait_for(lambda: services(app).sockets._free._value == services(app).sockets.count)


def test_an_open_socket_holds_no_database_connection(app: Flask, ws: Socket) -> None:
    ws.ask(QUESTION)
    assert connections_in_use(app) == 0


# What closes it -------------------------------------------------------------------------------------------------------


def test_a_page_of_another_origin_is_sent_away(url: str) -> None:
    """K13"""
    with talking(url, Origin="https://evil.example.com") as ws:
        assert ws.closing() == (1008, "This origin may not call.")


@pytest.mark.parametrize("origin", ["http://127.0.0.1", "https://app.example.com", "https://chat.example.com"])
def test_a_page_of_this_server_or_of_a_named_origin_may_call(make_app: MakeApp, origin: str) -> None:
    """K13"""
    app = make_app(cors_origins=["https://app.example.com"], public_url="https://chat.example.com/chat")
    ada = sign_up(app, "ada")
    with serving(app) as url, talking(url, ada.access, Origin=origin) as ws:
        assert ws.ask("Hello?")[-1][0] == "done"


def test_without_a_token_in_time_it_is_closed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """K13"""
    assert websocket.FIRST_SECONDS == 5
    monkeypatch.setattr(websocket, "FIRST_SECONDS", 0.05)
    with talking(url) as ws:
        assert ws.closing() == (1008, "No token came in time.")


@pytest.mark.parametrize(
    "first",
    [{"message": QUESTION}, {"access": 1}, {"access": ["x"]}, {"access": "x", "message": "y"}, {"access": "\0"}],
    ids=["question", "number", "list", "more", "nul"],
)
def test_the_first_frame_is_the_token_and_nothing_else(app: Flask, url: str, first: dict[str, Any]) -> None:
    """K13"""
    with talking(url) as ws:
        ws.send(**first)
        assert ws.closing()[0] == 1008
    assert stored(app) == []


def test_a_token_in_the_address_is_refused(url: str, ada: Person) -> None:
    """K13"""
    with talking(f"{url}?access={ada.access}") as ws:
        assert ws.closing() == (1008, "The address takes no parameters.")


def test_a_wrong_token_is_told_what_is_wrong_and_closed(url: str, ada: Person) -> None:
    """K13"""
    with talking(url, ada.access + "x") as ws:
        name, _, problem = ws.event()
        assert (name, problem["code"]) == ("error", "invalid_token")
        assert ws.closing()[0] == 1008


@pytest.mark.parametrize("text", ["{", "[]", '"hello"', "NaN", "[" * 5000, ""], ids=lambda text: text[:8] or "nothing")
def test_what_is_no_json_object_closes_it(app: Flask, ws: Socket, text: str) -> None:
    """K13"""
    ws.client.send(text)
    assert ws.closing()[0] == 1003
    assert stored(app) == []


def test_a_binary_frame_closes_it(ws: Socket) -> None:
    """K13"""
    ws.client.send(b'{"message": "Hello"}')
    assert ws.closing() == (1003, "Send text.")


def test_a_frame_of_a_megabyte_closes_it(ws: Socket) -> None:
    """K13"""
    ws.send(message="x" * 1_000_000)
    assert ws.closing()[0] == 1009


def test_a_flood_of_pings_closes_it(ws: Socket) -> None:
    """K13"""
    ws.client.sock.sendall(b"".join(ws.client.ws.send(Ping()) for _ in range(1000)))
    assert ws.closing() == (1008, "Too many frames.")


def test_a_flood_of_questions_closes_it(app: Flask, ws: Socket, openai_server: OpenAIServer) -> None:
    """K13"""
    openai_server.behave(MODEL, "hang")
    for _ in range(100):
        ws.send(message=QUESTION, model=MODEL)
    assert ws.closing() == (1008, "Too many frames.")


def log_out(app: Flask, person: Person) -> None:
    answer = app.test_client().post("/api/users/logout/", json={"refresh": person.refresh}, headers=person.headers)
    assert answer.status_code == 204


def change(**values: Any) -> Callable[[Flask, Person], None]:
    def do(app: Flask, person: Person) -> None:
        with services(app).sessions() as session:
            begin_write(session)
            session.execute(update(User).where(User.id == person.id).values(**values))
            session.commit()

    return do


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (log_out, "session_ended"),
        (change(is_active=False), "session_ended"),
        (change(is_admin=True), "role_changed"),
    ],
    ids=["revoked", "disabled", "another-role"],
)
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "answering"])
def test_who_may_not_go_on_is_sent_away(
    app: Flask,
    url: str,
    ada: Person,
    openai_server: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[Flask, Person], None],
    code: str,
    busy: bool,
) -> None:
    """K14"""
    assert websocket.CHECK_SECONDS * 2 <= 30
    monkeypatch.setattr(websocket, "CHECK_SECONDS", 0.05)
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, "word " * 2000)
    with talking(url, ada.access) as ws:
        ws.ask(QUESTION)
        if busy:
            ws.send(message=QUESTION, model=MODEL)
            ws.until("token")
        end(app, ada)
        assert ws.until("error")[-1][2]["code"] == code
        assert ws.closing()[0] == 1008


def test_removed_member_is_told_and_the_socket_stays_open(
    app: Flask, url: str, ada: Person, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "CHECK_SECONDS", 0.05)
    bob = sign_up(app, "bob")
    with talking(url, ada.access) as ws:
        chat = ws.ask(QUESTION)[0][2]["chat_session_id"]
    with app.app_context(), services(app).sessions() as session:
        members.add_member(session, Owner(ada.id), chat, "bob")
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, "word " * 2000)
    with talking(url, bob.access) as ws:
        ws.send(message=QUESTION, model=MODEL, chat_session_id=chat)
        ws.until("token")

        with app.app_context(), services(app).sessions() as session:
            members.remove_member(session, Owner(ada.id), chat, "bob")

        assert ws.until("error")[-1][2]["code"] == "chat_session_not_found"
        openai_server.wait_for(lambda: len(stored(app)) == 4)
        assert stored(app)[-1].status == "interrupted"
        assert ws.ask(QUESTION)[-1][0] == "done"


def test_a_socket_without_questions_is_closed_some_day(url: str, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(websocket, "IDLE_SECONDS", 0.1)
    with talking(url, ada.access) as ws:
        assert ws.closing()[0] == 1001


def test_a_server_that_is_to_stop_finishes_its_answer_and_says_so(
    app: Flask, ws: Socket, openai_server: OpenAIServer
) -> None:
    """K12"""
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, " ".join(f"word{n}" for n in range(20)))
    ws.send(message=QUESTION, model=MODEL)
    ws.until("token")

    services(app).sockets.leaving = lambda: True

    assert ws.until("done")[-1][2]["message"]["status"] == "complete"
    assert ws.closing() == (1001, "The server is stopping; connect again.")


# Who gets one ---------------------------------------------------------------------------------------------------------


def by_key(*scopes: str) -> Callable[[Flask, Person], str]:
    def token(app: Flask, person: Person) -> str:
        with app.app_context(), services(app).sessions() as session:
            return keys.create_key(session, person.id, "A program", list(scopes), None)[1]

    return token


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda _app, person: person.access, None),
        (lambda _app, person: person.refresh, "invalid_token"),
        (by_key(keys.CHAT), None),
        (by_key(keys.EVERYTHING), None),
        (by_key(keys.READ, keys.WRITE, keys.VISITORS), "insufficient_scope"),
        (lambda app, person: visitor(app, person, "customer-1").access, None),
        (lambda app, _person: sign_up(app, "unverified").access, "email_not_verified"),
    ],
    ids=["access", "refresh", "key-chat", "key-all", "key-other-scopes", "visitor", "unverified"],
)
def test_a_token_opens_a_socket_as_far_as_it_opens_the_chat(
    make_app: MakeApp, token: Callable[[Flask, Person], str], code: str | None
) -> None:
    """F1"""
    app = make_app(require_verified_email=True)
    root = sign_up(app, "root", admin=True)
    with serving(app) as url, talking(url, token(app, root)) as ws:
        if code is None:
            assert ws.ask("Hello?")[-1][0] == "done"
        else:
            assert ws.event()[2]["code"] == code
            assert ws.closing()[0] == 1008


def handshake(url: str, **headers: str) -> requests.Response:
    """What answers a handshake that is not taken."""
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", **headers}
    return requests.get(url.replace("ws:", "http:"), headers=upgrade, timeout=15)


def test_sockets_take_half_of_the_places_and_the_others_stay_for_answers(make_app: MakeApp) -> None:
    """K15"""
    app = make_app()
    services(app).sockets = places = Sockets(ConcurrencyLimit(8))
    ada = sign_up(app, "ada")
    with serving(app) as url:
        sockets = [Socket(url, ada.access) for _ in range(places.count)]
        refused = handshake(url, **{"Sec-WebSocket-Key": "x" * 24, "Sec-WebSocket-Version": "13"})
        asked = app.test_client().post("/api/chat/send/", json={"message": "Hello?"}, headers=ada.headers)
        for socket in sockets:
            socket.leave()
    assert places.count == ConcurrencyLimit(8).count // 2
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
    assert refused.headers["Retry-After"] == "2"
    assert asked.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upgrade": "websocket", "Connection": "Upgrade"},
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "x" * 24, "Sec-WebSocket-Version": "8"},
    ],
    ids=["no-upgrade", "no-key", "old-version"],
)
def test_what_is_no_handshake_is_refused(url: str, headers: dict[str, str]) -> None:
    answer = requests.get(url.replace("ws:", "http:"), headers=headers, timeout=15)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
