"""The HTTP client through which every model provider is spoken to. Its address is the operator's own setting."""

from __future__ import annotations

import atexit
from functools import cache

import httpx2

from chatbot.egress.connections import guard

HttpError = httpx2.HTTPError
HttpTimeout = httpx2.TimeoutException


@cache
def provider_client() -> httpx2.Client:
    """One pool of connections a process. It follows no redirects: the key would go wherever they lead.

    Each call brings its own time-outs; without one it gets a minute.
    """
    client = httpx2.Client(
        follow_redirects=False,
        timeout=httpx2.Timeout(60, connect=5),
        limits=httpx2.Limits(max_connections=10_000, max_keepalive_connections=100),
    )
    guard(client)
    atexit.register(client.close)
    return client
