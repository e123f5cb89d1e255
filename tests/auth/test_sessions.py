"""Sessions: where an account is signed in, how each of them ends, and what is left of an account that has gone."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial

import jwt as pyjwt
import pytest
from sqlalchemy import select, update

from chatbot.auth import accounts, recovery
from chatbot.auth.credentials import sessions
from chatbot.auth.models import SecurityEvent, TokenFamily, User
from chatbot.auth.tasks import forget_dead_families
from chatbot.chat.models import ChatSession
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.mail.models import Mail
from tests.auth.crowd import at_once
from tests.conftest import PASSWORD, sign_up

PROFILE, REFRESH, LOGIN = "/api/users/profile/", "/api/users/token/refresh/", "/api/users/login/"
SESSIONS, LOGOUT = "/api/users/sessions/", "/api/users/logout/"
ANOTHER = "another lighthouse 7"


def refresh(app, token: str):
    return app.test_client().post(REFRESH, json={"refresh": token})


def passes(app, access: str) -> bool:
    return app.test_client().get(PROFILE, headers={"Authorization": f"Bearer {access}"}).status_code == 200


def change(session, model, **values):
    begin_write(session)
    session.execute(update(model).values(values))
    session.commit()


def log_in(app, email="ada@example.com", password=PASSWORD, **kwargs):
    return app.test_client().post(LOGIN, json={"email": email, "password": password}, **kwargs)


def family_of(token: str) -> str:
    return pyjwt.decode(token, options={"verify_signature": False})["family"]


def alive(session, user_id: str) -> set[str]:
    """The ids of the account's living sessions."""
    found = set(session.scalars(select(TokenFamily.id).where(*sessions._alive(user_id))))
    session.rollback()
    return found


def command(app, *args: str) -> None:
    result = app.test_cli_runner().invoke(args=["users", *args])
    assert result.exit_code == 0, result.output


def reset(app, who) -> None:
    with services(app).sessions() as session:
        token = recovery.reset_token(services(app).settings, session.get(User, who.id))
    body = {"token": token, "password": ANOTHER, "password2": ANOTHER}
    assert app.test_client().post("/api/users/password/reset/", json=body).status_code == 200


def change_elsewhere(app, who) -> None:
    headers = {"Authorization": f"Bearer {log_in(app, who.email).json['access']}"}
    body = {"current_password": PASSWORD, "password": ANOTHER, "password2": ANOTHER}
    assert app.test_client().post("/api/users/password/change/", json=body, headers=headers).status_code == 200


def disable_and_enable(app, who) -> None:
    command(app, "disable", who.email)
    command(app, "enable", who.email)


ENDS = {
    "signing out": lambda app, who: app.test_client().post(LOGOUT, json={"refresh": who.refresh}, headers=who.headers),
    "signing out everywhere": lambda app, who: app.test_client().post(f"{LOGOUT}all/", headers=who.headers),
    "ending the session": lambda app, who: app.test_client().delete(
        f"{SESSIONS}{family_of(who.access)}/", headers=who.headers
    ),
    "a reset": reset,
    "a changed password": change_elsewhere,
    "disabling": lambda app, who: command(app, "disable", who.email),
    "disabling, and enabling": disable_and_enable,
    "revoking": lambda app, who: command(app, "revoke-sessions", who.email),
    "deleting": lambda app, who: app.test_client().delete(PROFILE, json={"password": PASSWORD}, headers=who.headers),
    "deleting by command": lambda app, who: command(app, "delete", who.email, "--yes"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_ends_a_session_ends_its_tokens_at_once(app, ada, bob, end):
    """E8: access tokens as well as refresh tokens, from the next request on, and nobody else's."""
    newest = refresh(app, ada.refresh).json
    end(app, type(ada)(ada.id, ada.email, newest["access"], newest["refresh"]))
    for access in (ada.access, newest["access"]):
        answer = app.test_client().get(PROFILE, headers={"Authorization": f"Bearer {access}"})
        assert (answer.status_code, answer.json["code"]) == (401, "invalid_token")
    assert (refresh(app, newest["refresh"]).status_code, refresh(app, newest["refresh"]).json["code"]) == (
        401,
        "invalid_token",
    )
    assert passes(app, bob.access)


def test_signing_out_says_nothing(app, ada):
    answer = app.test_client().post(LOGOUT, json={"refresh": ada.refresh}, headers=ada.headers)
    assert (answer.status_code, answer.data) == (204, b"")


def test_signing_out_ends_one_session_only(app, ada):
    """E8"""
    other = log_in(app).json
    app.test_client().post(LOGOUT, json={"refresh": other["refresh"]}, headers=ada.headers)
    assert [passes(app, token) for token in (ada.access, other["access"])] == [True, False]


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
    with pytest.raises(accounts.tokens.InvalidToken):
        accounts.get_user(session, ada.id)


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


def test_a_revoked_session_that_could_still_be_used_stays_after_cleaning_up(app, session, ada):
    """E11: however long ago it was revoked; its tokens have not expired."""
    refresh(app, ada.refresh)
    assert refresh(app, ada.refresh).json["code"] == "token_reuse_detected"
    change(session, TokenFamily, revoked_at=utcnow() - timedelta(days=80), created_at=utcnow() - timedelta(days=89))
    forget_dead_families()
    assert session.scalars(select(TokenFamily.revoked_because)).one() == "reuse"
    assert not passes(app, ada.access)
    assert refresh(app, ada.refresh).status_code == 401


def test_all_processes_know_of_an_end_at_once(make_app, database_url):
    """E12: two applications on one database keep nothing of it to themselves."""
    one, other = make_app(database_url=database_url), make_app(database_url=database_url)
    ada, bob = sign_up(one, "ada"), sign_up(other, "bob")
    assert all(passes(app, who.access) for app in (one, other) for who in (ada, bob))
    assert one.test_client().post(f"{LOGOUT}all/", headers=ada.headers).status_code == 204
    command(other, "disable", bob.email)
    assert not any(passes(app, who.access) for app in (one, other) for who in (ada, bob))
    assert refresh(other, ada.refresh).status_code == refresh(one, bob.refresh).status_code == 401


def test_a_token_is_spent_once_in_all_processes_together(make_app, database_url):
    """E3 E12"""
    apps = [make_app(database_url=database_url), make_app(database_url=database_url)]
    ada = sign_up(apps[0], "ada")
    answers = at_once([partial(refresh, apps[n % 2], ada.refresh) for n in range(20)])
    assert sorted(a.status_code for a in answers) == [200] + [401] * 19
    (winner,) = [a for a in answers if a.status_code == 200]
    assert not any(passes(app, winner.json["access"]) for app in apps)


def unused_for(session, minutes: dict[str, int]) -> None:
    """As if these sessions had been used last so many minutes ago."""
    begin_write(session)
    for family_id, ago in minutes.items():
        used = utcnow() - timedelta(minutes=ago)
        session.execute(update(TokenFamily).where(TokenFamily.id == family_id).values(last_used_at=used))
    session.commit()


def test_one_session_too_many_ends_the_one_unused_for_longest(make_app, database_url):
    """E13: the least used, neither the oldest nor the newest."""
    app = make_app(database_url=database_url, max_sessions=3)
    ada, bob = sign_up(app, "ada"), sign_up(app, "bob")
    pairs = [{"access": ada.access, "refresh": ada.refresh}, log_in(app).json, log_in(app).json]
    with services(app).sessions() as session:
        idle = dict(zip([family_of(pair["access"]) for pair in pairs], (20, 30, 10), strict=True))
        unused_for(session, idle)
        pairs.append(log_in(app).json)
        assert [passes(app, pair["access"]) for pair in pairs] == [True, False, True, True]
        assert refresh(app, pairs[1]["refresh"]).json["code"] == "invalid_token"
        assert passes(app, bob.access)
        capped = session.scalars(select(SecurityEvent).where(SecurityEvent.kind == "sessions_capped")).one()
        because = select(TokenFamily.revoked_because).where(TokenFamily.revoked_because.is_not(None))
        assert (capped.user_id, capped.detail, session.scalars(because).all()) == (ada.id, {"ended": 1}, ["too_many"])


def test_using_a_session_counts_as_using_it(make_app, database_url):
    """E13: a session that answers requests is not the one that is ended."""
    app = make_app(database_url=database_url, max_sessions=2)
    ada = sign_up(app, "ada")
    other = log_in(app).json
    with services(app).sessions() as session:
        unused_for(session, {family_of(ada.access): 30, family_of(other["access"]): 20})
    assert passes(app, ada.access)
    log_in(app)
    assert [passes(app, token) for token in (ada.access, other["access"])] == [True, False]


def test_a_session_that_has_ended_takes_no_room(make_app):
    """E13"""
    app = make_app(max_sessions=2)
    ada = sign_up(app, "ada")
    for _ in range(4):
        pair = log_in(app).json
        app.test_client().post(LOGOUT, json={"refresh": pair["refresh"]}, headers=ada.headers)
    assert passes(app, ada.access)


def test_where_only_one_session_is_allowed_the_newest_is_it(make_app):
    """E13"""
    app = make_app(max_sessions=1)
    ada = sign_up(app, "ada")
    newest = log_in(app).json
    assert [passes(app, token) for token in (ada.access, newest["access"])] == [False, True]


def test_of_twenty_five_logins_at_once_twenty_sessions_are_left(make_app, database_url):
    """E13: the cap that is set where none is."""
    app = make_app(database_url=database_url, web_threads=64)
    ada = sign_up(app, "ada")
    answers = at_once([partial(log_in, app)] * 25)
    assert {a.status_code for a in answers} == {200}
    with services(app).sessions() as session:
        assert len(alive(session, ada.id)) == 20
    assert sum(passes(app, a.json["access"]) for a in answers) == 20


def test_people_see_and_end_their_own_sessions_only(app, session, ada, bob):
    """E13 A7: somebody else's session is answered like one that never was."""
    client, second = app.test_client(), log_in(app, headers={"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"})
    client.post(LOGOUT, json={"refresh": log_in(app).json["refresh"]}, headers=ada.headers)
    listed = client.get(SESSIONS, headers=ada.headers).json
    assert {item["id"] for item in listed["items"]} == {family_of(ada.access), family_of(second.json["access"])}
    assert {item["is_current"] for item in listed["items"] if item["id"] == family_of(ada.access)} == {True}
    assert {item["device"] for item in listed["items"]} == {"", "Firefox on Linux"}
    assert {item["network"] for item in listed["items"]} == {"", "127.0.0.0/24"}
    assert "jti" not in str(listed)
    missing = "5f0c2a52-3f5e-4a39-9a3c-1f2f6f0a7b11"
    told = []
    for session_id in (family_of(bob.access), missing):
        answer = client.delete(f"{SESSIONS}{session_id}/", headers=ada.headers | {"X-Request-ID": "same-request"})
        told.append((answer.status_code, answer.text.replace(session_id, "")))
    assert told[0] == told[1]
    assert (told[0][0], '"session_not_found"' in told[0][1]) == (404, True)
    assert passes(app, bob.access)
    own = f"{SESSIONS}{family_of(second.json['access'])}/"
    assert [client.delete(own, headers=ada.headers).status_code for _ in range(2)] == [204, 404]
    assert alive(session, ada.id) == {family_of(ada.access)}


def test_the_list_of_sessions_comes_in_pages_the_last_used_first(make_app):
    """E13"""
    app = make_app()
    ada = sign_up(app, "ada")
    made = [family_of(ada.access)] + [family_of(log_in(app).json["access"]) for _ in range(4)]
    with services(app).sessions() as session:
        # Less than a minute, so that asking does not count as a use.
        unused_for(session, dict.fromkeys(made, 0))
        begin_write(session)
        for n, family_id in enumerate(made):
            used = utcnow() - timedelta(seconds=n)
            session.execute(update(TokenFamily).where(TokenFamily.id == family_id).values(last_used_at=used))
        session.commit()
    found, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = app.test_client().get(SESSIONS, query_string=query, headers=ada.headers).json
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == made


def test_signing_out_everywhere_tells_how_many_were_alive(app, session, ada):
    log_in(app)
    begin_write(session)
    over = utcnow() - timedelta(seconds=1)
    session.execute(update(TokenFamily).where(TokenFamily.id != family_of(ada.access)).values(expires_at=over))
    session.commit()
    app.test_client().post(f"{LOGOUT}all/", headers=ada.headers)
    told = select(SecurityEvent.detail).where(SecurityEvent.kind == "logged_out_everywhere")
    assert session.scalars(told).one() == {"ended": 1}
