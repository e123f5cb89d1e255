"""Two ways out: SMTP through Flask-Mail's settings, or files in instance/outbox/ where no server is set."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate, make_msgid
from pathlib import Path
from uuid import UUID

from flask_mail import Connection, _Mail

from chatbot.mail.emails import Email, LetterBuilders
from chatbot.system.private_files import make_folder, open_private

TIMEOUT_SECONDS = 10.0
# The folder in the instance folder.
OUTBOX = "outbox"

Transport = Callable[[str, Email, str], None]


@dataclass(frozen=True)
class Mailer:
    """Who writes which e-mail, and the way out."""

    builders: LetterBuilders
    transport: Transport


class Refused(Exception):
    """This e-mail will never go out; trying again is of no use. The message says why and names nobody."""


class _Connection(Connection):
    """Flask-Mail's connection with a time-out, a checked certificate and a quiet end, which it does not have itself."""

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

    def __exit__(self, *raised: object) -> None:
        """A server that hangs up has still taken the e-mail, or still refused it; the farewell decides nothing."""
        assert self.host is not None  # noqa: S101 - set on entering.
        with contextlib.suppress(OSError, smtplib.SMTPException), contextlib.closing(self.host):
            self.host.quit()


def smtp(mail: _Mail, sender: str) -> Transport:
    """Sends over SMTP.

    The transport raises `Refused` for a final no, and `OSError` or `smtplib.SMTPException` for what may pass.
    """

    def send(recipient: str, letter: Email, message_id: str) -> None:
        message = _message(sender, recipient, letter, message_id, "quoted-printable")
        try:
            with _Connection(mail) as connection:  # type: ignore[arg-type]  # As Flask-Mail does.
                assert connection.host is not None  # noqa: S101 - set on entering.
                # One sender and one recipient by name, so that no header can add another.
                connection.host.send_message(message, message["From"].addresses[0].addr_spec, [recipient])
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            if all(500 <= code < 600 for code in codes):
                raise Refused(f"the server refused the recipient ({codes[0]})") from None
            raise
        except smtplib.SMTPDataError as error:
            if 500 <= error.smtp_code < 600:
                raise Refused(f"the server refused the letter ({error.smtp_code})") from None
            raise

    return send


def outbox(folder: Path, sender: str) -> Transport:
    """Writes each e-mail as an .eml file, whole or not at all. Its text is plain to read, links too."""

    def send(recipient: str, letter: Email, message_id: str) -> None:
        message = _message(sender, recipient, letter, message_id, "8bit")
        make_folder(folder)
        temporary = folder / f".{message_id}.tmp"
        try:
            with open_private(temporary, "wb") as file:
                file.write(message.as_bytes(policy=SMTPUTF8))
            temporary.replace(outbox_file(folder, message_id))
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    return send


def outbox_file(folder: Path, message_id: str) -> Path:
    """Where the file of an e-mail is."""
    return folder / f"{message_id}.eml"


def outbox_id(path: Path) -> str | None:
    """The id of the e-mail whose file this is, or was to become; None for a file that is none."""
    name = path.name.removesuffix(".eml") if path.suffix == ".eml" else path.name.removeprefix(".").removesuffix(".tmp")
    try:
        return name if str(UUID(name)) == name else None
    except ValueError:
        return None


def check_recipient(recipient: str) -> None:
    """Looks before an e-mail is written.

    Raises:
        Refused: this is not one address on one line.
    """
    _set_header(EmailMessage(policy=SMTP), "To", recipient, "recipient")


def _message(sender: str, recipient: str, letter: Email, message_id: str, encoding: str) -> EmailMessage:
    """The message with its two parts, the text first: a reader shows the last one it can.

    Raises:
        Refused: a header would become more than one line, or an address more than one address.
    """
    message = EmailMessage(policy=SMTP)
    _set_header(message, "From", sender, "sender")
    _set_header(message, "To", recipient, "recipient")
    _set_header(message, "Subject", letter.subject, "subject")
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(message_id, domain="chatbot.invalid")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text, cte=encoding)
    message.add_alternative(letter.html, subtype="html", cte=encoding)
    return message


def _set_header(message: EmailMessage, name: str, value: str, word: str) -> None:
    try:
        message[name] = value
        # What it says once decoded counts too: an encoded word can hide a line break.
        plain = value.isprintable() and str(message[name]).isprintable()
    except (ValueError, IndexError):  # What the library raises for a line break, and for half an address.
        plain = False
    if not plain:
        raise Refused(f"the {word} cannot stand in a header")
    if name != "Subject" and len(message[name].addresses) != 1:
        raise Refused(f"the {word} is not one address")
