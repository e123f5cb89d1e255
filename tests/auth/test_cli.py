"""`flask users create-admin`."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from chatbot.auth.models import User

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
        (COMMAND, "short", "Use 8 to 128 characters."), (COMMAND, "password", "too easy to guess"),
        (["users", "create-admin", "nonsense", "--username", "root"], GOOD, "not an e-mail address"),
        (["users", "create-admin", "a@b.de", "--username", "a b"], GOOD, "Use 3 to 150 letters"),
    ],
)  # fmt: skip
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
