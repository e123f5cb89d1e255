"""What a person takes along: everything stored about them, nothing of others, and nothing that lets somebody in."""

from __future__ import annotations

import io
import json
import re
import secrets
import tracemalloc
import zipfile
from datetime import date, datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from chatbot.auth import accounts
from chatbot.auth.client_info import UNKNOWN_CLIENT
from chatbot.auth.credentials.tokens import InvalidToken
from chatbot.auth.export import account_parts, note
from chatbot.auth.models import SecurityEvent, User
from chatbot.chat.models import ChatSession, Message
from chatbot.current import services
from chatbot.db import begin_write, new_id
from tests.auth.test_deletion import NAME, TABLES, live, rows_of
from tests.conftest import PASSWORD, Person, sign_up

URL = "/api/users/export/"
# What would let somebody in, what no person can read anything in, and answers that are kept for a day to be repeated.
KEPT_BACK = {
    "users": {"password_hash", "username_key"},
    "token_families": {"current_jti", "parent_jti"},
    "api_keys": {"key_hash"},
    "chat_sessions": {
        "user_id",
        "next_position",
        "titled_by_person",
        "answering_id",
        "answering_until",
        "answering_to",
        "stop_asked",
        "erased_at",
    },
    "chat_members": {"user_id"},
    # What was said of an answer is there as its `feedback`.
    "messages": {"position", "author_id", "rating", "comment", "rated_at", "rated_by"},
    "daily_usage": {"user_id"},
}
NOT_TAKEN = {"idempotency_keys"}


def export(app: Flask, person: Person) -> zipfile.ZipFile:
    answer = app.test_client().get(URL, headers=person.headers, buffered=True)
    assert answer.status_code == 200
    return zipfile.ZipFile(io.BytesIO(answer.data))


def contents(archive: zipfile.ZipFile) -> dict[str, Any]:
    return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def pairs(value: Any) -> set[tuple[str, str]]:
    """Every name with its value, at any depth."""
    if isinstance(value, list):
        return {pair for item in value for pair in pairs(item)}
    if not isinstance(value, dict):
        return set()
    here = {(name, json.dumps(item, sort_keys=True)) for name, item in value.items()}
    return here | {pair for item in value.values() for pair in pairs(item)}


def moment(value: datetime) -> set[str]:
    """A time as the zip may write it: as it is, or to the millisecond as the API does."""
    shown = value.isoformat().replace("+00:00", "Z")
    return {shown, value.isoformat(timespec="milliseconds").replace("+00:00", "Z")}


def written(name: str, value: Any) -> set[tuple[str, str]]:
    if isinstance(value, datetime):
        return {(name, json.dumps(text)) for text in moment(value)}
    plain = value.isoformat() if isinstance(value, date) else value
    return {(name, json.dumps(plain, sort_keys=True))}


def test_the_zip_has_a_file_for_each_subject(app):
    person, _ = live(app, NAME)
    archive = export(app, person)
    assert archive.testzip() is None
    names = archive.namelist()
    assert len(names) == len(set(names))
    single = {"profile.json", "sessions.json", "api_keys.json", "letters.json", "security_events.json", "usage.json"}
    single |= {"collections.json", "memberships.json"}
    assert single <= set(names)
    assert all(re.fullmatch(r"conversations/[0-9a-f-]{36}\.json", name) for name in set(names) - single)
    assert len(set(names) - single) == 3


def test_it_holds_everything_that_is_stored_about_a_person(app, session):
    """P13: made from the models, so a new table or column is not forgotten."""
    person, _ = live(app, NAME)
    found = pairs(list(contents(export(app, person)).values()))
    user = session.execute(select(User.__table__).where(User.id == person.id)).one()
    owned = {"users": [dict(user._mapping)]} | {table.name: rows_of(session, table, person.id) for table in TABLES}
    missing = {
        (table, name)
        for table, rows in owned.items()
        for row in rows
        for name, value in row.items()
        if table not in NOT_TAKEN and name not in KEPT_BACK.get(table, ()) and not found & written(name, value)
    }
    assert missing == set()


def test_it_holds_nothing_that_lets_somebody_in(app, session):
    """P1 F6"""
    person, shows = live(app, NAME)
    archive = export(app, person)
    text = b"".join(archive.read(name) for name in archive.namelist()).decode()
    for table, names in KEPT_BACK.items():
        rows = [r for t in TABLES if t.name == table for r in rows_of(session, t, person.id)] or [
            dict(session.execute(select(User.__table__).where(User.id == person.id)).one()._mapping)
        ]
        secrets = names & {"password_hash", "current_jti", "parent_jti", "key_hash"}
        for value in {row[name] for row in rows for name in secrets} - {None}:
            assert value not in text
    for secret in (*shows.values(), person.refresh, PASSWORD, "pbkdf2", "_jti", "_hash"):
        assert secret not in text


def test_it_holds_nothing_of_anybody_else(app, session):
    """F2: not even where both have asked the same."""
    person, _ = live(app, NAME)
    bob, _ = live(app, "bob")
    archive = export(app, person)
    text = b"".join(archive.read(name) for name in archive.namelist()).decode()
    ids = {str(row["id"]) for table in TABLES for row in rows_of(session, table, bob.id) if "id" in row}
    assert [mark for mark in (bob.id, bob.email, "I am bob", *ids) if mark in text] == []
    assert person.id in text


def test_visitors_conversations_are_the_owners(app):
    """0008: the product's owner takes them along; a visitor takes nothing."""
    person, shows = live(app, NAME)
    talks = [content for name, content in contents(export(app, person)).items() if name.startswith("conversations/")]
    assert sorted(talk["visitor"] for talk in talks) == ["", "", "anna"]
    answer = app.test_client().get(URL, headers={"Authorization": f"Bearer {shows['visitor']}"})
    assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")


def test_it_is_a_download_that_nobody_keeps(app, ada):
    """H12 P6"""
    answer = app.test_client().get(URL, headers=ada.headers, buffered=True)
    disposition = answer.headers["Content-Disposition"]
    assert re.fullmatch(r"attachment; filename=chatbot-export-\d{4}-\d\d-\d\d\.zip", disposition)
    assert answer.mimetype == "application/zip"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_exporting_is_on_the_record(app, session, ada):
    export(app, ada)
    events = session.scalars(select(SecurityEvent).where(SecurityEvent.kind == "exported")).all()
    assert [(event.user_id, event.actor_id) for event in events] == [(ada.id, ada.id)]


@pytest.mark.parametrize("act", ["note", "read"])
def test_an_account_that_is_deleted_meanwhile_gets_no_zip(app, ada, act):
    """F14: the guard has let it pass, and then it is gone."""
    with app.app_context(), services(app).sessions() as session:
        accounts.delete_user(session, "ada")
        with pytest.raises(InvalidToken):
            note(session, ada.id, UNKNOWN_CLIENT) if act == "note" else list(account_parts(session, ada.id))


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\evil.exe",
    "C:\\evil",
    "a/../../b",
    "\u202egpj.exe",
    "x" * 200,
    "con",
    "<script>",
    '"\n\r\t',
    "日本語",
    "=cmd|'/c calc'!A1",
]


def test_no_name_leads_out_of_the_zip(app, ada):
    """H1 G16: titles, names of keys and of visitors are content, and never the name of a file."""
    with services(app).sessions() as session:
        begin_write(session)
        for title in HOSTILE:
            session.add(ChatSession(id=new_id(), user_id=ada.id, visitor=ascii(title)[1:100], title=title))
        session.commit()
    for name in HOSTILE[:5]:
        app.test_client().post("/api/users/api-keys/", json={"name": name}, headers=ada.headers)
        app.test_client().patch("/api/users/profile/", json={"first_name": name}, headers=ada.headers)
    archive = export(app, ada)
    for name in archive.namelist():
        assert re.fullmatch(r"([a-z]+/)?[a-z0-9_-]+\.json", name)
        assert ".." not in PurePosixPath(name).parts
        assert not PurePosixPath(name).is_absolute()
        assert not PureWindowsPath(name).drive
    titles = {content["title"] for name, content in contents(archive).items() if name.startswith("conversations/")}
    assert titles == set(HOSTILE)


def test_a_large_account_does_not_fill_the_memory(sqlite_app):
    """Q5: 2,000 messages are sixteen megabytes; they are read a conversation at a time, and wait on the disk."""
    ada = sign_up(sqlite_app, "ada")
    with services(sqlite_app).sessions() as session:
        begin_write(session)
        for _ in range(100):
            chat = ChatSession(id=new_id(), user_id=ada.id, title="A talk")
            session.add(chat)
            session.flush()
            # Of chance, so that packing does not make them small.
            words = [secrets.token_hex(4_000) for _ in range(20)]
            session.add_all(Message(chat_session_id=chat.id, position=n, content=text) for n, text in enumerate(words))
        session.commit()
    client = sqlite_app.test_client()
    client.get(URL, headers=ada.headers, buffered=True)  # What is made once for the process is not counted.
    tracemalloc.start()
    answer = client.get(URL, headers=ada.headers)
    size = sum(len(piece) for piece in answer.iter_encoded())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    answer.close()
    assert size > 2_000 * 4_000
    assert peak < 8 * 2**20
