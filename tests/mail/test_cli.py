"""`flask mail list` and `flask mail retry`: dead e-mails are seen, and get another chance."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from chatbot.current import services
from chatbot.db import new_id, utcnow
from chatbot.mail import service
from chatbot.mail.cli import masked
from chatbot.mail.models import Mail
from chatbot.mail.tasks import sweep_mails
from tests.broker_files import messages
from tests.mail.conftest import add_mail, add_user, run, smtp, the_mail


def invoke(app, *args):
    return app.test_cli_runner().invoke(args=["mail", *args])


def add_one_of_each(session) -> dict[str, Mail]:
    """An e-mail of each status, the newest first."""
    user_id, mails = add_user(session).id, {}
    for age, status in enumerate(service.STATUSES):
        fields = {"status": status, "created_at": utcnow() - timedelta(minutes=age)}
        if status == "failed":
            fields |= {"attempts": service.MAX_ATTEMPTS, "error": "SMTPDataError"}
        mails[status] = add_mail(session, user_id, **fields)
    return mails


def states(session) -> dict[str, str]:
    session.rollback()
    return dict(session.execute(select(Mail.id, Mail.status)).all())


def test_letters_are_listed_newest_first_with_what_became_of_them(app, session):
    """C14"""
    mails = add_one_of_each(session)
    result = invoke(app, "list")
    head, *lines = result.output.splitlines()
    assert result.exit_code == 0
    assert head.split() == ["id", "kind", "to", "status", "attempts", "next", "attempt", "error"]
    assert [line.split()[0] for line in lines] == [mail.id for mail in mails.values()]
    failed = lines[2].split()
    assert failed == [mails["failed"].id, "verify_email", "a…@example.com", "failed", "12", "-", "SMTPDataError"]
    due = mails["queued"].next_attempt_at
    assert lines[0].split()[3:] == ["queued", "0", f"{due:%Y-%m-%dT%H:%M:%SZ}"]


@pytest.mark.parametrize("status", service.STATUSES)
def test_a_list_can_be_of_one_status(app, session, status):
    mails = add_one_of_each(session)
    lines = invoke(app, "list", "--status", status).output.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [mails[status].id]


def test_a_list_has_a_limit_and_knows_its_statuses(app, session):
    add_one_of_each(session)
    assert len(invoke(app, "list", "--limit", "2").output.splitlines()) == 3
    assert invoke(app, "list", "--status", "lost").exit_code == 2


@pytest.mark.parametrize(
    ("recipient", "shown"),
    [
        ("ada@example.com", "a…@example.com"),
        ("a@example.com", "a…@example.com"),
        ("@example.com", "@…@example.com"),
        ("ada.lovelace", "a…"),
        ("", "…"),
        ("zoë@example.com", "z…@example.com"),
        ('"a@b"@example.com', '"…@example.com'),
        ("\x1b[2J@example.com", "?…@example.com"),
        ("a@b\r\nBcc: eve@example.com", "a…@example.com"),
        ("a@example.com\r\nx\u202e", "a…@example.com??x?"),
    ],
    ids=ascii,
)
def test_an_address_is_shown_masked_and_on_one_line(recipient, shown):
    """P1"""
    assert masked(recipient) == shown


def test_the_list_shows_no_address(app, session):
    """P1"""
    add_one_of_each(session)
    assert "ada@" not in invoke(app, "list").output


def test_a_failed_letter_gets_all_its_attempts_again(make_app, box):
    """C14"""
    app = make_app(**smtp(box.port))
    with services(app).sessions() as session:
        add_mail(session, add_user(session).id)
        box.to_recipient = "550 No"
        assert run(app, session).status == "failed"
        box.to_recipient = "250 OK"
        result = invoke(app, "retry", the_mail(session).id)
        mail = the_mail(session)
        assert (result.exit_code, result.output) == (0, "1 queued again\n")
        assert (mail.status, mail.attempts, mail.error) == ("queued", 0, None)
        with app.app_context():
            sweep_mails()
        mail = the_mail(session)
    assert (mail.status, mail.attempts, len(box.letters)) == ("sent", 1, 1)


def test_a_retry_wakes_the_worker_with_the_id(make_app, tmp_path):
    app = make_app(instance_path=tmp_path)
    with services(app).sessions() as session:
        mail = add_mail(session, add_user(session).id, status="failed")
    invoke(app, "retry", mail.id)
    (message,) = messages(tmp_path)
    assert "mail.deliver" in message.read_text()


def test_all_failed_letters_can_be_retried_at_once_and_no_others(app, session):
    mails = add_one_of_each(session)
    second = add_mail(session, mails["sent"].user_id, status="failed", attempts=1)
    result = invoke(app, "retry", "--all-failed")
    assert (result.exit_code, result.output) == (0, "2 queued again\n")
    expected = {mail.id: status for status, mail in mails.items()}
    assert states(session) == expected | {mails["failed"].id: "queued", second.id: "queued"}
    assert invoke(app, "retry", "--all-failed").output == "0 queued again\n"


def test_what_has_not_failed_is_not_retried_and_the_rest_is(app, session):
    """A sent e-mail must not go out twice because of a wrong id."""
    mails, unknown = add_one_of_each(session), new_id()
    result = invoke(app, "retry", mails["sent"].id, mails["failed"].id, unknown, mails["failed"].id)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "1 queued again",
        f"  not a failed letter: {mails['sent'].id}",
        f"  not a failed letter: {unknown}",
    ]
    assert states(session) == {mail.id: status for status, mail in mails.items()} | {mails["failed"].id: "queued"}


@pytest.mark.parametrize("args", [(), ("--all-failed", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"), ("not-an-id",)])
def test_a_retry_has_to_say_which(app, session, args):
    mails = add_one_of_each(session)
    assert invoke(app, "retry", *args).exit_code == 2
    assert states(session) == {mail.id: status for status, mail in mails.items()}


def test_a_retried_letter_is_due_at_once(app, session):
    mail = add_mail(session, add_user(session).id, status="failed", next_attempt_at=utcnow() + timedelta(hours=1))
    assert service.retry_failed(session, [mail.id]) == [mail.id]
    assert service.due_mails(session) == [mail.id]
