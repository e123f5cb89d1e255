"""What the text of a setting is: small questions that config.py asks."""

from __future__ import annotations

import re
from email.policy import SMTP
from ipaddress import ip_network

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

# What everybody writes first; a secret of nothing but such words is one, however often they are repeated.
WEAK_WORDS = ("yoursecurekeyhere", "changeme", "password", "secret", "chatbot", "test", "dev", "key")


def is_weak(secret: str) -> bool:
    """Whether a secret is short, hardly varies, or is made of well-known words."""
    rest = re.sub(r"[\W_]", "", secret.lower())
    for word in WEAK_WORDS:
        rest = rest.replace(word, "")
    return len(secret.encode()) < 32 or len(set(secret)) < 8 or len(rest) < 16


def is_database(url: str) -> bool:
    """Whether it is the address of a database that is known here."""
    try:
        return make_url(url).drivername in ("postgres", "postgresql", "postgresql+psycopg", "sqlite")
    except (ArgumentError, ValueError):
        return False


def is_postgresql(url: str) -> bool:
    """Whether the address of a database is that of a PostgreSQL."""
    return make_url(url).drivername.startswith("postgres")


def is_network(text: str) -> bool:
    """Whether it is an IP address or network."""
    try:
        return bool(ip_network(text))
    except ValueError:
        return False


def is_one_address(text: str) -> bool:
    """Whether it is one mail address on one line, with or without a name."""
    try:
        header = SMTP.header_factory("From", text)
        # What a name says once decoded counts too: an encoded word can hide a line break.
        plain = text.isprintable() and str(header).isprintable()
        return plain and len(header.addresses) == 1 and bool(header.addresses[0].domain)
    except (ValueError, IndexError):  # What the library raises for a line break, and for half an address.
        return False
