"""What happens to an account between a look at it and a write: the later of two always counts."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import func, select, update

from chatbot.auth import recovery
from chatbot.auth.credentials import jwts, passwords, sessions
from chatbot.auth.models import SecurityEvent, TokenFamily, User
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.mail.models import Mail
from tests.auth.crowd import at_once
from tests.conftest import PASSWORD, sign_up

LOGIN, REFRESH = "/api/users/login/", "/api/users/token/refresh/"
LOGOUT_ALL, CHANGE, RESET = "/api/users/logout/all/", "/api/users/password/change/", "/api/users/password/reset/"
NEW, NEWER = "a lighthouse in the fog", "two lighthouses in the fog"


def log_in(app, password=PASSWORD):
    return app.test_client().post(LOGIN, json={"email": "ada@example.com", "password": password})


def reset(app, token, password=NEWER):
    return app.test_client().post(RESET, json={"token": token, "password": password, "password2": password})


def change(app, headers, password=NEW):
    body = {"current_password": PASSWORD, "password": password, "password2": password}
    return app.test_client().post(CHANGE, json=body, headers=headers)


def command(app, *args: str) -> None:
    result = app.test_cli_runner().invoke(args=["users", *args])
    assert result.exit_code == 0, result.output


def link_to(app, who) -> str:
    with services(app).sessions() as session:
        return recovery.reset_token(services(app).settings, session.get(User, who.id))


def living(session) -> int:
    return session.scalar(select(func.count()).where(TokenFamily.revoked_at.is_(None)))


def told_of(session, kind: str) -> list[str | None]:
    """Whom the events of a kind happened to."""
    return list(session.scalars(select(SecurityEvent.user_id).where(SecurityEvent.kind == kind)))


def meanwhile(monkeypatch, act) -> list:
    """Does something once a first hash is computed, before what was read is written. Gives what it gave."""
    place, gave = passwords.Places.enter, []

    @contextmanager
    def enter(self):
        with place(self):
            yield
        if not gave:
            gave.append(None)
            gave.append(act())

    monkeypatch.setattr(passwords.Places, "enter", enter)
    return gave


def test_a_password_that_was_replaced_during_the_login_lets_nobody_in(app, session, ada, monkeypatch):
    """C8 E8: a thief who knows the old one must not begin a session after the reset has ended them all."""
    token = link_to(app, ada)
    done = meanwhile(monkeypatch, lambda: reset(app, token))
    answer = log_in(app)
    assert (answer.status_code, answer.json["code"], done[1].status_code) == (401, "invalid_credentials", 200)
    assert living(session) == 0
    assert log_in(app, NEWER).status_code == 200


def test_an_account_that_was_disabled_during_the_login_is_refused(app, session, ada, monkeypatch):
    """A1 E8"""
    meanwhile(monkeypatch, lambda: command(app, "disable", ada.email))
    answer = log_in(app)
    assert (answer.status_code, answer.json["code"]) == (403, "account_disabled")
    assert living(session) == 0


@pytest.mark.parametrize("password", [PASSWORD, "wrong"], ids=["right", "wrong"])
def test_an_account_that_was_deleted_during_the_login_is_unknown(app, session, ada, monkeypatch, password):
    """D7: whose event it was nobody can say any more."""
    meanwhile(monkeypatch, lambda: command(app, "delete", ada.email, "--yes"))
    answer = log_in(app, password)
    assert (answer.status_code, answer.json["code"]) == (401, "invalid_credentials")
    assert told_of(session, "login_failed") == [None]


def test_two_logins_that_renew_an_old_hash_both_succeed(app, session, ada, monkeypatch):
    """B9: the second finds another hash than it has read, and it is of the same password."""
    begin_write(session)
    session.execute(update(User).values(password_hash=passwords.hash_password(PASSWORD, 1_500)))
    session.commit()
    done = meanwhile(monkeypatch, lambda: log_in(app))
    assert (log_in(app).status_code, done[1].status_code) == (200, 200)
    assert session.scalar(select(User.password_hash)).startswith("pbkdf2:sha256:1000$")


def test_of_two_changes_of_a_password_the_slower_is_told(app, session, ada, monkeypatch):
    """B12: it has shown the right password, and that is no longer the password."""
    done = meanwhile(monkeypatch, lambda: change(app, ada.headers, NEWER))
    answer = change(app, ada.headers)
    assert (answer.status_code, answer.json["code"]) == (409, "password_changed_meanwhile")
    assert done[1].status_code == 200
    assert (log_in(app, NEWER).status_code, log_in(app).status_code) == (200, 401)
    assert told_of(session, "password_changed") == [ada.id]


@pytest.mark.parametrize("act", ["change", "reset"])
def test_a_reset_that_comes_second_is_refused(app, session, ada, monkeypatch, act):
    """C8 C9: whatever has changed the password while the new one was hashed."""
    token = link_to(app, ada)
    acts = {"change": lambda: change(app, ada.headers, NEW), "reset": lambda: reset(app, token, NEW)}
    done = meanwhile(monkeypatch, acts[act])
    answer = reset(app, token)
    assert (answer.status_code, answer.json["code"]) == (401, "invalid_or_expired_token")
    assert (done[1].status_code, log_in(app, NEW).status_code) == (200, 200)
    assert session.scalar(select(func.count()).where(Mail.kind == recovery.CHANGED_MAIL)) == 1


def test_an_account_that_was_disabled_during_a_reset_keeps_its_password(app, session, ada, monkeypatch):
    """D7"""
    token, before = link_to(app, ada), session.scalar(select(User.password_hash))
    session.rollback()
    meanwhile(monkeypatch, lambda: command(app, "disable", ada.email))
    assert reset(app, token).status_code == 401
    assert session.scalar(select(User.password_hash)) == before


def test_an_account_that_was_deleted_during_a_change_is_no_error(app, session, ada, monkeypatch):
    """D7"""
    meanwhile(monkeypatch, lambda: command(app, "delete", ada.email, "--yes"))
    assert change(app, ada.headers).status_code in (401, 409)
    assert session.scalars(select(User)).all() == []


def test_what_an_account_asks_for_while_it_is_deleted_is_no_error(app, session, ada):
    """D7: between the guard and the view."""
    session_id = session.scalar(select(TokenFamily.id))
    session.rollback()
    command(app, "delete", ada.email, "--yes")
    sessions.log_out_everywhere(session, ada.id)
    with pytest.raises(sessions.SessionNotFound):
        sessions.end_session(session, ada.id, session_id)
    with app.app_context():
        sessions.log_out(session, ada.id, jwts.read(ada.refresh, "refresh"))
    assert told_of(session, "logged_out_everywhere") == [None]


def test_everything_about_sessions_at_once_ends_well(make_app, database_url):
    """E3 E13: logins, refreshes, reuse and signing out everywhere do not wait for each other in a circle."""
    app = make_app(database_url=database_url, web_threads=64, max_sessions=3)
    ada = sign_up(app, "ada")
    spent = [ada.refresh, *(log_in(app).json["refresh"] for _ in range(2))]
    for token in spent:
        app.test_client().post(REFRESH, json={"refresh": token})
    headers = {"Authorization": f"Bearer {log_in(app).json['access']}"}

    def again(token):
        return app.test_client().post(REFRESH, json={"refresh": token})

    def out():
        return app.test_client().post(LOGOUT_ALL, headers=headers)

    for _ in range(4):
        answers = at_once([partial(log_in, app)] * 9 + [partial(again, token) for token in spent] * 3 + [out] * 3)
        assert {a.status_code for a in answers} <= {200, 204, 401}
        spent = [a.json["refresh"] for a in answers[:9]][-3:]
        headers = {"Authorization": f"Bearer {answers[8].json['access']}"}
