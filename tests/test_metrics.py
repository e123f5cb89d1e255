"""What is counted: its labels, and what counting costs."""

from __future__ import annotations

import prometheus_client

from chatbot import metrics
from chatbot.metrics import OURS, count_request


def value(name: str, **labels: str) -> float:
    return OURS.get_sample_value(name, labels) or 0.0


def test_a_request_is_counted_under_its_template_method_and_status():
    before = value("chatbot_http_requests_total", method="GET", route="/a/<id>/", status="200")
    count_request("GET", "/a/<id>/", 200, 0.02)
    assert value("chatbot_http_requests_total", method="GET", route="/a/<id>/", status="200") == before + 1
    assert value("chatbot_http_request_seconds_count", method="GET", route="/a/<id>/") >= 1


def test_what_a_client_makes_up_is_no_label():
    """P1: neither a method nor an address that nobody serves."""
    count_request("BREW", None, 405, 0.001)
    assert value("chatbot_http_requests_total", method="other", route="none", status="405") >= 1
    text = prometheus_client.generate_latest(OURS).decode()
    assert "BREW" not in text


def test_a_search_is_timed_by_stage():
    ended = metrics.stages(lambda _stage: None)
    before = value("chatbot_retrieval_seconds_count", stage="embed")
    ended("embed")
    ended("keyword")
    assert value("chatbot_retrieval_seconds_count", stage="embed") == before + 1
