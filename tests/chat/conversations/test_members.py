"""Conversations in which several people take part."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from chatbot.chat.models import DailyUsage
from chatbot.current import services
from tests.chat.asking import ask, stored, visitor
from tests.conftest import HOURS, RETURNS, MakeApp, Person, add_and_ingest, sign_up

API = "/api/chat"


def call(app: Flask, person: Person, method: str, path: str, **how: Any) -> TestResponse:
    return app.test_client().open(f"{API}/{path}", method=method, headers=person.headers, **how)


def add(app: Flask, owner: Person, chat: str, name: str) -> TestResponse:
    return call(app, owner, "POST", f"sessions/{chat}/members/", json={"username": name})


def begun(app: Flask, person: Person) -> str:
    reply: Any = ask(app, person).json
    return str(reply["chat_session_id"])


def code(answer: TestResponse) -> tuple[int, str | None]:
    return answer.status_code, answer.json["code"] if answer.json and "code" in answer.json else None


def test_a_member_reads_and_asks_and_pays_for_it(app: Flask, ada: Person, bob: Person) -> None:
    chat = begun(app, ada)

    assert add(app, ada, chat, "BOB").json == {"members": ["bob"]}
    assert add(app, ada, chat, "bob").json == {"members": ["bob"]}

    asked = ask(app, bob, "And on Sundays?", chat_session_id=chat)
    assert asked.status_code == 200
    assert [m.author for m in stored(app) if m.is_user] == ["ada", "bob"]
    for person in (ada, bob):
        (item,) = call(app, person, "GET", "history/").json["items"]  # type: ignore[index]
        assert (item["id"], item["members"], item["message_count"]) == (chat, ["bob"], 4)
    message = asked.json["message"]["id"]  # type: ignore[index]
    assert call(app, ada, "POST", f"messages/{message}/feedback/", json={"rating": "up"}).status_code == 200
    assert call(app, bob, "GET", f"sessions/{chat}/export/").status_code == 200
    with services(app).sessions() as session:
        assert set(session.execute(select(DailyUsage.user_id, DailyUsage.answers)).all()) == {(ada.id, 1), (bob.id, 1)}


def test_only_the_owner_manages_it(app: Flask, ada: Person, bob: Person) -> None:
    chat = begun(app, ada)
    sign_up(app, "eve")
    add(app, ada, chat, "bob")

    refused = [
        add(app, bob, chat, "eve"),
        call(app, bob, "PATCH", f"sessions/{chat}/", json={"title": "mine now"}),
        call(app, bob, "DELETE", f"sessions/{chat}/"),
        call(app, bob, "DELETE", f"sessions/{chat}/members/", query_string={"username": "ada"}),
    ]

    assert [code(answer) for answer in refused] == [(403, "owner_required")] * 4
    assert call(app, ada, "GET", f"sessions/{chat}/").json["members"] == ["bob"]  # type: ignore[index]


def test_a_member_may_leave_and_may_be_sent_away(app: Flask, ada: Person, bob: Person) -> None:
    chat = begun(app, ada)
    for who in (bob, ada):
        add(app, ada, chat, "bob")
        left = call(app, who, "DELETE", f"sessions/{chat}/members/", query_string={"username": "bob"})
        assert (left.status_code, left.data) == (204, b"")
        assert code(call(app, bob, "GET", f"sessions/{chat}/messages/")) == (404, "chat_session_not_found")
        assert code(ask(app, bob, chat_session_id=chat)) == (404, "chat_session_not_found")
    gone = call(app, ada, "DELETE", f"sessions/{chat}/members/", query_string={"username": "bob"})
    assert code(gone) == (404, "member_not_found")


def test_a_stranger_learns_nothing_of_it(app: Flask, ada: Person, bob: Person) -> None:
    """F2, F3"""
    chat = begun(app, ada)
    veras = begun(app, visitor(app, ada, "vera"))
    add(app, ada, chat, "bob")
    eve = sign_up(app, "eve")

    for stranger in (eve, visitor(app, bob, "karl"), visitor(app, ada, "vera")):
        assert code(call(app, stranger, "GET", f"sessions/{chat}/members/")) == (404, "chat_session_not_found")
        refused = (404, "chat_session_not_found") if stranger is eve else (403, "insufficient_scope")
        assert code(add(app, stranger, chat, "eve")) == refused
        assert code(ask(app, stranger, chat_session_id=chat)) == (404, "chat_session_not_found")
    assert code(call(app, bob, "GET", f"sessions/{veras}/")) == (404, "chat_session_not_found")
    assert code(add(app, ada, chat, "nobody")) == (404, "account_not_found")


def test_each_asks_in_their_own_collections(app: Flask, ada: Person, bob: Person, root: Person) -> None:
    """J1"""
    from chatbot.knowledge.documents.collections import add_member, create_collection

    with app.app_context(), services(app).sessions() as session:
        staff = create_collection(session, "staff", "members")
        add_member(session, staff.id, "ada")
    add_and_ingest(app, HOURS)
    add_and_ingest(app, RETURNS, collection="staff")
    chat = begun(app, ada)
    add(app, ada, chat, "bob")

    def finds_it(person: Person) -> bool:
        reply: Any = ask(app, person, "How many days do I have to return goods?", chat_session_id=chat).json
        return RETURNS in {doc["text"] for doc in reply["message"]["metadata"]["retrieved_docs"]}

    assert not finds_it(bob)
    assert finds_it(ada)


def test_a_visitor_adds_nobody_and_learns_no_name(app: Flask, ada: Person, bob: Person) -> None:
    """F3"""
    vera = visitor(app, ada, "vera")
    chat = begun(app, vera)

    told = [add(app, vera, chat, name) for name in ("ada", "bob", "nobody")]

    assert [code(answer) for answer in told] == [(403, "insufficient_scope")] * 3
    assert call(app, vera, "GET", f"sessions/{chat}/").json["members"] == []  # type: ignore[index]


def test_whoever_adds_themselves_changes_nothing(app: Flask, ada: Person) -> None:
    chat = begun(app, ada)

    assert add(app, ada, chat, "ada").json == {"members": []}


def test_few_names_can_be_tried_and_known_ones_are_not_counted(make_app: MakeApp, database_url: str | None) -> None:
    """A2: names cannot be tried faster here than by signing up with them."""
    app = make_app(database_url=database_url, ratelimit_enabled=True)
    ada = sign_up(app, "ada")
    sign_up(app, "bob")
    chat = begun(app, ada)

    tried = [code(add(app, ada, chat, f"nobody{number}")) for number in range(19)]
    known = [add(app, ada, chat, "bob").status_code for _ in range(3)]
    last = [code(add(app, ada, chat, name)) for name in ("nobody", "nobody", "bob")]

    assert tried == [(404, "account_not_found")] * 19
    assert known == [200] * 3
    assert last == [(404, "account_not_found"), (429, "too_many_requests"), (429, "too_many_requests")]
