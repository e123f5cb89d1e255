"""API keys: what is shown and stored of them, how far they reach, and how they end."""

from __future__ import annotations

import hashlib
import logging
import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from chatbot.auth import accounts
from chatbot.auth.credentials import keys
from chatbot.auth.credentials.tokens import InvalidToken
from chatbot.auth.models import SCOPES, ApiKey, SecurityEvent, User
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.extensions import db
from tests.auth.test_matrix import LINES
from tests.auth.world import SCOPES_OF, dump, key_of
from tests.conftest import Person, sign_up

URL, PROFILE, HISTORY, DOCUMENTS = (
    "/api/users/api-keys/",
    "/api/users/profile/",
    "/api/chat/history/",
    "/api/knowledge/documents/",
)
SOON = timedelta(hours=1)


def make(app: Flask, person: Person, *scopes: str, **fields):
    body = {"name": "A key", **({"scopes": list(scopes)} if scopes else {}), **fields}
    return app.test_client().post(URL, json=body, headers=person.headers)


def get(app: Flask, where: str, key: str) -> int:
    return app.test_client().get(where, headers={"Authorization": f"Bearer {key}"}).status_code


def rows(app: Flask) -> list[ApiKey]:
    with services(app).sessions() as session:
        return list(session.scalars(select(ApiKey).order_by(ApiKey.created_at)))


def set_values(app: Flask, model, **values) -> None:
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(model).values(values))
        session.commit()


# What is shown, and what is stored ------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_only_its_digest_is_stored(app, ada, caplog):
    """E14 P1"""
    caplog.set_level(logging.DEBUG)
    answer = make(app, ada, "chat", "knowledge:read", name="The shop")
    key = answer.json["key"]
    assert answer.status_code == 201
    assert set(answer.json) == {"id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "key"}
    assert (answer.json["name"], answer.json["scopes"]) == ("The shop", ["chat", "knowledge:read"])
    assert answer.json["expires_at"] is answer.json["last_used_at"] is None
    (row,) = rows(app)
    assert row.key_hash == hashlib.sha256(key.encode()).hexdigest()
    listed = app.test_client().get(URL, headers=ada.headers)
    assert listed.json["items"] == [{k: v for k, v in answer.json.items() if k != "key"}]
    stored = repr(dump(app))
    for secret in (key, key.removeprefix("cb_"), key[12:]):
        assert secret not in stored + listed.text + caplog.text


def test_a_key_is_long_random_and_known_by_its_beginning(app, ada):
    """32 bytes of chance; a prefix tells two keys apart and nobody the rest."""
    made = [make(app, ada).json for _ in range(20)]
    for one in made:
        assert one["key"].startswith("cb_")
        assert len(one["key"]) == 3 + 43
        assert one["prefix"] == one["key"][:11]
    assert len({one["key"] for one in made}) == len({one["prefix"] for one in made}) == 20


def test_a_key_may_chat_where_nothing_else_is_said(app, ada):
    assert make(app, ada).json["scopes"] == ["chat"]


def test_scopes_are_kept_once_and_in_order(app, ada):
    assert make(app, ada, "visitors", "chat", "visitors").json["scopes"] == ["chat", "visitors"]


NOT_FIELDS = [
    {"name": " \t\u3000"},
    {"name": ""},
    {"name": "x" * 101},
    {"name": None},
    {"name": 5},
    {"name": "a\0b"},
    {"scopes": []},
    {"scopes": ["root"]},
    {"scopes": "chat"},
    {"scopes": ["chat", 5]},
    {"scopes": [["chat"]]},
    {"scopes": ["chat"] * 6},
    {"scopes": None},
    {"scopes": ["CHAT"]},
    {"scopes": ["chat "]},
    {"scopes": ["*"]},
    {"scopes": {"chat": True}},
    {"expires_at": "soon"},
    {"expires_at": 5},
    {"expires_at": "2030-01-31T12:00:00"},
    {"expires_at": "2030-01-31"},
    {"expires_at": ""},
    {"expires_at": "2020-01-31T12:00:00Z"},
    {"expires_at": "0001-01-01T00:00:00+14:00"},
    {"expires_at": True},
    {"expires_at": "9999-12-31T23:59:59-14:00"},
    {"expires_at": "9998-12-31T23:59:59-14:00"},
    {"expires_at": "9999-12-31T23:59:59Z"},
    {"expires_at": "2030-13-31T12:00:00Z"},
    {"expires_at": "2030-12-31T23:59:60Z"},
    {"expires_at": ["2030-01-31T12:00:00Z"]},
]


@pytest.mark.parametrize("fields", NOT_FIELDS, ids=repr)
def test_what_is_no_name_scope_or_time_is_refused(sqlite_app, fields):
    """G9 G17"""
    answer = make(sqlite_app, sign_up(sqlite_app, "ada"), **fields)
    (name,) = fields
    assert answer.status_code == 422
    assert {error["pointer"].split("/")[1] for error in answer.json["errors"]} == {name}
    assert rows(sqlite_app) == []


@pytest.mark.parametrize(
    ("until", "shown"),
    [
        ("2100-01-31T12:00:00Z", "2100-01-31T12:00:00.000Z"),
        ("2100-01-31T12:00:00+02:00", "2100-01-31T10:00:00.000Z"),
        ("2100-01-31T12:00:00.123456Z", "2100-01-31T12:00:00.123Z"),
        ("9998-12-31T23:59:59+14:00", "9998-12-31T09:59:59.000Z"),
    ],
)
def test_a_key_expires_in_utc(app, ada, until, shown):
    """G17"""
    answer = make(app, ada, expires_at=until)
    assert (answer.status_code, answer.json["expires_at"]) == (201, shown)
    assert get(app, HISTORY, answer.json["key"]) == 200


def test_making_and_revoking_a_key_is_on_the_record(app, ada):
    made = make(app, ada, "chat").json
    app.test_client().delete(f"{URL}{made['id']}/", headers=ada.headers)
    with services(app).sessions() as session:
        which = select(SecurityEvent).where(SecurityEvent.kind.startswith("key_")).order_by(SecurityEvent.created_at)
        one, other = session.scalars(which)
    assert (one.kind, one.user_id, one.detail) == ("key_created", ada.id, {"key_id": made["id"], "scopes": ["chat"]})
    assert (other.kind, other.user_id, other.detail) == ("key_revoked", ada.id, {"key_id": made["id"]})


# How far it reaches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("short", list(SCOPES_OF))
def test_each_scope_reaches_exactly_its_calls(short):
    """What the table says of a key is what the documentation promises; the matrix tries the table."""
    rooms = {"chat": {"/api/chat/", "/v1/models/", "/v1/chat/"}, "visitors": {"/api/users/visitor-tokens/"}}
    for line in LINES:
        if line["guard"] == "public":
            continue
        room = "/".join(line["route"].split("/")[:3]) + "/"
        reads = line["method"] == "GET"
        quoted = line["guard"] == "user" and line["route"].startswith("/api/knowledge/documents/")
        reached = {
            "chat": room in rooms["chat"] or quoted,
            "visitors": line["route"] in rooms["visitors"],
            "read": room == "/api/knowledge/" and reads and line["guard"] == "user",
            "write": False,
            "admin": line["guard"] != "admin" and (line["method"], line["route"]) != ("POST", URL),
        }
        reached["all"] = any(reached.values())
        assert (line["route"], line[f"key_{short}"].startswith("2")) == (line["route"], reached[short])


def test_a_key_of_an_ordinary_user_writes_no_knowledge(app, ada):
    """F7: a scope is a bound and no role."""
    for scopes in (["knowledge:write"], ["admin"], list(SCOPES)):
        key = make(app, ada, *scopes).json["key"]
        body = {"title": "Hours", "content": "Open at nine."}
        answer = app.test_client().post(DOCUMENTS, json=body, headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.json["code"]) == (403, "admin_required")


@pytest.mark.parametrize("scope", SCOPES)
def test_no_key_makes_a_key(app, ada, root, scope):
    """A stolen key is gone when it is revoked."""
    for person in (ada, root):
        key = make(app, person, scope).json["key"]
        before = len(rows(app))
        answer = app.test_client().post(URL, json={"name": "Mine"}, headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.json["code"]) == (403, "session_required")
        assert len(rows(app)) == before


def test_a_refusal_names_the_scope_that_is_missing(app, ada):
    key = make(app, ada, "knowledge:read").json["key"]
    answer = app.test_client().get(HISTORY, headers={"Authorization": f"Bearer {key}"})
    assert (answer.json["code"], answer.json["detail"]) == ("insufficient_scope", "This needs the scope `chat`.")


@pytest.mark.parametrize("shape", ["upper", "lower", "cut", "longer", "hash", "prefix", "bare", "other"])
def test_what_is_nearly_a_key_is_none(app, ada, shape):
    key = make(app, ada, "admin").json["key"]
    nearly = {
        "upper": key[:3] + key[3:].swapcase(),
        "lower": key.upper(),
        "cut": key[:-1],
        "longer": key + "A",
        "hash": keys.digest(key),
        "prefix": key[:11],
        "bare": key[3:],
        "other": key[:11] + key[11:][::-1],
    }[shape]
    assert (get(app, PROFILE, key), get(app, PROFILE, nearly)) == (200, 401)
    assert get(app, PROFILE, keys.PREFIX + keys.digest(key)) == 401


def test_a_key_is_its_owners_only(app, ada, bob):
    """F2 F3: bob sees none of ada's, and revokes none."""
    hers, his = make(app, ada, name="Hers").json, make(app, bob, name="His").json
    listed = app.test_client().get(URL, headers=bob.headers).json["items"]
    assert [item["name"] for item in listed] == ["His"]
    assert app.test_client().delete(f"{URL}{hers['id']}/", headers=bob.headers).status_code == 404
    assert [get(app, HISTORY, one["key"]) for one in (hers, his)] == [200, 200]


def test_the_list_comes_in_pages_newest_first(app, ada):
    for number in range(5):
        make(app, ada, name=f"key {number}")
    client, seen, cursor = app.test_client(), [], ""
    while cursor is not None:
        page = client.get(f"{URL}?limit=2" + (f"&cursor={cursor}" if cursor else ""), headers=ada.headers).json
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [f"key {number}" for number in (4, 3, 2, 1, 0)]


# How it ends ----------------------------------------------------------------------------------------------------------


def test_an_expired_key_is_refused_from_that_moment(app, ada):
    """Also one that was in use."""
    key = make(app, ada, expires_at=(utcnow() + SOON).isoformat()).json["key"]
    assert get(app, HISTORY, key) == 200
    set_values(app, ApiKey, expires_at=utcnow())
    assert get(app, HISTORY, key) == 401
    listed = app.test_client().get(URL, headers=ada.headers).json["items"]
    assert len(listed) == 1


def test_a_revoked_key_is_refused_at_once_by_every_process(make_app, database_url):
    """E12"""
    one, other = make_app(database_url=database_url), make_app(database_url=database_url)
    ada = sign_up(one, "ada")
    made = make(one, ada).json
    assert [get(app, HISTORY, made["key"]) for app in (one, other)] == [200, 200]
    assert one.test_client().delete(f"{URL}{made['id']}/", headers=ada.headers).status_code == 204
    assert [get(app, HISTORY, made["key"]) for app in (one, other)] == [401, 401]
    again = one.test_client().delete(f"{URL}{made['id']}/", headers=ada.headers)
    assert (again.status_code, again.json["code"]) == (404, "api_key_not_found")


def test_a_key_may_revoke_itself(app, ada):
    made = make(app, ada, "admin").json
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert app.test_client().delete(f"{URL}{made['id']}/", headers=headers).status_code == 204
    assert get(app, PROFILE, made["key"]) == 401


def test_signing_out_everywhere_leaves_the_keys(app, ada):
    key = make(app, ada).json["key"]
    assert app.test_client().post("/api/users/logout/all/", headers=ada.headers).status_code == 204
    assert get(app, HISTORY, key) == 200


def test_the_keys_of_a_disabled_account_sleep(app, ada):
    """F8"""
    key = make(app, ada).json["key"]
    for active, status in ((False, 401), (True, 200)):
        with app.app_context(), services(app).sessions() as session:
            accounts.set_active(session, "ada", active)
        assert get(app, HISTORY, key) == status


def test_the_keys_of_a_deleted_account_are_gone(app, ada, bob):
    """F14"""
    hers, his = make(app, ada).json["key"], make(app, bob).json["key"]
    with app.app_context(), services(app).sessions() as session:
        accounts.delete_user(session, "ada")
    assert [get(app, HISTORY, key) for key in (hers, his)] == [401, 200]
    assert len(rows(app)) == 1


def test_an_account_that_is_deleted_meanwhile_makes_no_key(app, ada):
    """F14: the guard has let it pass, and then it is gone."""
    with app.app_context(), services(app).sessions() as session:
        accounts.delete_user(session, "ada")
        with pytest.raises(InvalidToken):
            keys.create_key(session, ada.id, "A key", ["chat"], None)


# How many, and when it was used ---------------------------------------------------------------------------------------


def fill(app: Flask, person: Person, number: int) -> None:
    with services(app).sessions() as session:
        begin_write(session)
        session.add_all(key_of(User(id=person.id), ["chat"])[0] for _ in range(number))
        session.commit()


def test_an_account_has_at_most_fifty_keys(app, ada, bob):
    """E13"""
    fill(app, ada, 49)
    assert make(app, ada).status_code == 201
    refused = make(app, ada)
    assert (refused.status_code, refused.json["code"]) == (409, "too_many_api_keys")
    assert len(rows(app)) == 50
    assert make(app, bob).status_code == 201
    set_values(app, ApiKey, expires_at=utcnow() - SOON)
    assert make(app, ada).status_code == 409, "an expired key is in the list until it is revoked"


def test_of_many_who_make_the_last_keys_at_once_only_so_many_get_one(app, ada):
    """E13"""
    fill(app, ada, 47)
    said, start = [], threading.Barrier(8)

    def run():
        start.wait()
        said.append(make(app, ada).status_code)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(said), len(rows(app))) == ([201] * 3 + [409] * 5, 50)


def test_the_last_use_is_noted_once_a_minute(app, ada):
    """Writing it at every request would cost a commit each."""
    key, written = make(app, ada).json["key"], []

    def note(_connection, _cursor, statement, *_rest):
        if statement.startswith("UPDATE api_keys"):
            written.append(statement)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", note)
    assert [get(app, HISTORY, key) for _ in range(3)] == [200] * 3
    (row,) = rows(app)
    assert len(written) == 1
    assert utcnow() - row.last_used_at < timedelta(seconds=30)
    set_values(app, ApiKey, last_used_at=utcnow() - timedelta(seconds=61))
    written.clear()
    assert [get(app, HISTORY, key) for _ in range(3)] == [200] * 3
    assert len(written) == 1
    listed = app.test_client().get(URL, headers=ada.headers).json["items"]
    assert listed[0]["last_used_at"].endswith("Z")


def test_a_request_goes_on_when_its_last_use_cannot_be_noted(sqlite_app):
    """M3: another writer has the database; the note is lost and nothing else."""
    ada = sign_up(sqlite_app, "ada")
    key = make(sqlite_app, ada).json["key"]
    with sqlite_app.app_context(), db.engine.connect() as connection:
        writer = connection.connection.driver_connection
        writer.execute("BEGIN IMMEDIATE")
        event.listen(db.engine, "checkout", lambda dbapi, *_: dbapi.execute("PRAGMA busy_timeout=50"))
        status = get(sqlite_app, HISTORY, key)
        writer.execute("ROLLBACK")
    assert status == 200
    assert rows(sqlite_app)[0].last_used_at is None
