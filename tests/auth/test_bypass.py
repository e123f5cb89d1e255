"""F12 and F1: bent addresses, and other ways to show a token. None of them gives more than the straight one."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from tests.auth.test_matrix import LINES, name_of
from tests.auth.world import AuthActors, empty
from tests.conftest import sign_up

PROBLEM = "application/problem+json"
PROFILE, DOCUMENTS, HISTORY = "/api/users/profile/", "/api/knowledge/documents/", "/api/chat/history/"
GUARDED = [line for line in LINES if line["method"] == "GET" and line["guard"] != "public" and "<" not in line["route"]]


@pytest.fixture(scope="module")
def shared(module_app):
    return module_app()


@pytest.fixture
def world(shared):
    empty(shared)
    return AuthActors(shared)


def get(app: Flask, where: str, headers: dict[str, str], **query: str):
    return app.test_client().get(where, headers=headers, query_string=query, buffered=True)


def raw(app: Flask, path: str, headers: dict[str, str], **query: str):
    """A GET of a path that no client has tidied up; it is what the server hands over after decoding."""
    bent = {"PATH_INFO": path, "RAW_URI": path, "REQUEST_URI": path}
    client = app.test_client()
    return client.get("/", headers=headers, query_string=query, environ_overrides=bent, buffered=True)


def asks(line: dict[str, str]) -> dict[str, str]:
    return {"q": "hours"} if line["route"].endswith("/search/") else {}


def bent(path: str) -> list[str]:
    first, _, rest = path.lstrip("/").partition("/")
    bare = path.rstrip("/")
    return [
        bare,
        f"/{path}",
        f"//{path}",
        path.replace("/", "//"),
        f"{path}/",
        f"{bare};x",
        f"{path};x=1",
        f"{bare};/",
        f"/{first};x/{rest}",
        f"/./{path[1:]}",
        f"/swagger/..{path}",
        f"/static/..{path}",
        f"/healthz/..{path}",
        f"/{first}/../{first}/{rest}",
        f"/{first}/x/../{rest}",
        path.upper(),
        path.title(),
        bare + ".json",
        bare + ".",
        bare + "%2f",
        bare + "%2e",
        bare + "%252f",
        bare + " ",
        bare + "\t",
        bare + "?",
        bare + "#",
        bare + "\\",
        path.replace("/", "\\"),
        path.replace("/", "%2f"),
        path.replace("/api", "/\uff41pi").encode().decode("latin-1"),
        path[1:],
        f"http://localhost{path}",
        bare + "/..;/",
        bare + "\r\nX: y",
        bare + "\0",
    ]


@pytest.mark.parametrize("line", GUARDED, ids=name_of)
@pytest.mark.parametrize("role", ["nobody", "dead", "owner", "visitor"])
def test_a_bent_address_gives_no_more_than_the_straight_one(world, line, role):
    """F12: the same answer as to the straight address, or there is nothing there."""
    headers = world.who["disabled" if role == "dead" else role].headers
    straight = get(world.app, line["route"], headers, **asks(line))
    alike = {(straight.status_code, straight.mimetype), (404, PROBLEM), (422, PROBLEM)}
    if line["route"].startswith("/v1/"):
        alike |= {(404, "application/json"), (400, "application/json")}
    for path in bent(line["route"]):
        answer = raw(world.app, path, headers, **asks(line))
        assert (path, (answer.status_code, answer.mimetype) in alike) == (path, True)


@pytest.mark.parametrize("line", GUARDED, ids=name_of)
def test_an_address_works_without_its_last_slash_and_with_the_same_guard(world, line):
    """F12: no redirect stands between, and what has no slash takes none."""
    where = line["route"].rstrip("/")
    assert get(world.app, where, {}, **asks(line)).status_code == 401
    assert get(world.app, where, world.who["admin"].headers, **asks(line)).status_code == int(line["admin"])


@pytest.mark.parametrize(
    "name",
    [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Prefix",
        "X-Script-Name",
        "Script-Name",
        "X-Forwarded-Uri",
        "X-Envoy-Original-Path",
        "X-Forwarded-For",
        "X-Real-IP",
        "X-User",
        "X-Remote-User",
        "X-Forwarded-User",
    ],
)
def test_a_header_leads_to_no_other_address_and_to_no_other_caller(world, name):
    """F12 F1"""
    for value in (DOCUMENTS, "/healthz", "127.0.0.1", world.boss.username, world.boss.id):
        assert get(world.app, "/healthz", world.who["admin"].headers | {name: value}).json == {"status": "ok"}
        assert get(world.app, DOCUMENTS, {name: value}).status_code == 401
        assert get(world.app, DOCUMENTS, world.who["owner"].headers | {name: value}).status_code == 403


def test_a_swagger_or_static_file_leads_out_of_nowhere(world):
    """F12"""
    for base in ("/swagger/", "/static/"):
        for path in (
            "../app.py",
            "..%2fapp.py",
            "%2e%2e/app.py",
            "....//app.py",
            "/etc/passwd",
            "..\\app.py",
            "a/../../app.py",
        ):
            assert raw(world.app, base + path, {}).status_code == 404


@pytest.mark.parametrize("role", ["owner", "key_all", "visitor"])
def test_only_the_authorization_header_shows_a_token(world, role):
    """F1: not the address, where logs would have it, nor a cookie, which a browser adds by itself, nor a body."""
    token = world.who[role].shows
    client = world.app.test_client()
    for name in ("access_token", "access", "token", "jwt", "api_key", "key", "bearer", "Authorization"):
        client.set_cookie(name, token)
        client.set_cookie(f"{name}_cookie", token)
        assert client.get(HISTORY).status_code == 401
        assert client.get(HISTORY, query_string={name: token}).status_code == 401
        assert client.get(HISTORY, headers={f"X-{name}".replace("_", "-"): token}).status_code == 401
        assert client.post("/api/chat/send/", json={"message": "Hm?", name: token}).status_code == 401


def test_the_authorization_header_is_bearer_and_one_token(world):
    """F1 D14"""
    token = world.who["owner"].shows
    good = [f"Bearer {token}", f"bearer {token}", f"BEARER   {token} "]
    bad = [
        "",
        "Bearer",
        "Bearer ",
        token,
        f"Basic {token}",
        f"JWT {token}",
        f"Token {token}",
        f"Bearer{token}",
        f"Bearer {token}, Bearer {token}",
        f"Bearer {token} {token}",
        f"Bearer Bearer {token}",
        f'Bearer "{token}"',
        f"Bearer {token[:-1]}",
        "Bearer cb_",
        "Bearer cb_\xff",
        "Bearer \xfc\xdf",
        "Bearer ..",
        "Bearer null",
        "Bearer undefined",
        "Bearer cb_%",
        f"Digest {token}",
    ]
    assert [get(world.app, HISTORY, {"Authorization": value}).status_code for value in good] == [200] * len(good)
    for value in bad:
        answer = get(world.app, HISTORY, {"Authorization": value})
        assert (value, answer.status_code) == (value, 401)
        assert re.fullmatch(
            r'Bearer realm="chatbot", error="(invalid_token|not_authenticated)"', answer.headers["WWW-Authenticate"]
        )


def test_an_endpoint_without_a_guard_is_refused_to_everybody(sqlite_app, caplog):
    """F1: default deny; its view does not run."""
    ran = []
    sqlite_app.add_url_rule("/bare/", "bare", lambda: ran.append(1) or "secret", methods=["GET", "POST"])
    root = sign_up(sqlite_app, "root", admin=True)
    for headers in ({}, root.headers):
        assert get(sqlite_app, "/bare/", headers).status_code == 403
        assert sqlite_app.test_client().post("/bare/", headers=headers).status_code == 403
    assert ran == []
    assert "endpoint without a guard: bare" in caplog.text
