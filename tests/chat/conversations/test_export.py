"""What this package gives a person to take along."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session

from chatbot.chat.conversations.export import conversations
from chatbot.extensions import db
from tests.chat.asking import ask, visitor
from tests.conftest import HOURS, Person, add_and_ingest


def test_every_conversation_is_there_with_all_that_was_said(
    app: Flask, session: Session, ada: Person, bob: Person
) -> None:
    add_and_ingest(app, HOURS, title="Opening hours")
    mine = ask(app, ada).json
    assert mine is not None
    chat = mine["chat_session_id"]
    ask(app, ada, "And on Sundays?", chat_session_id=chat)
    veras = ask(app, visitor(app, ada, "vera")).json
    ask(app, bob, "Not Ada's")
    assert veras is not None

    parts = dict(conversations(session, ada.id))

    files = [f"conversations/{c}.json" for c in (chat, veras["chat_session_id"])]
    assert list(parts) == [*files, "memberships.json", "usage.json"]
    assert json.loads(json.dumps(parts)) == parts
    first, second = (parts[file] for file in files)
    assert [first["visitor"], second["visitor"]] == ["", "vera"]
    assert (first["title"], first["message_count"]) == ("When does the shop open on Saturdays?", 4)
    assert [first["messages"][0], first["messages"][1]] == [mine["user_message"], mine["message"]]
    assert [m["content"] for m in first["messages"] if m["is_user"]][1] == "And on Sundays?"
    assert second["messages"][0]["author"] == "vera"
    assert first["messages"][1]["metadata"]["citations"]
    assert "Not Ada's" not in json.dumps(parts)


def test_what_answers_have_cost_is_there_for_each_day(app: Flask, session: Session, ada: Person) -> None:
    for person in (ada, visitor(app, ada, "vera"), ada):
        ask(app, person)

    usage = dict(conversations(session, ada.id))["usage.json"]

    assert [(row["visitor"], row["answers"], row["tokens"]) for row in usage["days"]] == [("", 2, 0), ("vera", 1, 0)]


def test_who_has_nothing_gets_an_empty_list(session: Session, ada: Person) -> None:
    assert list(conversations(session, ada.id)) == [
        ("memberships.json", {"conversations": []}),
        ("usage.json", {"days": []}),
    ]


def test_conversations_are_read_one_by_one(app: Flask, session: Session, ada: Person) -> None:
    for _ in range(3):
        ask(app, ada)
    statements: list[str] = []

    def seen(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", seen)
    try:
        parts: Iterator[tuple[str, Any]] = conversations(session, ada.id)
        read = []
        for _ in range(3):
            next(parts)
            read.append(sum("FROM messages" in statement for statement in statements))
    finally:
        event.remove(engine, "before_cursor_execute", seen)

    assert read == [1, 2, 3]


def test_a_conversation_that_is_deleted_meanwhile_is_left_out(app: Flask, session: Session, ada: Person) -> None:
    """N10"""
    chats = [ask(app, ada).json["chat_session_id"] for _ in range(3)]  # type: ignore[index]
    parts = conversations(session, ada.id)
    next(parts)
    # As an export does that reads each conversation in a transaction of its own.
    session.rollback()
    app.test_client().delete(f"/api/chat/sessions/{chats[1]}/", headers=ada.headers)

    assert [name for name, _ in parts] == [f"conversations/{chats[2]}.json", "memberships.json", "usage.json"]
