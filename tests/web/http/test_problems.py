"""Every failure has the one shape, and none tells more than it must."""

from __future__ import annotations

import json
import logging

import pytest
from flask import abort
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, Unauthorized

from chatbot import errors
from chatbot.errors import ChatbotError, FieldError, problem
from chatbot.extensions import db
from chatbot.web.http.problems import field_errors
from tests.conftest import sign_up

SHAPE = {"type", "title", "status", "detail", "instance", "code", "request_id"}


def failing(app, failure):
    """A client of an application in which GET /broken/ fails."""

    def view():
        raise failure

    view.guard = "public"
    app.add_url_rule("/broken/", "broken", view)
    return app.test_client()


def assert_problem(answer, status: int, code: str | None = None) -> None:
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert set(answer.json) - {"errors"} == SHAPE
    assert answer.json["type"] == "about:blank"
    assert answer.json["status"] == status
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    assert code in (None, answer.json["code"])


KINDS = [
    errors.BadRequest,
    errors.Unauthorized,
    errors.Forbidden,
    errors.NotFound,
    errors.Conflict,
    errors.TooLarge,
    errors.UnsupportedMedia,
    errors.Invalid,
    errors.TooMany,
    errors.BadGateway,
    errors.Unavailable,
    errors.GatewayTimeout,
    ChatbotError,
]


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_of_ours_has_its_number_and_the_one_shape(sqlite_app, kind):
    answer = failing(sqlite_app, kind()).get("/broken/")
    assert_problem(answer, kind.status, kind.code)
    assert answer.json["instance"] == "/broken/"
    assert answer.json["detail"] == kind.detail


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 429, 503])
def test_each_error_of_the_framework_has_the_same_shape(sqlite_app, status):
    def view():
        abort(status)

    view.guard = "public"
    sqlite_app.add_url_rule("/broken/", "broken", view)
    assert_problem(sqlite_app.test_client().get("/broken/"), status)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (405, "method_not_allowed"),
        (408, "request_timeout"),
        (416, "requested_range_not_satisfiable"),
        (500, "internal_error"),
        (501, "internal_error"),
    ],
)
def test_rarer_statuses_have_a_code_of_their_own(sqlite_app, status, code):
    class Rare(HTTPException):
        pass

    failure = Rare()
    failure.code = status
    assert_problem(failing(sqlite_app, failure).get("/broken/"), status, code)


def test_validation_messages_of_the_framework_become_field_errors(sqlite_app):
    failure = HTTPException()
    failure.code, failure.data = 422, {"messages": {"json": {"name": ["Missing."]}}}
    answer = failing(sqlite_app, failure).get("/broken/")
    assert_problem(answer, 422, "invalid")
    assert answer.json["errors"] == [{"pointer": "/name", "detail": "Missing."}]


def test_a_wrong_method_is_told_which_ones_there_are(sqlite_app):
    """F11"""
    answer = sqlite_app.test_client().delete("/api/users/signup/")
    assert_problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


@pytest.mark.parametrize("method", ["TRACE", "HEAD", "GET", "CONNECT", "PROPFIND"])
def test_a_view_that_takes_posts_takes_nothing_else(sqlite_app, method):
    """F11"""
    answer = sqlite_app.test_client().open("/api/users/login/", method=method)
    assert (answer.status_code, "POST" in answer.headers["Allow"]) == (405, True)


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_header_cannot_change_the_method(app, ada, header):
    """F11"""
    answer = app.test_client().get("/api/users/profile/", headers=ada.headers | {header: "DELETE"})
    assert answer.status_code == 200
    assert app.test_client().get("/api/users/profile/", headers=ada.headers).status_code == 200


def test_head_answers_like_get_without_a_body(sqlite_app):
    """F11"""
    answer = sqlite_app.test_client().head("/healthz")
    assert (answer.status_code, answer.data) == (200, b"")


def test_a_401_says_how_to_sign_in(sqlite_app):
    """D14"""
    broken = failing(sqlite_app, Unauthorized()).get("/broken/")
    answer = sqlite_app.test_client().get("/api/users/profile/")
    assert_problem(answer, 401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="chatbot", error="not_authenticated"'
    assert broken.headers["WWW-Authenticate"].startswith("Bearer realm=")


@pytest.mark.parametrize(
    ("failure", "seconds"), [(errors.Unavailable(), "5"), (errors.Unavailable(retry_after=2), "2")]
)
def test_a_503_says_when_to_come_back(sqlite_app, failure, seconds):
    assert failing(sqlite_app, failure).get("/broken/").headers["Retry-After"] == seconds


def test_an_unforeseen_failure_tells_the_log_everything_and_the_client_nothing(make_app, capsys):
    """P3"""
    client = failing(make_app(log_format="json"), RuntimeError("canary at /secret/path, SELECT password_hash"))
    answer = client.get("/broken/")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = [line for line in lines if line["level"] == "error"]
    assert_problem(answer, 500, "internal_error")
    assert not {"canary", "/secret", "SELECT", "Traceback", "RuntimeError"} & set(answer.text.split())
    assert "canary" not in answer.text
    assert len(told) == 1
    assert told[0]["request_id"] == answer.json["request_id"]
    assert "canary" in told[0]["exception"]
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("failure", [OperationalError("SELECT canary", {}, Exception("lost")), PoolTimeout("canary")])
def test_a_database_that_is_away_is_a_503(sqlite_app, failure):
    """M1 M2 M3"""
    answer = failing(sqlite_app, failure).get("/broken/")
    assert_problem(answer, 503, "busy")
    assert "canary" not in answer.text
    assert answer.headers["Retry-After"] == "1"


def test_a_locked_sqlite_is_a_503(make_app, monkeypatch):
    """M3: a real writer holds the lock for longer than another waits."""
    monkeypatch.setattr("chatbot.db.sqlite_writer.BUSY_TIMEOUT_MS", 50)
    app = make_app()
    ada = sign_up(app, "ada")
    with app.app_context(), db.engine.connect() as writer:
        writer.execute(text("SELECT 1"))
        writer.rollback()
        writer.execution_options(chatbot_writes=True).execute(text("SELECT 1"))
        answer = app.test_client().patch("/api/users/profile/", json={"first_name": "A"}, headers=ada.headers)
        writer.rollback()
    assert_problem(answer, 503, "busy")
    assert (
        app.test_client().patch("/api/users/profile/", json={"first_name": "A"}, headers=ada.headers).status_code == 200
    )


def test_the_order_of_an_error_in_debug_mode_is_the_same(make_app):
    """P4: debug mode never shows a stack to a client."""
    app = make_app(flask_debug=True)
    assert_problem(failing(app, ZeroDivisionError()).get("/broken/"), 500, "internal_error")


def test_nested_messages_become_pointers():
    messages = {
        "query": {"limit": ["Not an integer."]},
        "_schema": ["Odd."],
        "json": {"a": {0: {"b": ["Bad.", "Worse."]}}},
    }
    assert field_errors(messages) == [
        FieldError("/limit", "Not an integer."),
        FieldError("/", "Odd."),
        FieldError("/a/0/b", "Bad."),
        FieldError("/a/0/b", "Worse."),
    ]


def test_a_problem_object_names_its_fields_only_where_there_are_some():
    """The shape itself, as an `error` event of a stream carries it."""
    plain = problem(errors.NotFound("No such chat.", code="chat_not_found"), instance=None, request_id=None)
    with_field = problem(errors.Invalid(errors=[FieldError("/a", "Bad.")]), instance="/x", request_id="1")
    assert plain == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "No such chat.",
        "instance": None,
        "code": "chat_not_found",
        "request_id": None,
    }
    assert with_field["errors"] == [{"pointer": "/a", "detail": "Bad."}]


def test_rejected_values_are_not_repeated(sqlite_app):
    body = {"username": "x", "email": "canary-mail", "password": "canary1", "password2": "canary1", "canary": 1}
    answer = sqlite_app.test_client().post("/api/users/signup/", json=body)
    assert_problem(answer, 422, "invalid")
    assert "canary-mail" not in answer.text
    assert "canary1" not in answer.text


@pytest.fixture(autouse=True)
def _quiet():
    yield
    logging.getLogger().handlers = []


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (416, "Range Not Satisfiable"),
        (422, "Unprocessable Content"),
        (429, "Too Many Requests"),
    ],
)
def test_titles_are_those_of_rfc_9110_with_every_python(status: int, title: str) -> None:
    assert errors.title_of(status) == title
