"""The record of security events: each is written with what it tells of, holds no secret, and outlives the account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, func, select, update
from sqlalchemy.orm import Session

from chatbot.auth import events, recovery
from chatbot.auth.client_info import ClientInfo
from chatbot.auth.models import EVENT_KINDS, ApiKey, SecurityEvent, TokenFamily, User
from chatbot.auth.tasks import forget_old_events
from chatbot.current import services
from chatbot.db import Base, begin_write, utcnow
from tests.conftest import PASSWORD, sign_up

USERS, EVENTS = "/api/users/", "/api/users/security-events/"
NEW = "a lighthouse in the fog"
FROM = {
    "headers": {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "X-Request-ID": "the-request-of-this"},
    "environ_overrides": {"REMOTE_ADDR": "203.0.113.77"},
}
HERE = ("the-request-of-this", "203.0.113.0/24", "Firefox on Linux")


class Actor:
    """What somebody does, from one place, over HTTP or at the command line."""

    def __init__(self, app, who) -> None:
        self.app, self.who = app, who

    def call(self, method: str, path: str, headers=None, **body):
        headers = FROM["headers"] | (self.who.headers if headers is None else headers)
        kwargs = {"json": body} if method != "GET" else {}
        kwargs |= {"environ_overrides": FROM["environ_overrides"], "buffered": True}
        return self.app.test_client().open(USERS + path, method=method, headers=headers, **kwargs)

    def log_in(self, password: str = PASSWORD, email: str | None = None):
        return self.call("POST", "login/", {}, email=email or self.who.email, password=password)

    def command(self, *args: str):
        return self.app.test_cli_runner().invoke(args=["users", *args], env={"ADMIN_PASSWORD": PASSWORD})

    def token(self, make) -> str:
        with services(self.app).sessions() as session:
            return make(services(self.app).settings, session.get(User, self.who.id))

    def change(self, model, **values) -> None:
        with services(self.app).sessions() as session:
            begin_write(session)
            session.execute(update(model).values(values))
            session.commit()


def spent(actor):
    actor.call("POST", "token/refresh/", {}, refresh=actor.who.refresh)


def a_key(actor) -> str:
    return actor.call("POST", "api-keys/", name="x").json["id"]


def disabled(actor):
    actor.change(User, is_active=False)


def confirmed(actor) -> str:
    actor.change(User, is_verified=True)
    a_key(actor)
    return actor.token(recovery.reset_token)


def unconfirmed(actor) -> str:
    actor.change(User, is_verified=False)
    a_key(actor)
    return actor.token(recovery.reset_token)


def an_admin(actor):
    sign_up(actor.app, "boss", admin=True)
    actor.change(User, is_admin=True)


def the_session(actor) -> str:
    with services(actor.app).sessions() as session:
        return session.scalar(select(TokenFamily.id))


def signup(actor, _):
    names = {"username": "eve", "email": "eve@example.com"}
    return actor.call("POST", "signup/", {}, **names, password=PASSWORD, password2=PASSWORD)


def confirm(actor, token):
    return actor.call("POST", "verify-email/", {}, token=token)


def reset(actor, token):
    return actor.call("POST", "password/reset/", {}, token=token, password=NEW, password2=NEW)


def change_password(actor, _):
    return actor.call("POST", "password/change/", current_password=PASSWORD, password=NEW, password2=NEW)


# What is prepared, what is done, and of what kind the events are that it leaves; whose they are; what they tell.
HIS, NOBODYS, OWN, UNKNOWN = "ada", None, True, False
WRONG = {"because": "credentials"}
ACTIONS = {
    "signing up": (None, signup, "signed_up", "eve", OWN, {}),
    "confirming": (
        lambda a: a.token(recovery.verification_token),
        confirm,
        "email_verified",
        HIS,
        OWN,
        {},
    ),
    "signing in": (None, lambda a, _: a.log_in(), "logged_in", HIS, OWN, {}),
    "a wrong password": (None, lambda a, _: a.log_in("wrong"), "login_failed", HIS, UNKNOWN, WRONG),
    "an unknown address": (
        None,
        lambda a, _: a.log_in(email="x@example.com"),
        "login_failed",
        NOBODYS,
        UNKNOWN,
        WRONG,
    ),
    "no address at all": (
        None,
        lambda a, _: a.log_in(email="x"),
        "login_failed",
        NOBODYS,
        UNKNOWN,
        WRONG,
    ),
    "a disabled account": (disabled, lambda a, _: a.log_in(), "login_failed", HIS, UNKNOWN, {"because": "disabled"}),
    "signing out": (
        None,
        lambda a, _: a.call("POST", "logout/", refresh=a.who.refresh),
        "logged_out",
        HIS,
        OWN,
        {"session_id"},
    ),
    "signing out everywhere": (
        lambda a: a.log_in(),
        lambda a, _: a.call("POST", "logout/all/"),
        "logged_out_everywhere",
        HIS,
        OWN,
        {"ended": 2},
    ),
    "reuse": (
        spent,
        lambda a, _: a.call("POST", "token/refresh/", {}, refresh=a.who.refresh),
        "refresh_reused",
        HIS,
        UNKNOWN,
        {"session_id"},
    ),
    "ending a session": (
        the_session,
        lambda a, it: a.call("DELETE", f"sessions/{it}/"),
        "session_ended",
        HIS,
        OWN,
        {"session_id"},
    ),
    "forgetting": (
        None,
        lambda a, _: a.call("POST", "password/forgot/", {}, email=a.who.email),
        "password_reset_asked",
        HIS,
        UNKNOWN,
        {},
    ),
    "a stranger's forgetting": (
        None,
        lambda a, _: a.call("POST", "password/forgot/", {}, email="x@example.com"),
        "password_reset_asked",
        NOBODYS,
        UNKNOWN,
        {},
    ),
    "a reset": (confirmed, reset, "password_reset", HIS, OWN, {}),
    "a reset before the address is confirmed": (
        unconfirmed,
        reset,
        "password_reset",
        HIS,
        OWN,
        {"keys_deleted": 1},
    ),
    "a changed password": (None, change_password, "password_changed", HIS, OWN, {}),
    "a changed profile": (
        None,
        lambda a, _: a.call("PATCH", "profile/", last_name="King", first_name="A"),
        "profile_changed",
        HIS,
        OWN,
        {"fields": ["first_name", "last_name"]},
    ),
    "an export": (None, lambda a, _: a.call("GET", "export/"), "exported", HIS, OWN, {}),
    "a new key": (
        None,
        lambda a, _: a.call("POST", "api-keys/", name="x", scopes=["chat"]),
        "key_created",
        HIS,
        OWN,
        {"key_id", "scopes"},
    ),
    "a revoked key": (a_key, lambda a, it: a.call("DELETE", f"api-keys/{it}/"), "key_revoked", HIS, OWN, {"key_id"}),
    "leaving": (
        None,
        lambda a, _: a.call("DELETE", "profile/", password=PASSWORD),
        "account_deleted",
        NOBODYS,
        UNKNOWN,
        {"was_admin": False},
    ),
}
COMMANDS = {
    "create-admin": (
        None,
        lambda a, _: a.command("create-admin", "eve@example.com", "--username", "eve"),
        "admin_created",
        "eve",
        UNKNOWN,
        {},
    ),
    "disable": (None, lambda a, _: a.command("disable", "ada"), "account_disabled", HIS, UNKNOWN, {}),
    "enable": (disabled, lambda a, _: a.command("enable", "ada"), "account_enabled", HIS, UNKNOWN, {}),
    "make-admin": (None, lambda a, _: a.command("make-admin", "ada"), "admin_granted", HIS, UNKNOWN, {}),
    "make-user": (an_admin, lambda a, _: a.command("make-user", "ada"), "admin_withdrawn", HIS, UNKNOWN, {}),
    "revoke-sessions": (
        None,
        lambda a, _: a.command("revoke-sessions", "ada"),
        "sessions_revoked",
        HIS,
        UNKNOWN,
        {"ended": 1},
    ),
    "delete": (
        None,
        lambda a, _: a.command("delete", "ada", "--yes"),
        "account_deleted",
        NOBODYS,
        UNKNOWN,
        {"was_admin": False},
    ),
}
ALL = ACTIONS | COMMANDS


def stored(session) -> dict[str, list]:
    """Every row there is."""
    tables = Base.metadata.sorted_tables
    found = {table.name: sorted(map(repr, session.execute(select(table)))) for table in tables}
    session.rollback()
    return found


def newest(session, before: set[str]) -> list[SecurityEvent]:
    found = list(session.scalars(select(SecurityEvent).where(SecurityEvent.id.not_in(before))))
    session.expunge_all()
    session.rollback()
    return found


@contextmanager
def counted_commits() -> Iterator[list[Session]]:
    """The sessions that commit meanwhile, one for each commit."""
    found: list[Session] = []

    def committed(session: Session) -> None:
        found.append(session)

    event.listen(Session, "after_commit", committed)
    try:
        yield found
    finally:
        event.remove(Session, "after_commit", committed)


@pytest.mark.parametrize("what", ALL)
def test_what_happens_to_an_account_is_written_down(app, session, ada, what):
    """E15: once, in one transaction; with whom it happened to, who has done it, from where, and no secret."""
    prepare, act, kind, whose, by_owner, detail = ALL[what]
    actor = Actor(app, ada)
    prepared = prepare(actor) if prepare else None
    before = {row.id for row in newest(session, set())}
    with counted_commits() as commits:
        act(actor, prepared)
    assert len(commits) == 1
    (told,) = newest(session, before)
    ids = dict(session.execute(select(User.username, User.id)).all())
    user_id = None if whose is None else ids[whose]
    assert (told.kind, told.user_id, told.actor_id) == (kind, user_id, user_id if by_owner else None)
    here = HERE if what in ACTIONS else (None, "", "the command line")
    # A client may choose the id of its request, so none is kept of who is gone.
    request_id = None if what == "leaving" else here[0]
    assert (told.request_id, told.network, told.device) == (request_id, *here[1:])
    assert set(told.detail) == detail if isinstance(detail, set) else told.detail == detail
    text = json.dumps(told.detail)
    secrets = (PASSWORD, NEW, ada.access, ada.refresh, ada.email, prepared if act in (confirm, reset) else "")
    assert [secret for secret in secrets if secret and secret in text] == []


def test_one_session_too_many_is_written_down(make_app):
    """E13"""
    app = make_app(max_sessions=1)
    ada = sign_up(app, "ada")
    Actor(app, ada).log_in()
    with services(app).sessions() as session:
        told = {row.kind: (row.user_id, row.actor_id, row.network, row.detail) for row in newest(session, set())}
    assert told["sessions_capped"] == (ada.id, ada.id, "203.0.113.0/24", {"ended": 1})


def test_every_kind_of_event_is_tried_here():
    assert {action[2] for action in ALL.values()} | {"sessions_capped"} == set(EVENT_KINDS)


class PowerCut(Exception):
    """What a process does not survive."""


@pytest.mark.parametrize("what", ALL)
def test_an_event_and_what_it_tells_of_are_stored_together_or_not_at_all(app, session, ada, what):
    """E15"""
    prepare, act = ALL[what][:2]
    actor = Actor(app, ada)
    prepared = prepare(actor) if prepare else None
    before = stored(session)

    def crash(_session):
        raise PowerCut

    event.listen(Session, "before_commit", crash)
    try:
        result = act(actor, prepared)
    finally:
        event.remove(Session, "before_commit", crash)
    assert isinstance(result.exception, PowerCut) if what in COMMANDS else result.status_code == 500
    assert stored(session) == before


@pytest.mark.parametrize("path", ["profile/", "sessions/", "api-keys/"])
def test_looking_is_no_event(app, session, ada, path):
    before = {row.id for row in newest(session, set())}
    actor = Actor(app, ada)
    assert actor.call("GET", path).status_code == 200
    assert actor.call("POST", "token/refresh/", {}, refresh=ada.refresh).status_code == 200
    assert actor.call("POST", "verify-email/resend/", {}, email=ada.email).status_code == 202
    assert newest(session, before) == []


def test_what_is_refused_is_no_event(app, session, ada, bob):
    """Nothing happened to anybody."""
    before = {row.id for row in newest(session, set())}
    actor = Actor(app, ada)
    refused = [
        actor.call("POST", "logout/", refresh=bob.refresh),
        actor.call("DELETE", f"sessions/{the_session(Actor(app, bob))[:-12]}{'0' * 12}/"),
        actor.call("DELETE", "profile/", password="wrong"),
        actor.call("POST", "password/change/", current_password="wrong", password=NEW, password2=NEW),
        actor.call("POST", "password/reset/", {}, token="x", password=NEW, password2=NEW),
        actor.call("POST", "verify-email/", {}, token="x"),
        actor.call("PATCH", "profile/", username="bob"),
    ]
    assert [answer.status_code for answer in refused] == [204, 404, 401, 401, 401, 401, 409]
    assert newest(session, before) == []


def test_events_outlive_the_account_without_saying_whose_they_were(app, session, ada, bob):
    """F14: neither whom they happened to nor who did it; and nobody else's are touched."""
    actor = Actor(app, ada)
    actor.log_in("wrong")
    actor.call("PATCH", "profile/", first_name="A")
    before = {row.id: row for row in newest(session, set())}
    assert actor.call("DELETE", "profile/", password=PASSWORD).status_code == 204
    after = {row.id: row for row in newest(session, set())}
    assert set(before) < set(after)
    for event_id, row in before.items():
        kept, his = after[event_id], row.user_id == bob.id
        assert (kept.user_id, kept.actor_id) == ((bob.id, row.actor_id) if his else (None, None))
        assert (kept.kind, kept.detail, kept.created_at) == (row.kind, row.detail, row.created_at)
    assert ada.id not in "".join(stored(session)["security_events"])


@pytest.fixture
def rows(app, session, root, ada):
    """Seven events of known times, the newest first, of two kinds, of two people, and nothing else."""
    begin_write(session)
    session.execute(delete(SecurityEvent))
    where = {"request_id": "request-of-it", "network": "203.0.113.0/24", "device": "Firefox on Linux"}
    for n in range(7):
        kind, user_id = ("logged_in", ada.id) if n % 2 else ("login_failed", None if n == 4 else root.id)
        by, at = (user_id if n % 2 else None), utcnow() - timedelta(days=n)
        session.add(SecurityEvent(kind=kind, user_id=user_id, actor_id=by, created_at=at, detail={"n": n}, **where))
    session.commit()
    found = list(session.scalars(select(SecurityEvent).order_by(SecurityEvent.created_at.desc())))
    session.expunge_all()
    session.rollback()
    return found


def read(app, reader, **query):
    return app.test_client().get(EVENTS, query_string=query, headers=reader.headers)


def test_administrators_read_the_record_the_newest_first(app, root, rows):
    answer = read(app, root)
    assert [item["id"] for item in answer.json["items"]] == [row.id for row in rows]
    assert answer.json["next_cursor"] is None
    times = [row.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z") for row in rows]
    assert [item["created_at"] for item in answer.json["items"]] == times
    assert answer.json["items"][0] == {
        "id": rows[0].id,
        "kind": "login_failed",
        "user_id": root.id,
        "actor_id": None,
        "request_id": "request-of-it",
        "network": "203.0.113.0/24",
        "device": "Firefox on Linux",
        "detail": {"n": 0},
        "created_at": times[0],
    }


def test_the_record_comes_in_pages(app, root, rows):
    found, cursor = [], None
    for wanted in (3, 3, 1):
        page = read(app, root, limit=3, **({"cursor": cursor} if cursor else {})).json
        assert len(page["items"]) == wanted
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert (found, cursor) == ([row.id for row in rows], None)


def test_the_record_is_read_by_kind_and_by_account(app, root, ada, rows):
    def ids(**query):
        return [item["id"] for item in read(app, root, **query).json["items"]]

    assert ids(kind="logged_in") == [row.id for row in rows if row.kind == "logged_in"] != []
    assert ids(user_id=ada.id) == [row.id for row in rows if row.user_id == ada.id] != []
    assert ids(kind="login_failed", user_id=root.id) == [row.id for row in rows if row.user_id == root.id] != []
    assert ids(kind="login_failed", user_id=ada.id) == ids(kind="exported") == []
    assert ids(kind="logged_in", limit=1) == [rows[1].id]


@pytest.mark.parametrize(
    "query", [{"kind": "x"}, {"kind": ""}, {"user_id": "x"}, {"cursor": "x"}, {"limit": 0}, {"who": "ada"}], ids=str
)
def test_another_question_about_the_record_is_refused(sqlite_app, query):
    """G11"""
    root = sign_up(sqlite_app, "root", admin=True)
    assert read(sqlite_app, root, **query).status_code == 422


def test_nobody_else_reads_the_record(app, root, ada):
    """F7"""
    assert app.test_client().get(EVENTS).status_code == 401
    assert (read(app, ada).status_code, read(app, ada).json["code"]) == (403, "admin_required")
    assert read(app, ada, kind="x").status_code == 403
    assert read(app, root).status_code == 200


def test_old_events_are_forgotten_and_younger_ones_kept(app, session, rows):
    assert events.forget_old(session, 3) == 4
    assert session.scalars(select(SecurityEvent.id).order_by(SecurityEvent.created_at.desc())).all() == [
        row.id for row in rows[:3]
    ]


def test_events_are_kept_as_long_as_the_setting_says(make_app, database_url):
    app = make_app(database_url=database_url, audit_log_retention_days=2)
    ada = sign_up(app, "ada")
    with services(app).sessions() as session, app.app_context():
        for age, left in ((timedelta(days=2, minutes=-1), True), (timedelta(days=2, minutes=1), False)):
            begin_write(session)
            session.execute(update(SecurityEvent).values(created_at=utcnow() - age))
            session.commit()
            forget_old_events()
            assert (session.scalar(select(func.count()).select_from(SecurityEvent)) > 0) == left
            session.rollback()
        assert session.scalar(select(func.count()).select_from(User)) == 1
    assert app.test_client().get(USERS + "profile/", headers=ada.headers).status_code == 200


def test_an_event_is_a_line_of_the_log_as_well(make_app, capsys):
    """P14: with the request's id, so that the two are found together."""
    app = make_app(log_level="INFO", log_format="json")
    ada = sign_up(app, "ada")
    capsys.readouterr()
    Actor(app, ada).log_in("wrong")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "security_event" in line]
    assert [(line["kind"], line["user_id"], line["request_id"]) for line in lines] == [
        ("login_failed", ada.id, "the-request-of-this")
    ]
    assert "wrong" not in json.dumps(lines)


def test_no_row_of_another_kind_can_be_written(session):
    """The list of kinds is what the API promises."""
    begin_write(session)
    with pytest.raises(AssertionError):
        events.record(session, "made_up", ClientInfo(), None)
    session.rollback()
    assert session.scalar(select(func.count()).select_from(ApiKey)) == 0
