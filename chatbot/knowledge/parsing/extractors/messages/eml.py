"""E-mails as mail programs save them: who, what and when, the text, and the names of what is attached."""

from collections.abc import Iterator
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from typing import Any, Final, TypeAlias

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.encoding import as_utf8, decode
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.extractors.markup import html
from chatbot.knowledge.parsing.extractors.messages import ics
from chatbot.knowledge.parsing.formats import CSV, HTML, ICS, MARKDOWN, TEXT, TSV, extractor
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import note

# Header values stay text: the newer policies parse addresses, and raise over those of careless programs.
Letter: TypeAlias = "Message[str, str]"

_CALENDARS: Final = (ICS, "application/ics")
_READ: Final = (TEXT, HTML, *_CALENDARS)
_OTHER_TEXTS: Final = (MARKDOWN, CSV, TSV)
# Of type text, and not for people as it is written.
_CODE: Final = ("text/rtf", "text/css", "text/javascript", "text/ecmascript")
_SHOWN: Final = ("From", "To", "Subject", "Date")
_UTF8_MARK: Final = b"\xef\xbb\xbf"


def extract(data: bytes, limits: Limits) -> Extracted:
    """The headers a reader sees, the text, the attachments' names. The subject is the title."""
    letter = message_from_bytes(data.lstrip(_UTF8_MARK + b"\r\n"))
    headers = {name: value for name in _SHOWN if (value := _header(letter, name))}
    if not headers:
        raise ParseError("damaged")
    reader = _Reader(limits)
    blocks = ["\n".join(f"{name}: {value}" for name, value in headers.items()), *reader.texts(letter)]
    attached = list(reader.attached(letter))
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


class _Reader:
    """Reads the texts of one e-mail and remembers what must be named instead."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.unread: set[Letter] = set()
        self.shown: set[tuple[str, ...]] = set()
        """The keys of the events that were shown."""

    def texts(self, letter: Letter) -> Iterator[str]:
        """The texts of the parts, in their order."""
        parts = _parts(letter)
        if parts and letter.get_content_type() == "multipart/alternative":
            yield from self._alternative(parts)
        elif parts:
            for part in parts:
                yield from self.texts(part)
        elif _is_text(letter) and not _is_attached(letter):
            text = self._body(letter)
            if text.strip():
                yield text

    def _alternative(self, forms: list[Letter]) -> Iterator[str]:
        """The same text in several forms: the plain one, unless it is empty. An invitation says more than the text."""
        forms = sorted(forms, key=_plainness)
        for at, form in enumerate(forms):
            texts = list(self.texts(form))
            if not texts:
                continue
            yield from texts
            for invitation in (part for other in forms[at + 1 :] for part in _invitations(other)):
                yield from self.texts(invitation)
            return

    def attached(self, letter: Letter) -> Iterator[str]:
        """The names of the parts that are attached or were not read, or what they are."""
        if not _parts(letter) and (_is_attached(letter) or letter in self.unread):
            yield _plain(letter.get_filename() or "") or letter.get_content_type()
        for part in _parts(letter):
            yield from self.attached(part)

    def _body(self, letter: Letter) -> str:
        kind = letter.get_content_type()
        payload: Any = letter.get_payload(decode=True)
        if not payload:
            return ""
        charset = letter.get_content_charset()
        if kind == HTML:
            return html.extract(_UTF8_MARK + decode(payload, charset).encode("utf-8", "replace"), self.limits).text
        if kind in _CALENDARS:
            return self._invitation(letter, as_utf8(payload, charset or ""))
        if kind in _OTHER_TEXTS:
            return self._other(letter, as_utf8(payload, charset or ""))
        text = decode(payload, charset)
        flowed = str(letter.get_param("format", "")).lower() == "flowed"
        return _unflowed(text, str(letter.get_param("delsp", "")).lower() == "yes") if flowed else text

    def _invitation(self, letter: Letter, data: bytes) -> str:
        """What was not shown yet; programs send an invitation twice."""
        try:
            events = ics.read_events(data, self.limits)
        except ParseError:
            events = []
        new = [event.text for event in events if event.key not in self.shown]
        self.shown.update(event.key for event in events)
        if not events or (not new and letter.get_filename()):
            self.unread.add(letter)
        return "\n\n".join(new)

    def _other(self, letter: Letter, data: bytes) -> str:
        try:
            return extractor(letter.get_content_type())(data, self.limits).text
        except ParseError:
            self.unread.add(letter)
            return ""


def _plainness(form: Letter) -> int:
    kind = form.get_content_type()
    if kind in _CALENDARS:
        return 3
    return 0 if kind == TEXT else 1 if kind == HTML or form.get_content_maintype() == "multipart" else 2


def _invitations(letter: Letter) -> Iterator[Letter]:
    if letter.get_content_type() in _CALENDARS:
        yield letter
    for part in _parts(letter):
        yield from _invitations(part)


def _unflowed(text: str, joined: bool) -> str:
    """A text of `format=flowed` (RFC 3676): a line that ends in a blank goes on in the next one of its quotation,
    without the blank where `joined`. The mark of a signature is a line of its own."""
    lines: list[str] = []
    goes_on, depth = False, 0
    for line in text.replace("\r\n", "\n").split("\n"):
        bare = line.lstrip(">")
        quoted = len(line) - len(bare)
        bare = bare.removeprefix(" ")
        is_signature = bare == "-- "
        if goes_on and quoted == depth and not is_signature:
            lines[-1] += bare
        else:
            lines.append(">" * quoted + " " * bool(quoted and bare) + bare)
        goes_on, depth = bare.endswith(" ") and not is_signature, quoted
        if goes_on and joined:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _is_text(letter: Letter) -> bool:
    """Whether a part is for reading. So is a multipart that has no parts because its boundary is missing."""
    kind, main = letter.get_content_type(), letter.get_content_maintype()
    return (main in ("text", "multipart") and kind not in _CODE) or kind in _CALENDARS


def _is_attached(letter: Letter) -> bool:
    """Whether a part is only named: what is sent as an attachment, an e-mail, and what is no text, or a text of another
    kind with a name. A picture that a page shows (it has a Content-ID) is not named for it."""
    if letter.get_content_disposition() == "attachment" or letter.get_content_maintype() == "message":
        return True
    if letter.get_filename() is not None:
        return letter.get_content_type() not in _READ
    return not _is_text(letter) and "Content-ID" not in letter
