"""Refreshing, signing out, and what is left of a session that has ended."""

from __future__ import annotations

import threading
from datetime import timedelta

import jwt as pyjwt
import pytest
from sqlalchemy import select, update

from chatbot.auth import service
from chatbot.auth.models import TokenFamily, User
from chatbot.auth.tasks import forget_dead_families
from chatbot.chat.models import ChatSession
from chatbot.db import begin_write, utcnow
from chatbot.mail.models import Mail
from tests.conftest import PASSWORD, sign_up

PROFILE, REFRESH = "/api/users/profile/", "/api/users/token/refresh/"


def refresh(app, token: str):
    return app.test_client().post(REFRESH, json={"refresh": token})


def passes(app, access: str) -> bool:
    return app.test_client().get(PROFILE, headers={"Authorization": f"Bearer {access}"}).status_code == 200


def change(session, model, **values):
    begin_write(session)
    session.execute(update(model).values(values))
    session.commit()


def test_a_refresh_gives_the_next_pair_of_the_same_family(app, session, ada):
    """E1"""
    before = session.scalars(select(TokenFamily)).one()
    session.rollback()
    answer = refresh(app, ada.refresh)
    after = session.scalars(select(TokenFamily).execution_options(populate_existing=True)).one()
    old, new = (pyjwt.decode(t, options={"verify_signature": False}) for t in (ada.refresh, answer.json["refresh"]))
    assert set(answer.json) == {"access", "refresh", "token_type", "expires_in"}
    assert (old["family"], old["jti"] != new["jti"]) == (new["family"], True)
    assert (after.id, after.expires_at) == (before.id, before.expires_at)
    assert passes(app, answer.json["access"])


def test_a_refresh_token_lives_a_week_and_never_longer_than_its_session(make_app):
    """E1: a chain of refreshes ends with the session."""
    app = make_app(session_days=1)
    ada = sign_up(app, "ada")
    claims = pyjwt.decode(refresh(app, ada.refresh).json["refresh"], options={"verify_signature": False})
    assert 86_000 < claims["exp"] - claims["iat"] <= 86_400


def test_a_spent_refresh_token_ends_the_whole_family(app, session, ada, caplog):
    """E2"""
    newest = refresh(app, ada.refresh).json
    reused = refresh(app, ada.refresh)
    assert (reused.status_code, reused.json["code"]) == (401, "token_reuse_detected")
    assert refresh(app, newest["refresh"]).json["code"] == "invalid_token"
    assert not passes(app, newest["access"])
    assert not passes(app, ada.access)
    assert session.scalars(select(TokenFamily.revoked_because)).one() == "reuse"
    assert "refresh_reused" in caplog.text


def test_the_end_of_one_family_is_not_the_end_of_another(app, ada):
    """E2"""
    other = app.test_client().post("/api/users/login/", json={"email": ada.email, "password": PASSWORD}).json
    refresh(app, ada.refresh)
    refresh(app, ada.refresh)
    assert passes(app, other["access"])
    assert refresh(app, other["refresh"]).status_code == 200


def test_of_twenty_who_spend_one_token_one_wins(app, session, ada):
    """E3: and the family is revoked, as for any reuse."""
    answers, start = [], threading.Barrier(20)

    def run():
        start.wait()
        answers.append(refresh(app, ada.refresh))

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a.status_code for a in answers) == [200] + [401] * 19
    (winner,) = [a for a in answers if a.status_code == 200]
    assert session.scalars(select(TokenFamily.revoked_because)).one() == "reuse"
    assert not passes(app, winner.json["access"])


@pytest.mark.parametrize("token", ["", "x", 5, None, "x" * 5000])
def test_what_is_not_a_refresh_token_is_refused(sqlite_app, token):
    assert refresh(sqlite_app, token).status_code in (401, 422)


def test_a_session_that_is_over_is_not_refreshed(app, session, ada):
    change(session, TokenFamily, expires_at=utcnow() - timedelta(seconds=1))
    answer = refresh(app, ada.refresh)
    assert (answer.status_code, answer.json["code"]) == (401, "invalid_token")


def test_signing_out_ends_the_session_at_once(app, ada):
    """E8"""
    answer = app.test_client().post("/api/users/logout/", json={"refresh": ada.refresh}, headers=ada.headers)
    assert (answer.status_code, answer.data) == (204, b"")
    assert not passes(app, ada.access)
    assert refresh(app, ada.refresh).json["code"] == "invalid_token"


def test_nobody_signs_out_somebody_else(app, ada, bob):
    """F2"""
    answer = app.test_client().post("/api/users/logout/", json={"refresh": bob.refresh}, headers=ada.headers)
    assert answer.status_code == 204
    assert passes(app, bob.access)
    assert passes(app, ada.access)


def test_signing_out_everywhere_ends_every_session_of_one_person(app, ada, bob):
    """E8"""
    other = app.test_client().post("/api/users/login/", json={"email": ada.email, "password": PASSWORD}).json
    assert app.test_client().post("/api/users/logout/all/", headers=ada.headers).status_code == 204
    assert [passes(app, token) for token in (ada.access, other["access"], bob.access)] == [False, False, True]


def test_a_disabled_account_is_out_at_once(app, session, ada):
    """D7 E8"""
    change(session, User, is_active=False)
    assert not passes(app, ada.access)
    assert refresh(app, ada.refresh).json["code"] == "invalid_token"


def test_a_deleted_account_takes_everything_with_it(app, session, ada, bob):
    """D7 E8 F14"""
    client = app.test_client()
    client.post("/api/chat/send/", json={"message": "Hello"}, headers=ada.headers)
    answer = client.delete(PROFILE, json={"password": PASSWORD}, headers=ada.headers)
    assert answer.status_code == 204
    assert not passes(app, ada.access)
    assert refresh(app, ada.refresh).status_code == 401
    for model in (User, TokenFamily, ChatSession, Mail):
        owner = User.id if model is User else model.user_id
        assert session.scalars(select(owner).where(owner == ada.id)).all() == []
    assert passes(app, bob.access)


def test_an_account_is_not_deleted_without_its_password(app, ada):
    client = app.test_client()
    wrong = client.delete(PROFILE, json={"password": "wrong"}, headers=ada.headers)
    assert (wrong.status_code, wrong.json["code"]) == (401, "invalid_credentials")
    assert client.delete(PROFILE, json={}, headers=ada.headers).status_code == 422
    assert passes(app, ada.access)


def test_the_last_administrator_stays(app, root):
    """F9"""
    client = app.test_client()
    answer = client.delete(PROFILE, json={"password": PASSWORD}, headers=root.headers)
    assert (answer.status_code, answer.json["code"]) == (409, "last_admin")
    sign_up(app, "second", admin=True)
    assert client.delete(PROFILE, json={"password": PASSWORD}, headers=root.headers).status_code == 204


def test_a_disabled_administrator_does_not_count(app, session, root):
    """F9"""
    other = sign_up(app, "second", admin=True)
    begin_write(session)
    session.execute(update(User).where(User.id == other.id).values(is_active=False))
    session.commit()
    assert app.test_client().delete(PROFILE, json={"password": PASSWORD}, headers=root.headers).status_code == 409


def test_two_administrators_cannot_both_leave_at_once(app, session, root):
    """F9"""
    admins, start, answers = [root, sign_up(app, "second", admin=True)], threading.Barrier(2), []

    def leave(who):
        start.wait()
        answers.append(app.test_client().delete(PROFILE, json={"password": PASSWORD}, headers=who.headers).status_code)

    threads = [threading.Thread(target=leave, args=(who,)) for who in admins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [204, 409]


def test_an_account_that_went_away_during_a_request_is_a_401(app, session, ada):
    """D7: between the guard and the view."""
    app.test_client().delete(PROFILE, json={"password": PASSWORD}, headers=ada.headers)
    with pytest.raises(service.Unauthorized):
        service.get_user(session, ada.id)


def test_a_profile_is_changed(app, ada):
    client = app.test_client()
    changes = {"first_name": "Ada", "last_name": "King", "username": "Countess"}
    answer = client.patch(PROFILE, json=changes, headers=ada.headers)
    assert answer.status_code == 200
    assert changes.items() <= answer.json.items()
    assert client.get(PROFILE, headers=ada.headers).json == answer.json
    assert client.patch(PROFILE, json={"username": "COUNTESS"}, headers=ada.headers).status_code == 200


def test_a_profile_does_not_take_a_name_that_is_taken(app, ada, bob):
    answer = app.test_client().patch(PROFILE, json={"username": "BOB"}, headers=ada.headers)
    assert (answer.status_code, answer.json["code"]) == (409, "username_taken")
    assert app.test_client().patch(PROFILE, json={"username": "a b"}, headers=ada.headers).status_code == 422


def test_cleaning_up_forgets_only_what_can_never_be_used_again(app, session, ada, bob):
    """E11: a revoked family stays until its tokens have expired."""
    app.test_client().post("/api/users/logout/all/", headers=bob.headers)
    forget_dead_families()
    assert len(session.scalars(select(TokenFamily.id)).all()) == 2
    assert not passes(app, bob.access)
    session.rollback()
    begin_write(session)
    gone = utcnow() - timedelta(minutes=6)
    session.execute(update(TokenFamily).where(TokenFamily.user_id == bob.id).values(expires_at=gone))
    session.commit()
    forget_dead_families()
    assert session.scalars(select(TokenFamily.user_id)).all() == [ada.id]
    assert passes(app, ada.access)
