"""The database is away: nobody is let in on trust, what needs no database goes on, and afterwards nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import jwt as pyjwt
import pytest
from sqlalchemy import make_url

from chatbot.auth import callers, guard, recovery
from chatbot.auth.credentials import jwts, keys
from chatbot.auth.models import User
from chatbot.current import services
from chatbot.extensions import db
from tests.conftest import PASSWORD, _sql, sign_up

NOBODY = "5f0c2a52-3f5e-4a39-9a3c-1f2f6f0a7b11"
REFRESH, PROFILE = "/api/users/token/refresh/", "/api/users/profile/"


def close_connections(app) -> None:
    with app.app_context():
        db.engine.dispose()


@contextmanager
def no_file(app) -> Iterator[None]:
    """A folder where the SQLite file should be, as on a disk that was not mounted."""
    close_connections(app)
    file = services(app).settings.instance_path / "chatbot.db"
    away = file.rename(file.with_name("away"))
    file.mkdir()
    try:
        yield
    finally:
        close_connections(app)
        file.rmdir()
        away.rename(file)


@contextmanager
def no_server(app, server: str, url: str) -> Iterator[None]:
    """A PostgreSQL that ends every connection and takes no new one, as while it is restarted."""
    name = make_url(url).database
    _sql(server, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    _sql(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        yield
    finally:
        _sql(server, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")


@pytest.fixture
def away(app, database_url, request):
    """While it is entered, the application's database cannot be reached."""
    if database_url is None:
        return lambda: no_file(app)
    return lambda: no_server(app, request.getfixturevalue("postgres_server"), database_url)


def ask(app, method: str, url: str, **kwargs):
    return app.test_client().open(url, method=method, buffered=True, **kwargs)


def test_without_the_database_nobody_is_let_in(app, ada, root, away):
    """E10: neither a person nor a key nor a visitor, wherever a guard stands; the 503 says when to come back."""
    with app.app_context(), services(app).sessions() as session:
        key, secret = keys.create_key(session, ada.id, "x", ["admin", "visitors"], None)
        visitor = jwts.sign_visitor(ada.id, key.id, "customer-1", timedelta(hours=1))
    asked = 0
    with away():
        for rule in app.url_map.iter_rules():
            if guard.guard_of(app, rule.endpoint) == "public":
                continue
            url = rule.build({name: NOBODY if name.endswith("id") else 1 for name in rule.arguments})[1]
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                asked += 1
                answer = ask(app, method, url, headers=root.headers)
                ours = not url.startswith("/v1/")
                mimetype = "application/problem+json" if ours else "application/json"
                assert (answer.status_code, answer.mimetype) == (503, mimetype), url
                assert int(answer.headers["Retry-After"]) >= 1
                assert (answer.json if ours else answer.json["error"])["code"] == "busy"
        for token in (ada.access, secret, visitor):
            answer = ask(app, "GET", "/api/chat/history/", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 503
    assert asked > 20


def test_without_the_database_a_stream_is_not_trusted_either(app, ada, away):
    """E10 K14"""
    with app.app_context(), services(app).sessions() as session:
        who = guard.identify(session, ada.access)
    assert callers.still_allowed(services(app).sessions, who) is None
    with away():
        assert callers.still_allowed(services(app).sessions, who).status == 503


def test_what_no_key_opens_is_refused_without_asking_the_database(app, ada, away):
    """E10: a forged token is no reason to try again."""
    with away():
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {ada.refresh}"}):
            assert ask(app, "GET", PROFILE, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "url",
    [
        "/",
        "/healthz",
        "/openapi.json",
        "/swagger/",
        "/api/users/verify-email/?token=x",
        "/api/users/password/reset/?token=x",
    ],
)
def test_what_needs_no_database_is_there(app, away, url):
    """E10"""
    with away():
        assert ask(app, "GET", url).status_code == 200
        assert ask(app, "GET", "/readyz").status_code == 503


def test_what_needs_the_database_and_no_guard_says_so(app, ada, away):
    """E10: and spends nothing: afterwards the same tokens and the same password are good."""
    twice = {"password": "a lighthouse in the fog", "password2": "a lighthouse in the fog"}
    bodies = {
        "token/refresh/": {"refresh": ada.refresh},
        "login/": {"email": ada.email, "password": PASSWORD},
        "password/forgot/": {"email": ada.email},
        "verify-email/resend/": {"email": ada.email},
        "signup/": {"username": "eve", "email": "eve@example.com", "password": PASSWORD, "password2": PASSWORD},
        "password/change/": twice | {"current_password": PASSWORD},
    }
    with away():
        for path, body in bodies.items():
            answer = ask(app, "POST", f"/api/users/{path}", json=body, headers=ada.headers)
            assert (answer.status_code, answer.json["code"]) == (503, "busy"), path
    assert ask(app, "GET", PROFILE, headers=ada.headers).status_code == 200
    for path in ("token/refresh/", "login/", "signup/"):
        assert ask(app, "POST", f"/api/users/{path}", json=bodies[path]).status_code in (200, 201)


def test_a_session_that_was_ended_stays_ended_when_the_database_is_back(app, ada, bob, away):
    """E10 E11"""
    ask(app, "POST", "/api/users/logout/all/", headers=ada.headers)
    with away():
        assert ask(app, "GET", PROFILE, headers=ada.headers).status_code == 503
    answers = [ask(app, "GET", PROFILE, headers=who.headers).status_code for who in (ada, bob)]
    assert answers == [401, 200]
    assert pyjwt.decode(ada.access, options={"verify_signature": False})["sub"] == ada.id


def overwritten(content: bytes) -> bytes:
    """Another file, where the database was."""
    return b"This is no database. " * (len(content) // 21)


def torn(content: bytes) -> bytes:
    """The database with its first page whole and nothing but rubbish on the others, as after a disk has failed."""
    return content[:4096] + b"\xff" * (len(content) - 4096)


@pytest.mark.parametrize("damage", [overwritten, torn])
def test_a_damaged_database_is_told_from_a_busy_one(make_app, capsys, damage):
    """P3: trying again does not help, so somebody has to hear of it; the client is told nothing of the file."""
    app = make_app()
    ada = sign_up(app, "ada")
    close_connections(app)
    file = services(app).settings.instance_path / "chatbot.db"
    file.write_bytes(damage(file.read_bytes()))
    body = {"email": ada.email, "password": PASSWORD}
    answers = [ask(app, "GET", PROFILE, headers=ada.headers), ask(app, "POST", "/api/users/login/", json=body)]
    for answer in answers:
        assert (answer.status_code, answer.json["code"]) == (503, "database_damaged")
        assert int(answer.headers["Retry-After"]) >= 60
        assert "chatbot.db" not in answer.text
    log = capsys.readouterr().err
    assert (log.count("[error    ] database_damaged"), log.count("Traceback")) == (2, 0)
    assert ask(app, "GET", "/healthz").status_code == 200


@pytest.mark.parametrize("url", ["/api/users/verify-email/", "/api/users/password/reset/"], ids=["verify", "reset"])
def test_somebody_at_a_form_is_told_on_a_page_that_the_database_is_away(app, ada, away, url):
    """C10 E10: and sends the form again later."""
    with services(app).sessions() as session:
        make = recovery.verification_token if "verify" in url else recovery.reset_token
        token = make(services(app).settings, session.get(User, ada.id))
    fields = {} if "verify" in url else {"password": "a lighthouse in the fog", "password2": "a lighthouse in the fog"}
    form = {"query_string": {"token": token}, "data": fields, "content_type": "application/x-www-form-urlencoded"}
    with away():
        answer = ask(app, "POST", url, **form)
        assert (answer.status_code, answer.mimetype, "Retry-After" in answer.headers) == (503, "text/html", True)
        assert "The database is busy or away; try again." in answer.text
        assert '<form method="post">' in answer.text
    assert ask(app, "POST", url, **form).status_code == 200
