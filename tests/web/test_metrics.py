"""/metrics: who may read it, and what it tells."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chatbot.current import services
from chatbot.errors import TooMany
from chatbot.web.limits import rate_limits
from chatbot.web.limits.rate_limits import HOUR, Limit
from chatbot.web.streaming.concurrency_limit import ConcurrencyLimit, TooManyStreams
from tests.conftest import HOURS, ROOT, SECRET, add_and_ingest

TOKEN = "scrape-me-0123456789"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def app(make_app, database_url):
    """The application on each kind of database, with the token that it asks for."""
    return make_app(database_url=database_url, metrics_token=TOKEN)


def scrape(app) -> dict[tuple[str, ...], float]:
    """Every number by its name and its labels' values, in the order of their names."""
    answer = app.test_client().get("/metrics", headers=BEARER)
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return {
        (s.name, *(s.labels[name] for name in sorted(s.labels))): s.value for family in families for s in family.samples
    }


def test_with_a_token_only_its_holder_reads_the_numbers(app):
    """P8"""
    client = app.test_client()
    refused = client.get("/metrics")
    assert (refused.status_code, refused.json["code"]) == (401, "not_authenticated")
    assert "WWW-Authenticate" in refused.headers
    for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer ", "Bearer \xe9"):
        assert client.get("/metrics", headers={"Authorization": wrong}).status_code == 401
    answer = client.get("/metrics", headers=BEARER)
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert client.get("/metrics", headers=BEARER, environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code == 200


@pytest.mark.parametrize("address", ["203.0.113.9", "10.0.0.7", "", "unix"])
def test_without_a_token_nobody_from_elsewhere_reads_them(sqlite_app, address):
    """P8: not public by default."""
    client = sqlite_app.test_client()
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": address}).status_code == 404
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "127.0.0.1"}).status_code == 200
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "::1"}).status_code == 200


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_without_a_token_no_proxy_of_this_machine_passes_them_on(sqlite_app, name):
    """P8: to a proxy's clients 127.0.0.1 is the proxy."""
    assert sqlite_app.test_client().get("/metrics", headers={name: "203.0.113.9"}).status_code == 404


def test_in_production_there_are_no_numbers_without_a_token(make_app):
    """P8"""
    assert make_app(port=8000, secret_key=SECRET).test_client().get("/metrics").status_code == 404


def test_requests_are_counted_by_template(app, ada):
    before = scrape(app)
    for number in range(3):
        app.test_client().get(f"/api/chat/sessions/00000000-0000-4000-8000-00000000000{number}/", headers=ada.headers)
    after = scrape(app)
    key = ("chatbot_http_requests_total", "GET", "/api/chat/sessions/<uuid:session_id>/", "404")
    assert after[key] - before.get(key, 0) == 3
    assert not [name for name in after if any("00000000-0000" in part for part in name)]


def test_documents_queue_workers_and_letters_are_read_when_asked_for(app, ada):
    add_and_ingest(app, HOURS)
    app.test_client().post("/api/chat/send/", json={"message": "When is it open?"}, headers=ada.headers)
    found = scrape(app)
    assert found["chatbot_database_up",] == 1
    assert (found["chatbot_documents", "ready"], found["chatbot_chunks",]) == (1, 1)
    assert (found["chatbot_index_vectors",], found["chatbot_index_newest_revision",]) == (1, 1)
    assert found["chatbot_emails", "queued"] == 1
    assert found["chatbot_mail_queue_lag_seconds",] >= 0
    assert found["chatbot_workers",] == found["chatbot_ingest_queue_lag_seconds",] == 0
    assert found["chatbot_retrieval_seconds_count", "dense"] >= 1


def test_a_database_that_is_away_is_a_number_too(make_app, tmp_path):
    url = f"postgresql://canary:canary@/gone?host={tmp_path}"
    app = make_app(database_url=url, secret_key=SECRET, metrics_token=TOKEN)
    found = scrape(app)
    assert found["chatbot_database_up",] == 0
    assert ("chatbot_workers",) not in found


def test_streams_under_way_and_refused_are_counted(sqlite_app):
    """K15"""
    before = scrape(sqlite_app)
    slots = ConcurrencyLimit(1)
    slot = slots.take()
    with pytest.raises(TooManyStreams):
        slots.take()
    during = scrape(sqlite_app)
    slot.release()
    slot.release()
    after = scrape(sqlite_app)
    assert during["chatbot_streams",] == before["chatbot_streams",] + 1
    assert after["chatbot_streams",] == before["chatbot_streams",]
    assert after["chatbot_streams_refused_total",] == before["chatbot_streams_refused_total",] + 1


def test_a_limit_that_is_hit_is_counted(make_app):
    app = make_app(ratelimit_enabled=True)
    key = ("chatbot_limits_hit_total", "global", "trial")
    with app.test_request_context():
        bound, wanted = services().rate_limits, [Limit("global", 1, HOUR, rate_limits.by_all)]
        bound.take("trial", wanted)
        with pytest.raises(TooMany):
            bound.take("trial", wanted)
    assert scrape(app)[key] >= 1


def test_limits_counted_without_redis_are_a_number(make_app, tmp_path):
    """B11"""
    app = make_app(ratelimit_enabled=True, redis_url=f"unix://{tmp_path}/nowhere")
    with app.test_request_context():
        services().rate_limits.take("trial", [Limit("global", 5, HOUR, rate_limits.by_all)])
    assert scrape(app)["chatbot_limits_in_memory",] == 1


def test_every_number_is_explained(app):
    """docs/operations.md names each metric."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^# TYPE (\w+)", app.test_client().get("/metrics", headers=BEARER).text, re.MULTILINE))
    assert len(told) > 20
    assert {name for name in told if f"`{name}`" not in page} == set()
