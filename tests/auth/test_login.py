"""Signing in: one answer for every reason, one hash for every caller."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from chatbot.auth.credentials import passwords
from chatbot.auth.models import TokenFamily, User
from chatbot.db import begin_write
from tests.conftest import PASSWORD

URL = "/api/users/login/"
UNKNOWN = "nobody@example.com"


def log_in(client, email="ada@example.com", password=PASSWORD, **kwargs):
    return client.post(URL, json={"email": email, "password": password}, **kwargs)


def change(session, user_id, **values):
    begin_write(session)
    session.execute(update(User).where(User.id == user_id).values(values))
    session.commit()


def test_the_right_password_gives_a_pair_of_tokens(app, ada):
    answer = log_in(app.test_client())
    assert answer.status_code == 200
    assert set(answer.json) == {"access", "refresh", "token_type", "expires_in", "user"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 24 * 3600)
    assert answer.json["user"]["id"] == ada.id
    profile = app.test_client().get("/api/users/profile/", headers={"Authorization": "Bearer " + answer.json["access"]})
    assert profile.json["email"] == "ada@example.com"


def test_every_reason_to_refuse_looks_the_same(app, session, ada, bob):
    """A1: byte-identical but for the request's id."""
    change(session, bob.id, is_active=False)
    client = app.test_client()
    headers = {"X-Request-ID": "same-request"}
    tries = [
        (UNKNOWN, "wrong"),
        (UNKNOWN, PASSWORD),
        (ada.email, "wrong"),
        (bob.email, "wrong"),
        ("not an address", "x"),
    ]
    answers = [log_in(client, email, password, headers=headers) for email, password in tries]
    assert {a.status_code for a in answers} == {401}
    assert len({a.data for a in answers}) == 1
    assert answers[0].json["code"] == "invalid_credentials"
    assert len({tuple(sorted(dict(a.headers))) for a in answers}) == 1


def test_a_disabled_account_is_told_only_after_the_right_password(app, session, bob):
    """A1"""
    change(session, bob.id, is_active=False)
    answer = log_in(app.test_client(), bob.email)
    assert (answer.status_code, answer.json["code"]) == (403, "account_disabled")


@pytest.mark.parametrize(
    ("email", "password"),
    [
        (UNKNOWN, "wrong"),
        ("ada@example.com", "wrong"),
        ("ada@example.com", PASSWORD),
        ("bob@example.com", PASSWORD),
        ("bob@example.com", "wrong"),
        ("no address", "wrong"),
        ("", "wrong"),
    ],
    ids=["unknown", "wrong", "right", "disabled-right", "disabled-wrong", "malformed", "empty"],
)
def test_the_hasher_runs_exactly_once(app, session, ada, bob, monkeypatch, email, password):
    """A4: the real one, counted; with today's iterations also for nobody's account."""
    change(session, bob.id, is_active=False)
    passwords._nobodys_hash(1_000)
    checked, real = [], passwords.check_password_hash
    monkeypatch.setattr(
        passwords, "check_password_hash", lambda stored, given: checked.append(stored) or real(stored, given)
    )
    made, generate = [], passwords.generate_password_hash
    monkeypatch.setattr(passwords, "generate_password_hash", lambda *a, **k: made.append(1) or generate(*a, **k))
    log_in(app.test_client(), email or " ", password)
    assert [stored.split("$")[0] for stored in checked] == ["pbkdf2:sha256:1000"]
    assert made == []


def test_an_old_hash_is_renewed_once(app, session, ada):
    """B9"""
    old = passwords.hash_password(PASSWORD, 1_500)
    change(session, ada.id, password_hash=old)
    query = select(User.password_hash).where(User.id == ada.id)
    assert log_in(app.test_client()).status_code == 200
    renewed = session.scalar(query)
    session.rollback()
    assert log_in(app.test_client()).status_code == 200
    assert renewed.startswith("pbkdf2:sha256:1000$")
    assert session.scalar(query) == renewed


def test_a_wrong_password_renews_nothing(app, session, ada):
    """B9"""
    old = passwords.hash_password(PASSWORD, 1_500)
    change(session, ada.id, password_hash=old)
    assert log_in(app.test_client(), password="wrong").status_code == 401
    assert session.scalar(select(User.password_hash)) == old


def test_each_login_is_a_session_of_its_own(app, session, ada):
    log_in(app.test_client())
    assert len(session.scalars(select(TokenFamily.id)).all()) == 2


def test_no_token_is_stored(app, session, ada):
    """E14"""
    answer = log_in(app.test_client()).json
    rows = str([vars(family) for family in session.scalars(select(TokenFamily))])
    assert answer["refresh"] not in rows
    assert answer["access"] not in rows
