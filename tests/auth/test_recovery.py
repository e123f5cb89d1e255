"""A forgotten password, and a known one that is changed."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest
from itsdangerous import TimestampSigner
from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session

from chatbot.auth import recovery
from chatbot.auth.credentials import passwords, tokens
from chatbot.auth.models import SecurityEvent, TokenFamily, User
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.mail.models import Mail
from chatbot.mail.tasks import deliver_mail
from tests.auth.crowd import at_once
from tests.broker_files import messages
from tests.conftest import PASSWORD, sign_up

FORGOT, RESET, CHANGE = (f"/api/users/password/{what}/" for what in ("forgot", "reset", "change"))
PROFILE, LOGIN, REFRESH = "/api/users/profile/", "/api/users/login/", "/api/users/token/refresh/"
NEW, NEWER = "a lighthouse in the fog", "two lighthouses in the fog"


def link_to(app, who) -> str:
    """The token of a reset link, as the e-mail's builder makes it."""
    with services(app).sessions() as session:
        return recovery.reset_token(services(app).settings, session.get(User, who.id))


def reset(app, token: str, password: str = NEW, **kwargs):
    body = {"token": token, "password": password, "password2": password} | kwargs
    return app.test_client().post(RESET, json=body)


def change_password(app, headers, current: str = PASSWORD, password: str = NEW, **kwargs):
    body = {"current_password": current, "password": password, "password2": password} | kwargs
    return app.test_client().post(CHANGE, json=body, headers=headers)


def log_in(app, who, password: str = PASSWORD):
    return app.test_client().post(LOGIN, json={"email": who.email, "password": password})


def passes(app, access: str) -> bool:
    return app.test_client().get(PROFILE, headers={"Authorization": f"Bearer {access}"}).status_code == 200


def change(session, who, **values) -> None:
    begin_write(session)
    session.execute(update(User).where(User.id == who.id).values(values))
    session.commit()


def count(session, *which) -> int:
    found = session.scalar(select(func.count()).where(*which))
    session.rollback()
    return found


def letters(app, kind: str) -> list[str]:
    """The texts of the e-mails of a kind, after a worker has run."""
    with app.app_context(), services(app).sessions() as session:
        ids = session.scalars(select(Mail.id).where(Mail.kind == kind).order_by(Mail.created_at)).all()
        session.rollback()
        for mail_id in ids:
            deliver_mail(mail_id)
    folder = services(app).settings.instance_path / "outbox"
    files = [path for mail_id in ids for path in folder.glob("*.eml") if mail_id in path.read_text()]
    parsed = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]
    return [message.get_body(("plain",)).get_content() for message in parsed]


def test_the_whole_way_from_forgetting_to_signing_in_again(app, session, ada):
    asked = app.test_client().post(FORGOT, json={"email": ada.email})
    (letter,) = letters(app, recovery.RESET_MAIL)
    link = re.search(r"https?://\S+", letter)[0]
    page = app.test_client().get(link)
    token = parse_qs(urlsplit(link).query)["token"][0]
    answer = reset(app, token)
    assert (asked.status_code, page.status_code, answer.status_code, answer.json) == (202, 200, 200, {})
    assert log_in(app, ada).status_code == 401
    assert log_in(app, ada, NEW).status_code == 200
    assert session.get(User, ada.id).is_verified
    (notice,) = letters(app, recovery.CHANGED_MAIL)
    assert token not in notice
    assert "http://127.0.0.1:8000" in notice


@pytest.mark.parametrize(("confirmed", "status"), [(True, 200), (False, 401)])
def test_a_reset_ends_every_session_and_the_keys_of_an_unconfirmed_account(app, session, ada, bob, confirmed, status):
    """C8 E8: who signs up with somebody else's address keeps no way in; a confirmed owner's keys go on."""
    change(session, ada, is_verified=confirmed)
    key = app.test_client().post("/api/users/api-keys/", json={"name": "x"}, headers=ada.headers).json["key"]
    other = log_in(app, ada).json
    assert reset(app, link_to(app, ada)).status_code == 200
    assert not any(passes(app, access) for access in (ada.access, other["access"]))
    for token in (ada.refresh, other["refresh"]):
        assert app.test_client().post(REFRESH, json={"refresh": token}).json["code"] == "invalid_token"
    assert set(session.scalars(select(TokenFamily.revoked_because).where(TokenFamily.user_id == ada.id))) == {
        "password_reset"
    }
    history = app.test_client().get("/api/chat/history/", headers={"Authorization": f"Bearer {key}"})
    assert (history.status_code, passes(app, bob.access)) == (status, True)


def test_a_reset_link_works_once(app, ada):
    """C8: also when the same password is set again."""
    token = link_to(app, ada)
    assert reset(app, token, PASSWORD).status_code == 200
    again = reset(app, token, PASSWORD)
    assert (again.status_code, again.json["code"]) == (401, "invalid_or_expired_token")
    assert again.headers["WWW-Authenticate"] == 'Bearer realm="chatbot", error="invalid_or_expired_token"'


def test_of_two_links_both_die_at_the_first_use(app, ada):
    """C7"""
    for _ in range(2):
        app.test_client().post(FORGOT, json={"email": ada.email})
    older, newer = (re.search(r"token=(\S+)", letter)[1] for letter in letters(app, recovery.RESET_MAIL))
    assert reset(app, newer).status_code == 200
    assert (reset(app, older, NEWER).status_code, reset(app, newer, NEWER).status_code) == (401, 401)
    assert log_in(app, ada, NEW).status_code == 200


@pytest.mark.parametrize("before", ["change", "renewed hash", "address"])
def test_a_reset_link_dies_with_what_it_is_bound_to(app, session, ada, before):
    """C6 C8"""
    token = link_to(app, ada)
    if before == "change":
        assert change_password(app, ada.headers).status_code == 200
    elif before == "renewed hash":
        change(session, ada, password_hash=passwords.hash_password(PASSWORD, 1_500))
    else:
        change(session, ada, email="new@example.com")
    assert reset(app, token, NEWER).json["code"] == "invalid_or_expired_token"


def test_of_twenty_who_use_one_link_one_wins(make_app, database_url):
    """C9"""
    app = make_app(database_url=database_url, web_threads=64)
    ada = sign_up(app, "ada")
    token, tried = link_to(app, ada), [f"a lighthouse in the fog {n}" for n in range(20)]
    answers = at_once([partial(reset, app, token, password) for password in tried])
    assert sorted(a.status_code for a in answers) == [200] + [401] * 19
    (won,) = [password for password, answer in zip(tried, answers, strict=True) if answer.status_code == 200]
    assert log_in(app, ada, won).status_code == 200
    with services(app).sessions() as session:
        assert count(session, Mail.kind == recovery.CHANGED_MAIL) == 1
        assert count(session, SecurityEvent.kind == "password_reset") == 1


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "invalid"),
        ("password", "password_too_common"),
        ("1234567890123", "password_too_common"),
        ("ada@example.com", "password_too_common"),
        ("x" * 129, "invalid"),
        ("good enough \0 not", "invalid"),
    ],
    ids=["short", "common", "digits", "own address", "long", "NUL"],
)
def test_a_password_that_breaks_the_rules_leaves_the_link_usable(app, session, ada, password, code):
    """B6 B7"""
    token = link_to(app, ada)
    answer = reset(app, token, password)
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert answer.json["errors"][0]["pointer"].startswith("/password")
    assert (passes(app, ada.access), log_in(app, ada).status_code) == (True, 200)
    assert count(session, Mail.kind == recovery.CHANGED_MAIL) == 0
    assert reset(app, token).status_code == 200


def test_two_passwords_that_differ_leave_the_link_usable(app, ada):
    token = link_to(app, ada)
    assert reset(app, token, password2=NEWER).status_code == 422
    assert reset(app, token).status_code == 200


@pytest.mark.parametrize("field", ["token", "password", "password2"])
def test_a_reset_without_one_of_its_fields_is_refused(sqlite_app, field):
    body = {"token": "x", "password": NEW, "password2": NEW}
    del body[field]
    answer = sqlite_app.test_client().post(RESET, json=body)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, f"/{field}")


def test_a_disabled_or_deleted_account_is_not_reset(app, session, ada, bob):
    """D7: and the link says no more than a wrong one does."""
    tokens_of = {who.id: link_to(app, who) for who in (ada, bob)}
    change(session, ada, is_active=False)
    app.test_client().delete(PROFILE, json={"password": PASSWORD}, headers=bob.headers)
    wrong = reset(app, "x")
    for token in tokens_of.values():
        answer = reset(app, token)
        assert (answer.status_code, answer.json | {"request_id": ""}) == (401, wrong.json | {"request_id": ""})
        assert reset(app, token, "password").status_code == 401
    change(session, ada, is_active=True)
    assert reset(app, tokens_of[ada.id]).status_code == 200


@pytest.mark.parametrize(("ago", "status"), [(3590, 200), (3601, 401), (-60, 401)], ids=["old", "too old", "future"])
def test_a_reset_link_lives_an_hour(app, ada, monkeypatch, ago, status):
    """C3: and one from the future is refused."""
    then = int(utcnow().timestamp()) - ago
    with monkeypatch.context() as patched:
        patched.setattr(TimestampSigner, "get_timestamp", lambda _: then)
        token = link_to(app, ada)
    assert reset(app, token).status_code == status


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t[:-1],
        lambda t: t + "x",
        lambda t: t.swapcase(),
        lambda _: "x",
        lambda _: "",
        lambda t: t * 200,
        lambda t: t.rpartition(".")[0],
        lambda t: "é" + t,
        lambda t: ".".join(reversed(t.split("."))),
    ],
    ids=["cut", "longer", "case", "x", "empty", "very long", "unsigned", "not ASCII", "turned round"],
)
def test_a_tampered_link_resets_nothing(sqlite_app, spoil):
    """C5"""
    ada = sign_up(sqlite_app, "ada")
    answer = reset(sqlite_app, spoil(link_to(sqlite_app, ada)))
    assert answer.status_code in (401, 422)
    assert log_in(sqlite_app, ada).status_code == 200


def test_a_link_signed_with_another_secret_resets_nothing(sqlite_app):
    """C5: with the secret of the JWTs, or for another purpose."""
    ada, settings = sign_up(sqlite_app, "ada"), services(sqlite_app).settings
    with services(sqlite_app).sessions() as session:
        state = recovery._reset_state(session.get(User, ada.id))
    sign = partial(tokens.sign, user_id=ada.id, state=state)
    assert reset(sqlite_app, sign(settings.jwt_secrets(), tokens.RESET_PASSWORD)).status_code == 401
    assert reset(sqlite_app, sign(settings.mail_secrets(), tokens.VERIFY_EMAIL)).status_code == 401
    assert reset(sqlite_app, sign(settings.mail_secrets(), tokens.RESET_PASSWORD)).status_code == 200


# Asking --------------------------------------------------------------------------------------------------------------


def strangers(app, session) -> dict[str, str]:
    """Addresses of every sort of account, and of none."""
    ada, bob, eve = (sign_up(app, name) for name in ("ada", "bob", "eve"))
    change(session, bob, is_verified=True)
    change(session, eve, is_active=False)
    return {
        "unconfirmed": ada.email,
        "confirmed": bob.email,
        "disabled": eve.email,
        "unknown": "nobody@example.com",
        "malformed": "no address",
    }


@pytest.mark.parametrize("url", [FORGOT, "/api/users/verify-email/resend/"])
def test_asking_for_a_letter_looks_and_costs_the_same_for_everybody(app, session, url):
    """A3 A8: the same answer, and the same number of commits, counted."""
    commits, answers = [], {}

    def committed(_session):
        commits.append(1)

    for sort, email in strangers(app, session).items():
        commits.clear()
        event.listen(Session, "after_commit", committed)
        try:
            answer = app.test_client().post(url, json={"email": email}, headers={"X-Request-ID": "same-request"})
        finally:
            event.remove(Session, "after_commit", committed)
        answers[sort] = (answer.status_code, answer.data, tuple(answer.headers), len(commits))
    assert set(answers.values()) == {(202, b"{}\n", answers["unknown"][2], 1)}
    wanted = {FORGOT: (recovery.RESET_MAIL, 2)}.get(url, (recovery.VERIFY_MAIL, 3 + 1))
    assert count(session, Mail.kind == wanted[0]) == wanted[1]


def test_everybody_wakes_a_worker(app, session, tmp_path):
    """A3: for an e-mail that does not exist there is a message as well."""
    for sent, email in enumerate(strangers(app, session).values()):
        assert len(messages(tmp_path)) == sent
        app.test_client().post(FORGOT, json={"email": email})
        assert len(messages(tmp_path)) == sent + 1


@pytest.mark.parametrize("spelling", ["ADA@EXAMPLE.COM", "  ada@example.com ", "ada@Example.com"])
def test_an_address_may_be_spelled_as_at_the_login(app, session, ada, spelling):
    """A6"""
    app.test_client().post(FORGOT, json={"email": spelling})
    assert session.scalars(select(Mail.recipient).where(Mail.kind == recovery.RESET_MAIL)).all() == [ada.email]


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "Forwarded"])
def test_the_link_leads_to_the_configured_address(make_app, header):
    """C11"""
    app = make_app(public_url="https://chat.example.com/", trusted_proxy_hops=1)
    sign_up(app, "ada")
    value = "host=evil.test" if header == "Forwarded" else "evil.test"
    app.test_client().post(FORGOT, json={"email": "ada@example.com"}, headers={header: value})
    (letter,) = letters(app, recovery.RESET_MAIL)
    assert "https://chat.example.com/api/users/password/reset/?token=" in letter
    assert "evil" not in letter


# Changing ------------------------------------------------------------------------------------------------------------


def test_a_changed_password_ends_the_other_sessions_and_keeps_this_one(app, session, ada, bob):
    """B12 E8"""
    other = log_in(app, ada).json
    answer = change_password(app, ada.headers)
    assert (answer.status_code, answer.json) == (200, {})
    assert [passes(app, token) for token in (ada.access, other["access"], bob.access)] == [True, False, True]
    refresh = partial(app.test_client().post, REFRESH)
    assert refresh(json={"refresh": other["refresh"]}).json["code"] == "invalid_token"
    assert refresh(json={"refresh": ada.refresh}).status_code == 200
    assert (log_in(app, ada).status_code, log_in(app, ada, NEW).status_code) == (401, 200)
    assert session.scalars(select(Mail.recipient).where(Mail.kind == recovery.CHANGED_MAIL)).all() == [ada.email]
    assert len(letters(app, recovery.CHANGED_MAIL)) == 1
    assert not session.get(User, ada.id).is_verified


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"password": NEW, "password2": NEW}, 422, "invalid"),
        ({"current_password": "wrong", "password": NEW, "password2": NEW}, 401, "invalid_credentials"),
        ({"current_password": PASSWORD, "password": NEW, "password2": NEWER}, 422, "invalid"),
        ({"current_password": PASSWORD, "password": "password", "password2": "password"}, 422, "password_too_common"),
        ({"current_password": PASSWORD, "password": NEW, "password2": NEW, "user_id": "x"}, 422, "invalid"),
    ],
    ids=["empty", "without", "wrong", "differ", "common", "unknown field"],
)
def test_a_password_is_not_changed_without_the_current_one(app, session, ada, body, status, code):
    """B12"""
    answer = app.test_client().post(CHANGE, json=body, headers=ada.headers)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert log_in(app, ada).status_code == 200
    assert count(session, Mail.kind == recovery.CHANGED_MAIL) == 0
    assert count(session, TokenFamily.revoked_at.is_not(None)) == 0


def test_a_key_of_the_account_changes_the_password_and_ends_every_session(app, ada):
    """B12: with the scope `admin`; a key is no session, so there is none to keep."""
    body = {"name": "x", "scopes": ["admin"]}
    key = app.test_client().post("/api/users/api-keys/", json=body, headers=ada.headers).json["key"]
    body = {"name": "y", "scopes": ["chat", "knowledge:read", "knowledge:write", "visitors"]}
    less = app.test_client().post("/api/users/api-keys/", json=body, headers=ada.headers).json["key"]
    refused = change_password(app, {"Authorization": f"Bearer {less}"})
    assert (refused.status_code, refused.json["code"]) == (403, "insufficient_scope")
    assert change_password(app, {"Authorization": f"Bearer {key}"}, "wrong").status_code == 401
    assert passes(app, ada.access)
    assert change_password(app, {"Authorization": f"Bearer {key}"}).status_code == 200
    assert not passes(app, ada.access)
    assert log_in(app, ada, NEW).status_code == 200
    assert passes(app, key)


def test_of_ten_changes_at_once_one_wins(make_app, database_url):
    """B12: the others are told that they came too late."""
    app = make_app(database_url=database_url, web_threads=64)
    ada = sign_up(app, "ada")
    tried = [f"a lighthouse in the fog {n}" for n in range(10)]
    answers = at_once([partial(change_password, app, ada.headers, password=password) for password in tried])
    told = sorted((a.status_code, a.json.get("code", "")) for a in answers)
    assert told[0] == (200, "")
    assert set(told[1:]) <= {(401, "invalid_credentials"), (409, "password_changed_meanwhile")}
    (won,) = [password for password, answer in zip(tried, answers, strict=True) if answer.status_code == 200]
    assert (log_in(app, ada, won).status_code, passes(app, ada.access)) == (200, True)
