"""The HTTP client through which every model provider is spoken to. Its address is the operator's own setting."""

from __future__ import annotations

import atexit
from functools import cache
from typing import Any

import httpx2

from chatbot import tracing
from chatbot.egress.connections import guard

HttpError = httpx2.HTTPError
HttpTimeout = httpx2.TimeoutException


class _Client(httpx2.Client):
    """A call is a span, until the provider has begun to answer."""

    def send(self, request: httpx2.Request, **kwargs: Any) -> httpx2.Response:
        url = request.url
        span = tracing.current().child(
            f"{request.method} {url.host}",
            server_address=url.host,
            url_path=url.path,
            http_request_method=request.method,
        )
        with tracing.inside(span):
            response = super().send(request, **kwargs)
            span.note(http_response_status_code=response.status_code)
            return response


@cache
def provider_client() -> httpx2.Client:
    """One pool of connections a process. It follows no redirects: the key would go wherever they lead.

    Each call brings its own time-outs; without one it gets a minute.
    """
    client = _Client(
        follow_redirects=False,
        timeout=httpx2.Timeout(60, connect=5),
        limits=httpx2.Limits(max_connections=10_000, max_keepalive_connections=100),
    )
    guard(client)
    atexit.register(client.close)
    return client
