"""URLs, read strictly and brought into one form, so that no two readers can take them for different places."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

import idna

from chatbot.egress.errors import UrlNotAllowed
from chatbot.egress.ip_addresses import Address

MAX_LENGTH: Final = 2000
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# What a name may not end in, because a resolver takes it for a number: 127.1, 0x7f.1, 2130706433.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Full stops of other scripts, which IDNA reads as dots.
_DOTS: Final = str.maketrans({"。": ".", "．": ".", "｡": "."})
# What may stand in a path or query as it is; `%` because what is escaped already stays as it was written.
_SAFE: Final = "%/:@!$&'()*+,;=~?[]|^`{}"

# What stands behind these must not be written plainly: together they would be an escape.
_BEGUN: Final = re.compile(r"%[0-9A-Fa-f]?")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")


@dataclass(frozen=True)
class Target:
    """Where a URL leads. `host` is lower-case ASCII, an IPv6 address without brackets; `path` has the query."""

    scheme: str
    host: str
    port: int
    path: str
    literal: Address | None = None

    @property
    def authority(self) -> str:
        """The host as a URL and the Host header write it, with the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The one form of the URL."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def filename(self) -> str:
        """The last part of the path, as people read it."""
        return unquote(self.path.partition("?")[0].rpartition("/")[2]).rpartition("/")[2]


def target_of(url: str, ports: Collection[int]) -> Target:
    """Reads a URL.

    Raises:
        UrlNotAllowed: it is not http or https, has a user name, a port that is not among `ports`, or anything
            that could be read in two ways.
    """
    text = url.strip(" ")
    if not text.isprintable() or "\\" in text:
        raise UrlNotAllowed("The address has characters that do not belong into one.")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise UrlNotAllowed("This is not an address that can be read.") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
        raise UrlNotAllowed("Only addresses that begin with http:// or https:// can be fetched.")
    if "@" in parts.netloc:
        raise UrlNotAllowed("The address may not have a user name or a password in it.")
    host, port = _host_and_port(parts.netloc)
    name, literal = _bracketed(host) if host.startswith("[") else _name(host)
    number = _port(port, _DEFAULT_PORTS[parts.scheme], ports)
    path = _without_dots(_one_escape(quote(parts.path or "/", safe=_SAFE)))
    query = f"?{_one_escape(quote(parts.query, safe=_SAFE))}" if parts.query else ""
    target = Target(parts.scheme, name, number, path + query, literal)
    if len(target.url) > MAX_LENGTH:
        raise UrlNotAllowed(f"The address is longer than {MAX_LENGTH} characters.")
    return target


def _one_escape(text: str) -> str:
    """Escapes in one form (RFC 3986, 6.2.2): capital digits, and none for what needs none."""

    def escape(match: re.Match[str]) -> str:
        character, at = chr(int(match[1], 16)), match.start()
        begun = any(_BEGUN.fullmatch(text, max(0, at - length), at) for length in (1, 2))
        return character if _UNRESERVED.fullmatch(character) and not begun else match[0].upper()

    return _ESCAPE.sub(escape, text)


def _without_dots(path: str) -> str:
    """A path without the segments "." and ".." (RFC 3986, 5.2.4)."""
    segments = path.split("/")[1:]
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1:] in (["."], [".."]):
        kept.append("")
    return "/" + "/".join(kept)


def join(base: Target, location: str) -> str:
    """Where a redirect leads, as a URL to be read like any other."""
    try:
        return urljoin(base.url, location)
    except ValueError:
        raise UrlNotAllowed("It redirects to something that is not an address.") from None


def _host_and_port(netloc: str) -> tuple[str, str]:
    end = netloc.find("]") + 1
    host, colon, port = netloc[end:].partition(":")
    if end and host:
        raise UrlNotAllowed("This is not an address that can be read.")
    return netloc[:end] + host, port if colon else ""


def _port(text: str, default: int, ports: Collection[int]) -> int:
    # At most five ASCII digits: int() would also take those of other scripts.
    if text and not re.fullmatch(r"[0-9]{1,5}", text):
        raise UrlNotAllowed("The port is not a number.")
    port = int(text) if text else default
    if port not in ports:
        raise UrlNotAllowed("Only the ports that this server is set to may be used, by default 80 and 443.")
    return port


def _bracketed(host: str) -> tuple[str, Address]:
    try:
        address = IPv6Address(host[1:-1])
    except ValueError:
        raise UrlNotAllowed("The address in brackets is not an IPv6 address.") from None
    if address.scope_id is not None:
        raise UrlNotAllowed("An address of one network card may not be fetched.")
    return str(address), address


def _name(host: str) -> tuple[str, Address | None]:
    name = _ascii(host.translate(_DOTS)).lower()
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlNotAllowed("The address has no host name that can be looked up.")
    if not _NUMBER.fullmatch(labels[-1]):
        return name, None
    try:
        return name, IPv4Address(name)
    except ValueError:
        raise UrlNotAllowed("Write an IPv4 address as four decimal numbers.") from None


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise UrlNotAllowed("The address has no host name that can be looked up.") from None
