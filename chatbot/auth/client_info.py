"""Where a request comes from, told coarsely enough to keep: a network instead of an address, a device in words."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from chatbot.translations import ENGLISH

_BROWSERS = (
    ("Edg/", "Edge"),
    ("Edge/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
    ("Python", "Python"),
    ("okhttp", "an Android app"),
    ("CFNetwork", "an Apple app"),
    ("PostmanRuntime", "Postman"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True)
class ClientInfo:
    """The request's id, the network it came from, the device it named, and the language it likes to be told things in.

    Empty where nobody knows.
    """

    request_id: str | None = None
    network: str = ""
    device: str = ""
    language: str = ENGLISH


UNKNOWN_CLIENT = ClientInfo()


def network_of(address: str | None) -> str:
    """The /24 of an IPv4 address, the /48 of an IPv6 one; empty for what is no address."""
    try:
        ip = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False))


def device_of(user_agent: str | None) -> str:
    """`Firefox on Linux`, as far as a User-Agent header says it; only words of our own."""
    text = user_agent or ""
    browser = next((name for mark, name in _BROWSERS if mark in text), "")
    system = next((name for mark, name in _SYSTEMS if mark in text), "")
    return " on ".join(part for part in (browser, system) if part)
