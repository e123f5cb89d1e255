"""/metrics, for Prometheus. With METRICS_TOKEN it asks for that token; without, only a laptop's own programs get it.

What the processes have counted comes from chatbot.metrics, what the database knows is read for each answer. The
packages tell what they know as functions in `Services.metrics_readers`.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog
from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from chatbot import metrics
from chatbot.current import services, settings
from chatbot.errors import NotFound, Unauthorized
from chatbot.metrics import Reading

log = structlog.get_logger(__name__)

Readings = Callable[[Session], Iterable[Reading]]
# What a proxy says of whom it asks for.
_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


def init_app(app: Flask) -> None:
    """Registers the address, and lets each request be counted."""
    expose.guard = "public"  # type: ignore[attr-defined]
    app.add_url_rule("/metrics", "metrics", expose, methods=["GET"])


def expose() -> Response:
    """The numbers in Prometheus's text format.

    Raises:
        Unauthorized: the token is missing or wrong.
        NotFound: there is no token, and the caller is not a program of this machine.
    """
    _check_caller()
    found = _Read(_readings())
    text = b"".join(generate_latest(registry) for registry in (metrics.registry(), found.registry()))
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def _check_caller() -> None:
    token = settings().metrics_token
    if token is not None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        wanted = token.get_secret_value().encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), wanted):
            raise Unauthorized("This needs METRICS_TOKEN as a Bearer token.")
    elif settings().is_production or any(name in request.headers for name in _FORWARDED) or not _is_here():
        raise NotFound()


def _is_here() -> bool:
    """Whether a program of this machine asks."""
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _readings() -> list[Reading]:
    """What the packages read from the database, which may be away."""
    found: list[Reading] = []
    try:
        with services().sessions() as session:
            for read in services().metrics_readers:
                found += read(session)
    except SQLAlchemyError as error:
        log.warning("metrics_without_database", error=type(error).__name__)
        return [Reading("chatbot_database_up", _UP, 0)]
    return [Reading("chatbot_database_up", _UP, 1), *found]


_UP = "Whether the database answers."


class _Read:
    """Readings as a collector; those of one name are one metric."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings

    def registry(self) -> CollectorRegistry:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry

    def collect(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for reading in self._readings:
            names = list(reading.labels)
            family = families.setdefault(reading.name, GaugeMetricFamily(reading.name, reading.about, labels=names))
            family.add_metric(list(reading.labels.values()), reading.value)
        yield from families.values()
