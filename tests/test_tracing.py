"""Traces in one process, and their absence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from chatbot import tracing
from chatbot.config import ROOT, ConfigError, load_settings
from tests.collector import Collector, attributes, collecting


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        tracing.start(load_settings(_env_file=None, otel_exporter_otlp_endpoint=collector.url))
        try:
            yield collector
        finally:
            tracing.stop()


def came(collector: Collector) -> dict[str, Any]:
    """What has come when everything was sent, by name."""
    tracing.stop()
    return {span.name: span for span in collector.spans}


def test_without_the_setting_nothing_of_it_is_needed() -> None:
    """A process of its own that could not import it makes the whole application and answers a request."""
    program = (
        "import sys, tempfile\nsys.modules['opentelemetry'] = None\nfrom pathlib import Path\n"
        "from chatbot.app import create_app\nfrom chatbot.config import load_settings\nfrom chatbot import tracing\n"
        "settings = load_settings(_env_file=None, instance_path=Path(tempfile.mkdtemp()))\n"
        "app = create_app(settings)\ntracing.start(settings)\n"
        "print(app.test_client().get('/healthz').status_code)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "200\n"


def test_without_it_every_span_is_the_same_nothing() -> None:
    span = tracing.begin("x")
    assert span.child("y") is span is tracing.current()
    assert (bool(span), span.trace_id, tracing.traceparent()) == (False, None, None)
    with tracing.inside(span) as inner:
        inner.note(a_b=1)
    span.laps()("z")
    assert tracing.call(span, max, 1, 3) == 3


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector"])
def test_an_address_that_cannot_be_one_is_named_at_boot(url: str) -> None:
    with pytest.raises(ConfigError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        load_settings(_env_file=None, otel_exporter_otlp_endpoint=url)


def test_a_collector_without_the_packages_is_named_at_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatbot.config.settings.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match="requirements-tracing"):
        load_settings(_env_file=None, otel_exporter_otlp_endpoint="http://127.0.0.1:4318")


def test_steps_of_a_generator_belong_to_its_span_and_what_is_between_does_not(collector: Collector) -> None:
    outer, inner = tracing.begin("outer"), tracing.begin("inner")
    seen = []

    def parts() -> Iterator[int]:
        for number in range(2):
            seen.append(tracing.current() is inner)
            yield number

    with tracing.inside(outer):
        steps = parts()
        while tracing.call(inner, next, steps, None) is not None:
            seen.append(tracing.current() is outer)
    assert seen == [True] * 4
    inner.end()
    assert set(came(collector)) == {"outer", "inner"}


def test_laps_follow_each_other_and_lie_below_their_span(collector: Collector) -> None:
    span = tracing.begin("whole", http_route="/x", chatbot_message_id=None)
    lap = span.laps()
    lap("one"), lap(), lap("two", chatbot_count=3)
    span.end()
    found = came(collector)
    assert attributes(found["whole"]) == {"http.route": "/x"}
    assert attributes(found["two"]) == {"chatbot.count": 3}
    assert found["one"].start_time_unix_nano <= found["one"].end_time_unix_nano <= found["two"].start_time_unix_nano
    assert {found["one"].parent_span_id, found["two"].parent_span_id} == {found["whole"].span_id}


def test_what_fails_says_what_it_was_and_no_more(collector: Collector) -> None:
    with pytest.raises(ValueError), tracing.inside(tracing.begin("broken")):
        raise ValueError("a secret")
    span = came(collector)["broken"]
    assert attributes(span) == {"error.type": "ValueError"}
    assert span.status.code == 2
    assert b"a secret" not in collector.raw


def test_a_traceparent_is_taken_up_and_handed_on(collector: Collector) -> None:
    with tracing.inside(tracing.begin("first")) as first:
        carried = tracing.traceparent()
        second = tracing.begin("second", carried)
        assert second.trace_id == first.trace_id
        second.end()
    third = tracing.begin("third", "no traceparent at all")
    assert third.trace_id != first.trace_id
    third.end()
    found = came(collector)
    assert found["second"].parent_span_id == found["first"].span_id
    assert found["third"].parent_span_id == b""
