"""What is counted while requests and answers go by, for /metrics (chatbot/web/metrics.py).

Under gunicorn each process writes its numbers into files of a folder they share (gunicorn.conf.py), and whichever
process is asked adds them up. Labels are route templates, models from the
settings, codes and constants: nothing that a client chooses. Nothing is counted for each token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, values
from prometheus_client.multiprocess import MultiProcessCollector

# When each number began is told by processes only that share nothing.
disable_created_metrics()  # type: ignore[no-untyped-call]

OURS = CollectorRegistry()
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SHORT = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LONG = (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120, 300)

REQUESTS = Counter(
    "chatbot_http_requests", "Requests that were answered.", ["method", "route", "status"], registry=OURS
)
REQUEST_SECONDS = Histogram(
    "chatbot_http_request_seconds",
    "Time until a request was answered; of a stream, until it began.",
    ["method", "route"],
    buckets=QUICK,
    registry=OURS,
)
STREAMS = Gauge("chatbot_streams", "Answers under way.", multiprocess_mode="livesum", registry=OURS)
STREAM_SLOTS = Gauge(
    "chatbot_stream_slots", "How many answers may be under way at once.", multiprocess_mode="livesum", registry=OURS
)
STREAMS_REFUSED = Counter("chatbot_streams_refused", "Answers refused as too many were under way.", registry=OURS)
ANSWERS = Counter("chatbot_answers", "Answers by their status and model.", ["status", "model"], registry=OURS)
DECISIONS = Counter(
    "chatbot_answer_grounding", "Complete answers by how they stand on documents.", ["grounding"], registry=OURS
)
FIRST_TOKEN_SECONDS = Histogram(
    "chatbot_answer_first_token_seconds",
    "From the question to the first token, of complete answers.",
    ["model"],
    buckets=LONG,
    registry=OURS,
)
ANSWER_SECONDS = Histogram(
    "chatbot_answer_seconds",
    "From the question to the last token, of complete answers.",
    ["model"],
    buckets=LONG,
    registry=OURS,
)
RETRIEVAL_SECONDS = Histogram(
    "chatbot_retrieval_seconds", "Searching, by stage.", ["stage"], buckets=SHORT, registry=OURS
)
TOKENS = Counter("chatbot_tokens", "Tokens that answers took.", ["model", "kind"], registry=OURS)
COST = Counter("chatbot_cost_usd", "What answers cost, in US dollars.", ["model"], registry=OURS)
UNPRICED = Counter("chatbot_unpriced_answers", "Answers of models whose price is not known.", ["model"], registry=OURS)
LIMITS_HIT = Counter("chatbot_limits_hit", "Requests refused by a limit.", ["what", "limit"], registry=OURS)
LIMITS_IN_MEMORY = Gauge(
    "chatbot_limits_in_memory",
    "Processes that count limits by themselves as Redis is away.",
    multiprocess_mode="livesum",
    registry=OURS,
)


@dataclass(frozen=True)
class Reading:
    """A number that is read when somebody asks for it."""

    name: str
    about: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def count_request(method: str, route: str | None, status: int, seconds: float) -> None:
    """Counts an answered request under its route's template; what has no route is `none`."""
    method, route = method if method in METHODS else "other", route or "none"
    REQUESTS.labels(method, route, str(status)).inc()
    REQUEST_SECONDS.labels(method, route).observe(seconds)


def stages(also: Callable[[str], None]) -> Callable[[str], None]:
    """A clock for the stages of a search: each call ends the stage of that name, and tells another clock."""
    last = time.perf_counter()

    def ended(stage: str) -> None:
        nonlocal last
        now = time.perf_counter()
        RETRIEVAL_SECONDS.labels(stage).observe(now - last)
        also(stage)
        last = now

    return ended


def registry() -> CollectorRegistry:
    """What was counted: in this process, or under gunicorn in all of them."""
    if not values.ValueClass._multiprocess:
        return OURS
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    return shared
