"""A real mail server on loopback, and how a worker comes by."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select, update

from chatbot.auth.models import User
from chatbot.db import begin_write, utcnow
from chatbot.mail.models import Mail
from chatbot.mail.tasks import deliver_mail


class Box:
    """What a mail server says, and what it was given."""

    def __init__(self) -> None:
        self.letters: list = []
        self.greeted = 0
        self.to_recipient = self.to_data = "250 OK"
        self.hangs_up = False

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802 - the server's name for it.
        self.greeted += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if self.to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.to_data.startswith("250"):
            self.letters.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
            self.raw = envelope.content
        return self.to_data

    async def handle_QUIT(self, server, session, envelope):  # noqa: N802
        if self.hangs_up:
            server.transport.abort()
        return "221 Bye"


class Loopback(Controller):
    """On a port that the system chooses."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def box() -> Iterator[Box]:
    """A real mail server."""
    box = Box()
    controller = Loopback(box, hostname="127.0.0.1", port=0)
    controller.start()
    box.port = controller.port
    yield box
    controller.stop()


def smtp(port: int) -> dict:
    """The settings for the server on that port."""
    return {
        "mail_server": "127.0.0.1",
        "mail_port": port,
        "mail_use_tls": False,
        "mail_default_sender": "bot@example.com",
    }


def text_of(message: EmailMessage) -> str:
    """What a reader without html sees."""
    return message.get_body(("plain",)).get_content()


def html_of(message: EmailMessage) -> str:
    """What a reader with html sees."""
    return message.get_body(("html",)).get_content()


def add_user(session, username: str = "ada", **fields) -> User:
    """An account as a row, whatever its names are."""
    session.rollback()
    begin_write(session)
    user = User(username=username, username_key=username, email=f"{username}@example.com", password_hash="x", **fields)
    session.add(user)
    session.commit()
    return user


def add_mail(session, user_id: str, kind: str = "verify_email", **fields) -> Mail:
    """A row of the queue."""
    session.rollback()
    begin_write(session)
    mail = Mail(kind=kind, user_id=user_id, **({"recipient": "ada@example.com"} | fields))
    session.add(mail)
    session.commit()
    return mail


def the_mail(session) -> Mail:
    """The only row, as it is now."""
    session.rollback()
    return session.scalars(select(Mail).execution_options(populate_existing=True)).one()


def make_due(session) -> None:
    """Time passes, and everything is due."""
    session.rollback()
    begin_write(session)
    session.execute(update(Mail).values(next_attempt_at=utcnow()))
    session.commit()


def run(app, session) -> Mail:
    """Time passes, and a worker comes by."""
    mail_id = the_mail(session).id
    make_due(session)
    with app.app_context():
        deliver_mail(mail_id)
    return the_mail(session)
