"""E-mails as Outlook saves them (.msg): who, what and when, the text, and the names of what is attached."""

from collections.abc import Iterator
from email import message_from_string
from email.utils import format_datetime
from typing import Final

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.extractors.markup import html
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.outlook.storage import Storage, open_message
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import note

_SUBJECT: Final = 0x0037
_BODY: Final = 0x1000
_HTML: Final = 0x1013
_RTF: Final = 0x1009
_TRANSPORT_HEADERS: Final = 0x007D
_SENT: Final = 0x0039
_DELIVERED: Final = 0x0E06
# Who the e-mail is from, as Outlook shows it, before who sent it on that person's behalf: a name and its addresses.
_SENDERS: Final = ((0x0042, (0x5D02, 0x0065)), (0x0C1A, (0x5D01, 0x0C1F)))
_NAME: Final = 0x3001
_ADDRESSES: Final = (0x39FE, 0x3003)
_RECIPIENT_TYPE: Final = 0x0C15
_SHOWN_RECIPIENTS: Final = {1: ("To", 0x0E04), 2: ("Cc", 0x0E03)}
_FILE_NAMES: Final = (0x3707, 0x3704, _NAME, 0x370E)
_METHOD: Final = 0x3705
_EMBEDDED_MESSAGE: Final = 5
_UTF8_MARK: Final = b"\xef\xbb\xbf"
ONLY_RTF: Final = "[The text of this e-mail was saved as RTF only and has not been read.]"


def extract(data: bytes, limits: Limits) -> Extracted:
    """The headers a reader sees, the text, the attachments' names. The subject is the title."""
    message = open_message(data)
    subject = message.line(_SUBJECT)
    headers = {"From": _sender(message), **_recipients(message), "Subject": subject, "Date": _date(message)}
    blocks = ["\n".join(f"{name}: {value}" for name, value in headers.items() if value), _text(message, limits)]
    attached = list(map(_attachment, message.storages("__attach_version1.0_")))
    for name in attached:
        note("attachments_not_read", name=name)
    if attached:
        blocks.append("Attachments: " + ", ".join(attached))
    return Extracted(squeeze(clean("\n\n".join(filter(None, blocks)))), sensible_title(subject))


def _sender(message: Storage) -> str:
    for name, addresses in _SENDERS:
        found = _person(message.line(name), map(message.line, addresses))
        if found:
            return found
    return ""


def _person(name: str, addresses: Iterator[str]) -> str:
    """`Name <address>`. Within a company Outlook addresses people by paths (/O=...), which are for no reader."""
    address = next((each for each in addresses if "@" in each), "")
    name = name.strip("'\"")
    if not address or name.casefold() == address.casefold():
        return address or name
    return f"{name} <{address}>" if name else address


def _recipients(message: Storage) -> dict[str, str]:
    """To and Cc; the list of names that Outlook shows, where the recipients themselves are not in the file."""
    people: dict[int, list[str]] = {}
    for each in message.storages("__recip_version1.0_"):
        kind = each.number(_RECIPIENT_TYPE)
        people.setdefault(kind or 0, []).append(_person(each.line(_NAME), map(each.line, _ADDRESSES)))
    return {
        header: ", ".join(filter(None, people.get(kind, ()))) or message.line(names).rstrip(";")
        for kind, (header, names) in _SHOWN_RECIPIENTS.items()
    }


def _date(message: Storage) -> str:
    """The date as the sender's program wrote it; of an e-mail that did not travel, when it was sent or saved."""
    written = message_from_string(message.text(_TRANSPORT_HEADERS).lstrip()).get("Date")
    if written:
        return " ".join(str(written).split())
    sent = message.time(_SENT) or message.time(_DELIVERED)
    return format_datetime(sent) if sent else ""


def _text(message: Storage, limits: Limits) -> str:
    """The plain text, or what the page says. Outlook seldom saves RTF without the plain text beside it."""
    plain = message.text(_BODY)
    if plain.strip():
        return plain
    page = message.binary(_HTML)
    source = decode(page, message.code_page() or html.declared_encoding(page)) if page else message.text(_HTML)
    text = html.extract(_UTF8_MARK + source.encode("utf-8", "replace"), limits).text if source.strip() else ""
    return text or (ONLY_RTF if message.binary(_RTF) and not source.strip() else "")


def _attachment(attachment: Storage) -> str:
    usual = "message/rfc822" if attachment.number(_METHOD) == _EMBEDDED_MESSAGE else "application/octet-stream"
    return next(filter(None, map(attachment.line, _FILE_NAMES)), usual)
