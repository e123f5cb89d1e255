"""Lists come in pages, and a cursor that is not ours is refused."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from chatbot.auth.models import User
from chatbot.current import services
from chatbot.db import begin_write, new_id, utcnow
from chatbot.errors import Invalid
from chatbot.web.pagination import newest_first, oldest_first


def cursor_of(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.fixture
def people(session):
    """Five users, two of them made at the same moment."""
    begin_write(session)
    now = utcnow()
    made = [now - timedelta(minutes=m) for m in (0, 1, 1, 2, 3)]
    for number, moment in enumerate(made):
        session.add(
            User(
                username=f"u{number}",
                username_key=f"u{number}",
                email=f"u{number}@x.test",
                password_hash="",
                created_at=moment,
                id=new_id(),
            )
        )
    session.commit()
    return session


def page(session, limit, cursor=None):
    return newest_first(session, select(User), User.created_at, User.id, limit, cursor)


def test_pages_follow_each_other_without_gaps_or_repeats(people):
    names, cursor = [], None
    for _ in range(3):
        found = page(people, 2, cursor)
        names += [user.username for user in found.items]
        cursor = found.next_cursor
    assert cursor is None
    assert (names[0], set(names[1:3]), names[3:]) == ("u0", {"u1", "u2"}, ["u3", "u4"])


@pytest.mark.parametrize(("limit", "more"), [(4, True), (5, False), (6, False)])
def test_there_is_a_next_page_only_when_something_is_on_it(people, limit, more):
    assert (page(people, limit).next_cursor is not None) is more


def test_a_page_is_built_of_what_the_room_wants(people):
    found = newest_first(people, select(User), User.created_at, User.id, 1, None, lambda user: user.username)
    assert found.items == ["u0"]


NOW, ID = "2026-01-01T00:00:00+00:00", "6f0b1f0e-0a5e-4a4e-9a53-0d2f0a5b8f11"
TAMPERED = [
    "x",
    "!!!!",
    "é",
    "=",
    "AAAA",
    "a" * 5,
    "\u0660\u0661",
    cursor_of([]),
    cursor_of({}),
    cursor_of("text"),
    cursor_of(None),
    cursor_of([NOW]),
    cursor_of([NOW, ID, 1]),
    cursor_of([NOW, "not-an-id"]),
    cursor_of([NOW, 5]),
    cursor_of([NOW, None]),
    cursor_of(["yesterday", ID]),
    cursor_of([5, ID]),
    cursor_of(["2026-01-01T00:00:00", ID]),
    cursor_of(["0001-01-01T00:00:00+14:00", ID]),
    cursor_of(["9999-12-31T23:59:59-14:00", ID]),
    cursor_of([[NOW], [ID]]),
    base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    base64.urlsafe_b64encode(b"[" * 140).decode(),
]


@pytest.mark.parametrize("cursor", TAMPERED)
def test_a_tampered_cursor_is_not_valid(app, ada, cursor):
    """G11 F2: the same on both databases, in every list."""
    client = app.test_client()
    answer = client.get("/api/chat/history/", query_string={"cursor": cursor}, headers=ada.headers)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/cursor")


@pytest.mark.parametrize(
    "cursor",
    [
        *TAMPERED,
        cursor_of([True]),
        cursor_of([-1]),
        cursor_of([2**31]),
        cursor_of([1.5]),
        cursor_of(["1"]),
        cursor_of([1, 2]),
    ],
)
def test_a_tampered_cursor_of_a_list_in_order_is_not_valid(sqlite_app, cursor):
    from chatbot.chat.models import Message

    with services(sqlite_app).sessions() as session, pytest.raises(Invalid):
        oldest_first(session, select(Message), Message.position, 10, cursor)


def test_a_cursor_is_too_long_beyond_two_hundred(app, ada):
    """G9"""
    answer = app.test_client().get("/api/chat/history/?cursor=" + "A" * 201, headers=ada.headers)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/cursor")


def test_messages_come_oldest_first_page_by_page(app, ada):
    client = app.test_client()
    chat = client.post("/api/chat/send/", json={"message": "Hello there"}, headers=ada.headers).json["chat_session_id"]
    url = f"/api/chat/sessions/{chat}/messages/"
    first = client.get(url + "?limit=1", headers=ada.headers).json
    second = client.get(url, query_string={"limit": 1, "cursor": first["next_cursor"]}, headers=ada.headers).json
    assert [m["is_user"] for m in first["items"] + second["items"]] == [True, False]
    assert second["next_cursor"] is None
