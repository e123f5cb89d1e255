"""What every response carries: the request's id, the security headers, CORS for exact origins."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from flask import Flask, Response, g, request

from chatbot import tracing
from chatbot.metrics import count_request

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")
_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_CORS_HEADERS = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-ID, traceparent, tracestate"
_CORS_EXPOSE = (
    "X-Request-ID, RateLimit, RateLimit-Policy, Retry-After, Idempotency-Replayed, Location, Content-Disposition"
)
# What OpenAI's JavaScript client says of itself with each request, in headers whose number grows with its versions.
_STAINLESS = re.compile(r"x-stainless-[a-z0-9-]{1,40}", re.IGNORECASE)


def init_app(app: Flask, cors_origins: list[str]) -> None:
    """Registers the request id first, so that every later line and error carries it."""
    app.before_request_funcs.setdefault(None, []).insert(0, _begin)
    app.after_request(_secure)
    app.after_request(_log)
    allowed = frozenset(cors_origins)
    app.after_request(lambda response: _cors(response, allowed))
    app.before_request_funcs[None].insert(1, _preflight)


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    g.started = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    g.span = tracing.begin(request.method, request.headers.get(tracing.TRACEPARENT), http_request_method=request.method)
    if g.span:
        tracing.enter(g.span)
        structlog.contextvars.bind_contextvars(trace_id=g.span.trace_id)


def _secure(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-ID"] = g.get("request_id", "")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Content-Security-Policy", _CSP)
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
    headers.setdefault("Cache-Control", "no-store")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    return response


def _log(response: Response) -> Response:
    rule = request.url_rule.rule if request.url_rule else None
    now = time.perf_counter()
    seconds = now - g.get("started", now)
    count_request(request.method, rule, response.status_code, seconds)
    _end_span(response, rule)
    log.info("request", method=request.method, route=rule, status=response.status_code, ms=round(seconds * 1000, 1))
    return response


def _end_span(response: Response, rule: str | None) -> None:
    """The request's span ends with the last byte of its answer."""
    span: tracing.Span = g.get("span", tracing.NOTHING)
    if span:
        status = response.status_code
        span.name(f"{request.method} {rule or 'none'}")
        span.note(http_route=rule, http_response_status_code=status, chatbot_request_id=g.request_id)
        response.call_on_close(lambda: span.end(error=str(status) if status >= 500 else None))


def _cors(response: Response, allowed: frozenset[str]) -> Response:
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin in allowed:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _CORS_EXPOSE
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
            response.headers["Access-Control-Allow-Headers"] = ", ".join([_CORS_HEADERS, *_asked_stainless()])
            response.headers["Access-Control-Max-Age"] = "600"
    return response


def _asked_stainless() -> list[str]:
    names = [name.strip() for name in request.headers.get("Access-Control-Request-Headers", "").split(",")]
    return [name for name in names if _STAINLESS.fullmatch(name)][:20]


def _preflight() -> Response | None:
    """A preflight is answered before any guard: it carries no credentials and does nothing."""
    asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    return Response(status=204) if asks else None
