"""Which model an answer is by, and what it has cost, as clients and the day's account read it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from chatbot.chat.models import DailyUsage
from chatbot.config import ConfigError, load_settings
from chatbot.current import services
from tests.chat.asking import ask, events_of, open_stream, stored, stream, text_of, with_model
from tests.conftest import HOURS, MakeApp, add_and_ingest, sign_up
from tests.openai_server import ANSWER, OpenAIServer

MODEL = "gpt-3.5-turbo"


def metadata_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.json
    return dict(response.json["message"]["metadata"])


def account(app: Flask) -> tuple[int, int, int, int]:
    with app.app_context(), services(app).sessions() as session:
        row = session.scalars(select(DailyUsage)).one()
    return row.answers, row.tokens, row.cost_micros, row.unpriced


def test_an_answer_names_the_model_that_gave_it_and_the_one_that_failed(
    make_app: MakeApp, openai_server: OpenAIServer
) -> None:
    """L13"""
    app = with_model(make_app, openai_server, chat_models="gpt-4o-mini", chat_fallbacks="gpt-4o-mini,extractive")
    add_and_ingest(app, HOURS)
    ada = sign_up(app, "ada")
    openai_server.behave("gpt-4o-mini", "answers")
    assert metadata_of(ask(app, ada))["fallback_from"] is None
    openai_server.behave(MODEL, "http-401")

    second = metadata_of(ask(app, ada))
    openai_server.behave("gpt-4o-mini", "http-401")
    events = stream(app, ada)

    assert (second["model"], second["fallback_from"]) == ("gpt-4o-mini", MODEL)
    assert Decimal(second["usage"]["cost_usd"]) < Decimal("0.0001")
    last = events[-1][1]["message"]
    assert [name for name, _ in events][:2] == ["start", "sources"]
    assert (last["metadata"]["model"], last["metadata"]["fallback_from"]) == ("extractive", MODEL)
    assert last["metadata"]["usage"]["total_tokens"] == 0
    assert last["metadata"]["citations"][0]["verified"]
    assert text_of(events) == last["content"]


def test_rewriting_a_question_is_part_of_what_its_answer_costs(make_app: MakeApp, openai_server: OpenAIServer) -> None:
    """J10"""
    app = with_model(make_app, openai_server)
    add_and_ingest(app, HOURS)
    ada = sign_up(app, "ada")
    openai_server.say(MODEL, "When does the shop open on Saturdays?", plain=True)
    first = ask(app, ada).json
    assert first is not None

    usage = metadata_of(ask(app, ada, "And on Saturdays?", chat_session_id=first["chat_session_id"]))["usage"]

    (rewriting,) = openai_server.plains()
    prompts = [sum(len(content.split()) for _, content in seen.messages) for seen in openai_server.requests]
    assert openai_server.requests[1] is rewriting
    assert usage["prompt_tokens"] == prompts[1] + prompts[2]
    assert usage["completion_tokens"] == 7 + len(ANSWER.split())
    tokens, cost = usage["total_tokens"], Decimal(usage["cost_usd"])
    before = first["message"]["metadata"]["usage"]
    whole = int((cost + Decimal(before["cost_usd"])) * 1_000_000)
    assert account(app) == (2, tokens + before["total_tokens"], whole, 0)


def test_who_leaves_after_the_rewriting_has_paid_for_it(make_app: MakeApp, openai_server: OpenAIServer) -> None:
    """J10: also where the answer itself said nothing."""
    app = with_model(make_app, openai_server)
    add_and_ingest(app, HOURS)
    ada = sign_up(app, "ada")
    openai_server.say(MODEL, "When does the shop open on Saturdays?", plain=True)
    first = ask(app, ada).json
    assert first is not None
    tokens_before = account(app)[1]
    openai_server.behave(MODEL, "http-401")

    failed = ask(app, ada, "And on Saturdays?", chat_session_id=first["chat_session_id"])

    assert failed.status_code == 502
    spent = stored(app)[3].extra["usage"]["total_tokens"]
    assert spent > 0
    assert account(app)[1] == tokens_before + spent


def test_the_day_tells_its_cost_and_which_answers_have_no_price(make_app: MakeApp, openai_server: OpenAIServer) -> None:
    app = with_model(make_app, openai_server, chat_models="our-own-model,extractive")
    add_and_ingest(app, HOURS)
    ada = sign_up(app, "ada")
    openai_server.behave("our-own-model", "answers")

    costs = [metadata_of(ask(app, ada, model=name))["usage"]["cost_usd"] for name in (MODEL, MODEL, "extractive")]
    assert metadata_of(ask(app, ada, model="our-own-model"))["usage"]["cost_usd"] is None

    told = app.test_client().get("/api/chat/usage/", headers=ada.headers).json
    assert told is not None
    assert (told["answers"], told["unpriced_answers"]) == (4, 1)
    assert Decimal(told["cost_usd"]) == sum(map(Decimal, costs)) > 0


def test_prices_of_ones_own_count_for_answers_that_are_broken_off_too(
    make_app: MakeApp, openai_server: OpenAIServer, tmp_path: Any
) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"models": {"our-own-model": {"prompt": 100000, "completion": 0}}}')
    app = with_model(make_app, openai_server, chat_model="our-own-model", model_prices=prices)
    add_and_ingest(app, HOURS)
    ada = sign_up(app, "ada")
    openai_server.behave("our-own-model", "cut")

    assert ask(app, ada).status_code == 503

    usage = stored(app)[1].extra["usage"]
    assert usage["cost_usd"] == f"{usage['prompt_tokens'] / 10:.6f}"


def test_while_a_provider_is_left_alone_questions_are_refused_at_once(
    make_app: MakeApp, openai_server: OpenAIServer
) -> None:
    """L11"""
    app = with_model(make_app, openai_server, breaker_failures=1, breaker_seconds=60)
    add_and_ingest(app, HOURS)
    ada = sign_up(app, "ada")
    openai_server.behave(MODEL, "http-500")
    ask(app, ada)
    asked = len(openai_server.requests)

    refused = ask(app, ada)

    assert (refused.status_code, refused.json["code"]) == (503, "llm_unavailable")  # type: ignore[index]
    assert 55 <= int(refused.headers["Retry-After"]) <= 60
    assert len(openai_server.requests) == asked
    assert [m.status for m in stored(app)] == ["complete", "failed"] * 2


def test_a_model_without_a_key_is_a_clear_refusal(make_app: MakeApp) -> None:
    app = make_app(chat_models="gpt-4o")

    refused = ask(app, sign_up(app, "ada"), model="gpt-4o")

    assert (refused.status_code, refused.json["code"]) == (502, "llm_misconfigured")  # type: ignore[index]


@pytest.mark.parametrize("setting", ["chat_model", "chat_models"])
def test_a_provider_whose_package_is_missing_stops_the_start(setting: str) -> None:
    """P11"""
    with pytest.raises(ConfigError, match=rf"{setting.upper()}: this provider needs the package langchain-anthropic"):
        load_settings(_env_file=None, **{setting: "anthropic:claude-sonnet-4-5"})


@pytest.mark.parametrize("name", ["llama3:8b", "openai:gpt-4o", "anthropic"])
def test_a_colon_alone_makes_no_provider(name: str) -> None:
    assert load_settings(_env_file=None, chat_model=name).default_chat_model == name


@pytest.mark.parametrize(("fallbacks", "fine"), [("gpt-4o,extractive", True), ("gpt-5", False)])
def test_a_fallback_is_one_of_the_models(fallbacks: str, fine: bool) -> None:
    def load() -> Any:
        return load_settings(_env_file=None, openai_api_key="k", chat_models="gpt-4o", chat_fallbacks=fallbacks)

    if fine:
        assert load().chat_fallbacks == fallbacks.split(",")
    else:
        with pytest.raises(ConfigError, match="CHAT_FALLBACKS"):
            load()


def test_leaving_a_fallback_is_paid_with_its_own_price(make_app: MakeApp, openai_server: OpenAIServer) -> None:
    """J10, L13"""
    app = with_model(make_app, openai_server, chat_models="our-own-model", chat_fallbacks="our-own-model")
    add_and_ingest(app, HOURS)
    openai_server.behave(MODEL, "http-401")
    openai_server.behave("our-own-model", "slow")
    openai_server.say("our-own-model", "word " * 2000)
    response = open_stream(app, sign_up(app, "ada"))
    events = events_of(response.response)
    while next(events)[0] != "token":
        pass
    response.close()

    openai_server.wait_for(lambda: len(stored(app)) == 2)

    extra = stored(app)[1].extra
    assert (extra["model"], extra["fallback_from"], extra["usage"]["cost_usd"]) == ("our-own-model", MODEL, None)
    assert extra["usage"]["total_tokens"] > 50
