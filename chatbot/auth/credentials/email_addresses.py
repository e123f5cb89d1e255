"""Names and e-mail addresses in the one form in which they are stored and compared."""

from __future__ import annotations

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

from chatbot.auth.credentials.passwords import fold
from chatbot.errors import FieldError, Invalid

_USERNAME = re.compile(r"[\w.+-]{3,150}")


def canonical_email(text: str) -> str:
    """The address trimmed, NFC, lower-cased, its domain in ASCII; `+tag` stays a distinct address.

    Raises:
        Invalid: it is not an address that mail can be sent to.
    """
    try:
        parsed = validate_email(text.strip(), check_deliverability=False)
    except EmailNotValidError:
        raise Invalid(errors=[FieldError("/email", "This is not an e-mail address.")]) from None
    local = unicodedata.normalize("NFC", parsed.local_part).lower()
    return f"{unicodedata.normalize('NFC', local)}@{parsed.ascii_domain.lower()}"


def canonical_username(text: str) -> tuple[str, str]:
    """The name as shown (NFKC), and its key (case-folded).

    Raises:
        Invalid: it is too short, too long, or has a character that is not a letter, a digit or one of `. _ + -`.
    """
    name = unicodedata.normalize("NFKC", text)
    if not _USERNAME.fullmatch(name):
        raise Invalid(errors=[FieldError("/username", "Use 3 to 150 letters, digits or . _ + -")])
    return name, fold(name)
