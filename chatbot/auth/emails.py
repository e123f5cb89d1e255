"""The e-mails this package sends. They are written when they are sent, so no token is ever stored.

An e-mail is written from two templates, for its text and its html, and its links begin with PUBLIC_URL. Who signs up
with somebody else's address chooses the names in the e-mail that this person gets; hence the care with names here.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from functools import partial
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.auth import recovery
from chatbot.auth.models import User
from chatbot.config import ROOT, Settings
from chatbot.mail.emails import Email, LetterBuilders
from chatbot.mail.models import Mail
from chatbot.translations import translated

LONGEST_NAME = 60

# The characters that join others inside words of some scripts; of all that are invisible only they may stay.
_JOINERS = "\u200c\u200d"
_LIKE_A_LINK = re.compile(r"[/:@\\]|\w\.\w\w")

_templates = Environment(
    loader=FileSystemLoader(ROOT / "chatbot" / "templates" / "letters"),
    autoescape=select_autoescape(["html"], default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def builders(settings: Settings) -> LetterBuilders:
    """Who writes which kind of e-mail."""
    return {
        recovery.VERIFY_MAIL: partial(_verification, settings),
        recovery.RESET_MAIL: partial(_reset, settings),
        recovery.CHANGED_MAIL: partial(_changed, settings),
    }


def _verification(settings: Settings, session: Session, mail: Mail) -> Email | None:
    """Confirm your address; None when it is confirmed already, or is not the account's address any more."""
    user = _reader(session, mail)
    if user is None or user.is_verified or user.email != mail.recipient:
        return None
    link = f"{settings.public_url}/api/users/verify-email/?token={quote(recovery.verification_token(settings, user))}"
    lasts = _span(recovery.VERIFY_LIFETIME, mail.language)
    return _letter("verify_email", "Confirm your e-mail address", user, mail.language, link=link, lasts=lasts)


def _reset(settings: Settings, session: Session, mail: Mail) -> Email | None:
    """Choose a new password; None for a disabled account, or when the address is not the account's any more."""
    user = _reader(session, mail)
    if user is None or not user.is_active or user.email != mail.recipient:
        return None
    link = f"{settings.public_url}/api/users/password/reset/?token={quote(recovery.reset_token(settings, user))}"
    lasts = _span(recovery.RESET_LIFETIME, mail.language)
    return _letter("reset_password", "Choose a new password", user, mail.language, link=link, lasts=lasts)


def _changed(settings: Settings, session: Session, mail: Mail) -> Email | None:
    """Your password was changed, for whoever did not do it; None when the account is gone."""
    user = _reader(session, mail)
    if user is None:
        return None
    date, time = f"{mail.created_at:%Y-%m-%d}", f"{mail.created_at:%H:%M}"
    when = translated("{date} at {time} UTC", mail.language).format(date=date, time=time)
    service = settings.public_url
    return _letter("password_changed", "Your password was changed", user, mail.language, service=service, when=when)


def _reader(session: Session, mail: Mail) -> User | None:
    return session.scalar(select(User).where(User.id == mail.user_id))


def _letter(template: str, subject: str, user: User, language: str, **values: str) -> Email:
    """An e-mail in a language. A template says its sentences in English, with `say`; the values go in afterwards."""
    subject = translated(subject, language)
    values |= {"subject": subject, "name": called(user), "language": language}

    def say(sentence: str, **parts: str) -> str:
        return translated(sentence, language).format(**parts)

    written = (_templates.get_template(f"{template}.{kind}").render(values, say=say) for kind in ("txt", "html"))
    text, html = written
    return Email(subject, text, html)


def called(user: User) -> str:
    """What an e-mail calls somebody, on one line: the first name, or the username where there is no usable one.

    A first name that mail programs could turn into a link is not used: e-mails are no place for a stranger's links.
    """
    name = _one_line(user.first_name)
    if not name or _LIKE_A_LINK.search(name):
        return _one_line(user.username)
    return name


def _one_line(name: str) -> str:
    """The name without line ends, controls, and signs that turn the direction of what follows, cut where too long."""
    shown = "".join(c if c in _JOINERS or unicodedata.category(c)[0] != "C" else " " for c in name)
    words = " ".join(shown.split()).strip(f"{_JOINERS} ")
    return words if len(words) <= LONGEST_NAME else words[: LONGEST_NAME - 1] + "…"


def _span(lifetime: timedelta, language: str) -> str:
    """A lifetime in words: whole days, or hours where it is shorter."""
    number, unit = (lifetime.days, "day") if lifetime.days else (int(lifetime.total_seconds() // 3600), "hour")
    return translated(f"1 {unit}" if number == 1 else f"{{number}} {unit}s", language).format(number=number)
