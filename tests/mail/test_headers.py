"""No address, name or subject adds a header or a reader to an e-mail."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_mail import Mail as FlaskMail
from sqlalchemy import func, select

from chatbot.config import ConfigError, load_settings
from chatbot.current import services
from chatbot.mail import service, transport
from chatbot.mail.emails import Email
from chatbot.mail.models import Mail
from tests.conftest import PASSWORD
from tests.mail.conftest import add_mail, add_user, make_due, run, smtp, the_mail

LETTER = Email("Hello", "Hello,\n", "<p>Hello,</p>\n")
WRITTEN = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
]

BREAKS = {
    "crlf": "a@example.com\r\nBcc: all@example.com",
    "lf": "a@example.com\nBcc: all@example.com",
    "cr": "a@example.com\rBcc: all@example.com",
    "nul": "a\x00@example.com",
    "line separator": "a@example.com\u2028Bcc: all@example.com",
    "next line": "a@example.com\x85Bcc: all@example.com",
    "vertical tab": "a@example.com\x0bBcc: all@example.com",
    "folded": "a@example.com\r\n Bcc: all@example.com",
    "encoded word": "=?utf-8?q?A=0D=0ABcc=3A_all=40example.com?= <a@example.com>",
    "encoded nul": "=?utf-8?q?A=00?= <a@example.com>",
}
NOT_ONE = {
    "two": "a@example.com, b@example.com",
    "a group": "all: a@example.com, b@example.com;",
    "none": " ",
}
HALF = {"half": "a@", "no domain": "nobody"}


def pairs(*groups: dict[str, str]):
    return [pytest.param(text, id=name) for group in groups for name, text in group.items()]


@pytest.fixture
def app(make_app, box):
    """The application with a real mail server."""
    return make_app(**smtp(box.port))


def sender_of(box, sender: str) -> transport.Transport:
    flask = Flask("x")
    flask.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=box.port, MAIL_USE_TLS=False)
    return transport.smtp(FlaskMail(flask), sender)


@pytest.mark.parametrize("recipient", pairs(BREAKS, NOT_ONE))
def test_a_recipient_that_is_not_one_address_is_refused_for_good(app, session, box, recipient):
    """C12: before an e-mail is written or a server spoken to, with a reason that does not name the address."""
    add_mail(session, add_user(session).id, recipient=recipient)
    mail = run(app, session)
    assert (mail.status, mail.attempts, box.greeted, box.letters) == ("failed", 1, 0, [])
    assert mail.error in ("the recipient cannot stand in a header", "the recipient is not one address")
    assert service.due_mails(session) == []


@pytest.mark.parametrize("recipient", pairs(BREAKS, NOT_ONE))
def test_a_recipient_that_is_not_one_address_gets_nothing(box, tmp_path, recipient):
    """C12: whoever calls the way out."""
    for send in (sender_of(box, "bot@example.com"), transport.outbox(tmp_path / "outbox", "bot@example.com")):
        with pytest.raises(transport.Refused, match="the recipient"):
            send(recipient, LETTER, "1")
    assert box.greeted == 0
    assert not (tmp_path / "outbox").exists()


@pytest.mark.parametrize("subject", pairs(BREAKS))
def test_a_subject_that_is_not_one_line_is_refused_for_good(app, session, box, subject):
    """C12"""
    add_mail(session, add_user(session).id)
    mail_id = the_mail(session).id
    make_due(session)
    builders = {"verify_email": lambda *_: Email(subject, "x", "x")}
    service.deliver(session, mail_id, builders, services(app).mailer.transport)
    mail = the_mail(session)
    assert (mail.status, mail.attempts, mail.error) == ("failed", 1, "the subject cannot stand in a header")
    assert (box.greeted, box.letters) == (0, [])


@pytest.mark.parametrize("sender", pairs(BREAKS, NOT_ONE))
def test_a_sender_that_is_not_one_address_sends_nothing(box, tmp_path, sender):
    """C12"""
    for send in (sender_of(box, sender), transport.outbox(tmp_path / "outbox", sender)):
        with pytest.raises(transport.Refused, match="the sender"):
            send("ada@example.com", LETTER, "1")
    assert box.greeted == 0
    assert not (tmp_path / "outbox").exists()


@pytest.mark.parametrize("sender", pairs(BREAKS, NOT_ONE, HALF))
def test_a_sender_that_is_not_one_address_stops_the_start(tmp_path, sender):
    """C12: the message names the setting and not its value."""
    with pytest.raises(ConfigError) as refused:
        load_settings(_env_file=None, instance_path=tmp_path, mail_default_sender=sender)
    (_, line) = str(refused.value).splitlines()
    assert line.startswith("  MAIL_DEFAULT_SENDER: must be one address")
    assert "all@example.com" not in str(refused.value)


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("chatbot@localhost", "chatbot@localhost"),
        ("Chatbot Inc. <bot@example.com>", "bot@example.com"),
        ('"Bot, the" <bot@example.com>', "bot@example.com"),
        ("Grüße <bot@example.com>", "bot@example.com"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?= <bot@example.com>", "bot@example.com"),
    ],
)
def test_a_sender_may_have_a_name(tmp_path, box, sender, address):
    settings = load_settings(_env_file=None, instance_path=tmp_path, mail_default_sender=sender)
    sender_of(box, settings.mail_default_sender)("ada@example.com", LETTER, "1")
    ((recipients, letter),) = box.letters
    assert ([a.addr_spec for a in letter["From"].addresses], recipients) == ([address], ["ada@example.com"])
    assert letter.keys() == WRITTEN


def test_a_letter_has_the_headers_we_write_and_no_other(app, session, box):
    """C12"""
    add_mail(session, add_user(session, first_name="x\r\nBcc: all@example.com").id)
    run(app, session)
    ((recipients, letter),) = box.letters
    assert letter.keys() == WRITTEN
    assert recipients == ["ada@example.com"]


@pytest.mark.parametrize("email", pairs(BREAKS, NOT_ONE, HALF))
def test_nobody_signs_up_with_an_address_that_is_not_one(app, session, email):
    """C12"""
    body = {"username": "ada", "email": email, "password": PASSWORD, "password2": PASSWORD}
    answer = app.test_client().post("/api/users/signup/", json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert session.scalar(select(func.count()).select_from(Mail)) == 0
