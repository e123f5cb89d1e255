"""Letters out: a real SMTP server on loopback that takes, refuses, stalls; and the files of the outbox."""

from __future__ import annotations

import smtplib
import socket
import threading
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select, update

from chatbot.db import begin_write, utcnow
from chatbot.mail import service, transport
from chatbot.mail.letters import Letter
from chatbot.mail.models import Mail
from chatbot.mail.tasks import deliver_mail, sweep_mails
from tests.conftest import sign_up

LETTER = Letter("Grüße", "Hello,\nthis is a letter.\n")


class Box:
    """What a mail server says, and what it was given."""

    def __init__(self) -> None:
        self.letters: list = []
        self.to_recipient = self.to_data = "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - the server's name for it.
        if self.to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.to_data.startswith("250"):
            self.letters.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return self.to_data


class Loopback(Controller):
    """On a port that the system chooses."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def box():
    """A real mail server."""
    box = Box()
    controller = Loopback(box, hostname="127.0.0.1", port=0)
    controller.start()
    box.port = controller.port
    yield box
    controller.stop()


@pytest.fixture
def app(make_app, database_url, box):
    """The application on each kind of database, with that mail server."""
    return make_app(database_url=database_url, **smtp(box.port))


def smtp(port: int) -> dict:
    return {
        "mail_server": "127.0.0.1",
        "mail_port": port,
        "mail_use_tls": False,
        "mail_default_sender": "bot@example.com",
    }


def the_mail(session) -> Mail:
    session.rollback()
    return session.scalars(select(Mail).execution_options(populate_existing=True)).one()


def run(app, session) -> Mail:
    """A worker comes by, and everything is due."""
    mail_id = the_mail(session).id
    session.rollback()
    begin_write(session)
    session.execute(update(Mail).values(next_attempt_at=utcnow()))
    session.commit()
    with app.app_context():
        deliver_mail(mail_id)
    return the_mail(session)


def test_a_letter_reaches_its_reader(app, session, ada, box):
    mail = run(app, session)
    ((recipients, letter),) = box.letters
    assert (mail.status, mail.attempts, mail.error) == ("sent", 1, None)
    assert mail.sent_at
    assert recipients == ["ada@example.com"]
    assert (letter["From"], letter["To"], letter["Subject"]) == (
        "bot@example.com",
        ada.email,
        "Confirm your e-mail address",
    )
    assert letter["Auto-Submitted"] == "auto-generated"
    assert mail.id in letter["Message-ID"]
    assert "Hello ada" in letter.get_content()


def test_a_letter_is_sent_once(app, session, ada, box):
    run(app, session)
    assert run(app, session).attempts == 1
    assert len(box.letters) == 1


@pytest.mark.parametrize("where", ["to_recipient", "to_data"])
def test_a_passing_refusal_is_tried_again_later(app, session, ada, box, where):
    """C14"""
    setattr(box, where, "451 Later, please")
    mail = run(app, session)
    wait = mail.next_attempt_at - utcnow()
    assert (mail.status, mail.attempts, box.letters) == ("queued", 1, [])
    assert mail.error in ("SMTPRecipientsRefused", "SMTPDataError")
    assert timedelta(seconds=20) < wait < timedelta(seconds=40)
    setattr(box, where, "250 OK")
    assert run(app, session).status == "sent"


def test_a_final_no_to_the_recipient_ends_it(app, session, ada, box):
    """C14"""
    box.to_recipient = "550 No such user"
    mail = run(app, session)
    assert (mail.status, mail.attempts) == ("failed", 1)
    assert mail.error == "the server refused the recipient (550)"


def test_after_the_cap_a_letter_has_failed(app, session, ada, box):
    """C14"""
    box.to_data = "451 Later"
    states = [run(app, session).status for _ in range(service.MAX_ATTEMPTS)]
    assert states == ["queued"] * (service.MAX_ATTEMPTS - 1) + ["failed"]
    assert run(app, session).attempts == service.MAX_ATTEMPTS


def test_a_server_that_is_not_there_is_tried_again(make_app, capsys):
    """C14"""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    app = make_app(**smtp(port))
    ada = sign_up(app, "ada")
    with app.extensions["sessions"]() as session:
        mail = run(app, session)
    assert (mail.status, mail.error) == ("queued", "ConnectionRefusedError")
    log = capsys.readouterr().err
    assert "mail_not_sent" in log
    assert ada.email not in log


def test_a_server_that_says_nothing_is_left_after_a_while(make_app, monkeypatch):
    """C14"""
    monkeypatch.setattr(transport, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app = make_app(**smtp(silent.getsockname()[1]))
        sign_up(app, "ada")
        with app.extensions["sessions"]() as session:
            mail = run(app, session)
    assert (mail.status, mail.error) == ("queued", "SMTPServerDisconnected")


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"mail_use_tls": True}, "SMTPNotSupportedError"),
        ({"mail_username": "u", "mail_password": "p"}, "SMTPNotSupportedError"),
    ],
)
def test_a_server_without_what_we_ask_for_gets_nothing(make_app, box, settings, error):
    """No letter and no password over a line that is not what was asked for."""
    app = make_app(**smtp(box.port) | settings)
    sign_up(app, "ada")
    with app.extensions["sessions"]() as session:
        mail = run(app, session)
    assert (mail.status, mail.error, box.letters) == ("queued", error, [])


def test_two_workers_deliver_once(app, session, ada, box):
    """N6"""
    mail_id, start = the_mail(session).id, threading.Barrier(4)
    session.rollback()

    def work():
        start.wait()
        with app.app_context():
            deliver_mail(mail_id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(box.letters), the_mail(session).attempts, the_mail(session).status) == (1, 1, "sent")


def test_a_letter_whose_worker_died_is_due_again(app, session, ada, box):
    """N4: between taking and sending."""
    mail_id = the_mail(session).id
    session.rollback()

    class Died(BaseException):
        pass

    def die(*_):
        raise Died

    with pytest.raises(Died):
        service.deliver(session, mail_id, app.extensions["mail_room"].builders, die)
    session.rollback()
    assert service.due_mails(session) == []
    session.rollback()
    assert the_mail(session).next_attempt_at - utcnow() < service.TAKEN_FOR
    assert (run(app, session).status, len(box.letters)) == ("sent", 1)


def test_no_transaction_is_open_while_the_server_is_spoken_to(app, session, ada):
    """M2"""
    seen = []
    mail_id = the_mail(session).id
    session.rollback()
    builders = app.extensions["mail_room"].builders
    service.deliver(session, mail_id, builders, lambda *_: seen.append(session.in_transaction()))
    assert seen == [False]


def test_whatever_goes_wrong_is_counted_and_given_up(app, session, ada):
    """A letter that cannot be written must not be tried for ever."""
    builders, mail_id = {"verify_email": lambda *_: Letter("two\r\nlines", "x")}, the_mail(session).id
    session.rollback()
    for _ in range(service.MAX_ATTEMPTS):
        begin_write(session)
        session.execute(update(Mail).values(next_attempt_at=utcnow()))
        session.commit()
        service.deliver(
            session, mail_id, builders, lambda *args: transport._message("a@b.de", args[0], args[1], args[2])
        )
    assert (the_mail(session).status, the_mail(session).error) == ("failed", "ValueError")


def test_the_wait_doubles_up_to_an_hour_with_jitter():
    """C14"""
    for attempts in range(1, 12):
        middle = min(3600, 30 * 2 ** (attempts - 1))
        waits = {service.backoff(attempts).total_seconds() for _ in range(50)}
        assert middle * 0.75 <= min(waits) < max(waits) <= middle * 1.25


def test_a_signup_does_not_wait_for_the_mail_server(make_app):
    """C14"""
    app = make_app(**smtp(1))
    body = {
        "username": "ada",
        "email": "ada@example.com",
        "password": "correct horse 9",
        "password2": "correct horse 9",
    }
    assert app.test_client().post("/api/users/signup/", json=body).status_code == 201


@pytest.mark.parametrize("bad", ["a\r\nBcc: all@example.com", "a\nb"])
def test_no_header_takes_a_line_break(bad):
    """C12"""
    for sender, recipient, subject in [(bad, "a@b.de", "x"), ("a@b.de", bad, "x"), ("a@b.de", "a@b.de", bad)]:
        with pytest.raises(ValueError, match="linefeed"):
            transport._message(sender, recipient, Letter(subject, "x"), "1")


def test_the_outbox_holds_whole_letters_only(tmp_path):
    send = transport.outbox(tmp_path / "outbox", "bot@example.com")
    send("ada@example.com", LETTER, "first")
    send("zoë@example.com", LETTER, "second")
    files = sorted((tmp_path / "outbox").iterdir())
    first, second = (message_from_bytes(file.read_bytes(), policy=policy.default) for file in files)
    assert [file.name for file in files] == ["first.eml", "second.eml"]
    assert (first["To"], first["Subject"], first.get_content().replace("\r\n", "\n")) == (
        "ada@example.com",
        "Grüße",
        LETTER.text,
    )
    assert second["To"] == "zoë@example.com"


def test_a_full_outbox_is_tried_again(make_app, tmp_path):
    """M8: where the folder cannot be made."""
    app = make_app(instance_path=tmp_path)
    (tmp_path / "outbox").write_text("in the way")
    sign_up(app, "ada")
    with app.extensions["sessions"]() as session:
        assert run(app, session).status == "queued"


def test_a_recipient_refused_for_a_while_is_not_refused_for_good(box):
    """The transport tells the two apart."""
    from flask import Flask
    from flask_mail import Mail as FlaskMail

    flask = Flask("x")
    flask.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=box.port, MAIL_USE_TLS=False)
    send = transport.smtp(FlaskMail(flask), "bot@example.com")
    box.to_recipient = "450 Busy"
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send("ada@example.com", LETTER, "1")
    box.to_recipient = "550 Never"
    with pytest.raises(transport.Refused):
        send("ada@example.com", LETTER, "1")


def test_the_sweep_finds_what_is_due_and_nothing_else(app, session, ada, bob):
    """N1 N3"""
    begin_write(session)
    later = update(Mail).where(Mail.user_id == bob.id).values(next_attempt_at=utcnow() + timedelta(hours=1))
    session.execute(later)
    session.commit()
    due = service.due_mails(session)
    assert due == session.scalars(select(Mail.id).where(Mail.user_id == ada.id)).all()
    session.rollback()
    with app.app_context():
        sweep_mails()
    states = dict(session.execute(select(Mail.user_id, Mail.status)).all())
    assert states == {ada.id: "sent", bob.id: "queued"}
