"""/openapi.json says what the guards and views do, and /swagger/ needs nobody else."""

from __future__ import annotations

import re

import pytest

from chatbot.auth.guard import guard_of
from chatbot.web.fields import PageArgs, UtcDateTime, page_of

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def spec(sqlite_app):
    """The document as it is served."""
    return sqlite_app.test_client().get("/openapi.json").json


def operations(spec):
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def test_the_document_has_openapis_structure(spec):
    assert re.fullmatch(r"3\.0\.\d", spec["openapi"])
    assert spec["info"].keys() >= {"title", "version", "description"}
    for path, _method, operation in operations(spec):
        named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        shared = {p["name"] for p in spec["paths"][path].get("parameters", ()) if p["in"] == "path"}
        assert named | shared == set(re.findall(r"{(\w+)}", path))
        assert operation["responses"]
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d", status)
            assert response["description"]


def test_every_reference_leads_somewhere(spec):
    for reference in set(re.findall(r"'\$ref': '#/([^']+)'", str(spec))):
        place = spec
        for part in reference.split("/"):
            place = place[part]
        assert place


def test_every_operation_has_a_name_of_its_own_and_a_summary(spec):
    names = [operation["operationId"] for _, _, operation in operations(spec)]
    assert len(names) == len(set(names))
    assert [path for path, _, operation in operations(spec) if not operation.get("summary")] == []


def test_what_is_limited_says_so_in_the_document(spec):
    limited = {o["operationId"]: o["responses"] for _, _, o in operations(spec) if "429" in o["responses"]}
    assert limited.keys() == {
        "signup",
        "login",
        "resend",
        "forgot_password",
        "reset_password",
        "change_password",
        "delete_profile",
        "send",
        "export_account",
        "create_completion",
        "regenerate",
        "add_chat_member",
    }
    for responses in limited.values():
        assert all({"RateLimit", "RateLimit-Policy"} <= response["headers"].keys() for response in responses.values())


def test_every_address_of_the_api_is_in_the_document(sqlite_app, spec):
    told = {(path, method.upper()) for path, method, _ in operations(spec)}
    there = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in sqlite_app.url_map.iter_rules()
        # OpenAPI has no words for WebSockets; docs/api.md has them.
        if rule.rule.startswith(("/api/", "/v1/")) and not rule.websocket
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert told == there


def test_the_document_asks_for_a_token_where_the_guard_does(sqlite_app, spec):
    guards = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method): guard_of(sqlite_app, rule.endpoint)
        for rule in sqlite_app.url_map.iter_rules()
        for method in rule.methods
    }
    for path, method, operation in operations(spec):
        public = guards[path, method.upper()] == "public"
        assert operation["security"] == ([] if public else [{"bearer": []}]), path
        assert ("401" in operation["responses"]) or public
    assert spec["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_error_is_told_as_a_problem(spec):
    """Somebody at the form of a page is told on a page."""
    form = "application/x-www-form-urlencoded"
    for path, _method, operation in operations(spec):
        takes_form = form in operation.get("requestBody", {}).get("content", {})
        for status, response in operation["responses"].items():
            if status >= "400":
                kinds = ["application/problem+json"] + ["text/html"] * takes_form
                kinds = ["application/json"] if path.startswith("/v1/") else kinds
                assert list(response["content"]) == kinds, path
    assert set(spec["components"]["schemas"]["Problem"]["properties"]) == {
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "request_id",
        "errors",
    }


def test_answers_seen_over_http_are_in_the_document(app, ada, bob, spec):
    """A few calls of each kind; whatever status comes has to be written down."""
    client = app.test_client()
    missing = "/api/chat/sessions/6f0b1f0e-0a5e-4a4e-9a53-0d2f0a5b8f11/"
    calls = [
        ("post", "/api/users/signup/", {"json": {}}),
        ("post", "/api/users/signup/", {"data": "{"}),
        ("post", "/api/users/signup/", {"data": "{", "content_type": "application/json"}),
        ("post", "/api/users/login/", {"json": {"email": "a@b.de", "password": "x"}}),
        ("post", "/api/users/token/refresh/", {"json": {"refresh": "x"}}),
        ("post", "/api/users/verify-email/", {"json": {"token": "x"}}),
        ("post", "/api/users/verify-email/resend/", {"json": {"email": "x"}}),
        ("get", "/api/users/profile/", {}),
        ("get", "/api/users/profile/", {"headers": ada.headers}),
        ("patch", "/api/users/profile/", {"json": {"username": "bob"}, "headers": ada.headers}),
        ("delete", "/api/users/profile/", {"json": {"password": "x"}, "headers": ada.headers}),
        ("get", "/api/chat/history/", {"headers": ada.headers}),
        ("get", missing, {"headers": ada.headers}),
        ("get", "/api/knowledge/stats/", {"headers": ada.headers}),
    ]
    for method, path, kwargs in calls:
        status = str(client.open(path, method=method.upper(), **kwargs).status_code)
        documented = re.sub(r"[0-9a-f-]{36}", "{session_id}", path)
        assert status in spec["paths"][documented][method]["responses"], (method, path, status)


def test_the_swagger_page_loads_files_of_this_server_only(sqlite_app):
    """P7: it works offline and under its own policy."""
    client = sqlite_app.test_client()
    page = client.get("/swagger/")
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) >= 4
    assert all(file.startswith("/") and not file.startswith("//") for file in files)
    assert "<script>" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "http" not in policy
    for file in files:
        with client.get(file) as answer:
            assert answer.status_code == 200


def test_the_swagger_page_forgets_the_token(sqlite_app):
    """P7"""
    with sqlite_app.test_client().get("/static/swagger.js") as script:
        assert "persistAuthorization: false" in script.text


@pytest.mark.parametrize("name", ["index.html", "swagger-ui.css.map", "../__init__.py", "x"])
def test_no_other_file_of_the_bundle_is_served(sqlite_app, name):
    assert sqlite_app.test_client().get(f"/swagger/{name}").status_code == 404


def test_times_are_written_in_utc_with_a_z():
    """G17"""
    from datetime import UTC, datetime, timedelta, timezone

    field = UtcDateTime()
    east = timezone(timedelta(hours=2))
    assert field._serialize(datetime(2026, 1, 1, 2, 0, 0, 1500, east)) == "2026-01-01T00:00:00.001Z"
    assert field._serialize(datetime(9999, 12, 31, tzinfo=UTC)) == "9999-12-31T00:00:00.000Z"
    assert field._serialize(None) is None


def test_the_page_of_a_list_is_named_after_its_items():
    assert page_of(PageArgs).__name__ == "PageArgsPage"
    assert set(page_of(PageArgs)._declared_fields) == {"items", "next_cursor"}
