"""What answers cost each day, and the budgets that end it."""

from __future__ import annotations

import re
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from chatbot.auth import accounts
from chatbot.chat.conversations import usage
from chatbot.chat.conversations.answers import Answer
from chatbot.chat.models import DailyUsage, Owner
from chatbot.chat.replies.turns import begin_turn, store_answer
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.rag.text.tokens import count_tokens
from chatbot.rag.types import Usage
from tests.chat.asking import (
    ask,
    events_of,
    open_stream,
    run_concurrently,
    stored,
    stream,
    visitor,
    with_model,
)
from tests.conftest import HOURS, PASSWORD, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import ANSWER, OpenAIServer

MODEL = "gpt-3.5-turbo"


@pytest.fixture
def model_app(make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None) -> Flask:
    """Answers of the scripted model, on each kind of database."""
    app = with_model(make_app, openai_server, database_url=database_url)
    add_and_ingest(app, HOURS)
    return app


@pytest.fixture
def ada(model_app: Flask) -> Person:
    return sign_up(model_app, "ada")


def rows(app: Flask) -> dict[str, tuple[int, int]]:
    """Answers and tokens of each visitor, "" for the account's own."""
    with app.app_context(), services(app).sessions() as session:
        found = session.scalars(select(DailyUsage)).all()
    assert {row.day for row in found} <= {utcnow().date()}
    return {row.visitor: (row.answers, row.tokens) for row in found}


def read(app: Flask, person: Person) -> dict[str, Any]:
    answer = app.test_client().get("/api/chat/usage/", headers=person.headers)
    assert answer.status_code == 200
    return dict(answer.json or {})


def spend(app: Flask, owner: Owner, tokens: int) -> None:
    with services(app).sessions() as session:
        begin_write(session)
        usage.count(session, owner, taken(tokens))
        session.commit()


def taken(tokens: int, cost_usd: str | None = "0.000000") -> Usage:
    return Usage(tokens, 0, estimated=False, cost_usd=cost_usd)


def test_an_answer_is_counted_with_what_the_provider_reports(model_app: Flask, ada: Person) -> None:
    """J10"""
    totals = [ask(model_app, ada).json["message"]["metadata"]["usage"]["total_tokens"] for _ in range(2)]  # type: ignore[index]

    assert min(totals) > 0
    assert rows(model_app) == {"": (2, sum(totals))}


def test_an_answer_whose_client_leaves_is_paid_for(model_app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    """J10, K4"""
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, "word " * 2000)
    response = open_stream(model_app, ada)
    events = events_of(response.response)
    while next(events)[0] != "token":
        pass
    response.close()

    openai_server.wait_for(lambda: len(stored(model_app)) == 2)

    partial = stored(model_app)[1]
    taken = partial.extra["usage"]
    prompt = sum(count_tokens(content) for _, content in openai_server.streams()[0].messages)
    assert partial.status == "interrupted"
    assert taken["estimated"] is True
    assert taken["prompt_tokens"] >= prompt > 50
    assert taken["completion_tokens"] == count_tokens(partial.content) > 0
    assert float(taken["cost_usd"]) > 0
    assert rows(model_app) == {"": (1, taken["total_tokens"])}


def test_leaving_before_the_first_token_of_general_knowledge_is_paid_for_as_well(
    make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None
) -> None:
    """J10: nothing was said yet, and the prompt has been paid for all the same."""
    app = with_model(make_app, openai_server, database_url=database_url, model_read_seconds=20)
    openai_server.behave(MODEL, "slow-first")
    response = open_stream(app, sign_up(app, "ada"), "Who painted the Sistine Chapel?")
    events = events_of(response.response)
    assert [next(events)[0] for _ in range(2)] == ["start", "sources"]
    openai_server.wait_for(lambda: openai_server.streams())
    response.close()

    openai_server.wait_for(lambda: len(stored(app)) == 2)

    partial = stored(app)[1]
    assert partial.content == ""
    assert partial.extra["usage"]["prompt_tokens"] > 20
    assert rows(app)[""] == (1, partial.extra["usage"]["total_tokens"])


def test_leaving_before_a_model_is_asked_costs_nothing(
    model_app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    response = open_stream(model_app, ada)
    response.close()

    openai_server.wait_for(lambda: len(stored(model_app)) == 2)

    assert stored(model_app)[1].extra["usage"]["total_tokens"] == 0
    assert rows(model_app) == {}
    assert openai_server.requests == []


@pytest.mark.parametrize("behaviour", ["stall", "cut", "error-event"])
def test_an_answer_that_breaks_is_paid_for(
    model_app: Flask, ada: Person, openai_server: OpenAIServer, behaviour: str
) -> None:
    """J10, L7"""
    openai_server.behave(MODEL, behaviour)

    assert stream(model_app, ada)[-1][0] == "error"

    taken = stored(model_app)[1].extra["usage"]
    assert taken["estimated"] is True
    assert taken["completion_tokens"] == count_tokens("The shop opens")
    assert rows(model_app) == {"": (1, taken["total_tokens"])}


def test_a_model_that_refuses_costs_nothing(model_app: Flask, ada: Person, openai_server: OpenAIServer) -> None:
    openai_server.behave(MODEL, "http-500")

    assert ask(model_app, ada).status_code == 503

    assert stored(model_app)[1].extra["usage"]["total_tokens"] == 0
    assert rows(model_app) == {}


@pytest.mark.parametrize("told", ["no-usage", "odd-usage"])
def test_usage_that_the_provider_keeps_to_itself_or_cannot_have_counted_is_estimated(
    model_app: Flask, ada: Person, openai_server: OpenAIServer, told: str
) -> None:
    openai_server.behave(MODEL, told)

    taken = ask(model_app, ada).json["message"]["metadata"]["usage"]  # type: ignore[index]

    assert taken["estimated"] is True
    assert taken["completion_tokens"] == count_tokens(ANSWER)
    assert rows(model_app) == {"": (1, taken["total_tokens"])}


def test_the_answers_of_many_threads_are_all_counted(app: Flask) -> None:
    owner = Owner(sign_up(app, "ada").id)

    run_concurrently(20, lambda n: spend(app, owner, n))

    assert rows(app) == {"": (20, sum(range(20)))}


def test_two_first_answers_of_a_day_are_both_counted(app: Flask) -> None:
    owner = Owner(sign_up(app, "ada").id)
    second = threading.Thread(target=spend, args=(app, owner, 2))
    with services(app).sessions() as session:
        begin_write(session)
        usage.count(session, owner, taken(1))
        second.start()
        # Long enough to find no row and to meet this one, which is not committed yet.
        second.join(0.5)
        assert second.is_alive()
        session.commit()
    second.join()

    assert rows(app) == {"": (2, 3)}


def test_twenty_answers_at_once_are_all_counted(
    make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None
) -> None:
    """J10"""
    app = with_model(make_app, openai_server, database_url=database_url, web_threads=32, model_read_seconds=20)
    people = [sign_up(app, "ada"), visitor(app, sign_up(app, "bob"), "vera")]

    replies = run_concurrently(20, lambda n: ask(app, people[n % 2], "Who painted the Sistine Chapel?").json)

    totals = [reply["message"]["metadata"]["usage"]["total_tokens"] for reply in replies]
    assert min(totals) > 0
    counted = rows(app)
    assert [answers for answers, _ in counted.values()] == [10, 10]
    assert sum(tokens for _, tokens in counted.values()) == sum(totals)


def test_deleting_the_conversation_meanwhile_does_not_save_its_tokens(
    model_app: Flask, ada: Person, openai_server: OpenAIServer
) -> None:
    """J10"""
    openai_server.behave(MODEL, "slow")
    events = events_of(open_stream(model_app, ada).response)
    chat = next(events)[1]["chat_session_id"]
    while next(events)[0] != "token":
        pass
    url = f"/api/chat/sessions/{chat}/"
    assert model_app.test_client().delete(url, headers=ada.headers).status_code == 204

    assert list(events)[-1][1]["code"] == "chat_session_not_found"

    assert rows(model_app)[""][0] == 1
    assert rows(model_app)[""][1] > 0


def test_an_account_that_is_deleted_meanwhile_owes_nothing(app: Flask) -> None:
    ada = sign_up(app, "ada")
    with app.app_context(), services(app).sessions() as session:
        from chatbot.auth.callers import Caller

        turn = begin_turn(session, Caller(ada.id, "family", "ada", False, True), "Hello", None, None)
        accounts.delete_account(session, services(app).settings, ada.id, PASSWORD)

        assert store_answer(session, turn, Answer("extractive", "Late."), "complete") is None

    assert rows(app) == {}


def test_answers_and_a_deletion_of_the_account_do_not_lock_each_other(app: Flask) -> None:
    """M1: a deadlock would be an error of one of the two."""
    for n in range(5):
        person = sign_up(app, f"ada{n}")
        assert ask(app, person).status_code == 200

        def one(number: int, person: Person = person) -> int:
            if number:
                return ask(app, person).status_code
            body = {"password": PASSWORD}
            return app.test_client().delete("/api/users/profile/", json=body, headers=person.headers).status_code

        statuses = run_concurrently(4, one)

        assert statuses.count(204) == 1
        assert set(statuses) <= {200, 204, 401, 404}


def test_beyond_the_budget_of_the_account_nobody_asks(
    make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None
) -> None:
    """J10: the account and all its visitors share it; another account has its own."""
    app = with_model(make_app, openai_server, database_url=database_url, daily_tokens=1000)
    ada, bob = sign_up(app, "ada"), sign_up(app, "bob")
    vera, karl = visitor(app, ada, "vera"), visitor(app, ada, "karl", daily_tokens=5000)
    spend(app, Owner(ada.id), 600)
    spend(app, Owner(ada.id, "vera"), 399)
    assert ask(app, karl).status_code == 200
    before = len(stored(app)), len(openai_server.requests)

    refused = [ask(app, person) for person in (ada, vera, karl)] + [open_stream(app, ada)]

    for answer in refused:
        assert (answer.status_code, answer.json["code"]) == (429, "quota_exceeded")  # type: ignore[index]
        assert 1 <= int(answer.headers["Retry-After"]) <= 24 * 60 * 60
    assert (len(stored(app)), len(openai_server.requests)) == before
    assert ask(app, bob).status_code == 200


def test_beyond_their_own_budget_a_visitor_waits_while_others_ask(model_app: Flask, ada: Person) -> None:
    """J10"""
    vera = visitor(model_app, ada, "vera", daily_tokens=100)
    spend(model_app, Owner(ada.id, "vera"), 99)
    spend(model_app, Owner(ada.id), 100_000)
    assert ask(model_app, vera).status_code == 200

    refused = ask(model_app, vera)

    assert (refused.status_code, refused.json["code"]) == (429, "quota_exceeded")  # type: ignore[index]
    assert ask(model_app, ada).status_code == 200
    assert ask(model_app, visitor(model_app, ada, "karl", daily_tokens=100)).status_code == 200


def test_a_new_day_has_new_tokens(make_app: MakeApp, database_url: str | None) -> None:
    app = make_app(daily_tokens=10, database_url=database_url)
    ada = sign_up(app, "ada")
    spend(app, Owner(ada.id), 10)
    assert ask(app, ada).status_code == 429
    with app.app_context(), services(app).sessions() as session:
        begin_write(session)
        session.execute(update(DailyUsage).values(day=utcnow().date() - timedelta(days=1)))
        session.commit()

    assert ask(app, ada).status_code == 200
    assert read(app, ada)["tokens"] == 0


def test_without_a_budget_nobody_is_refused(app: Flask) -> None:
    ada = sign_up(app, "ada")
    spend(app, Owner(ada.id), 10**12)

    assert ask(app, ada).status_code == 200
    assert read(app, ada)["budget"] is None
    assert read(app, ada)["tokens"] == 10**12


def test_everybody_can_read_what_they_have_used(make_app: MakeApp, database_url: str | None) -> None:
    app = make_app(daily_tokens=5000, database_url=database_url)
    ada = sign_up(app, "ada")
    vera, karl = visitor(app, ada, "vera", daily_tokens=700), visitor(app, ada, "karl")
    assert read(app, ada)["answers"] == 0
    spend(app, Owner(ada.id), 300)
    spend(app, Owner(ada.id, "vera"), 20)

    told = {name: read(app, person) for name, person in {"ada": ada, "vera": vera, "karl": karl}.items()}

    assert set(told["ada"]) == {
        "day",
        "answers",
        "tokens",
        "budget",
        "resets_at",
        "cost_usd",
        "unpriced_answers",
    }
    numbers = {name: (u["answers"], u["tokens"], u["budget"]) for name, u in told.items()}
    assert numbers == {"ada": (2, 320, 5000), "vera": (1, 20, 700), "karl": (0, 0, None)}
    day, resets_at = told["ada"]["day"], told["ada"]["resets_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00.000Z", resets_at)
    assert datetime.fromisoformat(resets_at).date() - datetime.fromisoformat(day).date() == timedelta(days=1)
