"""What every response carries: the request's id, the security headers, CORS for exact origins."""

from __future__ import annotations

import json

import pytest
import structlog

ORIGIN = "https://app.example.com"
PATHS = [
    "/healthz",
    "/nowhere",
    "/api/users/profile/",
    "/openapi.json",
    "/swagger/",
    "/static/page.css",
    "/api/users/login/",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_every_response_carries_the_security_headers(sqlite_app, path, method):
    """P6: errors and files too."""
    with sqlite_app.test_client().open(path, method=method) as answer:
        headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-eval" not in headers["Content-Security-Policy"]
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Cache-Control"]
    assert len(headers.getlist("X-Request-ID")) == 1


def test_answers_to_a_person_are_not_kept_by_caches(app, ada):
    """P6"""
    answer = app.test_client().get("/api/users/profile/", headers=ada.headers)
    assert answer.headers["Cache-Control"] == "no-store"


def test_https_is_made_to_last_only_over_https(sqlite_app):
    """P6"""
    client = sqlite_app.test_client()
    assert "Strict-Transport-Security" not in client.get("/healthz").headers
    assert "max-age=31536000" in client.get("/healthz", base_url="https://x.test").headers["Strict-Transport-Security"]


@pytest.mark.parametrize("given", ["abcdefgh", "A-1_b.c9", "x" * 128])
def test_a_good_request_id_is_kept(sqlite_app, given):
    """G13 P14"""
    answer = sqlite_app.test_client().get("/nowhere", headers={"X-Request-ID": given})
    assert (answer.headers["X-Request-ID"], answer.json["request_id"]) == (given, given)


@pytest.mark.parametrize(
    "given", ["", "short12", "x" * 129, "with space", "a\tbcdefgh", "é" * 10, "abcdefgh;", "a" * 16_000]
)
def test_a_bad_request_id_is_replaced(sqlite_app, given):
    """G13"""
    answer = sqlite_app.test_client().get("/nowhere", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] != given
    assert len(answer.headers["X-Request-ID"]) == 32


def test_two_hundred_headers_do_no_harm(sqlite_app):
    """G13"""
    answer = sqlite_app.test_client().get("/healthz", headers=[(f"X-H{i}", "x" * 100) for i in range(200)])
    assert answer.status_code == 200


def test_every_request_is_one_line_in_the_log_with_its_id(make_app, capsys):
    """P14: the route, never the path or the query."""
    app = make_app(log_level="INFO", log_format="json")
    capsys.readouterr()
    app.test_client().get("/api/users/verify-email/?token=canary", headers={"X-Request-ID": "my-request-1"})
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["route"], line["status"]) == ("request", "/api/users/verify-email/", 200)
    assert line["request_id"] == "my-request-1"
    assert "canary" not in str(line)


def test_one_request_does_not_inherit_the_context_of_another(sqlite_app):
    """P14"""
    structlog.contextvars.bind_contextvars(user_id="somebody")
    sqlite_app.test_client().get("/healthz")
    assert "user_id" not in structlog.contextvars.get_contextvars()


@pytest.fixture
def browser(make_app):
    """A client of an application that one origin may call from a browser."""
    return make_app(cors_origins=[ORIGIN, "http://localhost:3000"]).test_client()


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
def test_an_allowed_origin_may_read_answers(browser, origin):
    """P5"""
    answer = browser.get("/nowhere", headers={"Origin": origin})
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "*",
        "https://evil.example",
        ORIGIN + ".evil.example",
        "https://evil" + ORIGIN[8:],
        ORIGIN + "/",
        ORIGIN + "/path",
        ORIGIN.upper(),
        "http://app.example.com",
        ORIGIN + ":443",
        "https://sub.app.example.com",
        ORIGIN + ", https://evil.example",
        "https://appXexample.com",
    ],
)
def test_no_other_origin_may(browser, origin):
    """P5: exact matches only."""
    answer = browser.get("/healthz", headers={} if origin is None else {"Origin": origin})
    assert answer.status_code == 200
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]
    assert "Origin" in answer.headers["Vary"]


def test_by_default_no_origin_is_allowed(sqlite_app):
    """P5"""
    answer = sqlite_app.test_client().get("/healthz", headers={"Origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in answer.headers


def asked(browser, origin: str, path: str = "/api/users/profile/"):
    headers = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    return browser.options(path, headers=headers)


def test_a_preflight_of_an_allowed_origin_needs_no_token(browser):
    """P5"""
    answer = asked(browser, ORIGIN)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Access-Control-Max-Age"] == "600"


def test_a_preflight_of_another_origin_is_told_nothing(browser):
    """P5"""
    assert not [
        name for name, _ in asked(browser, "https://evil.example").headers if name.startswith("Access-Control-")
    ]


def test_options_without_a_preflight_passes_the_guard(browser):
    """F11"""
    assert browser.options("/api/users/profile/").status_code == 401
    assert set(browser.options("/api/users/login/").headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


SLASHES = ["/healthz", "/readyz", "/openapi.json", "/swagger", "/api/users/verify-email"]


@pytest.mark.parametrize("path", SLASHES)
def test_an_address_answers_with_and_without_its_last_slash(sqlite_app, path):
    client = sqlite_app.test_client()
    assert (client.get(path).status_code, client.get(path + "/").status_code) == (200, 200)


@pytest.mark.parametrize("path", ["/api/users/login", "/api/users/login/"])
def test_a_post_is_not_redirected(sqlite_app, path):
    body = {"email": "a@example.com", "password": "x"}
    answer = sqlite_app.test_client().post(path, json=body)
    assert (answer.status_code, answer.json["code"]) == (401, "invalid_credentials")


@pytest.mark.parametrize(
    "path",
    [
        "//api/knowledge/documents/",
        "/api//knowledge/documents/",
        "/api/knowledge/documents;x",
        "/API/knowledge/documents/",
        "/%2e%2e/api/knowledge/documents/",
        "/api/./knowledge/documents/",
        "/api/users/../knowledge/documents/",
        "/api/knowledge/documents/.",
        "/api/knowledge/documents%2f",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/swagger/../app.py",
        "/swagger/index.html",
    ],
)
def test_tricks_with_the_path_bypass_nothing(sqlite_app, path):
    """F12: the same guard as the plain address, or 404; never a redirect."""
    assert sqlite_app.test_client().open("http://localhost" + path).status_code in (401, 404)


def test_an_address_that_looks_like_a_host_is_a_path(sqlite_app):
    """F12"""
    answer = sqlite_app.test_client().get("/", environ_overrides={"PATH_INFO": "//admin"})
    assert (answer.status_code, answer.headers.get("Location")) == (404, None)


def test_the_address_of_a_caller_is_believed_from_known_proxies_only(make_app):
    """B5: the n-th from the right, and nothing without TRUSTED_PROXY_HOPS."""
    seen = []
    for hops in (0, 1, 2):
        app = make_app(trusted_proxy_hops=hops)
        view = whoami()
        app.add_url_rule("/whoami/", "whoami", view)
        forwarded = {"X-Forwarded-For": "1.1.1.1, 2.2.2.2, 3.3.3.3"}
        seen.append(app.test_client().get("/whoami/", headers=forwarded).text)
    assert seen == ["127.0.0.1", "3.3.3.3", "2.2.2.2"]


def whoami():
    from flask import request

    def view():
        return request.remote_addr

    view.guard = "public"
    return view


def preflight(browser, asked_headers):
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    answer = browser.options(
        "/v1/chat/completions", headers=headers | {"Access-Control-Request-Headers": asked_headers}
    )
    return {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}


def test_preflight_allows_what_resuming_and_tracing_send(browser):
    assert {"last-event-id", "traceparent", "idempotency-key"} <= preflight(browser, "last-event-id")


def test_preflight_of_openais_client_is_allowed_as_it_asks(browser):
    asked_headers = "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-retry-count"

    assert set(asked_headers.split(",")) <= preflight(browser, asked_headers)


def test_preflight_does_not_repeat_other_headers(browser):
    allowed = preflight(browser, "x-other, x-stainless-a b, x-stainless-" + "a" * 41)

    assert not {name for name in allowed if name.startswith(("x-other", "x-stainless"))}


def test_browser_may_read_location_file_name_and_limits(browser):
    exposed = asked(browser, ORIGIN).headers["Access-Control-Expose-Headers"]

    assert {"Location", "Content-Disposition", "RateLimit", "Retry-After"} <= set(exposed.split(", "))
