"""Visitors of a product that embeds the chat: who may sign their tokens, what these open, and when they die."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import timedelta

import jwt as pyjwt
import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from chatbot.auth import accounts
from chatbot.auth.callers import Caller, SessionEnded, still_allowed
from chatbot.auth.credentials import jwts
from chatbot.auth.guard import identify
from chatbot.auth.models import ApiKey
from chatbot.chat.models import ChatSession
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from tests.auth.test_matrix import LINES
from tests.auth.world import HOUR, AuthActors, empty
from tests.conftest import Person, sign_up

URL, HISTORY, SEND = "/api/users/visitor-tokens/", "/api/chat/history/", "/api/chat/send/"


@pytest.fixture(scope="module")
def shared(module_app):
    return module_app()


@pytest.fixture
def world(shared):
    empty(shared)
    return AuthActors(shared)


def sign(world: AuthActors, role: str = "key_visitors", **body):
    body = {"sub": "anna", **body}
    return world.app.test_client().post(URL, json=body, headers=world.who[role].headers)


def get(app: Flask, where: str, token: str) -> int:
    return app.test_client().get(where, headers={"Authorization": f"Bearer {token}"}).status_code


def claims_of(token: str) -> dict:
    return pyjwt.decode(token, options={"verify_signature": False})


def caller_of(app: Flask, token: str) -> Caller:
    with app.app_context(), services(app).sessions() as session:
        return identify(session, token)


# Signing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["key_visitors", "key_admin", "key_all", "boss_admin"])
def test_a_key_that_may_signs_a_token_for_a_visitor(world, role):
    answer = sign(world, role)
    assert answer.status_code == 201
    assert set(answer.json) == {"access", "token_type", "expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 3600)
    assert get(world.app, HISTORY, answer.json["access"]) == 200


@pytest.mark.parametrize(
    ("role", "code"),
    [
        ("owner", "api_key_required"),
        ("admin", "api_key_required"),
        ("key_chat", "insufficient_scope"),
        ("key_write", "insufficient_scope"),
        ("visitor", "insufficient_scope"),
    ],
)
def test_nobody_else_signs_one(world, role, code):
    """A person in a page has no business to, and a visitor cannot make visitors."""
    answer = sign(world, role)
    assert (answer.status_code, answer.json["code"]) == (403, code)


def test_the_token_says_what_it_is_for_and_no_more(world):
    """P1: nothing of the key but its id."""
    token = sign(world, collections=["shop", "default"], daily_tokens=500, minutes=5).json["access"]
    claims = claims_of(token)
    assert claims["exp"] - claims["iat"] in range(300, 304)
    assert (claims["type"], claims["visitor"], claims["sub"]) == ("visitor", "anna", world.owner.id)
    assert (claims["collections"], claims["daily_tokens"]) == (["shop", "default"], 500)
    known = {
        "exp",
        "iat",
        "iss",
        "aud",
        "sub",
        "jti",
        "type",
        "family",
        "visitor",
        "collections",
        "daily_tokens",
        "fresh",
    }
    assert set(claims) <= known | {"csrf", "nbf"}
    who = caller_of(world.app, token)
    assert (who.via, who.visitor, who.username, who.is_admin) == ("visitor", "anna", "anna", False)
    assert (who.scopes, who.collections, who.daily_tokens) == (frozenset(["chat"]), frozenset(["shop", "default"]), 500)


def test_without_bounds_a_visitor_has_none(world):
    who = caller_of(world.app, sign(world).json["access"])
    assert (who.collections, who.daily_tokens) == (None, None)


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 60), (60, 3600), (24 * 60, 86400)])
def test_a_token_lives_as_long_as_it_is_told(world, minutes, seconds):
    assert sign(world, minutes=minutes).json["expires_in"] == seconds


NAMES = [
    "",
    " ",
    "a b",
    "a\tb",
    "a\nb",
    "anna\n",
    "anna\r\nSet-Cookie: x",
    "ä",
    "an\u200bna",
    "\u202eanna",
    "\uff21nna",
    "x" * 129,
    "anna\0",
    "\x1b[31m",
    "\x7f",
    None,
    5,
    True,
    ["anna"],
    {"a": 1},
    "🐴",
    "a\u0301",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_visitor_is_named_in_plain_characters(world, name):
    """G7: printable ASCII without spaces; what looks alike is not the same visitor."""
    answer = sign(world, sub=name)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/sub")


@pytest.mark.parametrize(
    "name",
    [
        "x" * 128,
        "a",
        "ada@example.com",
        "'; DROP TABLE users; --",
        "<script>alert(1)</script>",
        "../../etc",
        "%00",
        "{{7*7}}",
        "$(id)",
        "__proto__",
        '"',
        "\\",
        "null",
        "0",
        "-1",
        "owner",
    ],
)
def test_a_name_that_looks_dangerous_is_a_name(world, name):
    """G10: it is stored and given back as it is, and means nothing."""
    name = name.replace(" ", "_")
    token = sign(world, sub=name).json["access"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = world.app.test_client().post(SEND, json={"message": "When?"}, headers=headers)
    assert (answer.status_code, answer.json["user_message"]["author"]) == (200, name)
    listed = world.app.test_client().get(HISTORY, headers=headers).json["items"]
    assert [item["id"] for item in listed] == [answer.json["chat_session_id"]]
    with services(world.app).sessions() as session:
        assert session.scalars(select(ChatSession.visitor)).all() == [name]


def test_names_differ_by_every_character(world):
    """G7: as they were given; case counts."""
    for name in ("anna", "Anna", "anna.", "ann"):
        token = sign(world, sub=name).json["access"]
        headers = {"Authorization": f"Bearer {token}"}
        assert world.app.test_client().get(HISTORY, headers=headers).json["items"] == []
        world.app.test_client().post(SEND, json={"message": "When?"}, headers=headers)


BAD = [
    {"minutes": 0},
    {"minutes": -1},
    {"minutes": 1441},
    {"minutes": 1.5},
    {"minutes": "60"},
    {"minutes": True},
    {"minutes": None},
    {"minutes": 10**30},
    {"minutes": [60]},
    {"daily_tokens": 0},
    {"daily_tokens": -5},
    {"daily_tokens": 10**9 + 1},
    {"daily_tokens": "5"},
    {"daily_tokens": 1.0},
    {"daily_tokens": True},
    {"daily_tokens": False},
    {"daily_tokens": {}},
    {"daily_tokens": 10**25},
    {"collections": []},
    {"collections": [""]},
    {"collections": "default"},
    {"collections": [None]},
    {"collections": [5]},
    {"collections": [["default"]]},
    {"collections": ["x" * 101]},
    {"collections": ["x"] * 51},
    {"collections": {"default": 1}},
    {"collections": [True]},
    {"collections": ["a\0"]},
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: repr(bad)[:40])
def test_a_bound_is_of_its_type_and_in_its_range(world, bad):
    """G9: a bound that is misread would be no bound."""
    (name,) = bad
    answer = sign(world, **bad)
    assert answer.status_code == 422
    assert {error["pointer"].split("/")[1] for error in answer.json["errors"]} == {name}


@pytest.mark.parametrize(
    "good",
    [
        {"daily_tokens": 1},
        {"daily_tokens": 10**9},
        {"daily_tokens": None},
        {"collections": None},
        {"collections": ["x"] * 50},
        {"collections": ["日本語", "a b"]},
    ],
    ids=lambda good: repr(good)[:40],
)
def test_a_bound_at_its_limit_is_accepted(world, good):
    """G9"""
    answer = sign(world, **good)
    assert answer.status_code == 201
    assert get(world.app, HISTORY, answer.json["access"]) == 200


def test_a_token_fits_into_a_header(world):
    """G13: servers refuse a header beyond 8,190 bytes; what could not be used is not signed."""
    for names in (["x" * 100] * 50, ["語" * 100] * 50, ["\u0001" * 100] * 50, ["🐴" * 100] * 20):
        answer = sign(world, collections=[f"{n}{name}"[:100] for n, name in enumerate(names)])
        if answer.status_code == 422:
            assert answer.json["errors"][0]["pointer"] == "/collections"
        else:
            assert len(answer.json["access"]) < 8000
    assert sign(world, collections=["c" * 20] * 50).status_code == 201


# What it opens --------------------------------------------------------------------------------------------------------


CHAT = ("/api/chat/", "/v1/")


READING = "/api/knowledge/documents/<uuid:document_id>/"
QUOTED = {READING, f"{READING}versions/<int:number>/", f"{READING}chunks/"}


def test_a_visitor_reaches_the_chat_what_it_quotes_and_nothing_else():
    """F3: so says the table, and the matrix tries it; nothing of the owner's account is among it."""
    passes = [line for line in LINES if line["guard"] != "public" and line["visitor"].startswith("2")]
    chat = {line["route"] for line in LINES if line["route"].startswith(CHAT)}
    assert {line["route"] for line in passes} == chat | QUOTED
    assert {line["method"] for line in passes if line["route"] in QUOTED} == {"GET"}


@pytest.mark.parametrize("role", ["key_all", "boss_admin"])
def test_a_visitor_has_nothing_of_the_owners_roles(world, role):
    """F7: not even one of an administrator's."""
    token = sign(world, role).json["access"]
    assert caller_of(world.app, token).is_admin is False
    for line in LINES:
        if line["method"] == "GET" and line["guard"] != "public" and "<" not in line["route"]:
            expected = 200 if line["route"].startswith(CHAT) else 403
            assert (line["route"], get(world.app, line["route"], token)) == (line["route"], expected)


def test_a_visitor_of_a_strict_house_needs_an_owner_who_is_confirmed(module_app):
    """C16"""
    strict = AuthActors(module_app(require_verified_email=True))
    token = strict.visitor("key_of_unverified", "anna").shows
    answer = strict.app.test_client().get(HISTORY, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json["code"]) == (403, "email_not_verified")


# When it dies ---------------------------------------------------------------------------------------------------------


def change(app: Flask, statement) -> None:
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(statement)
        session.commit()


def prepared(app: Flask) -> tuple[Person, dict, str]:
    """An owner, their key, and a visitor's token."""
    ada = sign_up(app, "ada")
    body = {"name": "k", "scopes": ["visitors"]}
    key = app.test_client().post("/api/users/api-keys/", json=body, headers=ada.headers).json
    by_key = {"Authorization": f"Bearer {key['key']}"}
    return ada, key, app.test_client().post(URL, json={"sub": "anna"}, headers=by_key).json["access"]


def test_a_token_dies_with_its_key_in_every_process(make_app, database_url):
    """E12"""
    one, other = make_app(database_url=database_url), make_app(database_url=database_url)
    ada, key, token = prepared(one)
    assert [get(app, HISTORY, token) for app in (one, other)] == [200, 200]
    one.test_client().delete(f"/api/users/api-keys/{key['id']}/", headers=ada.headers)
    assert [get(app, HISTORY, token) for app in (one, other)] == [401, 401]


@pytest.mark.parametrize(
    "values", [{"expires_at": utcnow() - HOUR}, {"scopes": ["chat"]}, {"scopes": []}], ids=["expired", "scope", "none"]
)
def test_a_token_dies_when_its_key_expires_or_may_not_any_more(app, values):
    _, _, token = prepared(app)
    who = caller_of(app, token)
    assert still_allowed(services(app).sessions, who) is None
    change(app, update(ApiKey).values(values))
    assert get(app, HISTORY, token) == 401
    assert isinstance(still_allowed(services(app).sessions, who), SessionEnded), "and so does its stream"


def test_a_token_sleeps_while_its_owner_is_disabled_and_dies_with_them(app):
    """F8 F14"""
    _, _, token = prepared(app)
    who = caller_of(app, token)
    for active, status in ((False, 401), (True, 200)):
        with app.app_context(), services(app).sessions() as session:
            accounts.set_active(session, "ada", active)
        assert get(app, HISTORY, token) == status
        assert (still_allowed(services(app).sessions, who) is None) is active
    with app.app_context(), services(app).sessions() as session:
        accounts.delete_user(session, "ada")
    assert get(app, HISTORY, token) == 401
    assert isinstance(still_allowed(services(app).sessions, who), SessionEnded)


def test_signing_out_does_not_end_visitors(app):
    ada, _, token = prepared(app)
    app.test_client().post("/api/users/logout/all/", headers=ada.headers)
    assert get(app, HISTORY, token) == 200


# Forging --------------------------------------------------------------------------------------------------------------


def forged(world: AuthActors, **changes) -> str:
    """A visitor's token with other claims, signed as this application signs."""
    secrets = services(world.app).jwt_secrets
    claims = {k: v for k, v in (claims_of(world.who["visitor"].shows) | changes).items() if v is not ...}
    return pyjwt.encode(claims, secrets.current, "HS256", {"kid": jwts.kid_of(secrets.current)})


BENT = [
    {"visitor": ...},
    {"visitor": ""},
    {"visitor": None},
    {"visitor": 5},
    {"visitor": ["anna"]},
    {"visitor": "a b"},
    {"visitor": "x" * 129},
    {"visitor": "ä"},
    {"visitor": "anna\n"},
    {"collections": "default"},
    {"collections": [1]},
    {"collections": {}},
    {"daily_tokens": "5"},
    {"daily_tokens": 1.5},
    {"daily_tokens": True},
    {"family": ...},
    {"family": "x"},
    {"family": None},
    {"sub": ...},
    {"type": "refresh"},
    {"type": "Visitor"},
    {"type": ...},
    {"exp": ...},
    {"exp": 1},
    {"aud": "other"},
    {"iss": "other"},
]


@pytest.mark.parametrize("bent", BENT, ids=repr)
def test_a_token_whose_claims_are_bent_is_none(world, bent):
    """D4 D5 D6: even when the signature is right."""
    assert get(world.app, HISTORY, forged(world)) == 200
    assert get(world.app, HISTORY, forged(world, **bent)) == 401


def test_an_unsigned_change_of_a_claim_is_refused(world):
    """D1 D2: another visitor's name, no bounds, an administrator's role."""
    header, body, signature = world.who["visitor"].shows.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    for change_ in (
        {"visitor": "otto"},
        {"collections": None},
        {"sub": world.boss.id},
        {"type": "access"},
        {"exp": 2**33},
    ):
        other = base64.urlsafe_b64encode(json.dumps(claims | change_).encode()).decode().rstrip("=")
        none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
        for token in (f"{header}.{other}.{signature}", f"{none}.{other}.", f"{none}.{other}.{signature}"):
            assert get(world.app, HISTORY, token) == 401


def test_a_visitors_token_is_no_other_kind_of_token(world):
    """D6 C2: it refreshes nothing, signs out nobody, and is no access token of its owner's."""
    token = world.who["visitor"].shows
    client = world.app.test_client()
    assert client.post("/api/users/token/refresh/", json={"refresh": token}).status_code == 401
    out = client.post("/api/users/logout/", json={"refresh": token}, headers=world.who["owner"].headers)
    assert out.status_code == 401
    assert client.post("/api/users/verify-email/", json={"token": token}).status_code == 401
    assert get(world.app, HISTORY, forged(world, type="access")) == 401


def test_a_claim_of_a_visitor_in_an_access_token_means_nothing(world):
    """D13: a session is its person's."""
    claims = claims_of(world.who["owner"].shows)
    secrets = services(world.app).jwt_secrets
    mixed = pyjwt.encode(claims | {"visitor": "anna", "daily_tokens": 1}, secrets.current, "HS256")
    who = caller_of(world.app, mixed)
    assert (who.via, who.visitor, who.daily_tokens) == ("session", "", None)


def test_a_token_names_the_key_that_signed_it(world):
    """D13: another key's id, a session's id, or somebody else's key will not do."""
    with services(world.app).sessions() as session:
        boss = session.scalars(select(ApiKey.id).where(ApiKey.user_id == world.boss.id)).first()
    session_id = claims_of(world.who["owner"].shows)["family"]
    for family in (boss, session_id, str(uuid.uuid4())):
        assert get(world.app, HISTORY, forged(world, family=family)) == 401


def test_what_is_signed_for_a_key_that_is_gone_is_worth_nothing(world):
    """The id of a deleted key is never given again."""
    token = sign(world).json["access"]
    change(world.app, delete(ApiKey).where(ApiKey.id == claims_of(token)["family"]))
    assert get(world.app, HISTORY, token) == 401
    with world.app.app_context():
        late = jwts.sign_visitor(world.owner.id, claims_of(token)["family"], "anna", timedelta(minutes=5))
    assert get(world.app, HISTORY, late) == 401
