"""How far a fetch may go."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING

from chatbot.egress.ip_addresses import Network

if TYPE_CHECKING:
    from chatbot.config import Settings

Resolver = Callable[[str], Sequence[str]]


def look_up(host: str) -> list[str]:
    """The addresses of a name, as the system finds them, each once.

    Raises:
        OSError: there are none, or nobody answers.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in found))


@dataclass(frozen=True)
class Limits:
    """Bounds for one fetch. The seconds count for all of it: names, redirects, headers and body."""

    ports: frozenset[int] = frozenset({80, 443})
    allowed_hosts: frozenset[str] = frozenset()
    """Names whose addresses may be anything, because the operator vouches for them."""
    allowed_networks: tuple[Network, ...] = ()
    """Addresses that may be reached although they are not public."""
    media_types: frozenset[str] | None = None
    """What may come, in lower case; an answer that says nothing, or only that it is bytes, may always. None: all."""
    max_bytes: int = 25 * 1024 * 1024
    """Of the body, both as it comes and as it is unpacked."""
    seconds: float = 20.0
    look_up_seconds: float = 5.0
    redirects: int = 5
    resolve: Resolver = look_up
    tls: ssl.SSLContext | None = None
    """What checks certificates; None is what the system trusts."""


def limits_of(settings: Settings, media_types: frozenset[str] | None = None) -> Limits:
    """The bounds that the settings give."""
    hosts, networks = set(), []
    for entry in settings.fetch_allow_hosts:
        try:
            networks.append(ip_network(entry))
        except ValueError:
            hosts.add(entry.lower())
    return Limits(
        ports=frozenset(settings.fetch_ports),
        allowed_hosts=frozenset(hosts),
        allowed_networks=tuple(networks),
        media_types=media_types,
        max_bytes=settings.max_upload_mb * 1024 * 1024,
    )
