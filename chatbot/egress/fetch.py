"""One GET, from a URL that anybody may have written, to the bytes it stands for.

    read the URL -> resolve its name once -> every answer must be allowed -> connect to one of those answers
    -> a redirect begins again at the first step -> read the body, with an eye on its size and on the clock

The name is not looked up again between the check and the connection, so it cannot lead elsewhere by then.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from queue import Empty, SimpleQueue

import httpcore2

from chatbot import __version__
from chatbot.egress.body import read_body
from chatbot.egress.errors import FetchFailed, UrlNotAllowed
from chatbot.egress.ip_addresses import Address, is_public, read_address
from chatbot.egress.limits import Limits
from chatbot.egress.pinned import Deadline, Pinned
from chatbot.egress.urls import Target, join, target_of

HEADERS = (
    ("User-Agent", f"chatbot/{__version__} (fetches documents)"),
    ("Accept", "text/html, */*;q=0.5"),
    ("Accept-Encoding", "gzip"),
    ("Connection", "close"),
)
# Of one connection attempt and of one silence; the deadline of the whole cuts both.
CONNECT_SECONDS, SILENCE_SECONDS = 5.0, 10.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAY_PASS = frozenset({408, 425, 429})
_UNSAID = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


@dataclass(frozen=True)
class Fetched:
    """What came. `url` is the one form of what was asked for, `final_url` where the redirects ended."""

    url: str
    final_url: str
    media_type: str
    """In lower case, without parameters; empty when the server does not say."""
    filename: str
    body: bytes
    charset: str = ""
    """The encoding that the Content-Type header names, in lower case; empty when it names none."""


class _NoSuchName(Exception):
    """Nobody knows the name."""


def check(url: str, limits: Limits) -> str:
    """The one form of a URL that may be fetched, as far as can be told before it is. Its name is looked up.

    A resolver that does not answer now is no reason to refuse: the fetch looks again.

    Raises:
        UrlNotAllowed: it may not.
    """
    target = target_of(url, limits.ports)
    try:
        _addresses(target, limits, limits.look_up_seconds)
    except _NoSuchName:
        raise UrlNotAllowed("There is no host of this name.") from None
    except FetchFailed:
        pass
    return target.url


def fetch(url: str, limits: Limits) -> Fetched:
    """Fetches a URL.

    Raises:
        UrlNotAllowed: it, or a redirect on the way, leads where nothing may be fetched.
        FetchFailed: it did not come, or is not what can be used.
    """
    deadline = Deadline(limits.seconds)
    asked = target = target_of(url, limits.ports)
    for _ in range(limits.redirects + 1):
        try:
            answer = _get(target, limits, deadline)
        except _NoSuchName:
            raise FetchFailed("There is no host of this name.", may_pass=True) from None
        except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise _translated(error) from None
        if not isinstance(answer, str):
            media_type, filename, body, charset = answer
            return Fetched(asked.url, target.url, media_type, filename, body, charset)
        target = _next(target, answer, limits)
    raise FetchFailed(f"It redirects more than {limits.redirects} times.")


def _next(target: Target, location: str, limits: Limits) -> Target:
    after = target_of(join(target, location), limits.ports)
    if target.scheme == "https" and after.scheme == "http":
        raise UrlNotAllowed("It redirects from https to http, where anybody on the way could change it.")
    return after


def _addresses(target: Target, limits: Limits, seconds: float) -> Sequence[Address]:
    """The addresses behind a target, every one of which may be connected to."""
    addresses = [target.literal] if target.literal is not None else _resolved(target.host, limits, seconds)
    if target.host not in limits.allowed_hosts and not all(
        is_public(each) or any(each in network for network in limits.allowed_networks) for each in addresses
    ):
        raise UrlNotAllowed("This host leads to an address that is not on the public internet.")
    return addresses


def _resolved(host: str, limits: Limits, seconds: float) -> Sequence[Address]:
    """Looks a name up, once. A system's resolver knows no deadline, so it is left alone when it takes too long."""
    answers: SimpleQueue[Sequence[str] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(limits.resolve(host))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True, name="look-up").start()
    try:
        found = answers.get(timeout=max(0.0, seconds))
    except Empty:
        raise FetchFailed("Looking its host up took too long.", may_pass=True) from None
    if isinstance(found, socket.gaierror) and found.errno in _NO_SUCH_NAME:
        raise _NoSuchName()
    if isinstance(found, OSError) or not found:
        raise FetchFailed("Its host could not be looked up.", may_pass=True)
    if isinstance(found, Exception):
        raise found
    return [read_address(answer) for answer in found]


def _get(target: Target, limits: Limits, deadline: Deadline) -> str | tuple[str, str, bytes, str]:
    """One request: where it redirects to, or the media type, the file's name, the body and its encoding."""
    addresses = _addresses(target, limits, min(limits.look_up_seconds, deadline.left()))
    url = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
    timeout = {"connect": CONNECT_SECONDS, "read": SILENCE_SECONDS, "write": SILENCE_SECONDS, "pool": CONNECT_SECONDS}
    headers = [("Host", target.authority), *HEADERS]
    # A pool of its own for each request: no connection is ever used for a name it was not checked for.
    with (
        httpcore2.ConnectionPool(ssl_context=limits.tls, network_backend=Pinned(addresses, deadline)) as pool,
        pool.stream("GET", url, headers=headers, extensions={"timeout": timeout}) as response,
    ):
        said = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        if response.status in _REDIRECTS and said.get("location"):
            return _as_written(said["location"])
        if response.status not in (200, 203):
            may_pass = response.status >= 500 or response.status in _MAY_PASS
            raise FetchFailed(f"The server answered {response.status}.", may_pass=may_pass)
        media_type = _media_type(said, limits)
        body = read_body(response.iter_stream(), said, limits.max_bytes)
        return media_type, _filename(said, target), body, _charset(said)


def _as_written(location: str) -> str:
    """A Location as its server meant it: most that are not ASCII are UTF-8."""
    with suppress(UnicodeDecodeError):
        return location.encode("latin-1").decode()
    return location


def _media_type(said: dict[str, str], limits: Limits) -> str:
    media_type = said.get("content-type", "").partition(";")[0].strip().lower()
    if limits.media_types is not None and media_type not in limits.media_types | _UNSAID:
        kind = media_type if re.fullmatch(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}", media_type) else "something else"
        raise FetchFailed(f"The server sent {kind}, which cannot be read as a document.")
    return media_type


def _charset(said: dict[str, str]) -> str:
    header = Message()
    with suppress(ValueError, LookupError):
        header["Content-Type"] = said.get("content-type", "")
        return header.get_content_charset("")[:40]
    return ""


def _filename(said: dict[str, str], target: Target) -> str:
    """The name a browser would save it under; a label, never a path."""
    header = Message()
    with suppress(ValueError, LookupError):
        header["Content-Disposition"] = said.get("content-disposition", "")
        name = header.get_filename() or ""
        if name.strip():
            return name.replace("\\", "/").rpartition("/")[2][-255:]
    return target.filename[-255:]


def _translated(error: Exception) -> FetchFailed:
    if isinstance(error, httpcore2.TimeoutException):
        return FetchFailed("The server took too long.", may_pass=True)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in (error.__cause__, error.__context__)):
        return FetchFailed("The server's certificate is not valid for this address.")
    if isinstance(error, httpcore2.ConnectError):
        return FetchFailed("No connection to the server could be made.", may_pass=True)
    return FetchFailed("The server broke off in the middle, or does not speak HTTP.", may_pass=True)
