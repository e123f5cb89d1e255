"""JWTs: only ours, whole, fresh and of the right kind."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from uuid import uuid4

import jwt as pyjwt
import pytest
from sqlalchemy import update

from chatbot.auth import tokens
from chatbot.auth.models import User
from chatbot.auth.service import verification_token
from chatbot.db import begin_write
from tests.conftest import sign_up

PROFILE = "/api/users/profile/"
DROP = "left out"
NOBODY = "5f0c2a52-3f5e-4a39-9a3c-1f2f6f0a7b11"


@pytest.fixture
def ada(sqlite_app):
    """An ordinary user, on SQLite."""
    return sign_up(sqlite_app, "ada")


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forge(app, token: str, header: dict | None = None, key: str | None = None, **changes) -> str:
    """The token with some claims changed, signed anew with the real key (or another)."""
    claims = {**pyjwt.decode(token, options={"verify_signature": False}), **changes}
    claims = {name: value for name, value in claims.items() if value is not DROP}
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', **(header or {})})}.{part(claims)}"
    secret = (key or app.extensions["settings"].jwt_secret()).encode()
    signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def status(app, token: str) -> int:
    answer = app.test_client().get(PROFILE, headers={"Authorization": f"Bearer {token}"})
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="chatbot", error="')
        assert answer.json["detail"] == "The token is not valid."
    return answer.status_code


def test_a_token_signed_anew_with_our_key_passes(sqlite_app, ada):
    """The yardstick of all cases below: it is the change that makes them fail."""
    assert status(sqlite_app, ada.access) == 200
    assert status(sqlite_app, forge(sqlite_app, ada.access)) == 200


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "nOnE", "NONE", "", None, 5, ["HS256"], "HS384", "HS512", "RS256", "ES256"]
)
def test_no_other_algorithm_is_taken(sqlite_app, ada, algorithm):
    """D1 D2"""
    token = forge(sqlite_app, ada.access, {"alg": algorithm})
    assert status(sqlite_app, token) == 401
    assert status(sqlite_app, token.rpartition(".")[0] + ".") == 401


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_sound_signature_of_another_algorithm_is_not_taken(sqlite_app, ada, algorithm):
    """D2"""
    claims = pyjwt.decode(ada.access, options={"verify_signature": False})
    key = sqlite_app.extensions["settings"].jwt_secret()
    assert status(sqlite_app, pyjwt.encode(claims, key, algorithm=algorithm)) == 401


@pytest.mark.parametrize(
    "header",
    [{"kid": "/dev/null"}, {"kid": "../../etc/passwd"}, {"kid": 5}, {"jku": "http://127.0.0.1:1/keys"},
    {"x5u": "file:///etc/passwd"},
     {"jwk": {"kty": "oct", "k": "AAAA"}}, {"crit": ["exp"]}, {"crit": ["b64"], "b64": False}],
)  # fmt: skip
def test_hints_about_keys_are_not_followed(sqlite_app, ada, header):
    """D3: our key decides; with another one none of them helps."""
    assert status(sqlite_app, forge(sqlite_app, ada.access, header)) in (200, 401)
    assert status(sqlite_app, forge(sqlite_app, ada.access, header, key="another")) == 401
    assert status(sqlite_app, forge(sqlite_app, ada.access, header, key="\0")) == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1}, {"exp": DROP}, {"exp": str(2**33)}, {"exp": 2.0**33 + 0.5}, {"exp": 1e30}, {"exp": -1},
        {"exp": None},
        {"exp": True}, {"exp": [1]}, {"nbf": 2**33}, {"nbf": "x"}, {"iat": DROP}, {"iat": 2**33},
        {"iat": "x"}, {"iat": 1.5},
        {"iss": DROP}, {"iss": "chat"}, {"iss": "chatbot2"}, {"iss": ["chatbot"]}, {"iss": ""},
        {"aud": DROP}, {"aud": "chat"}, {"aud": ["other"]}, {"aud": 5}, {"aud": None},
        {"sub": DROP}, {"sub": 1}, {"sub": None}, {"sub": ""}, {"sub": NOBODY}, {"sub": ["x"]},
        {"sub": "' OR 1=1"},
        {"family": DROP}, {"family": NOBODY}, {"family": 5}, {"family": "x"},
        {"jti": DROP}, {"jti": 5}, {"jti": "x"},
        {"type": "refresh"}, {"type": "ACCESS"}, {"type": None}, {"type": ["access"]},
    ],
    ids=str,
)  # fmt: skip
def test_each_claim_is_demanded_and_checked(sqlite_app, ada, changes):
    """D4 D5 D6 D7"""
    assert status(sqlite_app, forge(sqlite_app, ada.access, **changes)) == 401


def test_a_token_ends_on_the_second(sqlite_app, ada):
    """D4 D12"""
    assert status(sqlite_app, forge(sqlite_app, ada.access, exp=int(time.time()) - 1)) == 401
    assert status(sqlite_app, forge(sqlite_app, ada.access, exp=int(time.time()) + 30)) == 200


@pytest.mark.parametrize(
    "token", ["", "x", "a.b", "a.b.c", "....", "é.é.é", "x" * 10_000, "e30.e30.", "null", "W10.W10.AAAA"]
)
def test_what_is_not_a_token_is_refused(sqlite_app, token):
    """D14: no 500 and no words of the parser."""
    answer = sqlite_app.test_client().get(PROFILE, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json["title"]) == (401, "Unauthorized")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token {0}", "{0}", "Bearer{0}"])
def test_what_is_not_a_bearer_header_is_refused(sqlite_app, ada, header):
    answer = sqlite_app.test_client().get(PROFILE, headers={"Authorization": header.format(ada.access)})
    assert (answer.status_code, answer.json["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_word_bearer_may_be_written_as_one_likes(sqlite_app, ada, scheme):
    answer = sqlite_app.test_client().get(PROFILE, headers={"Authorization": f"{scheme} {ada.access}"})
    assert answer.status_code == 200


def test_a_token_elsewhere_counts_for_nothing(sqlite_app, ada):
    client = sqlite_app.test_client()
    client.set_cookie("access_token_cookie", ada.access)
    assert client.get(f"{PROFILE}?access_token={ada.access}").status_code in (401, 422)
    assert client.get(f"{PROFILE}?jwt={ada.access}").status_code in (401, 422)


def test_no_token_does_the_work_of_another(sqlite_app, ada):
    """C2 D6: the whole matrix."""
    client = sqlite_app.test_client()
    with sqlite_app.extensions["sessions"]() as session:
        verify = verification_token(sqlite_app.extensions["settings"], session.get(User, ada.id))
    for token in (ada.refresh, verify):
        assert status(sqlite_app, token) == 401
    for token in (ada.access, verify):
        assert client.post("/api/users/token/refresh/", json={"refresh": token}).status_code == 401
        assert client.post("/api/users/logout/", json={"refresh": token}, headers=ada.headers).status_code == 401
    for token in (ada.access, ada.refresh):
        assert client.post("/api/users/verify-email/", json={"token": token}).status_code == 401
    assert status(sqlite_app, ada.access) == 200


def test_the_row_decides_what_somebody_is(app):
    """D13 F8: claims are hints."""
    eve = sign_up(app, "eve")
    client = app.test_client()
    token = forge(app, eve.access, is_admin=True, role="admin")
    refused = client.get("/api/knowledge/stats/", headers={"Authorization": f"Bearer {token}"})
    with app.extensions["sessions"]() as session:
        begin_write(session)
        session.execute(update(User).values(is_admin=True))
        session.commit()
    assert (refused.status_code, refused.json["code"]) == (403, "admin_required")
    assert client.get("/api/knowledge/stats/", headers=eve.headers).status_code == 200


def test_the_guard_comes_before_the_body(sqlite_app, ada):
    """F7"""
    client = sqlite_app.test_client()
    bad = {"data": "{", "content_type": "application/json"}
    assert client.post("/api/knowledge/documents/", **bad).status_code == 401
    assert client.post("/api/knowledge/documents/", **bad, headers=ada.headers).status_code == 403


def test_an_endpoint_without_a_guard_is_refused(sqlite_app, caplog):
    sqlite_app.add_url_rule("/forgotten/", "forgotten", lambda: "secret")
    answer = sqlite_app.test_client().get("/forgotten/")
    assert (answer.status_code, "secret" in answer.text) == (403, False)
    assert "forgotten" in caplog.text


def test_a_mail_token_is_bound_to_its_purpose_secret_and_age():
    """C2 C3 C5"""
    from datetime import timedelta

    user, day = str(uuid4()), timedelta(days=1)
    token = tokens.sign("secret", "verify-email", user, "state")
    assert tokens.unsign("secret", "verify-email", token, day) == (user, "state")
    for secret, purpose, given, age in [
        ("other", "verify-email", token, day), ("secret", "reset", token, day), ("secret", "verify-email",
        token[:-1], day),
        ("secret", "verify-email", token[1:], day), ("secret", "verify-email", token, timedelta(seconds=-1)),
        ("secret", "verify-email", tokens.sign("secret", "verify-email", "no-id", "x"), day), ("secret",
        "verify-email", "", day),
    ]:  # fmt: skip
        with pytest.raises(tokens.InvalidToken) as refused:
            tokens.unsign(secret, purpose, given, age)
        assert refused.value.code == "invalid_or_expired_token"
