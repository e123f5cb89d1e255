"""The API does what its own OpenAPI document says, for nobody, a user and an administrator.

The suite sends the same requests at every run. `make fuzz` sends many more, and others each time; FUZZ_SEED repeats
one of its runs.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from secrets import randbits
from typing import Any

import pytest
from flask import Flask, Response

from chatbot.auth.guard import admin_required, public, user_required
from chatbot.current import services
from chatbot.errors import Invalid, NotFound
from tests.conftest import HOURS, MakeApp, add_and_ingest
from tests.functional.fuzzing import closing, fuzz

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
# An API key and a visitor take the same ways as the others; the suite asks what is theirs alone.
ROLES = {
    "anonymous": None,
    "user": None,
    "administrator": None,
    "key": ["sign_visitor"],
    "visitor": ["send", "history", "messages"],
}
SEED = int(os.environ.get("FUZZ_SEED", "0")) or (randbits(32) if EXAMPLES else None)


LIMITED = [
    "signup",
    "login",
    "resend",
    "forgot_password",
    "reset_password",
    "change_password",
    "delete_profile",
    "send",
]
# Hypothesis says so of a body that is large; it is meant to be.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


def away(host: str) -> list[str]:
    """A resolver that does not answer now: a URL is taken, and nothing is asked of the world."""
    raise socket.gaierror(socket.EAI_AGAIN, host)


@pytest.fixture
def house(make_app: MakeApp) -> Flask:
    """The application on a file, with a document in it. What a worker would do is done at once."""
    app = make_app(log_level="ERROR")
    services(app).celery.conf.task_always_eager = True
    services(app).fetch_limits = replace(services(app).fetch_limits, resolve=away)
    app.wsgi_app = closing(app.wsgi_app)
    add_and_ingest(app, HOURS)
    return app


@pytest.mark.parametrize("role", ROLES)
def test_the_api_does_what_its_document_says(house, role, capsys):
    """F5: no server error, no answer that is not written down, nothing bad accepted, nothing good refused."""
    report = fuzz(house, role, EXAMPLES or 1, seed=SEED, only=None if EXAMPLES else ROLES[role])
    if EXAMPLES:
        with capsys.disabled():
            sys.stdout.write(f"\n{role}: {report.summary()}\n")
    assert report.errors == []
    assert not report.failures, report.told()
    if role != "anonymous":
        assert report.let_in > 0.8
    if role == "administrator":
        # Or this test would see little more than refusals.
        closed = {name for name, statuses in report.answers.items() if statuses.keys() <= {401, 403, 405}}
        assert closed == {"POST /api/users/visitor-tokens/"}, "it takes a key"


def test_who_is_refused_for_being_too_many_is_told_as_the_document_says(make_app):
    """B1"""
    app = make_app(ratelimit_enabled=True, log_level="ERROR")
    app.wsgi_app = closing(app.wsgi_app)
    report = fuzz(app, "user", 1, phases=("examples", "coverage"), only=LIMITED)
    assert report.errors == []
    assert not report.failures, report.told()
    assert report.statuses[429] > 0


Break = Callable[[Flask], None]


def replaced(endpoint: str, view: Callable[..., Any]) -> Break:
    """Breaks an application by another view."""
    return lambda app: app.view_functions.update({endpoint: view})


def crash() -> Any:
    raise RuntimeError("on purpose")


def refuse() -> Any:
    raise Invalid("Not today.")


def without_an_id(app: Flask) -> None:
    def forget(response: Response) -> Response:
        del response.headers["X-Request-ID"]
        return response

    app.after_request_funcs[None].insert(0, forget)


def no_models() -> Any:
    return {"items": []}


def found_nothing() -> Any:
    return {"items": [], "threshold": 0.5}


def lose_it(**_path: Any) -> Any:
    raise NotFound()


BROKEN: dict[str, tuple[list[str], Break]] = {
    "not_a_server_error": (["models"], replaced("chat.models", user_required(crash))),
    "status_code_conformance": (["models"], replaced("chat.models", user_required(lambda: ({"items": []}, 203)))),
    "content_type_conformance": (["models"], replaced("chat.models", user_required(lambda: "none"))),
    "response_schema_conformance": (["models"], replaced("chat.models", user_required(lambda: {"items": None}))),
    "response_headers_conformance": (["models"], without_an_id),
    "positive_data_acceptance": (["models"], replaced("chat.models", user_required(refuse))),
    "negative_data_rejection": (["search"], replaced("knowledge.search", user_required(found_nothing))),
    "ignored_auth": (["models"], replaced("chat.models", public(no_models))),
}


@pytest.mark.parametrize("check", BROKEN)
def test_a_promise_that_is_broken_on_purpose_is_noticed(house, check):
    names, break_it = BROKEN[check]
    report = fuzz(house, "user", 5, only=names, phases=("coverage", "fuzzing"), and_then=lambda: break_it(house))
    assert check in report.checks, report.summary()


def test_what_outlives_its_deletion_is_noticed(house):
    keep = replaced("chat.delete_session", user_required(lambda **_path: ("", 204)))
    names = ["send", "get_session", "delete_session"]
    report = fuzz(house, "user", 30, only=names, phases=("stateful",), and_then=lambda: keep(house))
    assert report.checks == {"use_after_free"}, report.summary()


def test_what_cannot_be_found_after_it_was_made_is_noticed(house):
    lose = replaced("knowledge.get_document", admin_required(lose_it))
    names = ["add_document", "get_document", "delete_document"]
    report = fuzz(house, "administrator", 5, only=names, phases=("stateful",), and_then=lambda: lose(house))
    assert report.checks == {"ensure_resource_availability"}, report.summary()


def test_a_method_that_the_document_does_not_name_is_noticed(house):
    house.add_url_rule("/api/chat/models/", "more_models", public(no_models), methods=["PUT"])
    report = fuzz(house, "user", 1, only=["models"], phases=("coverage",))
    assert report.checks == {"unsupported_method", "allow_header_conformance"}, report.summary()
