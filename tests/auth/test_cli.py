"""`flask users ...`"""

from __future__ import annotations

import pytest
from sqlalchemy import select

from chatbot.auth.models import SecurityEvent, User
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from tests.auth.world import dump
from tests.conftest import PASSWORD

COMMAND = ["users", "create-admin", "root@example.com", "--username", "root"]
GOOD = "correct horse 9"


def run(app, *args, password=GOOD, **kwargs):
    environment = {"ADMIN_PASSWORD": password}
    return app.test_cli_runner().invoke(args=[*(args or COMMAND)], env=environment, **kwargs)


def test_an_administrator_is_made_with_the_password_of_the_environment(app, session):
    """F10"""
    result = run(app)
    user = session.scalars(select(User)).one()
    assert (result.exit_code, result.output) == (0, "root <root@example.com> is an administrator now.\n")
    assert (user.is_admin, user.is_verified) == (True, True)
    answer = app.test_client().post("/api/users/login/", json={"email": user.email, "password": GOOD})
    assert answer.json["user"]["is_admin"] is True


def test_the_password_is_asked_for_twice_and_not_shown(sqlite_app):
    result = run(sqlite_app, password=None, input=f"{GOOD}\n{GOOD}\n")
    assert result.exit_code == 0
    assert GOOD not in result.output
    assert "Repeat for confirmation" in result.output


@pytest.mark.parametrize(
    ("args", "password", "reason"),
    [
        (COMMAND, "short", "Use 8 to 128 characters."),
        (COMMAND, "password", "too easy to guess"),
        (["users", "create-admin", "nonsense", "--username", "root"], GOOD, "not an e-mail address"),
        (["users", "create-admin", "a@b.de", "--username", "a b"], GOOD, "Use 3 to 150 letters"),
    ],
)
def test_what_is_not_usable_is_said_in_a_sentence(sqlite_app, args, password, reason):
    result = run(sqlite_app, *args, password=password)
    assert result.exit_code == 1
    assert reason in result.output
    assert "Traceback" not in result.output


def test_a_second_administrator_of_the_same_name_is_refused(sqlite_app):
    """F10"""
    run(sqlite_app)
    again = run(sqlite_app)
    assert (again.exit_code, again.output) == (1, "Error: There is an account with this e-mail address.\n")


def test_there_is_no_account_before_one_is_made(session):
    """F10: no default credentials."""
    assert session.scalars(select(User)).all() == []


# The other commands ---------------------------------------------------------------------------------------------------


def users(app, *args, **kwargs):
    return app.test_cli_runner().invoke(args=["users", *args], **kwargs)


def passes(app, person, where="/api/users/profile/") -> int:
    return app.test_client().get(where, headers=person.headers).status_code


def kinds(session) -> list[tuple[str, str | None, str]]:
    query = select(SecurityEvent).order_by(SecurityEvent.created_at)
    found = [(event.kind, event.user_id, event.device) for event in session.scalars(query)]
    session.rollback()
    return found


def test_accounts_are_listed_newest_first(app, ada, bob, root):
    users(app, "disable", "bob")
    result = users(app, "list")
    lines = [line.split() for line in result.output.splitlines()]
    assert result.exit_code == 0
    today = f"{utcnow():%Y-%m-%d}"
    assert lines == [
        ["user", "name", "address", "role", "state", "since"],
        ["root", "root@example.com", "administrator", "active", today],
        ["bob", "bob@example.com", "user", "disabled", today],
        ["ada", "ada@example.com", "user", "address", "not", "confirmed", today],
        ["3", "accounts"],
    ]


@pytest.mark.parametrize(("query", "found"), [("AD", ["ada"]), ("example.com", ["bob", "ada"]), ("%", []), ("_", [])])
def test_the_list_is_searched_by_a_part_of_a_name_or_address(app, ada, bob, query, found):
    """G10: literally."""
    lines = users(app, "list", "-q", query).output.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == found
    assert lines[-1] == f"{len(found)} account{'' if len(found) == 1 else 's'}"


def test_the_list_has_everybody(app):
    """More than one page, and those who signed up in one moment."""
    with services(app).sessions() as session:
        begin_write(session)
        now = utcnow()
        session.add_all(
            User(username=f"u{n}", username_key=f"u{n}", email=f"u{n}@example.com", password_hash="", created_at=now)
            for n in range(250)
        )
        session.commit()
    lines = users(app, "list").output.splitlines()
    assert {line.split()[0] for line in lines[1:-1]} == {f"u{n}" for n in range(250)}
    assert (len(lines), lines[-1]) == (252, "250 accounts")


@pytest.mark.parametrize("account", ["ada", "ada@example.com", "ADA@Example.com"])
def test_a_disabled_account_is_out_at_once_and_back_when_enabled(app, session, ada, account):
    """F8 E8"""
    assert passes(app, ada) == 200
    result = users(app, "disable", account)
    assert (result.exit_code, result.output) == (
        0,
        "ada <ada@example.com> is disabled; nothing of theirs is deleted.\n",
    )
    assert passes(app, ada) == 401
    login = {"email": ada.email, "password": PASSWORD}
    answer = app.test_client().post("/api/users/login/", json=login)
    assert (answer.status_code, answer.json["code"]) == (403, "account_disabled")
    result = users(app, "enable", account)
    assert (result.exit_code, result.output) == (0, "ada <ada@example.com> is enabled.\n")
    assert app.test_client().post("/api/users/login/", json=login).status_code == 200
    here = [(kind, user_id) for kind, user_id, device in kinds(session) if device == "the command line"]
    assert here == [("account_disabled", ada.id), ("account_enabled", ada.id)]


def test_a_role_is_given_and_taken(app, session, ada, root):
    """F8"""
    documents = "/api/knowledge/documents/"
    for command, says, status in (
        ("make-admin", "ada <ada@example.com> is an administrator now.\n", 200),
        ("make-user", "ada <ada@example.com> is an ordinary user now.\n", 403),
    ):
        result = users(app, command, "ada")
        assert (result.exit_code, result.output) == (0, says)
        assert passes(app, ada, documents) == status
    here = [(kind, user_id) for kind, user_id, device in kinds(session) if device == "the command line"]
    assert here == [("admin_granted", ada.id), ("admin_withdrawn", ada.id)]


def test_every_session_of_an_account_is_ended(app, session, ada, bob):
    """E8"""
    app.test_client().post("/api/users/login/", json={"email": ada.email, "password": PASSWORD})
    said = [users(app, "revoke-sessions", "ada").output for _ in range(2)] + [
        users(app, "revoke-sessions", "bob").output
    ]
    assert said == ["2 sessions ended.\n", "0 sessions ended.\n", "1 session ended.\n"]
    assert [passes(app, person) for person in (ada, bob)] == [401, 401]
    assert app.test_client().post("/api/users/token/refresh/", json={"refresh": ada.refresh}).status_code == 401
    here = [kind for kind, _, device in kinds(session) if device == "the command line"]
    assert here == ["sessions_revoked"] * 3


def test_an_account_is_deleted_after_a_question(app, session, ada):
    """F14"""
    kept = users(app, "delete", "ada", input="n\n")
    assert kept.exit_code == 1
    assert passes(app, ada) == 200
    gone = users(app, "delete", "ada", input="y\n")
    assert gone.exit_code == 0
    assert gone.output.startswith("Delete ada <ada@example.com> and everything of theirs? [y/N]: y\n")
    assert gone.output.endswith("ada <ada@example.com> is deleted.\n")
    assert passes(app, ada) == 401
    assert session.scalars(select(User)).all() == []
    assert kinds(session)[-1] == ("account_deleted", None, "the command line")


COMMANDS = ["disable", "enable", "make-admin", "make-user", "revoke-sessions", "delete"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("account", "reason"),
    [
        ("nobody", "There is no such account."),
        ("nobody@example.com", "There is no such account."),
        ("no@body", "email: This is not an e-mail address."),
        ("' OR 1=1 --", "There is no such account."),
        ("%", "There is no such account."),
        ("", "There is no such account."),
    ],
)
def test_an_account_that_is_not_there_is_a_sentence(sqlite_app, command, account, reason):
    before = dump(sqlite_app)
    result = users(sqlite_app, command, account, *(["--yes"] if command == "delete" else []))
    assert (result.exit_code, result.output) == (1, f"Error: {reason}\n")
    assert dump(sqlite_app) == before


@pytest.mark.parametrize("command", ["disable", "make-user", "delete"])
def test_the_last_administrator_is_kept(app, root, ada, command):
    """F9"""
    before = dump(app)
    result = users(app, command, "root", *(["--yes"] if command == "delete" else []))
    says = "Error: This is the last administrator; name another one first.\n"
    assert (result.exit_code, result.output) == (1, says)
    assert dump(app) == before
    assert passes(app, root, "/api/knowledge/documents/") == 200


@pytest.mark.parametrize("command", ["enable", "make-admin", "disable", "make-user"])
def test_a_command_may_be_given_twice(app, ada, root, command):
    assert [users(app, command, "ada").exit_code for _ in range(2)] == [0, 0]


HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "a\nb",
    "a\rb",
    "\u202eadmin",
    "[bold]x[/bold]",
    "[/]",
    ":smile:",
    "[link=https://evil.example]x[/link]",
    "\x9b31m",
    "a\x00".strip("\x00") + "\u2028b",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_name_does_nothing_to_a_terminal(sqlite_app, name):
    """P2: no such name can be signed up with; a row may come from elsewhere."""
    run(sqlite_app)
    with services(sqlite_app).sessions() as session:
        begin_write(session)
        session.add(
            User(username=name, username_key="evil", email=f"{name}@example.com", password_hash="", is_active=False)
        )
        session.commit()
    calls = [["list"], ["enable", "evil"], ["make-admin", "evil"], ["make-user", "evil"], ["delete", "evil", "--yes"]]
    says = [users(sqlite_app, *call, color=True).output for call in calls]
    shown = "".join(c if c.isprintable() else "?" for c in name)
    for output in says:
        assert shown in output
        assert [c for c in output if not c.isprintable() and c != "\n"] == []
    assert [len(output.splitlines()) for output in says] == [4, 1, 1, 1, 1]


def test_a_long_name_is_whole_in_a_pipe(sqlite_app):
    """What is cut off cannot be copied."""
    name, email = "n" * 150, "e" * 300 + "@example.com"
    with services(sqlite_app).sessions() as session:
        begin_write(session)
        session.add(User(username=name, username_key=name, email=email, password_hash=""))
        session.commit()
    lines = users(sqlite_app, "list").output.splitlines()
    assert lines[1].split()[:2] == [name, email]


def test_the_password_is_in_no_output_and_no_row(app, session, caplog):
    """P1 F10"""
    caplog.set_level("DEBUG")
    result = run(app)
    assert GOOD not in result.output + caplog.text + repr(dump(app))
    assert kinds(session)[0][0] == "admin_created"
