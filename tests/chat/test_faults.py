"""What a caller is told, and what is stored, when the model or the house itself fails."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError, OperationalError

from chatbot.chat.models import ChatSession
from chatbot.chat.replies import reply as replies
from chatbot.current import services
from chatbot.rag.types import Found
from tests.chat.asking import KEY, ask, events_of, open_stream, stored, stream, text_of, with_model
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import ANSWER, OpenAIServer

MODEL = "gpt-3.5-turbo"


@pytest.fixture
def app(make_app: MakeApp, openai_server: OpenAIServer) -> Flask:
    app = with_model(make_app, openai_server)
    add_and_ingest(app, HOURS)
    return app


@pytest.fixture
def ada(app: Flask) -> Person:
    return sign_up(app, "ada")


def test_a_busy_provider_is_only_a_wait(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """L1"""
    openai_server.behave(MODEL, "429-once")

    assert ask(app, ada).json["message"]["content"] == ANSWER  # type: ignore[index]


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        ("429-for-ever", 503, "llm_unavailable"),
        ("http-500", 503, "llm_unavailable"),
        ("html", 503, "llm_unavailable"),
        ("redirect", 503, "llm_unavailable"),
        ("empty", 503, "llm_unavailable"),
        ("http-401", 502, "llm_misconfigured"),
        ("http-404", 502, "llm_misconfigured"),
        ("context-length", 422, "context_length_exceeded"),
        ("hang", 504, "llm_timeout"),
    ],
)
def test_a_model_that_fails_leaves_the_question_and_a_failed_answer(
    app: Flask,
    ada: Person,
    openai_server: OpenAIServer,
    caplog: pytest.LogCaptureFixture,
    behaviour: str,
    status: int,
    code: str,
) -> None:
    """L2, L3, L4, L6, L12"""
    caplog.set_level(logging.DEBUG)
    openai_server.behave(MODEL, behaviour)
    begun = time.monotonic()

    answer = ask(app, ada)

    assert (answer.status_code, answer.json["code"]) == (status, code)  # type: ignore[index]
    assert answer.mimetype == "application/problem+json"
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert time.monotonic() - begun < 20
    question, failed = stored(app)
    assert (question.status, failed.status, failed.content) == ("complete", "failed", "")
    assert "model_failed" in caplog.text
    assert KEY not in caplog.text + answer.text + str(failed.extra)


def test_a_model_that_refuses_without_documents_leaves_no_half_sentence(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    openai_server.behave(MODEL, "http-401")

    ask(app, ada, "Who painted the ceiling of the Sistine Chapel?")

    assert [(m.status, m.content) for m in stored(app)][1:] == [("failed", "")]


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ("stall", "llm_timeout"),
        ("cut", "llm_unavailable"),
        ("cut-unframed", "llm_unavailable"),
        ("invalid-json", "llm_unavailable"),
        ("error-event", "llm_unavailable"),
    ],
)
def test_a_stream_that_breaks_ends_in_an_error_and_keeps_what_there_was(
    app: Flask, ada: Person, openai_server: OpenAIServer, behaviour: str, code: str
) -> None:
    """L7, K2"""
    openai_server.behave(MODEL, behaviour)

    events = stream(app, ada)

    told = "".join(payload["text"] for name, payload in events if name == "token")
    assert told == "The shop opens"
    assert [name for name, _ in events if name != "token"] == ["start", "sources", "error"]
    problem = events[-1][1]
    assert problem["code"] == code
    assert set(problem) == {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert problem["instance"] == "/api/chat/send/"
    partial = stored(app)[1]
    assert (partial.status, partial.content) == ("interrupted", "The shop opens")
    assert partial.id == events[0][1]["message_id"]
    assert len(openai_server.requests) == 1


def test_an_answer_that_breaks_is_an_error_for_json_as_well(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    """L7"""
    openai_server.behave(MODEL, "cut-unframed")

    answer = ask(app, ada)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert stored(app)[1].status == "interrupted"


def test_a_provider_that_fails_before_a_token_is_an_error_event(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    """K2"""
    openai_server.behave(MODEL, "http-401")

    assert [name for name, _ in stream(app, ada)] == ["start", "sources", "error"]
    assert stored(app)[1].status == "failed"


def test_a_conversation_goes_on_after_a_failure(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    openai_server.behave(MODEL, "http-401")
    ask(app, ada)
    chat = stored(app)[0].chat_session_id
    openai_server.behave(MODEL, "answers")

    reply = ask(app, ada, chat_session_id=chat).json

    assert reply is not None
    assert reply["message"]["status"] == "complete"
    assert [m.position for m in stored(app)] == [0, 1, 2, 3]
    assert "" not in [content for _, content in openai_server.streams()[-1].messages]


def test_a_mistake_of_ours_is_a_plain_500_and_a_failed_answer(
    app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3"""

    def broken(*_args: Any) -> Found:
        raise KeyError("a secret detail")

    monkeypatch.setattr(services(app).retriever, "find", broken)

    answer = ask(app, ada)
    events = stream(app, ada)

    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")  # type: ignore[index]
    assert "secret" not in answer.text
    assert [name for name, _ in events] == ["start", "error"]
    assert [m.status for m in stored(app)] == ["complete", "failed"] * 2


def test_a_conversation_that_is_deleted_meanwhile_gets_no_answer(
    app: Flask, ada: Person, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the answer is there before anybody has noticed."""
    monkeypatch.setattr("chatbot.chat.replies.active_replies.LOOK_SECONDS", 3600)
    openai_server.behave(MODEL, "slow")
    response = open_stream(app, ada)
    events = events_of(response.response)
    first = next(events)
    with app.app_context(), services(app).sessions.begin() as session:
        session.connection(execution_options={"chatbot_writes": True})
        session.execute(delete(ChatSession).where(ChatSession.id == first[1]["chat_session_id"]))

    rest = list(events)

    assert text_of(rest) == ANSWER
    assert rest[-1][0] == "error"
    assert rest[-1][1]["code"] == "chat_session_not_found"
    assert stored(app) == []


def test_an_answer_that_meets_a_busy_database_is_stored_at_the_next_try(
    app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M3"""
    real, calls = replies.store_answer, []

    def busy_once(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError("UPDATE", {}, Exception("database is locked"))
        return real(*args)

    monkeypatch.setattr(replies, "store_answer", busy_once)

    assert ask(app, ada).status_code == 200
    assert stored(app)[1].content == ANSWER


def test_an_answer_waits_for_a_database_that_is_away_for_some_seconds(
    app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M1: a restart of the database takes longer than three attempts."""
    real, until = replies.store_answer, time.monotonic() + 1.5

    def away(*args: Any) -> Any:
        if time.monotonic() < until:
            raise OperationalError("UPDATE", {}, Exception("the database system is starting up"))
        return real(*args)

    monkeypatch.setattr(replies, "store_answer", away)

    assert ask(app, ada).status_code == 200
    assert stored(app)[1].content == ANSWER


@pytest.mark.parametrize("streamed", [True, False])
def test_what_no_database_stores_and_no_client_reads_is_replaced(
    app: Flask, ada: Person, openai_server: OpenAIServer, streamed: bool
) -> None:
    """A model's halves of characters, and its NUL."""
    openai_server.say(MODEL, "A horse \ud83d and \x00 another.")

    events = stream(app, ada) if streamed else []
    answer = None if streamed else ask(app, ada)

    assert events[-1][0] == "done" if answer is None else answer.status_code == 200
    assert stored(app)[1].content == "A horse \ufffd and \ufffd another."


@pytest.mark.parametrize(
    ("error", "attempts"), [(IntegrityError("INSERT", {}, Exception("not so")), 3), (UnicodeError("half"), 1)]
)
def test_what_waiting_does_not_help_is_told_soon(
    app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch, error: Exception, attempts: int
) -> None:
    calls: list[int] = []

    def refused(*_args: Any) -> Any:
        calls.append(1)
        raise error

    monkeypatch.setattr(replies, "store_answer", refused)

    events = stream(app, ada)

    assert [name for name, _ in events if name in ("done", "error")] == ["error"]
    assert len(calls) == attempts


def test_an_answer_that_cannot_be_stored_is_no_answer(app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """M3"""

    def busy(*_args: Any) -> Any:
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    monkeypatch.setattr(replies, "store_answer", busy)
    monkeypatch.setattr(replies, "STORE_SECONDS", 0.0)

    events = stream(app, ada)

    assert [name for name, _ in events if name in ("done", "error")] == ["error"]
    assert (events[-1][1]["status"], events[-1][1]["code"]) == (503, "busy")
