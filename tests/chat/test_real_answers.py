"""Refused and cut answers over HTTP: what is told, stored, counted and kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from chatbot.chat.tasks import make_title
from tests.chat.asking import ask, stored, stream, text_of, with_model
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import ANSWER, REFUSAL, OpenAIServer

MODEL = "gpt-3.5-turbo"
QUESTION = "When does the shop open on Saturdays?"
FORBIDDEN = "When does the shop open for burglars?"
FILTERED = {"error": {"message": "The prompt triggered the content management policy.", "code": "content_filter"}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.fixture
def app(make_app: MakeApp, openai_server: OpenAIServer) -> Flask:
    app = with_model(make_app, openai_server)
    add_and_ingest(app, HOURS)
    return app


@pytest.fixture
def ada(app: Flask) -> Person:
    return sign_up(app, "ada")


def complete(app: Flask, person: Person, messages: list[dict[str, Any]] | None = None, **body: Any) -> Any:
    told = messages or [{"role": "user", "content": QUESTION}]
    fields = {"model": MODEL, "messages": told, **body}
    return app.test_client().post("/v1/chat/completions", json=fields, headers=person.headers)


def chunks_of(answer: Any) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


# One user's refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["refusal", "filter-empty", "filter", "length", "out-of-tokens", "empty"])
def test_five_refused_questions_leave_the_model_to_the_next_user(
    app: Flask, ada: Person, openai_server: OpenAIServer, behaviour: str
) -> None:
    """R4"""
    openai_server.behave(MODEL, behaviour)
    for _ in range(5):
        ask(app, ada)
    asked = len(openai_server.requests)
    openai_server.behave(MODEL, "answers")

    answer = ask(app, sign_up(app, "bob"))

    assert (answer.status_code, answer.json["message"]["content"]) == (200, ANSWER)  # type: ignore[index]
    # An empty answer without any reason may come whole another time.
    assert asked == (10 if behaviour == "empty" else 5)
    assert len(openai_server.requests) == asked + 1


def test_five_questions_that_a_filter_refuses_leave_the_model_to_the_next_user(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    openai_server.refuse(MODEL, 400, FILTERED, lambda body: "burglars" in str(body["messages"]))

    answers = [ask(app, ada, FORBIDDEN) for _ in range(5)]
    other = ask(app, sign_up(app, "bob"))

    assert {(a.status_code, a.json["code"]) for a in answers} == {(422, "content_filtered")}  # type: ignore[index]
    assert other.json["message"]["content"] == ANSWER  # type: ignore[index]
    assert len(openai_server.requests) == 6


# What is told and stored --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "text", "status", "reason", "refused"),
    [
        ("answers", ANSWER, "complete", "stop", False),
        ("refusal", REFUSAL, "complete", "stop", True),
        ("length", ANSWER, "interrupted", "length", False),
        ("filter", ANSWER, "interrupted", "content_filter", False),
    ],
)
def test_end_of_an_answer_is_told_and_stored(
    app: Flask,
    ada: Person,
    openai_server: OpenAIServer,
    behaviour: str,
    text: str,
    status: str,
    reason: str,
    refused: bool,
) -> None:
    """R4, R12"""
    openai_server.behave(MODEL, behaviour)

    whole, events = ask(app, ada).json, stream(app, ada)

    assert whole is not None
    assert text_of(events) == text
    for message in (whole["message"], events[-1][1]["message"]):
        assert (message["content"], message["status"]) == (text, status)
        assert (message["metadata"]["finish_reason"], message["metadata"]["refused"]) == (reason, refused)
    kept = stored(app)[1]
    assert (kept.content, kept.status, kept.extra["finish_reason"], kept.extra["refused"]) == (
        text,
        status,
        reason,
        refused,
    )


@pytest.mark.parametrize(("behaviour", "reason"), [("filter-empty", "content_filter"), ("out-of-tokens", "length")])
def test_answer_without_a_word_is_stored_as_failed_and_counted(
    app: Flask, ada: Person, openai_server: OpenAIServer, behaviour: str, reason: str
) -> None:
    openai_server.behave(MODEL, behaviour)

    ask(app, ada)

    failed = stored(app)[1]
    assert (failed.status, failed.content, failed.extra["finish_reason"]) == ("failed", "", reason)
    used = app.test_client().get("/api/chat/usage/", headers=ada.headers).json
    assert used is not None
    assert used["tokens"] == failed.extra["usage"]["total_tokens"] > 0


def test_extractive_answer_ends_with_stop(app: Flask, make_app: MakeApp, openai_server: OpenAIServer) -> None:
    other = with_model(make_app, openai_server, chat_model="extractive")
    add_and_ingest(other, HOURS)

    metadata = ask(other, sign_up(other, "ada")).json["message"]["metadata"]  # type: ignore[index]

    assert (metadata["finish_reason"], metadata["refused"]) == ("stop", False)


@pytest.mark.parametrize("behaviour", ["refusal", "length", "filter"])
def test_refused_and_cut_answers_are_not_kept_for_others(
    make_app: MakeApp, openai_server: OpenAIServer, behaviour: str
) -> None:
    app = with_model(make_app, openai_server, answer_cache_seconds=60)
    add_and_ingest(app, HOURS)
    ada, bob = sign_up(app, "ada"), sign_up(app, "bob")
    openai_server.behave(MODEL, behaviour)
    ask(app, ada)
    openai_server.behave(MODEL, "answers")

    second, third = (ask(app, bob).json["message"] for _ in range(2))  # type: ignore[index]

    assert [(m["content"], m["metadata"]["cached"]) for m in (second, third)] == [(ANSWER, False), (ANSWER, True)]


def test_conversation_with_a_cut_first_answer_gets_a_title(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    openai_server.behave(MODEL, "length")
    openai_server.say(MODEL, "<think>They ask for hours.</think>Opening hours", plain=True)
    chat = ask(app, ada).json["chat_session_id"]  # type: ignore[index]

    with app.app_context():
        make_title(chat)

    listed = app.test_client().get("/api/chat/history/", headers=ada.headers).json
    assert listed is not None
    assert [item["title"] for item in listed["items"]] == ["Opening hours"]


def test_thoughts_that_were_shown_are_not_in_the_message(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """The tag that opens them stood in the template; the second answer of the process is held back until it comes."""
    openai_server.say(MODEL, f"Passage 1 says ten [1].\n</think>\n\n{ANSWER}")

    first, second = stream(app, ada), stream(app, ada)

    assert "</think>" not in text_of(first)
    assert text_of(second) == ANSWER
    for done in (first[-1][1]["message"], second[-1][1]["message"]):
        assert done["content"] == ANSWER
        assert all(c["answer_end"] <= len(ANSWER) for c in done["metadata"]["citations"])
        assert len(done["metadata"]["citations"]) == 2
    assert [m.content for m in stored(app) if not m.is_user] == [ANSWER, ANSWER]


# /v1 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "reason"), [("answers", "stop"), ("length", "length"), ("filter", "content_filter")]
)
def test_v1_tells_the_reason_to_end(
    app: Flask, ada: Person, openai_server: OpenAIServer, behaviour: str, reason: str
) -> None:
    """R12"""
    openai_server.behave(MODEL, behaviour)

    whole, chunks = complete(app, ada).json, chunks_of(complete(app, ada, stream=True))

    assert whole["choices"][0]["finish_reason"] == reason
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == reason


def test_v1_tells_a_refusal_in_its_field_and_as_text(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    openai_server.behave(MODEL, "refusal")

    message = complete(app, ada).json["choices"][0]["message"]
    deltas = [c["choices"][0]["delta"] for c in chunks_of(complete(app, ada, stream=True))]

    assert (message["content"], message["refusal"]) == (REFUSAL, REFUSAL)
    assert "".join(delta.get("content") or "" for delta in deltas) == REFUSAL
    assert deltas[-1]["refusal"] == REFUSAL


def test_v1_reads_the_histories_of_real_clients(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    history = [
        {"role": "system", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "What is in this picture?"}, PICTURE]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "a shop", "tool_call_id": "c1"},
        {"role": "function", "name": "look", "content": None},
        {"role": "assistant", "content": [{"type": "output_text", "text": "<think>Blue doors.</think>A shop."}]},
        {"role": "user", "content": [PICTURE]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot see it."}], "refusal": None},
        {"role": "assistant"},
    ]
    told = [*history, {"role": "user", "content": QUESTION}]

    answer, chunks = complete(app, ada, told), chunks_of(complete(app, ada, told, stream=True))

    assert (answer.status_code, answer.json["skipped_parts"]) == (200, 2)
    assert chunks[-1]["skipped_parts"] == 2
    prompt = openai_server.streams()[0].messages[1][1]
    assert all(words in prompt for words in ("What is in this picture?", "A shop.", "I cannot see it.", QUESTION))
    assert "Blue doors" not in prompt
    assert "a shop\n" not in prompt


@pytest.mark.parametrize(
    "content",
    [None, [], [PICTURE], [{"type": "text", "text": "What is it?"}, PICTURE], ["x"], 7, {"text": "x"}],
    ids=str,
)
def test_v1_refuses_a_question_that_is_not_text(app: Flask, ada: Person, content: Any) -> None:
    refused = complete(app, ada, [{"role": "user", "content": content}])

    assert refused.status_code == 400
    assert refused.json["error"]["param"].startswith("messages.0.content")
    assert stored(app) == []
