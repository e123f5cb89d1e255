"""Which addresses belong to the public internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# What `is_global` calls global although a request must not go there, or only newer Pythons know.
_REFUSED_V4: Final = tuple(
    IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
# Only these were ever given out; everything beside them (loopback, ::ffff:0:0/96, NAT64, fe80::) is something else.
_UNICAST_V6: Final = IPv6Network("2000::/3")
# Of those: protocol assignments (Teredo, ORCHID, benchmarks), documentation, and 6to4, which carries IPv4 inside.
_REFUSED_V6: Final = tuple(
    IPv6Network(net)
    for net in (
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)


def is_public(address: Address) -> bool:
    """Whether an address is one that anybody on the internet could reach, and carries no other inside."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in net for net in _REFUSED_V4)
    return address in _UNICAST_V6 and not any(address in net for net in _REFUSED_V6)


def read_address(text: str) -> Address:
    """An address as a resolver writes it; the name of a network card behind `%` is kept with it."""
    return ip_address(text)
