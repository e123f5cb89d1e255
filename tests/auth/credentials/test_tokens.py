"""JWTs: only ours, whole, fresh and of the right kind."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from uuid import uuid4

import jwt as pyjwt
import pytest
from sqlalchemy import select, update

from chatbot.auth import guard, recovery
from chatbot.auth.credentials import jwts, keys, tokens
from chatbot.auth.models import TokenFamily, User
from chatbot.config.signing_secrets import Secrets
from chatbot.current import services
from chatbot.db import Base, begin_write
from chatbot.mail.tasks import deliver_mail
from tests.conftest import PASSWORD, sign_up

PROFILE, HISTORY, REFRESH = "/api/users/profile/", "/api/chat/history/", "/api/users/token/refresh/"
LOGOUT, LOGIN = "/api/users/logout/", "/api/users/login/"
VERIFY, RESET = "/api/users/verify-email/", "/api/users/password/reset/"
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
    secret = (key or services(app).settings.jwt_secrets().current).encode()
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
    key = services(sqlite_app).settings.jwt_secrets().current
    assert status(sqlite_app, pyjwt.encode(claims, key, algorithm=algorithm)) == 401


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "/dev/null"},
        {"kid": "../../etc/passwd"},
        {"kid": 5},
        {"jku": "http://127.0.0.1:1/keys"},
        {"x5u": "file:///etc/passwd"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
    ],
)
def test_hints_about_keys_are_not_followed(sqlite_app, ada, header):
    """D3: our key decides; with another one none of them helps."""
    taken = 401 if set(header) & {"kid", "crit"} else 200
    assert status(sqlite_app, forge(sqlite_app, ada.access, header)) == taken
    assert status(sqlite_app, forge(sqlite_app, ada.access, header, key="another")) == 401
    assert status(sqlite_app, forge(sqlite_app, ada.access, header, key="\0")) == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": DROP},
        {"exp": str(2**33)},
        {"exp": 2.0**33 + 0.5},
        {"exp": 1e30},
        {"exp": -1},
        {"exp": None},
        {"exp": True},
        {"exp": [1]},
        {"nbf": 2**33},
        {"nbf": "x"},
        {"iat": DROP},
        {"iat": 2**33},
        {"iat": "x"},
        {"iat": 1.5},
        {"iat": None},
        {"iat": True},
        {"exp": {}},
        {"exp": "soon"},
        {"exp": 0},
        {"iss": DROP},
        {"iss": "chat"},
        {"iss": "chatbot2"},
        {"iss": ["chatbot"]},
        {"iss": ""},
        {"iss": "Chatbot"},
        {"aud": DROP},
        {"aud": "chat"},
        {"aud": ["other"]},
        {"aud": 5},
        {"aud": None},
        {"aud": "chatbot2"},
        {"aud": []},
        {"sub": DROP},
        {"sub": 1},
        {"sub": None},
        {"sub": ""},
        {"sub": NOBODY},
        {"sub": ["x"]},
        {"sub": "' OR 1=1"},
        {"sub": True},
        {"sub": {"id": NOBODY}},
        {"family": DROP},
        {"family": NOBODY},
        {"family": 5},
        {"family": "x"},
        {"family": None},
        {"jti": DROP},
        {"jti": 5},
        {"jti": "x"},
        {"jti": None},
        {"type": "refresh"},
        {"type": "ACCESS"},
        {"type": None},
        {"type": ["access"]},
        {"type": DROP},
        {"type": ""},
        {"type": "visitor"},
        {"type": "visitor", "visitor": "x"},
    ],
    ids=str,
)
def test_each_claim_is_demanded_and_checked(sqlite_app, ada, changes):
    """D4 D5 D6 D7"""
    assert status(sqlite_app, forge(sqlite_app, ada.access, **changes)) == 401


def test_the_claims_of_somebody_else_do_not_mix(sqlite_app, ada):
    """D7: a family of one account with the id of another."""
    bob = sign_up(sqlite_app, "bob")
    his = pyjwt.decode(bob.access, options={"verify_signature": False})
    assert status(sqlite_app, forge(sqlite_app, ada.access, sub=bob.id)) == 401
    assert status(sqlite_app, forge(sqlite_app, ada.access, family=his["family"])) == 401
    assert status(sqlite_app, forge(sqlite_app, ada.access, sub=bob.id, family=his["family"])) == 200


@pytest.mark.parametrize("change", [str.upper, lambda text: text.replace("-", ""), lambda text: f"{{{text}}}"])
@pytest.mark.parametrize("claim", ["sub", "family"])
def test_an_id_is_written_in_one_way(sqlite_app, ada, claim, change):
    """D7: not in others that one of the databases takes for the same."""
    real = pyjwt.decode(ada.access, options={"verify_signature": False})[claim]
    if change(real) != real:
        assert status(sqlite_app, forge(sqlite_app, ada.access, **{claim: change(real)})) == 401


def test_a_token_ends_on_the_second(sqlite_app, ada):
    """D4"""
    assert status(sqlite_app, forge(sqlite_app, ada.access, exp=int(time.time()) - 1)) == 401
    assert status(sqlite_app, forge(sqlite_app, ada.access, exp=int(time.time()) + 30)) == 200


def test_clocks_may_differ_as_far_as_the_setting_says(make_app):
    """D12: in both directions, and by no second more."""
    app = make_app(clock_skew_seconds=30)
    ada, now = sign_up(app, "ada"), int(time.time())
    assert [status(app, forge(app, ada.access, exp=now + s)) for s in (-20, -31, -60)] == [200, 401, 401]
    assert [status(app, forge(app, ada.access, iat=now + s)) for s in (29, 40, 90)] == [200, 401, 401]
    assert [status(app, forge(app, ada.access, nbf=now + s)) for s in (29, 40, 90)] == [200, 401, 401]
    refused = forge(app, ada.refresh, exp=now - 31)
    assert app.test_client().post(REFRESH, json={"refresh": refused}).status_code == 401


def test_a_fresh_token_is_not_from_the_future_for_a_clock_that_is_a_little_behind(sqlite_app, ada, monkeypatch):
    """D12: for two seconds without any setting."""
    for token in (ada.access, ada.refresh):
        claims = pyjwt.decode(token, options={"verify_signature": False})
        assert claims["iat"] <= time.time() - 1
        assert claims["exp"] > time.time() + 86_000


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
    """E16: least of all in a cookie."""
    client = sqlite_app.test_client()
    for name in ("access_token_cookie", "refresh_token_cookie", "access", "token", "session", "Authorization"):
        client.set_cookie(name, ada.access)
        client.set_cookie(f"{name}_refresh", ada.refresh)
    for query in ("", f"?access_token={ada.access}", f"?jwt={ada.access}"):
        assert client.get(PROFILE + query).status_code == 401
    assert (
        client.get(PROFILE, headers={"X-Access-Token": ada.access, "Cookie": f"access={ada.access}"}).status_code == 401
    )
    client.set_cookie("refresh_token_cookie", ada.refresh, path=REFRESH)
    assert client.post(REFRESH, json={}).status_code == 422
    assert client.post(LOGOUT, json={}, headers=ada.headers).status_code == 422


def requests_of(app):
    """One request for each endpoint and method, its ids being nobody's."""
    for rule in app.url_map.iter_rules():
        url = rule.build({name: NOBODY if name.endswith("id") else 1 for name in rule.arguments})[1]
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield rule.endpoint, method, url


def test_no_answer_sets_a_cookie(sqlite_app, ada):
    """E16"""
    pair = {"email": ada.email, "password": PASSWORD}
    answers = [sqlite_app.test_client().post(LOGIN, json=pair)]
    answers.append(sqlite_app.test_client().post(REFRESH, json={"refresh": answers[0].json["refresh"]}))
    for _, method, url in requests_of(sqlite_app):
        for headers in ({}, ada.headers):
            answers.append(sqlite_app.test_client().open(url, method=method, headers=headers))
    assert [a.status_code for a in answers[:2]] == [200, 200]
    assert [a.request.path for a in answers if "Set-Cookie" in a.headers] == []
    for answer in answers:
        answer.close()


@pytest.mark.parametrize("token", [None, "x", "a.b.c", "cb_" + "x" * 43, "cb_"], ids=str)
def test_every_guarded_endpoint_answers_401_in_the_same_words(sqlite_app, token):
    """D14 A7: those for OpenAI's clients in their shape."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    code = "not_authenticated" if token is None else "invalid_token"
    asked = 0
    for endpoint, method, url in requests_of(sqlite_app):
        if guard.guard_of(sqlite_app, endpoint) == "public":
            continue
        asked += 1
        answer = sqlite_app.test_client().open(url, method=method, headers=headers)
        said = answer.json["error"] if url.startswith("/v1/") else answer.json
        assert (answer.status_code, said["code"]) == (401, code), url
        assert answer.headers["WWW-Authenticate"] == f'Bearer realm="chatbot", error="{code}"'
        if said is not answer.json:
            continue
        assert answer.mimetype == "application/problem+json"
        assert set(answer.json) == {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert asked > 20


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


KINDS = ("access", "refresh", "visitor", "key", "verify", "reset")
# Every place that takes a token, and what it takes.
PLACES = {
    "reading": (lambda client, token, _: client.get(HISTORY, headers=bearing(token)), {"access", "visitor", "key"}),
    "writing": (
        lambda client, token, _: client.post("/api/chat/send/", json={}, headers=bearing(token)),
        {"access", "visitor", "key"},
    ),
    "the account": (lambda client, token, _: client.get(PROFILE, headers=bearing(token)), {"access", "visitor", "key"}),
    "refreshing": (lambda client, token, _: client.post(REFRESH, json={"refresh": token}), {"refresh"}),
    "signing out": (
        lambda client, token, who: client.post(LOGOUT, json={"refresh": token}, headers=who.headers),
        {"refresh"},
    ),
    "confirming": (lambda client, token, _: client.post(VERIFY, json={"token": token}), {"verify"}),
    "confirming by the form": (lambda client, token, _: client.post(VERIFY, data={"token": token}), {"verify"}),
    "a reset": (
        lambda client, token, _: client.post(RESET, json={"token": token, "password": NEW, "password2": NEW}),
        {"reset"},
    ),
    "a reset by the form": (
        lambda client, token, _: client.post(RESET, data={"token": token, "password": NEW, "password2": NEW}),
        {"reset"},
    ),
}
NEW = "a lighthouse in the fog"


def all_kinds(app, who) -> dict[str, str]:
    """A good token of each kind, all of one account."""
    settings = services(app).settings
    with app.app_context(), services(app).sessions() as session:
        key, secret = keys.create_key(session, who.id, "x", ["chat", "visitors"], None)
        user = session.get(User, who.id)
        return {
            "access": who.access,
            "refresh": who.refresh,
            "visitor": jwts.sign_visitor(who.id, key.id, "customer-1", timedelta(hours=1)),
            "key": secret,
            "verify": recovery.verification_token(settings, user),
            "reset": recovery.reset_token(settings, user),
        }


@pytest.mark.parametrize("place", PLACES)
def test_no_token_does_the_work_of_another(sqlite_app, ada, place):
    """C2 D6: the whole matrix."""
    show, taken = PLACES[place]
    shown = all_kinds(sqlite_app, ada)
    assert set(shown) == set(KINDS)
    for kind in sorted(KINDS, key=lambda kind: kind in taken):
        answer = show(sqlite_app.test_client(), shown[kind], ada)
        assert (answer.status_code != 401) == (kind in taken), kind
        if kind not in taken:
            assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="chatbot", error="invalid_')
    with services(sqlite_app).sessions() as session:
        assert session.scalars(select(TokenFamily.revoked_because)).one() in {None, "logout", "password_reset"}


def stored(session) -> str:
    """Every row of every table, as text."""
    return "\n".join(
        f"{table.name} {[str(value) for value in row]}"
        for table in Base.metadata.sorted_tables
        for row in session.execute(select(table))
    )


def test_no_token_is_in_any_table(app, session):
    """E14: neither whole nor its signature; what is stored are ids and digests."""
    client = app.test_client()
    body = {"username": "ada", "email": "ada@example.com", "password": PASSWORD, "password2": PASSWORD}
    client.post("/api/users/signup/", json=body, headers={"Idempotency-Key": "one-of-ada"})
    pairs = [client.post(LOGIN, json={"email": body["email"], "password": PASSWORD}).json]
    pairs.append(client.post(REFRESH, json={"refresh": pairs[0]["refresh"]}).json)
    headers = {"Authorization": f"Bearer {pairs[1]['access']}", "Idempotency-Key": "two-of-ada"}
    new = {"name": "x", "scopes": ["chat", "visitors"]}
    secret = client.post("/api/users/api-keys/", json=new, headers=headers).json["key"]
    with_key = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "three-of-ada"}
    visitor = client.post("/api/users/visitor-tokens/", json={"sub": "customer-1"}, headers=with_key).json["access"]
    assert client.get(HISTORY, headers={"Authorization": f"Bearer {visitor}"}).status_code == 200
    client.post("/api/users/password/forgot/", json={"email": body["email"]})
    with app.app_context():
        for mail_id in session.scalars(select(Base.metadata.tables["mails"].c.id)).all():
            session.rollback()
            deliver_mail(mail_id)
    user = session.scalars(select(User)).one()
    letters = [make(services(app).settings, user) for make in (recovery.verification_token, recovery.reset_token)]
    rows = stored(session)
    assert all(word in rows for word in ("ada@example.com", secret[:11], keys.digest(secret), "sent"))
    jwts = [visitor, *(pair[kind] for pair in pairs for kind in ("access", "refresh"))]
    parts = [part for token in jwts + letters for part in (token, token.rpartition(".")[2], token.rpartition(".")[0])]
    assert [part for part in [secret, secret[12:], PASSWORD, *parts] if part in rows] == []


def test_the_row_decides_what_somebody_is(app):
    """D13 F8: claims are hints."""
    eve = sign_up(app, "eve")
    client = app.test_client()
    token = forge(app, eve.access, is_admin=True, role="admin")
    refused = client.get("/api/knowledge/stats/", headers={"Authorization": f"Bearer {token}"})
    with services(app).sessions() as session:
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
    ours, theirs = Secrets("secret"), Secrets("other")
    user, day = str(uuid4()), timedelta(days=1)
    token = tokens.sign(ours, "verify-email", user, "state")
    assert tokens.unsign(ours, "verify-email", token, day) == (user, "state")
    for secrets, purpose, given, age in [
        (theirs, "verify-email", token, day),
        (ours, "reset", token, day),
        (ours, "verify-email", token[:-1], day),
        (ours, "verify-email", token[1:], day),
        (ours, "verify-email", token, timedelta(seconds=-1)),
        (ours, "verify-email", tokens.sign(ours, "verify-email", "no-id", "x"), day),
        (ours, "verify-email", "", day),
    ]:
        with pytest.raises(tokens.InvalidToken) as refused:
            tokens.unsign(secrets, purpose, given, age)
        assert refused.value.code == "invalid_or_expired_token"
