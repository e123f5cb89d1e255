"""Two ways out: SMTP through Flask-Mail's settings, or files in instance/outbox/ where no server is set."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate, make_msgid
from pathlib import Path

from flask_mail import Connection, _Mail

from chatbot.mail.letters import Letter

TIMEOUT_SECONDS = 10.0

Transport = Callable[[str, Letter, str], None]


class Refused(Exception):
    """The server will never take this letter; trying again is of no use."""


class _Connection(Connection):
    """Flask-Mail's connection with a time-out and a checked certificate, which it does not have by itself."""

    def configure_host(self) -> smtplib.SMTP:
        host = smtplib.SMTP(self.mail.server, self.mail.port, timeout=TIMEOUT_SECONDS)
        try:
            if self.mail.use_tls:
                host.starttls(context=ssl.create_default_context())
            if self.mail.username and self.mail.password:
                host.login(self.mail.username, self.mail.password)
        except BaseException:
            host.close()
            raise
        return host


def smtp(mail: _Mail, sender: str) -> Transport:
    """Sends over SMTP.

    The transport raises `Refused` for a final no, and `OSError` or `smtplib.SMTPException` for what may pass.
    """

    def send(recipient: str, letter: Letter, message_id: str) -> None:
        try:
            with _Connection(mail) as connection:  # type: ignore[arg-type]  # As Flask-Mail does.
                assert connection.host is not None  # noqa: S101 - set on entering.
                connection.host.send_message(_message(sender, recipient, letter, message_id))
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            if all(500 <= code < 600 for code in codes):
                raise Refused(f"the server refused the recipient ({codes[0]})") from None
            raise

    return send


def outbox(folder: Path, sender: str) -> Transport:
    """Writes each letter as an .eml file, whole or not at all."""

    def send(recipient: str, letter: Letter, message_id: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{message_id}.tmp"
        temporary.write_bytes(_message(sender, recipient, letter, message_id).as_bytes(policy=SMTPUTF8))
        temporary.replace(folder / f"{message_id}.eml")

    return send


def _message(sender: str, recipient: str, letter: Letter, message_id: str) -> EmailMessage:
    """The message; the SMTP policy refuses line breaks in headers."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, recipient, letter.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(message_id, domain="chatbot.invalid")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message
