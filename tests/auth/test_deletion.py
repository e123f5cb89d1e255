"""F14: a deleted account is gone, table by table; the models say which tables, so that no new one is forgotten."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import ColumnElement, Table, or_, select, update
from sqlalchemy.orm import Session

from chatbot.auth import recovery
from chatbot.auth.models import SecurityEvent, User
from chatbot.chat.models import ChatMember, ChatSession, DailyUsage
from chatbot.current import services
from chatbot.db import Base, begin_write, new_id, utcnow
from chatbot.knowledge.models import Collection, CollectionMember
from chatbot.web.idempotency.model import IdempotencyKey
from tests.auth.world import dump
from tests.conftest import PASSWORD, Person, sign_up

PROFILE, HISTORY = "/api/users/profile/", "/api/chat/history/"
USERS = Base.metadata.tables["users"]
NAME = "zuleika-quux"


def whose(table: Table, user_id: str) -> ColumnElement[bool] | None:
    """Which rows of a table are a user's: by a reference to the account, or to what is theirs already."""
    found = []
    for key in table.foreign_keys:
        target = key.column.table
        if target is USERS:
            found.append(key.parent == user_id)
        elif target is not table and (theirs := whose(target, user_id)) is not None:
            found.append(key.parent.in_(select(key.column).where(theirs)))
    return or_(*found) if found else None


TABLES = [table for table in Base.metadata.sorted_tables if whose(table, "") is not None]
# What tells of an account outlives it, and forgets whose it was.
ANONYMISED = {"security_events"}


def rows_of(session: Session, table: Table, user_id: str) -> list[dict[str, Any]]:
    which = whose(table, user_id)
    assert which is not None
    return [dict(row._mapping) for row in session.execute(select(table).where(which))]


def live(app: Flask, name: str) -> tuple[Person, dict[str, str]]:
    """Somebody who has used everything there is; and all that they can show."""
    person = sign_up(app, name)
    client = app.test_client()
    made = client.post(
        "/api/users/api-keys/", json={"name": "k", "scopes": ["chat", "visitors"]}, headers=person.headers
    )
    by_key = {"Authorization": f"Bearer {made.json['key']}"}
    visitor = client.post("/api/users/visitor-tokens/", json={"sub": "anna"}, headers=by_key).json["access"]
    by_visitor = {"Authorization": f"Bearer {visitor}"}
    for number, headers in enumerate((person.headers, by_key, by_visitor)):
        once = {"Idempotency-Key": f"{name}-once-{number}"}
        assert (
            client.post("/api/chat/send/", json={"message": f"I am {name}"}, headers=headers | once).status_code == 200
        )
    client.post("/api/users/login/", json={"email": person.email, "password": "not the password"})
    client.post("/api/users/password/forgot/", json={"email": person.email})
    _fill(app, person.id)
    return person, {"access": person.access, "key": made.json["key"], "visitor": visitor}


def _fill(app: Flask, user_id: str) -> None:
    """What the calls above leave to others."""
    with services(app).sessions() as session:
        begin_write(session)
        session.merge(DailyUsage(user_id=user_id, visitor="anna", day=utcnow().date(), answers=1, tokens=1))
        session.add(IdempotencyKey(user_id=user_id, key="by hand", request_hash="0" * 64))
        collection = Collection(name=f"closed {new_id()}", visibility="members")
        session.add(collection)
        session.flush()
        session.add(CollectionMember(collection_id=collection.id, user_id=user_id))
        talk = session.scalars(select(ChatSession.id).where(ChatSession.user_id == user_id)).first()
        session.add(ChatMember(chat_session_id=talk, user_id=user_id))
        session.commit()


def delete(app: Flask, person: Person, how: str) -> None:
    if how == "http":
        answer = app.test_client().delete(PROFILE, json={"password": PASSWORD}, headers=person.headers)
        assert (answer.status_code, answer.data) == (204, b"")
        return
    result = app.test_cli_runner().invoke(args=["users", "delete", person.email, "--yes"])
    assert (result.exit_code, result.output) == (0, f"{NAME} <{person.email}> is deleted.\n")


def test_every_reference_to_an_account_says_what_becomes_of_its_rows():
    """F14: the database does it, whoever deletes."""
    rules = {
        (table.name, key.parent.name): key.ondelete
        for table in TABLES
        for key in table.foreign_keys
        if key.column.table is USERS
    }
    assert {table for table, _ in rules} >= {"api_keys", "chat_sessions", "mails", "token_families", "security_events"}
    assert rules == {(table, name): "SET NULL" if table in ANONYMISED else "CASCADE" for table, name in rules}


@pytest.mark.parametrize("how", ["http", "cli"])
def test_nothing_of_a_deleted_account_is_left(app, session, how):
    """F14"""
    person, _ = live(app, NAME)
    bob, _ = live(app, "bob")
    before = {table.name: rows_of(session, table, person.id) for table in TABLES}
    bobs = {table.name: rows_of(session, table, bob.id) for table in TABLES}
    session.rollback()
    assert [name for name, rows in before.items() if not rows] == [], "let somebody use these tables in live() above"

    delete(app, person, how)

    for table in TABLES:
        assert rows_of(session, table, person.id) == []
        assert rows_of(session, table, bob.id) == bobs[table.name]
        keys = [column.name for column in table.primary_key]
        left = {tuple(row[key] for key in keys) for row in (r._mapping for r in session.execute(select(table)))}
        gone = {tuple(row[key] for key in keys) for row in before[table.name]}
        assert left >= gone if table.name in ANONYMISED else not left & gone
    session.rollback()
    everything = repr(dump(app))
    assert [text for text in (person.id, person.email, NAME) if text in everything] == []


def test_the_record_keeps_what_happened_and_forgets_to_whom(app, session):
    """F14"""
    person, _ = live(app, NAME)
    kinds = session.scalars(select(SecurityEvent.kind).order_by(SecurityEvent.created_at)).all()
    session.rollback()
    assert {"signed_up", "logged_in", "key_created", "login_failed", "password_reset_asked"} <= set(kinds)
    delete(app, person, "http")
    events = session.scalars(select(SecurityEvent).order_by(SecurityEvent.created_at)).all()
    assert [event.kind for event in events] == [*kinds, "account_deleted"]
    assert {(event.user_id, event.actor_id) for event in events} == {(None, None)}
    assert events[-1].detail == {"was_admin": False}


@pytest.mark.parametrize("how", ["http", "cli"])
def test_nobody_gets_in_with_what_a_deleted_account_had(app, how):
    """F14 D7: nor when somebody else takes the address and the name."""
    person, shows = live(app, NAME)
    settings = services(app).settings
    with app.app_context(), services(app).sessions() as session:
        user = session.scalars(select(User).where(User.id == person.id)).one()
        letters = (recovery.verification_token(settings, user), recovery.reset_token(settings, user))
    delete(app, person, how)
    client = app.test_client()

    new = {"password": "a lighthouse in the fog", "password2": "a lighthouse in the fog"}
    calls = {
        "token/refresh/": {"refresh": person.refresh},
        "verify-email/": {"token": letters[0]},
        "password/reset/": {"token": letters[1], **new},
        "login/": {"email": person.email, "password": PASSWORD},
    }

    def tried() -> list[int]:
        headers = [{"Authorization": f"Bearer {token}"} for token in shows.values()]
        by_token = [client.get(HISTORY, headers=each).status_code for each in headers]
        return by_token + [client.post(f"/api/users/{call}", json=body).status_code for call, body in calls.items()]

    assert tried() == [401] * 7
    again = {"username": NAME, "email": person.email, "password": "another horse 77", "password2": "another horse 77"}
    made = client.post("/api/users/signup/", json=again)
    assert (made.status_code, made.json["user"]["id"] != person.id) == (201, True)
    assert tried() == [401] * 7
    login = client.post("/api/users/login/", json={"email": person.email, "password": "another horse 77"}).json
    headers = {"Authorization": f"Bearer {login['access']}"}
    for where in (HISTORY, "/api/users/api-keys/"):
        assert client.get(where, headers=headers).json["items"] == []
    assert len(client.get("/api/users/sessions/", headers=headers).json["items"]) == 1


@pytest.mark.parametrize(
    "body", [{"password": "wrong"}, {"password": ""}, {}, {"password": None}, {"password": PASSWORD.upper()}]
)
def test_without_the_password_nothing_is_deleted(app, ada, body):
    """B12: a token that was left behind is not enough."""
    before = dump(app)
    answer = app.test_client().delete(PROFILE, json=body, headers=ada.headers)
    assert answer.status_code in (401, 422)
    assert dump(app)["users"] == before["users"]
    assert app.test_client().get(PROFILE, headers=ada.headers).status_code == 200


def test_an_account_that_is_deleted_twice_at_once_is_deleted_once(app, session, ada):
    """F14: neither is an error 500."""
    said, start = [], threading.Barrier(4)

    def run():
        start.wait()
        said.append(app.test_client().delete(PROFILE, json={"password": PASSWORD}, headers=ada.headers).status_code)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(said) <= {204, 401}
    assert 204 in said
    kinds = session.scalars(select(SecurityEvent.kind)).all()
    assert (session.scalars(select(User)).all(), kinds.count("account_deleted")) == ([], 1)


def test_a_second_deletion_that_waited_for_the_first_finds_nothing(app, session, ada):
    """F14: the row was there when it looked, and is not when it is its turn."""
    said = []

    def run():
        said.append(app.test_client().delete(PROFILE, json={"password": PASSWORD}, headers=ada.headers).status_code)

    with services(app).sessions() as slow:
        begin_write(slow)
        slow.execute(update(User).where(User.id == ada.id).values(first_name="Ada"))
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(0.5)
        slow.execute(Base.metadata.tables["users"].delete().where(User.id == ada.id))
        slow.commit()
    thread.join(10)
    assert said in ([204], [401])
    assert "account_deleted" not in session.scalars(select(SecurityEvent.kind)).all()


@pytest.mark.parametrize("fields", [{"first_name": "Ada"}, {"username": "countess"}], ids=["first_name", "username"])
def test_a_profile_that_is_deleted_while_it_is_changed_is_gone(app, ada, fields):
    """F14: the change looked at the row, or waited for it, and must not fail on finding it gone."""
    said = []

    def run():
        said.append(app.test_client().patch(PROFILE, json=fields, headers=ada.headers))

    with services(app).sessions() as slow:
        begin_write(slow)
        slow.execute(USERS.delete().where(USERS.c.id == ada.id))
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(0.5)
        slow.commit()
    thread.join(10)
    assert [(answer.status_code, answer.json["code"]) for answer in said] == [(401, "invalid_token")]
