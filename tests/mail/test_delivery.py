"""E-mails out: a real SMTP server on loopback that takes, refuses, stalls; and the files of the outbox."""

from __future__ import annotations

import smtplib
import socket
import threading
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from sqlalchemy import select, update

from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.mail import service, transport
from chatbot.mail.emails import Email
from chatbot.mail.models import Mail
from chatbot.mail.tasks import deliver_mail, sweep_mails
from tests.conftest import PASSWORD, sign_up
from tests.mail.conftest import make_due, run, smtp, text_of, the_mail

LETTER = Email("Grüße", "Hello,\nthis is a letter.\n", "<p>Hello, this is a letter.</p>\n")


@pytest.fixture
def app(make_app, database_url, box):
    """The application on each kind of database, with that mail server."""
    return make_app(database_url=database_url, **smtp(box.port))


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
    assert "Hello ada" in text_of(letter)


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
    with services(app).sessions() as session:
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
        with services(app).sessions() as session:
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
    """No e-mail and no password over a line that is not what was asked for."""
    app = make_app(**smtp(box.port) | settings)
    sign_up(app, "ada")
    with services(app).sessions() as session:
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
        service.deliver(session, mail_id, services(app).mailer.builders, die)
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
    builders = services(app).mailer.builders
    service.deliver(session, mail_id, builders, lambda *_: seen.append(session.in_transaction()))
    assert seen == [False]


def test_whatever_goes_wrong_is_counted_and_given_up(app, session, ada):
    """An e-mail that cannot be written must not be tried for ever: here nobody writes its kind."""
    mail_id = the_mail(session).id
    for _ in range(service.MAX_ATTEMPTS):
        make_due(session)
        service.deliver(session, mail_id, {}, services(app).mailer.transport)
    mail = the_mail(session)
    assert (mail.status, mail.attempts, mail.error) == ("failed", service.MAX_ATTEMPTS, "KeyError")


def test_what_was_sent_stays_sent_whatever_a_slow_worker_finds_later(app, session, ada, box):
    """N6: one worker is slower than the time for which it has taken the e-mail."""
    mailer, mail_id = services(app).mailer, the_mail(session).id
    session.rollback()

    def slow(*_):
        with services(app).sessions() as other:
            make_due(other)
            assert service.deliver(other, mail_id, mailer.builders, mailer.transport) == "sent"
        raise OSError

    service.deliver(session, mail_id, mailer.builders, slow)
    assert (the_mail(session).status, len(box.letters)) == ("sent", 1)
    assert service.due_mails(session) == []


def test_a_late_success_ends_the_attempts_of_others(app, session, ada):
    """N6: the slow worker is the one that got through."""
    mailer, mail_id = services(app).mailer, the_mail(session).id
    session.rollback()

    def refuse(*_):
        raise OSError

    def slow(*_):
        with services(app).sessions() as other:
            make_due(other)
            assert service.deliver(other, mail_id, mailer.builders, refuse) == "queued"

    service.deliver(session, mail_id, mailer.builders, slow)
    assert the_mail(session).status == "sent"


def test_the_wait_doubles_up_to_an_hour_with_jitter():
    """C14"""
    middles = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    for attempts, middle in enumerate(middles, start=1):
        waits = {service.backoff(attempts).total_seconds() for _ in range(50)}
        assert middle * 0.75 <= min(waits) < max(waits) <= middle * 1.25
    # An e-mail that is given up has been tried for five hours.
    assert (len(middles) + 1, sum(middles) // 3600) == (service.MAX_ATTEMPTS, 5)


NEW = {"username": "ada", "email": "ada@example.com", "password": PASSWORD, "password2": PASSWORD}


@pytest.mark.parametrize(
    ("says", "attempts", "error"),
    [
        ({"to_recipient": "451 Later"}, service.MAX_ATTEMPTS, "SMTPRecipientsRefused"),
        ({"to_recipient": "550 No such user"}, 1, "the server refused the recipient (550)"),
        ({"to_data": "452 Full"}, service.MAX_ATTEMPTS, "SMTPDataError"),
        ({"to_data": "554 No"}, 1, "the server refused the letter (554)"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_signup_stands_and_its_refused_letter_becomes_a_dead_one(
    make_app, database_url, box, capsys, says, attempts, error
):
    """C14"""
    app = make_app(database_url=database_url, **smtp(box.port))
    vars(box).update(says)
    answer = app.test_client().post("/api/users/signup/", json=NEW)
    states = []
    with services(app).sessions() as session:
        while not states or states[-1] == "queued":
            states.append(run(app, session).status)
        assert service.due_mails(session) == []
        mail = the_mail(session)
    assert answer.status_code == 201
    assert states == ["queued"] * (attempts - 1) + ["failed"]
    assert (mail.attempts, mail.error, mail.sent_at, box.letters) == (attempts, error, None, [])
    log = capsys.readouterr().err
    assert (log.count("mail_failed"), f"mail_id={mail.id}" in log, "ada@example.com" in log) == (1, True, False)


def test_a_signup_stands_when_the_mail_server_says_nothing(make_app, monkeypatch):
    """C14"""
    monkeypatch.setattr(transport, "TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app = make_app(**smtp(silent.getsockname()[1]))
        answer = app.test_client().post("/api/users/signup/", json=NEW)
        with services(app).sessions() as session:
            states = [run(app, session).status for _ in range(service.MAX_ATTEMPTS)]
    assert (answer.status_code, states[0], states[-1]) == (201, "queued", "failed")


def test_a_signup_does_not_wait_for_the_mail_server(make_app):
    """C14"""
    app = make_app(**smtp(1))
    assert app.test_client().post("/api/users/signup/", json=NEW).status_code == 201


def test_a_server_that_hangs_up_after_taking_a_letter_is_not_given_it_again(app, session, ada, box):
    """It would come once for each attempt."""
    box.hangs_up = True
    assert run(app, session).status == "sent"


def test_a_server_that_hangs_up_after_a_final_no_has_said_it(app, session, ada, box):
    box.hangs_up, box.to_recipient = True, "550 No such user"
    assert run(app, session).error == "the server refused the recipient (550)"


def test_the_outbox_holds_whole_letters_only(tmp_path):
    send = transport.outbox(tmp_path / "outbox", "bot@example.com")
    send("ada@example.com", LETTER, "first")
    send("zoë@example.com", LETTER, "second")
    files = sorted((tmp_path / "outbox").iterdir())
    first, second = (message_from_bytes(file.read_bytes(), policy=policy.default) for file in files)
    assert [file.name for file in files] == ["first.eml", "second.eml"]
    assert (first["To"], first["Subject"], text_of(first).replace("\r\n", "\n")) == (
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
    with services(app).sessions() as session:
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
