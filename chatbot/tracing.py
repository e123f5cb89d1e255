"""Traces for OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT says that somebody wants them.

Without that setting nothing here imports OpenTelemetry, and every call here is a look at a variable. A span says
what took how long and how it ended: routes, statuses, ids, models and counts; no question, no answer, no address.

A reply is a generator that is moved on by whoever reads it, so a span never stays entered across a `yield`: it is
handed on, and entered (`inside`) for one step only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import structlog

from chatbot.config import Settings

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Attribute = str | int | float | bool | None
EXPORT_SECONDS = 5.0
TRACEPARENT = "traceparent"
# OpenTelemetry's own names; every other one has one dot.
_NAMES = {
    "http_request_method": "http.request.method",
    "http_response_status_code": "http.response.status_code",
}

_provider: Any = None
_tracer: Any = None


class Span:
    """Something that takes time. Ending it twice does nothing."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def __bool__(self) -> bool:
        return self._span is not None

    @property
    def trace_id(self) -> str | None:
        return f"{self._span.get_span_context().trace_id:032x}" if self else None

    def child(self, name: str, **attributes: Attribute) -> Span:
        return _begun(name, self._span, attributes) if self else self

    def name(self, name: str) -> None:
        if self:
            self._span.update_name(name)

    def note(self, **attributes: Attribute) -> None:
        if self:
            self._span.set_attributes(_named(attributes))

    def end(self, error: str | None = None, **attributes: Attribute) -> None:
        """Ends it; `error` is a code or the name of a class, never a text from outside."""
        if self and self._span.is_recording():
            self.note(**attributes, error_type=error)
            if error is not None:
                from opentelemetry.trace import StatusCode

                self._span.set_status(StatusCode.ERROR)
            self._span.end()

    def laps(self) -> Callable[..., None]:
        """A clock for what happens one after the other: each call is a child that began when the one before ended."""
        last = time.time_ns()

        def lap(name: str | None = None, **attributes: Attribute) -> None:
            nonlocal last
            now = time.time_ns()
            if name is not None and self:
                _begun(name, self._span, attributes, begin=last)._span.end(now)
            last = now

        return lap


NOTHING = Span()
_current: ContextVar[Span] = ContextVar("span", default=NOTHING)


def start(settings: Settings) -> None:
    """Begins to export, in the background. After a fork: what exports is a thread of this process."""
    global _provider, _tracer
    if settings.otel_exporter_otlp_endpoint is None or _provider is not None:
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # It would say again and again that nobody listens.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
    _provider = TracerProvider(resource=Resource.create({"service.name": settings.otel_service_name}))
    _provider.add_span_processor(BatchSpanProcessor(_exporter(settings.otel_exporter_otlp_endpoint)))
    _tracer = _provider.get_tracer("chatbot")


def stop() -> None:
    """Exports what is left, and ends."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider is not None:
        provider.shutdown()


def _exporter(endpoint: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult

    class Exporter(OTLPSpanExporter):
        """Says once that the collector is away, and once that it is back."""

        away = False

        def export(self, spans: Any) -> Any:
            try:
                result = super().export(spans)
            except Exception:
                result = SpanExportResult.FAILURE
            lost = result is not SpanExportResult.SUCCESS
            if lost != self.away:
                self.away = lost
                log.warning("traces_not_exported") if lost else log.info("traces_exported_again")
            return result

    return Exporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)


def current() -> Span:
    """The span that this step belongs to."""
    return _current.get() if _tracer is not None else NOTHING


def enter(span: Span) -> None:
    """From here on everything of this context belongs to the span."""
    if span:
        _current.set(span)


@contextmanager
def inside(span: Span) -> Iterator[Span]:
    """What happens inside belongs to the span, which ends with it. Not across a `yield`."""
    if not span:
        yield span
        return
    token = _current.set(span)
    try:
        yield span
    except BaseException as error:
        span.end(error=type(error).__name__)
        raise
    finally:
        _current.reset(token)
        span.end()


def call(span: Span, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function returns that is called inside the span, which goes on. Of a generator, one step at a time."""
    if not span:
        return function(*args, **kwargs)
    token = _current.set(span)
    try:
        return function(*args, **kwargs)
    finally:
        _current.reset(token)


def begin(name: str, parent: str | None = None, **attributes: Attribute) -> Span:
    """A span below the one that another process names, as its `traceparent`, or below none."""
    if _tracer is None:
        return NOTHING
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carried = TraceContextTextMapPropagator().extract({TRACEPARENT: parent}) if parent else None
    return Span(_tracer.start_span(name, context=carried, attributes=_named(attributes)))


def traceparent() -> str | None:
    """How another process names the span of this step; None without one."""
    span = current()
    if not span:
        return None
    context = span._span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _begun(name: str, parent: Any, attributes: Mapping[str, Attribute], begin: int | None = None) -> Span:
    if _tracer is None:
        return NOTHING
    from opentelemetry.trace import set_span_in_context

    context = set_span_in_context(parent)
    return Span(_tracer.start_span(name, context=context, attributes=_named(attributes), start_time=begin))


def _named(attributes: Mapping[str, Attribute]) -> dict[str, object]:
    """`http_route` is `http.route` there; what is None is left out."""
    told = {name: value for name, value in attributes.items() if value is not None}
    return {_NAMES.get(name, name.replace("_", ".", 1)): value for name, value in told.items()}
