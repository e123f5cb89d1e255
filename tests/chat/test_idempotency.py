"""A question that is sent again with its Idempotency-Key is asked once, and paid for once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, request
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from chatbot.auth.callers import Caller
from chatbot.chat import tasks
from chatbot.chat.models import DailyUsage
from chatbot.chat.replies.turns import begin_turn
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.rag.llm.prompts import NOT_FROM_DOCUMENTS
from chatbot.web.idempotency import service as idempotency
from chatbot.web.idempotency.http import fingerprint
from chatbot.web.idempotency.model import IdempotencyKey
from chatbot.web.idempotency.service import Held, IdempotencyInProgress
from tests.chat.asking import (
    QUESTION,
    ask,
    events_of,
    open_stream,
    run_concurrently,
    stored,
    text_of,
    visitor,
    with_model,
)
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import ANSWER, OpenAIServer

MODEL = "gpt-3.5-turbo"
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"
# Without passages there is nothing a marker could stand for.
GENERAL = NOT_FROM_DOCUMENTS + ANSWER.replace(" [1]", "")


@pytest.fixture
def app(make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None) -> Flask:
    """Answers of the scripted model, on each kind of database."""
    app = with_model(make_app, openai_server, database_url=database_url, resume_seconds=0)
    add_and_ingest(app, HOURS)
    return app


def age_of_keys(session: Session, **values: Any) -> None:
    """Changes every key's row, as time would."""
    begin_write(session)
    session.execute(update(IdempotencyKey).values(**values))
    session.commit()


def kept(app: Flask) -> list[IdempotencyKey]:
    with services(app).sessions() as session:
        return list(session.scalars(select(IdempotencyKey)))


def spent(app: Flask) -> tuple[int, int]:
    with services(app).sessions() as session:
        sums = select(func.coalesce(func.sum(DailyUsage.answers), 0), func.coalesce(func.sum(DailyUsage.tokens), 0))
        answers, tokens = session.execute(sums).one()
        return int(answers), int(tokens)


def is_replay(answer: TestResponse) -> bool:
    return answer.status_code == 200 and answer.headers.get("Idempotency-Replayed") == "true"


def test_a_question_sent_again_gets_the_same_answer(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """M16"""
    first, second = (ask(app, ada, key=KEY) for _ in range(2))

    assert "Idempotency-Replayed" not in first.headers
    assert is_replay(second)
    assert second.json == first.json
    assert len(openai_server.streams()) == 1
    assert len(stored(app)) == 2
    assert spent(app)[0] == 1


def test_without_a_key_or_with_another_it_is_asked_again(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    for key in (None, None, "one", "two"):
        assert "Idempotency-Replayed" not in ask(app, ada, key=key).headers

    assert len(openai_server.streams()) == 4


def test_a_stream_is_told_again_as_its_events(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """K10"""
    first, second = (list(events_of(open_stream(app, ada, key=KEY).response)) for _ in range(2))
    replay = open_stream(app, ada, key=KEY)

    assert replay.headers["Idempotency-Replayed"] == "true"
    assert replay.mimetype == "text/event-stream"
    replay.close()
    names = [name for name, _ in second]
    assert names == ["start", "sources", "token", "citation", "citation", "done"]
    assert text_of(second) == text_of(first) == ANSWER
    for name in ("start", "sources", "citation", "done"):
        assert [p for n, p in second if n == name] == [p for n, p in first if n == name]
    assert len(openai_server.streams()) == 1


def test_an_answer_can_be_told_again_in_the_other_way(app: Flask, ada: Person) -> None:
    headers = ada.headers | {"Idempotency-Key": KEY}
    as_stream = headers | {"Accept": "text/event-stream"}
    client = app.test_client()
    plain = client.post("/api/chat/send/", json={"message": QUESTION}, headers=headers)

    streamed = client.post("/api/chat/send", json={"message": QUESTION}, headers=as_stream)

    assert list(events_of(streamed.response))[-1] == ("done", plain.json)


@pytest.mark.parametrize("other", [{"message": "Another question?"}, {"model": MODEL}, {"stream": True}])
def test_the_same_key_for_another_body_is_a_mistake(app: Flask, ada: Person, other: dict[str, Any]) -> None:
    """M16"""
    ask(app, ada, key=KEY)

    answer = ask(app, ada, key=KEY, **other)

    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")  # type: ignore[index]
    assert len(stored(app)) == 2


def test_while_the_first_is_at_work_the_second_is_told_to_wait(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    """M16"""
    openai_server.behave(MODEL, "slow")
    first = events_of(open_stream(app, ada, key=KEY).response)
    while next(first)[0] != "token":
        pass

    second = ask(app, ada, key=KEY, stream=True)

    assert (second.status_code, second.json["code"]) == (409, "idempotency_in_progress")  # type: ignore[index]
    assert int(second.headers["Retry-After"]) > 0
    done = list(first)[-1]
    assert list(events_of(open_stream(app, ada, key=KEY).response))[-1] == done
    assert len(openai_server.streams()) == 1


def test_twenty_at_once_are_one(make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None) -> None:
    """M16"""
    app = with_model(make_app, openai_server, database_url=database_url, web_threads=32, model_read_seconds=20)
    ada = sign_up(app, "ada")

    answers = run_concurrently(20, lambda _: ask(app, ada, key=KEY))

    assert {answer.status_code for answer in answers} <= {200, 409}
    done = [answer.json for answer in answers if answer.status_code == 200]
    assert done
    assert all(reply == done[0] for reply in done)
    assert [answer.status_code == 200 and not is_replay(answer) for answer in answers].count(True) == 1
    assert len(openai_server.streams()) == 1
    assert len(stored(app)) == 2
    assert spent(app)[0] == 1
    assert is_replay(ask(app, ada, key=KEY))


def test_a_key_is_its_callers_own(app: Flask, ada: Person, bob: Person) -> None:
    """F15, F2"""
    people = [ada, bob, visitor(app, ada, "vera"), visitor(app, ada, "karl"), visitor(app, bob, "vera")]

    answers = [ask(app, person, key=KEY) for person in people]

    assert [is_replay(answer) for answer in answers] == [False] * 5
    chats = {answer.json["chat_session_id"] for answer in answers}  # type: ignore[index]
    assert len(chats) == 5
    assert all(is_replay(ask(app, person, key=KEY)) for person in people)


@pytest.mark.parametrize(
    ("key", "status"),
    [("!", 200), ("~" * 255, 200), ("", 422), ("x" * 256, 422), ("a b", 422), ("a\tb", 422), ("clé", 422)],
    ids=["one", "longest", "empty", "too-long", "space", "tab", "not-ascii"],
)
def test_a_key_is_printable_and_of_a_bounded_length(sqlite_app: Flask, key: str, status: int) -> None:
    """G9, G13"""
    answer = ask(sqlite_app, sign_up(sqlite_app, "ada"), key=key)

    assert answer.status_code == status
    if status == 422:
        assert answer.json["errors"][0]["pointer"].endswith("/Idempotency-Key")  # type: ignore[index]
        assert stored(sqlite_app) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "no such model"}, 422),
        ({"chat_session_id": "00000000-0000-4000-8000-000000000000"}, 404),
        ({"message": ""}, 422),
    ],
    ids=["model", "conversation", "message"],
)
def test_an_error_frees_the_key(app: Flask, ada: Person, body: dict[str, Any], status: int) -> None:
    """M16"""
    assert [ask(app, ada, **({"key": KEY} | body)).status_code for _ in range(2)] == [status, status]

    assert kept(app) == []
    assert ask(app, ada, key=KEY).status_code == 200


def test_a_refusal_for_want_of_a_slot_frees_the_key(app: Flask, ada: Person) -> None:
    permits = [services(app).concurrency_limit.take() for _ in range(services(app).concurrency_limit.count)]
    assert ask(app, ada, key=KEY).status_code == 503
    for permit in permits:
        permit.release()

    assert not is_replay(ask(app, ada, key=KEY))
    assert is_replay(ask(app, ada, key=KEY))


def test_an_answer_is_told_again_when_all_slots_and_tokens_are_gone(
    make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None
) -> None:
    app = with_model(make_app, openai_server, database_url=database_url, daily_tokens=1)
    ada = sign_up(app, "ada")
    first = ask(app, ada, key=KEY)
    taken = [services(app).concurrency_limit.take() for _ in range(services(app).concurrency_limit.count)]

    assert ask(app, ada, key=KEY).json == first.json
    assert ask(app, ada, key="another").status_code == 503
    taken[0].release()
    assert ask(app, ada, key="another").status_code == 429
    assert len(kept(app)) == 1


def test_after_a_provider_that_failed_the_same_question_is_answered(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    """M16, K10"""
    openai_server.behave(MODEL, "http-500", "http-500", "answers")
    failed = ask(app, ada, key=KEY)
    question, nothing = stored(app)
    assert (failed.status_code, nothing.status) == (503, "failed")

    reply = ask(app, ada, key=KEY).json

    assert reply is not None
    assert (reply["user_message"]["id"], reply["message"]["id"]) == (question.id, nothing.id)
    assert (reply["message"]["content"], reply["message"]["status"]) == (ANSWER, "complete")
    assert [(m.id, m.position) for m in stored(app)] == [(question.id, 0), (nothing.id, 1)]
    assert spent(app)[0] == 1
    assert is_replay(ask(app, ada, key=KEY))
    assert len(openai_server.streams()) == 3


def test_a_question_that_is_answered_late_knows_only_what_was_said_before_it(
    app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    chat = ask(app, ada, "First?").json["chat_session_id"]  # type: ignore[index]
    openai_server.behave(MODEL, "http-401")
    ask(app, ada, "What is the capital of France?", key=KEY, chat_session_id=chat)
    openai_server.behave(MODEL, "answers")
    ask(app, ada, "What is the capital of Spain?", chat_session_id=chat)

    reply = ask(app, ada, "What is the capital of France?", key=KEY, chat_session_id=chat).json

    assert reply is not None
    prompt = [content for _, content in openai_server.streams()[-1].messages]
    assert prompt[1:] == ["First?", GENERAL, "What is the capital of France?"]
    messages = sorted(stored(app), key=lambda message: message.position)
    asked = [m.content for m in messages if m.is_user]
    assert asked == ["First?", "What is the capital of France?", "What is the capital of Spain?"]
    assert [m.is_user for m in messages] == [True, False] * 3
    assert [m.parent_id for m in messages] == [None, *(m.id for m in messages[:-1])]


@pytest.mark.parametrize("as_stream", [True, False])
def test_an_answer_that_broke_is_not_asked_for_again(
    app: Flask, ada: Person, openai_server: OpenAIServer, as_stream: bool
) -> None:
    """K10, J10"""
    openai_server.behave(MODEL, "cut", "answers")
    assert ask(app, ada, key=KEY, stream=as_stream).data
    before = spent(app)

    again = ask(app, ada, key=KEY, stream=as_stream)

    assert is_replay(again)
    reply: Any = list(events_of(again.response))[-1][1] if as_stream else again.json
    assert (reply["message"]["content"], reply["message"]["status"]) == ("The shop opens", "interrupted")
    assert spent(app) == before
    assert len(openai_server.streams()) == 1


def test_a_client_that_left_gets_what_there_was(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """K10: it is paid for once, however often the client comes back."""
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, "word " * 2000)
    response = open_stream(app, ada, key=KEY)
    events = events_of(response.response)
    while next(events)[0] != "token":
        pass
    response.close()
    openai_server.wait_for(lambda: len(stored(app)) == 2)
    before = spent(app)

    events_again = list(events_of(open_stream(app, ada, key=KEY).response))

    partial = stored(app)[1]
    assert partial.status == "interrupted"
    assert events_again[-1][1]["message"]["id"] == partial.id
    assert text_of(events_again) == partial.content
    assert spent(app) == before
    assert before[0] == 1
    assert len(openai_server.streams()) == 1


def test_a_client_that_left_before_a_word_gets_the_answer(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    open_stream(app, ada, key=KEY).close()
    openai_server.wait_for(lambda: len(stored(app)) == 2)
    openai_server.wait_for(lambda: [key.lease_until for key in kept(app)] == [None])

    events = list(events_of(open_stream(app, ada, key=KEY).response))

    assert text_of(events) == ANSWER
    assert [m.status for m in stored(app)] == ["complete", "complete"]
    assert len(openai_server.streams()) == 1


def test_the_answer_of_a_deleted_conversation_is_not_told_again(app: Flask, ada: Person) -> None:
    """F2"""
    chat = ask(app, ada, key=KEY).json["chat_session_id"]  # type: ignore[index]
    app.test_client().delete(f"/api/chat/sessions/{chat}/", headers=ada.headers)

    answers = [ask(app, ada, key=KEY) for _ in range(2)]

    assert [(a.status_code, a.json["code"]) for a in answers] == [(404, "chat_session_not_found")] * 2  # type: ignore[index]
    assert stored(app) == []


def died(app: Flask, ada: Person, *, after_the_question: bool) -> None:
    """What a killed process leaves of a request with KEY: the key's lease, and perhaps the question."""
    body = {"message": QUESTION}
    who = Caller(ada.id, "family", "ada", False, True)
    with app.test_request_context("/api/chat/send/", method="POST", json=body):
        digest = fingerprint(request)
    with app.app_context(), services(app).sessions() as session:
        key = idempotency.take(session, who, KEY, digest)
        if after_the_question:
            begin_turn(session, who, QUESTION, None, None, key=Held(services(app).sessions, key))


@pytest.mark.parametrize("after_the_question", [True, False])
def test_the_key_of_a_process_that_died_is_soon_free(
    app: Flask, ada: Person, openai_server: OpenAIServer, after_the_question: bool
) -> None:
    """M16"""
    died(app, ada, after_the_question=after_the_question)
    asked = [message.id for message in stored(app)]
    assert ask(app, ada, key=KEY).status_code == 409
    (row,) = kept(app)
    assert row.lease_until is not None
    assert timedelta() < row.lease_until - utcnow() <= timedelta(seconds=60)
    with services(app).sessions() as session:
        age_of_keys(session, lease_until=utcnow() - timedelta(seconds=1))

    reply = ask(app, ada, key=KEY).json

    assert reply is not None
    assert reply["message"]["content"] == ANSWER
    assert [message.id for message in stored(app)] == [*asked, *[m.id for m in stored(app)][len(asked) :]]
    assert len(stored(app)) == 2
    assert is_replay(ask(app, ada, key=KEY))


def test_of_many_who_find_a_dead_ones_key_one_gets_it(app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """M16"""
    died(app, ada, after_the_question=True)
    with services(app).sessions() as session:
        age_of_keys(session, lease_until=utcnow() - timedelta(seconds=1))

    answers = run_concurrently(6, lambda _: ask(app, ada, key=KEY))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len(openai_server.streams()) == 1
    assert len(stored(app)) == 2


def test_whoever_has_lost_the_key_cannot_ask_with_it(app: Flask, ada: Person) -> None:
    who, sessions = Caller(ada.id, "family", "ada", False, True), services(app).sessions
    with sessions() as session:
        lost = idempotency.take(session, who, KEY, "digest")
        age_of_keys(session, lease_until=utcnow() - timedelta(seconds=1))
        session.expire_all()
        taken = idempotency.take(session, who, KEY, "digest")
        assert taken.id != lost.id

        with pytest.raises(IdempotencyInProgress):
            begin_turn(session, who, QUESTION, None, None, key=Held(sessions, lost))

    assert stored(app) == []


def test_a_long_answer_keeps_its_key(
    app: Flask, ada: Person, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M16: the lease is renewed while the answer is at work."""
    monkeypatch.setattr(idempotency, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(idempotency, "RENEW_SECONDS", 0.05)
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, "word " * 80)
    events = events_of(open_stream(app, ada, key=KEY).response)
    first = next(events)
    begun = utcnow()

    refused = []
    for _ in events:
        if utcnow() - begun > timedelta(seconds=2) and len(refused) < 5:
            refused.append(ask(app, ada, key=KEY, stream=True).status_code)

    assert refused == [409] * 5
    again = list(events_of(open_stream(app, ada, key=KEY).response))
    assert again[0] == first
    assert len(openai_server.streams()) == 1


def test_after_a_day_a_key_is_new_again(app: Flask, ada: Person, session: Session) -> None:
    """M16"""
    ask(app, ada, key=KEY)
    age_of_keys(session, created_at=utcnow() - timedelta(hours=23, minutes=59))
    assert is_replay(ask(app, ada, key=KEY))
    age_of_keys(session, created_at=utcnow() - timedelta(hours=24, minutes=1))

    answer = ask(app, ada, "Another question?", key=KEY)

    assert (answer.status_code, is_replay(answer)) == (200, False)
    assert is_replay(ask(app, ada, "Another question?", key=KEY))
    assert len(kept(app)) == 1


def test_old_keys_are_forgotten(sqlite_app: Flask) -> None:
    """N10"""
    ada = sign_up(sqlite_app, "ada")
    ask(sqlite_app, ada, key="old")
    with services(sqlite_app).sessions() as session:
        age_of_keys(session, created_at=utcnow() - timedelta(hours=24, minutes=1))
    ask(sqlite_app, ada, key="young")

    with sqlite_app.app_context():
        tasks.forget_idempotency_keys()

    assert [row.key for row in kept(sqlite_app)] == ["young"]


def test_nothing_of_the_conversation_is_kept_beside_the_key(app: Flask, ada: Person) -> None:
    """F14: ids only, so what is deleted is gone."""
    ask(app, ada, "My canary is GREEN-FALCON-77.", key=KEY)

    (row,) = kept(app)

    assert row.status == 200
    assert "FALCON" not in str(vars(row))


def test_a_page_of_another_origin_may_send_the_header(make_app: MakeApp) -> None:
    """P5"""
    app = make_app(cors_origins="https://app.example.com")
    headers = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}

    allowed = app.test_client().options("/api/chat/send/", headers=headers).headers["Access-Control-Allow-Headers"]

    assert "Idempotency-Key" in allowed.split(", ")


@pytest.mark.parametrize("path", ["/api/chat/send/", "/api/knowledge/documents/"])
def test_the_header_is_in_the_document(sqlite_app: Flask, path: str) -> None:
    spec = sqlite_app.test_client().get("/openapi.json").json
    assert spec is not None
    operation = spec["paths"][path]["post"]

    (header,) = [p for p in operation["parameters"] if p["in"] == "header"]

    assert (header["name"], header["required"]) == ("Idempotency-Key", False)
    assert (header["schema"]["pattern"], header["schema"]["maxLength"]) == ("^[!-~]+$", 255)
    assert "Idempotency-Replayed" in operation["responses"]["200"]["headers"]
    assert {"409", "422"} <= set(operation["responses"])
