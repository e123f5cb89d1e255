"""E-mails as mail programs save them: who, what and when, the text, and the names of what is attached."""

from collections.abc import Iterator
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from typing import Any, Final, TypeAlias

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.extractors import html, ics
from chatbot.knowledge.parsing.formats import ICS
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import note

# Header values stay text: the newer policies parse addresses, and raise over those of careless programs.
Letter: TypeAlias = "Message[str, str]"

_READ: Final = ("text/plain", "text/html", ICS)
_SHOWN: Final = ("From", "To", "Subject", "Date")
_UTF8_MARK: Final = b"\xef\xbb\xbf"


def extract(data: bytes, limits: Limits) -> Extracted:
    """The headers a reader sees, the text, the attachments' names. The subject is the title."""
    letter = message_from_bytes(data.lstrip(_UTF8_MARK + b"\r\n"))
    headers = {name: value for name in _SHOWN if (value := _header(letter, name))}
    if not headers:
        raise ParseError("damaged")
    blocks = ["\n".join(f"{name}: {value}" for name, value in headers.items()), *_texts(letter, limits)]
    attached = list(_attached(letter))
    for name in attached:
        note("attachments_not_read", name=name)
    note("damaged_parts_not_read", sum(bool(part.defects) for part in letter.walk()))
    if attached:
        blocks.append("Attachments: " + ", ".join(attached))
    return Extracted(squeeze(clean("\n\n".join(blocks))), sensible_title(headers.get("Subject")))


def _header(letter: Letter, name: str) -> str:
    found = next((value for key, value in letter.raw_items() if key.lower() == name.lower()), "")
    return _plain(found)


def _plain(raw: str) -> str:
    """A header's value in one line, with its encoded words (=?utf-8?Q?...?=) and stray bytes decoded."""
    value = decode(raw.encode("utf-8", "surrogateescape"))
    try:
        words = decode_header(value)
    except HeaderParseError:
        words = [(value, None)]
    return " ".join("".join(_word(word, charset) for word, charset in words).split())


def _word(word: str | bytes, charset: str | None) -> str:
    if isinstance(word, str):
        return word
    # What stands between encoded words comes in this encoding, whatever the e-mail's is.
    return decode(word, charset) if charset else word.decode("raw-unicode-escape", "replace")


def _parts(letter: Letter) -> list[Letter]:
    """What a multipart consists of; an e-mail within an e-mail is attached, not a part."""
    parts: Any = letter.get_payload()
    return parts if letter.get_content_maintype() == "multipart" and isinstance(parts, list) else []


def _texts(letter: Letter, limits: Limits) -> Iterator[str]:
    parts = _parts(letter)
    if letter.get_content_type() == "multipart/alternative":
        # The same text in several forms: the plain one, unless it is empty; an invitation says more than that.
        forms = sorted(parts, key=lambda part: part.get_content_type() != "text/plain")
        invitations = [form for form in forms if form.get_content_type() == ICS]
        texts = (list(_texts(form, limits)) for form in forms if form not in invitations)
        yield from next(filter(None, texts), [])
        for invitation in invitations:
            yield from _texts(invitation, limits)
    elif parts:
        for part in parts:
            yield from _texts(part, limits)
    elif not _is_attached(letter):
        text = _body(letter, limits)
        if text.strip():
            yield text


def _body(letter: Letter, limits: Limits) -> str:
    kind = letter.get_content_type()
    payload: Any = letter.get_payload(decode=True)
    if kind not in _READ and payload:
        note("pictures_not_read" if kind.startswith("image/") else "attachments_not_read", name=kind)
    if kind not in _READ or not payload:
        return ""
    text = decode(payload, letter.get_content_charset())
    if kind == "text/plain":
        flowed = str(letter.get_param("format", "")).lower() == "flowed"
        return _unflowed(text, str(letter.get_param("delsp", "")).lower() == "yes") if flowed else text
    if kind == ICS:
        return _invitation(text, limits)
    return html.extract(_UTF8_MARK + text.encode("utf-8", "replace"), limits).text


def _invitation(text: str, limits: Limits) -> str:
    try:
        return ics.extract(text.encode("utf-8", "replace"), limits).text
    except ParseError:
        note("damaged_parts_not_read")
        return ""


def _unflowed(text: str, joined: bool) -> str:
    """A text of `format=flowed` (RFC 3676): a line that ends in a blank goes on in the next one of its quotation,
    without the blank where `joined`. The mark of a signature is a line of its own."""
    lines: list[str] = []
    goes_on, depth = False, 0
    for line in text.splitlines():
        bare = line.lstrip(">")
        quoted = len(line) - len(bare)
        bare = bare.removeprefix(" ")
        is_signature = bare == "-- "
        if goes_on and quoted == depth and not is_signature:
            lines[-1] += bare
        else:
            lines.append(("> " if quoted else "") + bare)
        goes_on, depth = bare.endswith(" ") and not is_signature, quoted
        if goes_on and joined:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _is_attached(letter: Letter) -> bool:
    """Whether a part is only named: what is sent as an attachment, an e-mail, and what is no text and has a name."""
    if letter.get_content_disposition() == "attachment" or letter.get_content_maintype() == "message":
        return True
    return letter.get_filename() is not None and letter.get_content_type() not in _READ


def _attached(letter: Letter) -> Iterator[str]:
    for part in _parts(letter):
        if not _parts(part) and _is_attached(part):
            yield _plain(part.get_filename() or "") or part.get_content_type()
        yield from _attached(part)
