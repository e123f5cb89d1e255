"""Whole answers given again to identical questions, and to nobody who may not read what they rest on."""

from __future__ import annotations

import time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from chatbot.cache import Cache, Memory
from chatbot.chat.replies.answer_cache import AnswerCache
from chatbot.config import load_settings
from chatbot.current import services
from chatbot.knowledge.documents.collections import add_member, create_collection
from chatbot.knowledge.evaluation.answerability_eval import store_gate
from chatbot.rag.events import AnsweredBy, Declined, Event, Finished, Retrieved, Token, Withdrawn
from chatbot.rag.grounding.answerability import Gate
from chatbot.rag.types import (
    NOTHING_SPENT,
    Candidate,
    Checked,
    Citation,
    Condensed,
    Final,
    Found,
    Passage,
    Searched,
    Usage,
)
from tests.chat.asking import QUESTION, ask, events_of, open_stream, stored, stream, text_of, with_model
from tests.conftest import HOURS, RETURNS, MakeApp, Person, add_and_ingest, free_port, sign_up
from tests.openai_server import ANSWER, OpenAIServer
from tests.rag.events import finished

MODEL = "gpt-3.5-turbo"


@pytest.fixture(params=["memory", "redis"])
def app(request: pytest.FixtureRequest, make_app: MakeApp, openai_server: OpenAIServer) -> Flask:
    """With the cache in the process, and in a real Redis."""
    url = request.getfixturevalue("redis_server") if request.param == "redis" else None
    return caching(make_app, openai_server, redis_url=url)


def caching(make_app: MakeApp, server: OpenAIServer, **settings: Any) -> Flask:
    app = with_model(make_app, server, answer_cache_seconds=60, chat_models="gpt-4o,extractive", **settings)
    add_and_ingest(app, HOURS)
    return app


def told(app: Flask, person: Person, message: str = QUESTION, **body: Any) -> dict[str, Any]:
    answer = ask(app, person, message, **body)
    assert answer.status_code == 200, answer.json
    return dict(answer.json["message"])  # type: ignore[index]


def cached(app: Flask, person: Person, message: str = QUESTION, **body: Any) -> bool:
    return bool(told(app, person, message, **body)["metadata"]["cached"])


def test_an_identical_question_gets_the_same_answer_and_costs_nothing(app: Flask, openai_server: OpenAIServer) -> None:
    """J10"""
    first = told(app, sign_up(app, "ada"))
    bob = sign_up(app, "bob")
    second = told(app, bob)

    same = ("content", "status")
    assert [second[name] for name in same] == [first[name] for name in same] == [ANSWER, "complete"]
    assert (first["metadata"]["cached"], second["metadata"]["cached"]) == (False, True)
    for name in ("citations", "retrieved_docs", "grounding", "model", "question", "removed_markers"):
        assert second["metadata"][name] == first["metadata"][name]
    usage = second["metadata"]["usage"]
    assert (usage["total_tokens"], Decimal(usage["cost_usd"]), usage["estimated"]) == (0, 0, False)
    assert len(openai_server.requests) == 1
    usage_of_bob = app.test_client().get("/api/chat/usage/", headers=bob.headers).json
    assert usage_of_bob is not None
    assert (usage_of_bob["answers"], usage_of_bob["tokens"]) == (1, 0)


def test_an_answer_from_the_cache_streams_like_any_other(app: Flask, openai_server: OpenAIServer) -> None:
    ada = sign_up(app, "ada")
    first, second = stream(app, ada), stream(app, ada)

    assert [name for name, _ in second] == [name for name, _ in first]
    assert text_of(second) == text_of(first) == ANSWER
    assert second[-1][1]["message"]["metadata"]["cached"] is True
    assert len(openai_server.requests) == 1


def test_it_is_never_given_to_somebody_who_may_not_read_what_it_rests_on(
    app: Flask, openai_server: OpenAIServer
) -> None:
    """J13, J1: the canary is in a collection of ada's; bob asks the same, first and afterwards."""
    ada, bob = sign_up(app, "ada"), sign_up(app, "bob")
    with app.app_context(), services(app).sessions() as session:
        hidden = create_collection(session, "hidden", "members")
        add_member(session, hidden.id, "ada")
    add_and_ingest(app, "On Saturdays the shop opens at ten with the canary password.", collection="hidden")
    question = "When does the shop open on Saturdays, with the canary password?"
    openai_server.say(MODEL, lambda body: "canary [1]." if "canary password." in str(body) else "At ten [1].")

    answers = [told(app, person, question) for person in (bob, ada, bob, ada)]

    assert [answer["metadata"]["cached"] for answer in answers] == [False, False, True, True]
    texts = [str(answer) for answer in answers]
    assert ["canary password." in text for text in texts] == [False, True, False, True]


def test_whatever_an_answer_depends_on_makes_another_one(app: Flask, openai_server: OpenAIServer) -> None:
    """J13"""
    openai_server.behave("gpt-4o", "answers")
    ada = sign_up(app, "ada")
    assert [cached(app, ada), cached(app, ada)] == [False, True]

    assert not cached(app, ada, QUESTION + " ")
    assert not cached(app, ada, model="gpt-4o")
    assert not cached(app, ada, model="extractive")
    follow_up = told(app, ada, "Hello?")["chat_session_id"]
    assert not cached(app, ada, chat_session_id=follow_up)
    add_and_ingest(app, RETURNS)
    assert [cached(app, ada), cached(app, ada)] == [False, True]
    with services(app).sessions() as session:
        # One that lets every question pass.
        store_gate(session, 1, Gate((0.0,) * 8, (1.0,) * 8, (0.0,) * 8, bias=0.0, floor=0.0, threshold=0.0))
    assert [cached(app, ada), cached(app, ada)] == [False, True]


def test_what_the_software_says_itself_is_kept_for_each_language(app: Flask) -> None:
    """J13: the documents have nothing, and the question does not tell its language."""
    ada, client = sign_up(app, "ada"), app.test_client()
    asked = {"message": "zzyzx", "model": "extractive"}

    said = {
        language: client.post("/api/chat/send/", json=asked, headers=ada.headers | {"Accept-Language": language})
        for language in ("en", "de")
    }

    answers = [answer.json["message"] for answer in said.values() if answer.json]
    assert [answer["metadata"]["cached"] for answer in answers] == [False, False]
    assert len({answer["content"] for answer in answers}) == 2


def test_an_answer_that_did_not_come_to_its_end_is_not_kept(app: Flask, openai_server: OpenAIServer) -> None:
    ada = sign_up(app, "ada")
    openai_server.behave(MODEL, "cut")
    assert ask(app, ada).status_code == 503
    openai_server.behave(MODEL, "slow")
    response = open_stream(app, ada)
    events = events_of(response.response)
    while next(events)[0] != "token":
        pass
    response.close()
    openai_server.wait_for(lambda: len(stored(app)) == 4)
    openai_server.behave(MODEL, "answers")

    assert [cached(app, ada), cached(app, ada)] == [False, True]


def test_an_answer_of_another_model_in_its_place_is_not_kept(make_app: MakeApp, openai_server: OpenAIServer) -> None:
    """L13"""
    app = caching(make_app, openai_server, chat_fallbacks="extractive")
    ada = sign_up(app, "ada")
    openai_server.behave(MODEL, "http-401")
    assert told(app, ada)["metadata"]["fallback_from"] == MODEL
    openai_server.behave(MODEL, "answers")

    assert told(app, ada)["content"] == ANSWER


def test_a_thumb_down_takes_an_answer_out(app: Flask) -> None:
    ada, bob = sign_up(app, "ada"), sign_up(app, "bob")
    told(app, ada)
    given = told(app, bob)
    assert given["metadata"]["cached"]

    rated = app.test_client().post(
        f"/api/chat/messages/{given['id']}/feedback/", json={"rating": "down"}, headers=bob.headers
    )

    assert rated.status_code == 200
    assert not cached(app, ada)


def test_without_the_setting_every_question_is_answered_anew(make_app: MakeApp, openai_server: OpenAIServer) -> None:
    app = with_model(make_app, openai_server)
    add_and_ingest(app, HOURS)
    ada = sign_up(app, "ada")

    assert [cached(app, ada), cached(app, ada)] == [False, False]


def test_a_redis_that_is_away_is_a_cache_without_anything(make_app: MakeApp, openai_server: OpenAIServer) -> None:
    """N2"""
    app = caching(make_app, openai_server, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    ada = sign_up(app, "ada")

    assert [cached(app, ada), cached(app, ada)] == [False, False]


@pytest.mark.parametrize("kept", [b'[{"text": 1}]', b'[["Token", {"text": 1}]]', b'[["Part", {}]]', b"[1]", b"1", b"{"])
def test_kept_answer_that_cannot_be_read_is_made_anew(
    make_app: MakeApp, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, kept: bytes
) -> None:
    """N13"""
    app = caching(make_app, openai_server)
    ada = sign_up(app, "ada")
    told(app, ada)
    monkeypatch.setattr(Cache, "get", lambda *_args: kept)

    assert not cached(app, ada)


PASSAGE = Passage(1, "d", "Hours", "h", 2, 3, 4, 5, 9, "nine", {"dense": 0.5, "keyword": None})
SEARCHED = Searched(1, 2, "e", (Candidate("d", 2, 3, 4, {"dense": 0.5}, "best"),), (0.1,), {"near": 0.2}, "typed")
CITATION = Citation(1, 0, 4, "d", 2, 3, 4, 5, 9, "nine", verified=True)
USAGE = Usage(3, 4, estimated=True, cost_usd="0.000100")
WHOLE: list[Event] = [
    Condensed("When?", USAGE, "And then?"),
    Retrieved(Found((PASSAGE,), 0.7, 0.3, (PASSAGE,), SEARCHED, unsure=True, lower_threshold=0.2), "partial"),
    Token("nine"),
    CITATION,
    Final("nine", (CITATION,)),
    Checked(1, 2, 1, ((2, 7, "not_supported"),), 1),
    Finished(USAGE, removed_links=2, timings_ms={"total": 5}),
]


def kept_again(events: list[Event]) -> list[Event] | None:
    """What is given again of an answer of these events; None where it is not kept."""
    turn: Any = SimpleNamespace(answer_id="a", answer_position=1, question=SimpleNamespace(position=0))
    retriever: Any = None
    answers = AnswerCache(Cache(None, "secret"), retriever, load_settings(_env_file=None, answer_cache_seconds=60))
    answers.put("key", turn, events)
    found = answers.get("key", turn)
    return None if found is None else list(found)


def test_kept_answer_comes_back_as_it_was_but_for_cost_and_time() -> None:
    again = kept_again(WHOLE)

    assert again is not None
    assert again[:1] == [Condensed("When?", NOTHING_SPENT, "And then?")]
    assert again[1:-1] == WHOLE[1:-1]
    assert again[-1] == Finished(NOTHING_SPENT, removed_links=2, timings_ms=finished(again).timings_ms)
    assert [*finished(again).timings_ms] == ["total"]


@pytest.mark.parametrize("event", [AnsweredBy("other"), Declined(), Withdrawn(), Finished(USAGE, "length")])
def test_answer_of_other_model_or_cut_or_refused_or_with_thought_is_not_kept(event: Event) -> None:
    assert kept_again([*WHOLE, event]) is None


def test_memory_is_bounded_in_bytes_and_time() -> None:
    memory = Memory(most=3_000)
    for n in range(5):
        memory.put(str(n), bytes(800), 60)
    memory.get("3")
    memory.put("5", bytes(800), 60)

    assert [n for n in range(6) if memory.get(str(n))] == [3, 5]
    memory.put("x", bytes(5_000), 60)
    assert memory.get("x") is None
    memory.put("y", b"1", 0)
    assert memory.get("y") is None
    memory.put("z", b"1", 60)
    memory.drop("z")
    assert (memory.get("z"), memory._bytes) == (None, 0)


def test_names_in_redis_are_digests(redis_server: str) -> None:
    import redis

    cache = Cache(redis_server, "secret")
    name = f"a question {time.time()}"
    cache.put(name, b"1", 60)

    with redis.from_url(redis_server) as client:
        names = client.keys("*question*")
    assert (cache.get(name), names) == (b"1", [])
    cache.drop(name)
    assert cache.get(name) is None
