"""The one way out: the HTTP client through which every model provider is spoken to."""

from __future__ import annotations

import atexit
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from httpx2 import Client


@cache
def http_client() -> Client:
    """One pool of connections a process. The SDK's own client follows redirects, wherever they lead; this does not."""
    from openai import DefaultHttpxClient

    client = DefaultHttpxClient(follow_redirects=False)
    atexit.register(client.close)
    return client
