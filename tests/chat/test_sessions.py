"""Conversations: the list, one of them, its messages."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from chatbot.chat.models import ChatSession
from chatbot.current import services
from tests.chat.asking import ask, stored
from tests.conftest import Person, sign_up

API = "/api/chat"


def begin(app: Flask, person: Person, message: str) -> str:
    reply = ask(app, person, message).json
    assert reply is not None
    return str(reply["chat_session_id"])


def history(client: FlaskClient, person: Person, **query: object) -> dict:  # type: ignore[type-arg]
    return client.get(f"{API}/history/", query_string=query, headers=person.headers).json  # type: ignore[return-value]


def ids(page: dict) -> list[str]:  # type: ignore[type-arg]
    return [item["id"] for item in page["items"]]


def test_the_conversation_used_last_comes_first(app: Flask, client: FlaskClient, ada: Person) -> None:
    first, second = begin(app, ada, "First question here"), begin(app, ada, "Second question here")

    assert ids(history(client, ada)) == [second, first]
    ask(app, ada, "More", chat_session_id=first)
    assert ids(history(client, ada)) == [first, second]


def test_a_conversation_has_the_shape_of_the_contract(app: Flask, client: FlaskClient, ada: Person) -> None:
    chat = begin(app, ada, "When does the shop open?")

    (item,) = history(client, ada)["items"]

    assert item == client.get(f"{API}/sessions/{chat}/", headers=ada.headers).json
    assert set(item) == {"id", "title", "created_at", "updated_at", "message_count", "members"}
    assert (item["title"], item["message_count"], item["members"]) == ("When does the shop open?", 2, [])
    assert item["created_at"].endswith("Z")


def test_the_list_comes_in_pages(app: Flask, client: FlaskClient, ada: Person) -> None:
    chats = [begin(app, ada, f"Question number {n}") for n in range(5)]

    pages = [history(client, ada, limit=2)]
    while pages[-1]["next_cursor"]:
        pages.append(history(client, ada, limit=2, cursor=pages[-1]["next_cursor"]))

    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert [chat for page in pages for chat in ids(page)] == chats[::-1]


@pytest.mark.parametrize(
    ("q", "found"),
    [("100%", [0]), ("%", [0]), ("_", [1]), ("a_b", [1]), ("\\", [2]), ("QUESTION", [2, 1, 0]), ("axb", []), ("'", [])],
)
def test_a_search_takes_every_sign_literally(
    app: Flask, client: FlaskClient, ada: Person, q: str, found: list[int]
) -> None:
    """G10"""
    chats = [begin(app, ada, text) for text in ("100% question", "a_b question", "back\\slash question")]

    assert ids(history(client, ada, q=q)) == [chats[n] for n in found]


def test_a_search_looks_into_messages_as_well(app: Flask, client: FlaskClient, ada: Person) -> None:
    chat = begin(app, ada, "Hello there")
    begin(app, ada, "Something else")
    ask(app, ada, "What of the zeppelin?", chat_session_id=chat)

    assert ids(history(client, ada, q="ZEPPELIN")) == [chat]


@pytest.mark.parametrize("q", ["grüße", "GRÜSSE AUS KÖLN", "Grüße aus KÖLN", "köln", "日本", "👋🏽"])
def test_a_search_knows_letters_of_every_script(app: Flask, client: FlaskClient, ada: Person, q: str) -> None:
    chat = begin(app, ada, "Grüße aus Köln, 日本語 👋🏽")
    begin(app, ada, "Something else")

    assert ids(history(client, ada, q=q)) == ([] if "SS" in q else [chat])


def test_a_search_finds_nothing_of_others(app: Flask, client: FlaskClient, ada: Person, bob: Person) -> None:
    """F2"""
    begin(app, ada, "My zeppelin")

    assert history(client, bob, q="zeppelin")["items"] == history(client, bob)["items"] == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "limit=1&limit=2", "cursor=x", "cursor=W10", "q=", "unknown=1", "limit=1e9"],
)
def test_a_bad_query_is_named(sqlite_app: Flask, query: str) -> None:
    """G11"""
    headers = sign_up(sqlite_app, "ada").headers

    assert sqlite_app.test_client().get(f"{API}/history/?{query}", headers=headers).status_code == 422


def test_the_messages_come_oldest_first_and_in_pages(app: Flask, client: FlaskClient, ada: Person) -> None:
    chat = begin(app, ada, "One")
    ask(app, ada, "Two", chat_session_id=chat)
    url = f"{API}/sessions/{chat}/messages/"

    first = client.get(url, query_string={"limit": 3}, headers=ada.headers).json
    assert first is not None
    rest = client.get(url, query_string={"limit": 3, "cursor": first["next_cursor"]}, headers=ada.headers).json
    assert rest is not None

    messages = first["items"] + rest["items"]
    assert [m["content"] for m in messages if m["is_user"]] == ["One", "Two"]
    assert [m["is_user"] for m in messages] == [True, False, True, False]
    assert rest["next_cursor"] is None
    assert [m["parent_id"] for m in messages] == [None, *(m["id"] for m in messages[:-1])]
    assert set(messages[1]) == {
        "id",
        "chat_session_id",
        "parent_id",
        "is_user",
        "author",
        "content",
        "status",
        "feedback",
        "metadata",
        "created_at",
    }


def test_a_conversation_can_be_renamed(app: Flask, client: FlaskClient, ada: Person) -> None:
    chat = begin(app, ada, "One")

    renamed = client.patch(f"{API}/sessions/{chat}/", json={"title": "Zwei 二"}, headers=ada.headers)

    assert (renamed.status_code, renamed.json["title"]) == (200, "Zwei 二")  # type: ignore[index]
    assert history(client, ada)["items"][0]["title"] == "Zwei 二"
    with services(app).sessions() as session:
        assert session.get_one(ChatSession, chat).titled_by_person


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"title": "x" * 200}, 200),
        ({"title": "x" * 201}, 422),
        ({"title": ""}, 422),
        ({}, 422),
        ({"user_id": "x"}, 422),
    ],
)
def test_a_title_has_limits(sqlite_app: Flask, body: dict[str, str], status: int) -> None:
    """G9, F5"""
    ada = sign_up(sqlite_app, "ada")
    url = f"{API}/sessions/{begin(sqlite_app, ada, 'One')}/"

    assert sqlite_app.test_client().patch(url, json=body, headers=ada.headers).status_code == status


def test_a_deleted_conversation_is_gone_with_its_messages(app: Flask, client: FlaskClient, ada: Person) -> None:
    chat, other = begin(app, ada, "One"), begin(app, ada, "Two")

    gone = client.delete(f"{API}/sessions/{chat}/", headers=ada.headers)

    assert (gone.status_code, gone.data) == (204, b"")
    assert ids(history(client, ada)) == [other]
    assert {message.chat_session_id for message in stored(app)} == {other}
    assert client.delete(f"{API}/sessions/{chat}/", headers=ada.headers).status_code == 404


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "messages/")])
def test_a_strangers_conversation_is_as_missing_as_none(
    app: Flask, client: FlaskClient, ada: Person, bob: Person, method: str, path: str
) -> None:
    """F2, F3"""
    adas = begin(app, ada, "Private")
    body = {"title": "mine now"} if method == "PATCH" else None

    bodies = []
    for chat in (adas, str(uuid4())):
        answer = client.open(f"{API}/sessions/{chat}/{path}", method=method, json=body, headers=bob.headers)
        assert answer.status_code == 404
        varying = ("request_id", "instance")
        bodies.append({k: v for k, v in (answer.json or {}).items() if k not in varying})

    assert bodies[0] == bodies[1]
    assert history(client, ada)["items"][0]["title"] == "Private"
    assert len(stored(app)) == 2


def test_questions_asked_at_once_keep_strict_places(app: Flask, ada: Person) -> None:
    """M15 K11: who is told that another question is being answered asks again."""
    chat = begin(app, ada, "Question 0")
    statuses: list[int] = []

    def one(n: int) -> None:
        while (answer := ask(app, ada, f"Question {n}", chat_session_id=chat)).status_code == 409:
            assert (answer.json["code"], answer.headers["Retry-After"]) == ("reply_in_progress", "1")  # type: ignore[index]
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 5
    messages = sorted(stored(app), key=lambda message: message.position)
    assert [message.position for message in messages] == list(range(12))
    assert [message.is_user for message in messages] == [True, False] * 6
    assert all(answer.parent_id == asked.id for asked, answer in zip(messages[::2], messages[1::2], strict=True))
    assert {message.content for message in messages[::2]} == {f"Question {n}" for n in range(6)}
