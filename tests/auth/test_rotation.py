"""Changing the secrets: what the old one signed counts until it retires, and no minute longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt as pyjwt
import pytest

from chatbot.auth import recovery
from chatbot.auth.credentials import jwts, keys
from chatbot.auth.models import ApiKey, User
from chatbot.config.signing_secrets import Secrets
from chatbot.current import services
from chatbot.db import utcnow
from tests.conftest import PASSWORD, sign_up

PROFILE, REFRESH, LOGIN = "/api/users/profile/", "/api/users/token/refresh/", "/api/users/login/"
VERIFY, RESET = "/api/users/verify-email/", "/api/users/password/reset/"
OLD, NEW, OTHER = "old-" + "a1b2c3" * 8, "new-" + "d4e5f6" * 8, "other-" + "g7h8i9" * 8
TOMORROW, YESTERDAY = utcnow() + timedelta(days=1), utcnow() - timedelta(days=1)
# Both secrets may be changed, each by itself.
ROTATIONS = {
    "derived": ({"secret_key": OLD}, {"secret_key": NEW, "secret_key_previous": OLD}),
    "own": (
        {"secret_key": OTHER, "jwt_secret_key": OLD},
        {"secret_key": OTHER, "jwt_secret_key": NEW, "jwt_secret_key_previous": OLD},
    ),
    "own to derived": (
        {"secret_key": OTHER, "jwt_secret_key": OLD},
        {"secret_key": OTHER, "jwt_secret_key_previous": OLD},
    ),
}

each = pytest.mark.parametrize("rotation", ROTATIONS.values(), ids=ROTATIONS)


def status(app, access: str) -> int:
    answer = app.test_client().get("/api/chat/history/", headers={"Authorization": f"Bearer {access}"})
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="chatbot", error="invalid_token"'
        assert answer.json["code"] == "invalid_token"
    return answer.status_code


def refresh(app, token: str):
    return app.test_client().post(REFRESH, json={"refresh": token})


def kid(token: str) -> str:
    return pyjwt.get_unverified_header(token)["kid"]


def resigned(token: str, key: str, **header) -> str:
    """The token's claims under another signature; a header of None is left out."""
    claims = pyjwt.decode(token, options={"verify_signature": False})
    return pyjwt.encode(claims, key, algorithm="HS256", headers={k: v for k, v in header.items() if v is not None})


def visitor_of(app, who) -> str:
    with app.app_context(), services(app).sessions() as session:
        key, _ = keys.create_key(session, who.id, "x", ["visitors"], None)
        return jwts.sign_visitor(who.id, key.id, "customer-1", timedelta(hours=1))


@each
def test_what_the_old_key_signed_counts_until_it_retires(make_app, database_url, rotation):
    """D8: every kind of JWT."""
    before, after = rotation
    old = make_app(database_url=database_url, **before)
    ada = sign_up(old, "ada")
    visitor = visitor_of(old, ada)
    new = make_app(database_url=database_url, **after, secrets_retire_at=TOMORROW)
    assert [status(new, token) for token in (ada.access, visitor)] == [200, 200]
    retired = make_app(database_url=database_url, **after, secrets_retire_at=YESTERDAY)
    assert [status(retired, token) for token in (ada.access, visitor)] == [401, 401]
    assert refresh(retired, ada.refresh).status_code == 401
    assert refresh(new, ada.refresh).status_code == 200


@each
def test_new_tokens_carry_the_new_key(make_app, database_url, rotation):
    """D8: so a refresh brings a session over, and it goes on when the old key has retired."""
    before, after = rotation
    old = make_app(database_url=database_url, **before)
    ada = sign_up(old, "ada")
    new = make_app(database_url=database_url, **after, secrets_retire_at=TOMORROW)
    retired = make_app(database_url=database_url, **after, secrets_retire_at=YESTERDAY)
    pair = refresh(new, ada.refresh).json
    login = new.test_client().post(LOGIN, json={"email": ada.email, "password": PASSWORD}).json
    fresh = [pair["access"], pair["refresh"], login["access"], login["refresh"], visitor_of(new, ada)]
    assert {kid(token) for token in fresh} == {jwts.kid_of(services(new).settings.jwt_secrets().current)}
    assert kid(ada.access) == kid(ada.refresh) == jwts.kid_of(services(old).settings.jwt_secrets().current)
    assert {kid(token) for token in fresh} != {kid(ada.access)}
    assert status(retired, pair["access"]) == status(retired, fresh[-1]) == 200
    assert refresh(retired, pair["refresh"]).status_code == 200


def test_a_key_retires_while_the_process_runs(make_app, monkeypatch):
    """D8: nobody has to restart anything at that moment."""
    ada = sign_up(make_app(secret_key=OLD), "ada")
    app = make_app(secret_key=NEW, secret_key_previous=OLD, secrets_retire_at=TOMORROW)
    assert status(app, ada.access) == 200
    monkeypatch.setattr(jwts, "utcnow", lambda: TOMORROW - timedelta(microseconds=1))
    assert status(app, ada.access) == 200
    monkeypatch.setattr(jwts, "utcnow", lambda: TOMORROW)
    assert status(app, ada.access) == 401


def test_the_moment_of_retirement_may_be_told_in_any_zone():
    """D8 G17"""
    moment = datetime.fromisoformat("2030-01-31T14:00:00+02:00")
    secrets = Secrets(NEW, OLD, moment)
    noon = datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert secrets.previous_at(noon - timedelta(microseconds=1)) == OLD
    assert secrets.previous_at(noon) is None
    assert Secrets(NEW, OLD).previous_at(noon) is None
    assert Secrets(NEW, None, moment).previous_at(noon - timedelta(days=1)) is None


def test_a_token_is_checked_with_the_key_it_names_and_no_other(make_app):
    """D3 D8"""
    ada = sign_up(make_app(secret_key=OLD), "ada")
    app = make_app(secret_key=NEW, secret_key_previous=OLD, secrets_retire_at=TOMORROW)
    secrets = services(app).settings.jwt_secrets()
    new, old = secrets.current, secrets.previous
    passes = {(new, jwts.kid_of(new)), (new, None), (old, jwts.kid_of(old))}
    for key in (new, old, OTHER, ""):
        for name in (jwts.kid_of(new), jwts.kid_of(old), jwts.kid_of(OTHER), "", "x" * 1000, None):
            if key:
                wanted = 200 if (key, name) in passes else 401
                assert status(app, resigned(ada.access, key, kid=name)) == wanted, (key, name)
    assert status(app, resigned(ada.access, old, kid=jwts.kid_of(old)).rpartition(".")[0] + ".") == 401


def test_without_a_previous_key_the_old_one_is_worth_nothing(make_app):
    """D8: how a secret that somebody has learned is changed."""
    old = make_app(secret_key=OLD)
    ada = sign_up(old, "ada")
    app = make_app(secret_key=NEW)
    assert (status(app, ada.access), refresh(app, ada.refresh).status_code) == (401, 401)


def test_the_name_of_a_key_tells_nothing_of_the_key():
    """P1"""
    names = [jwts.kid_of(secret) for secret in (OLD, NEW, OTHER)]
    assert len(set(names)) == 3
    assert all(len(name) == 16 and name not in secret for name in names for secret in (OLD, NEW, OTHER))


def test_an_api_key_is_signed_with_no_secret(make_app):
    """D8: it lives as long as its row."""
    old = make_app(secret_key=OLD)
    ada = sign_up(old, "ada")
    body = {"name": "x", "scopes": ["chat"]}
    key = old.test_client().post("/api/users/api-keys/", json=body, headers=ada.headers).json["key"]
    assert status(make_app(secret_key=NEW), key) == 200
    with services(old).sessions() as session:
        assert session.query(ApiKey).count() == 1


LINKS = {
    "verify": (VERIFY, recovery.verification_token, {}),
    "reset": (RESET, recovery.reset_token, {"password": "a lighthouse in the fog"}),
}


def link(app, kind: str) -> str:
    with services(app).sessions() as session:
        return LINKS[kind][1](services(app).settings, session.query(User).one())


def follow(app, kind: str, token: str) -> int:
    url, _, body = LINKS[kind]
    body = {"token": token} | body | ({"password2": body["password"]} if body else {})
    answer = app.test_client().post(url, json=body)
    assert answer.status_code == 200 or answer.json["code"] == "invalid_or_expired_token"
    return answer.status_code


@pytest.mark.parametrize("kind", LINKS)
def test_links_of_letters_change_over_likewise(make_app, database_url, kind):
    """C5 D8: an old one counts until then, and a new one is signed with the new secret alone."""
    old = make_app(database_url=database_url, secret_key=OLD)
    sign_up(old, "ada")
    sent = link(old, kind)
    after = {"database_url": database_url, "secret_key": NEW, "secret_key_previous": OLD}
    new = make_app(**after, secrets_retire_at=TOMORROW)
    retired = make_app(**after, secrets_retire_at=YESTERDAY)
    assert (follow(retired, kind, sent), follow(make_app(database_url=database_url, secret_key=NEW), kind, sent)) == (
        401,
        401,
    )
    assert follow(old, kind, link(new, kind)) == 401
    assert follow(new, kind, sent) == 200
    assert follow(retired, kind, link(new, kind)) == 200


def test_changing_one_secret_leaves_the_other_alone(make_app):
    """D8: with a JWT_SECRET_KEY of its own, SECRET_KEY is for e-mails only."""
    old = make_app(secret_key=OLD, jwt_secret_key=OTHER)
    ada, sent = sign_up(old, "ada"), link(old, "verify")
    letters = make_app(secret_key=NEW, jwt_secret_key=OTHER)
    assert (status(letters, ada.access), follow(letters, "verify", sent)) == (200, 401)
    jwts = make_app(secret_key=OLD, jwt_secret_key=NEW)
    assert (status(jwts, ada.access), follow(jwts, "verify", sent)) == (401, 200)
