"""Refreshing: a token is spent once, and whoever shows a spent one again ends its session."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from functools import partial

import jwt as pyjwt
import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session

from chatbot.auth.credentials import jwts, sessions
from chatbot.auth.models import SecurityEvent, TokenFamily
from chatbot.current import services
from chatbot.db import begin_write, detached, new_id, utcnow
from tests.auth.crowd import at_once
from tests.conftest import PASSWORD, sign_up

PROFILE, REFRESH = "/api/users/profile/", "/api/users/token/refresh/"


def refresh(app, token: str):
    return app.test_client().post(REFRESH, json={"refresh": token})


def passes(app, access: str) -> bool:
    return app.test_client().get(PROFILE, headers={"Authorization": f"Bearer {access}"}).status_code == 200


def claims_of(token: str) -> dict:
    return pyjwt.decode(token, options={"verify_signature": False})


def the_family(session) -> TokenFamily:
    """The only family there is, as it stands now."""
    return detached(session, session.scalars(select(TokenFamily)).one())


def rotated(session, ago: float) -> None:
    """As if the last refresh had been that many seconds ago."""
    begin_write(session)
    session.execute(update(TokenFamily).values(rotated_at=utcnow() - timedelta(seconds=ago)))
    session.commit()


@pytest.fixture
def lenient(make_app, database_url):
    """An application with a leeway of ten seconds, on each kind of database."""
    return make_app(database_url=database_url, refresh_leeway_seconds=10)


def test_a_refresh_gives_the_next_pair_of_the_same_family(app, session, ada):
    """E1"""
    before = the_family(session)
    answer = refresh(app, ada.refresh)
    after = the_family(session)
    old, new = claims_of(ada.refresh), claims_of(answer.json["refresh"])
    assert (answer.status_code, set(answer.json)) == (200, {"access", "refresh", "token_type", "expires_in"})
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 86_400)
    assert (old["family"], old["sub"], old["jti"] != new["jti"]) == (new["family"], new["sub"], True)
    assert (after.id, after.expires_at, after.created_at) == (before.id, before.expires_at, before.created_at)
    assert (after.parent_jti, after.current_jti, after.rotations) == (old["jti"], new["jti"], 1)
    assert passes(app, answer.json["access"])


def test_a_chain_of_refreshes_stays_one_session(app, session, ada):
    """E1: each token is another one, and each is spent by the next."""
    chain = [ada.refresh]
    for _ in range(5):
        answer = refresh(app, chain[-1])
        assert answer.status_code == 200
        chain.append(answer.json["refresh"])
    family = the_family(session)
    assert len({claims_of(token)["jti"] for token in chain}) == 6
    assert (family.rotations, family.revoked_at) == (5, None)


def test_a_refresh_token_lives_a_week_and_never_longer_than_its_session(make_app):
    """E1: a chain of refreshes ends with the session."""
    app = make_app(session_days=1)
    ada = sign_up(app, "ada")
    for token in (ada.refresh, refresh(app, ada.refresh).json["refresh"]):
        assert 86_000 < claims_of(token)["exp"] - time.time() <= 86_400


def test_an_access_token_lives_no_longer_than_its_session(app, session, ada):
    """E1"""
    end = utcnow() + timedelta(minutes=5)
    begin_write(session)
    session.execute(update(TokenFamily).values(expires_at=end))
    session.commit()
    answer = refresh(app, ada.refresh)
    assert answer.json["expires_in"] <= 300
    assert claims_of(answer.json["refresh"])["exp"] <= end.timestamp()
    assert claims_of(answer.json["access"])["exp"] <= end.timestamp() + 60


def test_a_spent_refresh_token_ends_the_whole_family(app, session, ada, caplog):
    """E2: its newest tokens as well, and at once."""
    newest = refresh(app, ada.refresh).json
    reused = refresh(app, ada.refresh)
    assert (reused.status_code, reused.json["code"]) == (401, "token_reuse_detected")
    assert reused.headers["WWW-Authenticate"] == 'Bearer realm="chatbot", error="token_reuse_detected"'
    assert refresh(app, newest["refresh"]).json["code"] == "invalid_token"
    assert not passes(app, newest["access"])
    assert not passes(app, ada.access)
    assert the_family(session).revoked_because == "reuse"
    told = session.scalars(select(SecurityEvent).where(SecurityEvent.kind == "refresh_reused")).one()
    assert (told.user_id, told.actor_id) == (ada.id, None)
    assert told.detail == {"session_id": claims_of(ada.refresh)["family"]}
    assert caplog.text.count("refresh_reused") == 1


def test_however_old_a_spent_token_is_it_ends_the_family(app, session, ada):
    """E2"""
    second = refresh(app, ada.refresh).json["refresh"]
    third = refresh(app, second).json["refresh"]
    rotated(session, ago=86_400)
    assert refresh(app, ada.refresh).json["code"] == "token_reuse_detected"
    assert refresh(app, third).json["code"] == "invalid_token"


def test_a_thief_who_is_first_is_found_out_by_the_owner(app, ada):
    """E2: it does not matter which of the two shows the token second."""
    stolen = refresh(app, ada.refresh).json
    assert passes(app, stolen["access"])
    assert refresh(app, ada.refresh).status_code == 401
    assert not passes(app, stolen["access"])


def test_the_end_of_one_family_is_not_the_end_of_another(app, ada, bob):
    """E2"""
    other = app.test_client().post("/api/users/login/", json={"email": ada.email, "password": PASSWORD}).json
    refresh(app, ada.refresh)
    refresh(app, ada.refresh)
    assert passes(app, other["access"])
    assert refresh(app, other["refresh"]).status_code == 200
    assert refresh(app, bob.refresh).status_code == 200


def test_of_twenty_who_spend_one_token_one_wins(app, session, ada):
    """E3: and the family is revoked, as for any reuse."""
    answers = at_once([partial(refresh, app, ada.refresh)] * 20)
    assert sorted(a.status_code for a in answers) == [200] + [401] * 19
    (winner,) = [a for a in answers if a.status_code == 200]
    family = the_family(session)
    assert (family.revoked_because, family.rotations) == ("reuse", 1)
    assert not passes(app, winner.json["access"])
    assert refresh(app, winner.json["refresh"]).status_code == 401
    assert session.scalar(select(func.count()).where(SecurityEvent.kind == "refresh_reused")) == 1


def test_within_the_leeway_twenty_get_the_same_successor(lenient, ada_of):
    """E4: byte for byte, and the family goes on by one."""
    ada, session = ada_of(lenient)
    answers = at_once([partial(refresh, lenient, ada.refresh)] * 20)
    assert {a.status_code for a in answers} == {200}
    (successor,) = {a.json["refresh"] for a in answers}
    family = the_family(session)
    assert (family.rotations, family.revoked_at) == (1, None)
    assert all(passes(lenient, a.json["access"]) for a in answers)
    assert refresh(lenient, successor).status_code == 200


def test_a_grandparent_within_the_leeway_ends_the_family(lenient, ada_of):
    """E5"""
    ada, session = ada_of(lenient)
    second = refresh(lenient, ada.refresh).json["refresh"]
    third = refresh(lenient, second).json
    assert refresh(lenient, ada.refresh).json["code"] == "token_reuse_detected"
    assert the_family(session).revoked_because == "reuse"
    assert refresh(lenient, third["refresh"]).status_code == refresh(lenient, second).status_code == 401
    assert not passes(lenient, third["access"])


def test_a_parent_after_the_leeway_ends_the_family(lenient, ada_of):
    """E6"""
    ada, session = ada_of(lenient)
    newest = refresh(lenient, ada.refresh).json
    rotated(session, ago=10.1)
    assert refresh(lenient, ada.refresh).json["code"] == "token_reuse_detected"
    assert refresh(lenient, newest["refresh"]).status_code == 401
    assert not passes(lenient, newest["access"])


def test_the_leeway_is_not_begun_anew_by_asking_again(make_app, database_url, ada_of):
    """E6: it counts from when the token was spent."""
    app = make_app(database_url=database_url, refresh_leeway_seconds=60)
    ada, session = ada_of(app)
    newest = refresh(app, ada.refresh).json
    rotated(session, ago=30)
    assert refresh(app, ada.refresh).status_code == 200
    rotated(session, ago=60.1)
    assert refresh(app, ada.refresh).json["code"] == "token_reuse_detected"
    assert not passes(app, newest["access"])


def test_a_client_whose_answer_was_lost_asks_again(lenient, ada_of, monkeypatch):
    """E7: seconds later it gets the successor that was already made, and goes on from there; no branch begins."""
    ada, session = ada_of(lenient)
    lost = refresh(lenient, ada.refresh).json["refresh"]
    with monkeypatch.context() as later:
        later.setattr(sessions, "utcnow", lambda: utcnow() + timedelta(seconds=5))
        again = refresh(lenient, ada.refresh).json["refresh"]
    assert again == lost
    assert refresh(lenient, again).status_code == 200
    family = the_family(session)
    assert (family.rotations, family.revoked_at) == (2, None)


def test_the_leeway_revives_no_session_that_has_ended(lenient, ada_of):
    """E7 E8"""
    ada, _ = ada_of(lenient)
    newest = refresh(lenient, ada.refresh).json
    headers = {"Authorization": f"Bearer {newest['access']}"}
    assert lenient.test_client().post("/api/users/logout/all/", headers=headers).status_code == 204
    assert refresh(lenient, ada.refresh).json["code"] == "invalid_token"


def test_without_a_leeway_there_is_none_for_clocks_that_differ_either(app, session, ada):
    """E2: the token was spent at a server whose clock is ahead."""
    refresh(app, ada.refresh)
    rotated(session, ago=-5)
    assert refresh(app, ada.refresh).json["code"] == "token_reuse_detected"


@pytest.mark.parametrize("token", ["", "x", 5, None, "x" * 5000])
def test_what_is_not_a_refresh_token_is_refused(sqlite_app, token):
    assert refresh(sqlite_app, token).status_code in (401, 422)


def test_a_session_that_is_over_is_not_refreshed(app, session, ada):
    """E1"""
    begin_write(session)
    session.execute(update(TokenFamily).values(expires_at=utcnow() - timedelta(seconds=1)))
    session.commit()
    answer = refresh(app, ada.refresh)
    assert (answer.status_code, answer.json["code"]) == (401, "invalid_token")
    assert not passes(app, ada.access)


class PowerCut(Exception):
    """What a process does not survive."""


@pytest.mark.parametrize("moment", ["do_orm_execute", "before_commit"])
def test_a_crash_before_the_commit_spends_nothing(app, session, ada, moment):
    """E15: neither the spent token nor its successor."""
    before = the_family(session).current_jti

    def crash(*_args):
        raise PowerCut

    event.listen(Session, moment, crash)
    try:
        assert refresh(app, ada.refresh).status_code == 500
    finally:
        event.remove(Session, moment, crash)
    family = the_family(session)
    assert (family.current_jti, family.rotations, family.parent_jti) == (before, 0, None)
    assert refresh(app, ada.refresh).status_code == 200


def test_a_crash_after_the_commit_has_spent_the_token_and_kept_its_successor(lenient, ada_of):
    """E15: the client has no answer; what it can do is E7, and without a leeway it signs in again."""
    ada, session = ada_of(lenient)

    def crash(_session):
        raise PowerCut

    event.listen(Session, "after_commit", crash)
    try:
        assert refresh(lenient, ada.refresh).status_code == 500
    finally:
        event.remove(Session, "after_commit", crash)
    family = the_family(session)
    assert (family.rotations, family.parent_jti) == (1, claims_of(ada.refresh)["jti"])
    again = refresh(lenient, ada.refresh)
    assert claims_of(again.json["refresh"])["jti"] == family.current_jti


def test_a_crash_while_reuse_is_noted_leaves_both_or_neither(app, session, ada):
    """E2 E15: the family is not revoked without its event, nor the other way round."""
    refresh(app, ada.refresh)

    def crash(_session):
        raise PowerCut

    event.listen(Session, "before_commit", crash)
    try:
        assert refresh(app, ada.refresh).status_code == 500
    finally:
        event.remove(Session, "before_commit", crash)
    events = select(func.count()).where(SecurityEvent.kind == "refresh_reused")
    assert (the_family(session).revoked_at, session.scalar(events)) == (None, 0)
    session.rollback()
    assert refresh(app, ada.refresh).json["code"] == "token_reuse_detected"
    assert session.scalar(events) == 1


def test_two_hundred_refreshes_of_two_hundred_sessions_at_once(make_app, database_url):
    """E3 Q6: all succeed, and no id is given twice; 32 are served at a time, as a server's threads would."""
    app = make_app(database_url=database_url, web_threads=32, max_sessions=1_000)
    ada, now, threads = sign_up(app, "ada"), utcnow(), threading.BoundedSemaphore(32)
    with app.app_context(), services(app).sessions() as session:
        made = [
            TokenFamily(id=new_id(), user_id=ada.id, current_jti=new_id(), expires_at=now + timedelta(days=9))
            for _ in range(200)
        ]
        begin_write(session)
        session.add_all(made)
        session.commit()
        until = now + timedelta(days=7)
        shown = [jwts.issue_refresh(ada.id, family.id, family.current_jti, now, until) for family in made]

    def spend(token):
        with threads:
            return refresh(app, token)

    answers = at_once([partial(spend, token) for token in shown])
    assert {a.status_code for a in answers} == {200}
    old, new = ([claims_of(token) for token in some] for some in (shown, [a.json["refresh"] for a in answers]))
    assert len({claims["jti"] for claims in old + new}) == 400
    assert [claims["family"] for claims in new] == [claims["family"] for claims in old]
    assert len({claims_of(a.json["access"])["jti"] for a in answers}) == 200
    with services(app).sessions() as session:
        mine = select(TokenFamily).where(TokenFamily.id.in_([family.id for family in made]))
        rows = {row.id: row for row in session.scalars(mine)}
    assert {(row.rotations, row.revoked_at) for row in rows.values()} == {(1, None)}
    assert [rows[claims["family"]].current_jti for claims in new] == [claims["jti"] for claims in new]


@pytest.fixture
def ada_of():
    """An account of an application of the test's own, and a session of its database."""
    opened = []

    def sign_up_there(app):
        opened.append(services(app).sessions())
        return sign_up(app, "ada"), opened[-1]

    yield sign_up_there
    for session in opened:
        session.close()
