"""Providers that are away, too slow or without an end: limits, the breaker, and models that take another's place."""

from __future__ import annotations

import time

import pytest

from chatbot.errors import ChatbotError
from chatbot.rag.breaker import Breaker
from chatbot.rag.embeddings.embedders import OpenAIEmbedder
from chatbot.rag.errors import EmbedderUnavailable
from chatbot.rag.events import AnsweredBy, Event, Token
from chatbot.rag.llm import completion
from chatbot.rag.llm.answerers import ChatModels
from chatbot.rag.types import Ask, HistoryMessage, Passage
from tests.openai_server import ANSWER, OpenAIServer
from tests.rag.conftest import MODEL, MakeModels
from tests.rag.events import of_kind
from tests.rag.events import text_of as text

PASSAGE = Passage(1, "d", "Hours", "", 1, 1, None, 0, 22, "The shop opens at nine", {"dense": 0.6})
HISTORY = (HistoryMessage(True, "When does the shop open?"), HistoryMessage(False, "At nine [1]."))
QUESTION = Ask("When does the shop open on Saturdays?")


def answer(models: ChatModels, name: str | None = None) -> list[Event]:
    return list(models.get(name).answer(QUESTION, QUESTION.question, [PASSAGE]))


def failure(models: ChatModels, name: str | None = None) -> ChatbotError:
    with pytest.raises(ChatbotError) as caught:
        answer(models, name)
    return caught.value


# How long, and how much ---------------------------------------------------------------------------------------------


def test_the_first_token_has_a_limit_of_its_own(make_models: MakeModels, openai_server: OpenAIServer) -> None:
    """L6: shorter or longer than the one between two tokens."""
    openai_server.behave(MODEL, "slow-first")

    assert text(answer(make_models(model_first_token_seconds=20))) == ANSWER
    assert failure(make_models(model_read_seconds=20, model_first_token_seconds=0.3)).code == "llm_timeout"


def test_the_wait_between_two_tokens_is_not_that_for_the_first(
    make_models: MakeModels, openai_server: OpenAIServer
) -> None:
    """L7"""
    openai_server.behave(MODEL, "stall")
    begun = time.monotonic()

    assert failure(make_models(model_first_token_seconds=25)).code == "llm_timeout"
    assert time.monotonic() - begun < 15


def test_signs_of_life_are_not_tokens(make_models: MakeModels, openai_server: OpenAIServer) -> None:
    """L6: a read time-out begins anew with each comment, and the limit does not."""
    openai_server.behave(MODEL, "comments")

    assert failure(make_models()).code == "llm_timeout"


def test_an_answer_that_drips_ends_with_the_time_for_all_of_it(
    make_models: MakeModels, openai_server: OpenAIServer
) -> None:
    """L9"""
    openai_server.behave(MODEL, "slow")
    openai_server.say(MODEL, "word " * 2000)
    models = make_models(model_answer_seconds=0.5)
    pieces = models.get(None).answer(QUESTION, QUESTION.question, [PASSAGE])

    with pytest.raises(ChatbotError) as caught:
        list(pieces)

    assert caught.value.code == "llm_timeout"
    assert openai_server.requests[0].tokens_written < 2000


def test_a_model_that_does_not_stop_is_stopped(make_models: MakeModels, openai_server: OpenAIServer) -> None:
    """L9: a million tokens"""
    openai_server.behave(MODEL, "endless")
    pieces = make_models(model_answer_tokens=10).get(None).answer(QUESTION, QUESTION.question, [PASSAGE])

    shown: list[str] = []
    with pytest.raises(ChatbotError) as caught:
        shown.extend(event.text for event in pieces if isinstance(event, Token))

    assert (caught.value.status, caught.value.code) == (503, "llm_unavailable")
    assert "".join(shown) == ("word " * 100)[: 10 * completion.CHARACTERS_A_TOKEN]
    openai_server.wait_for(lambda: openai_server.requests[0].left_at)
    assert openai_server.requests[0].body["max_completion_tokens"] == 10
    assert len(openai_server.requests) == 1


def test_a_token_of_ten_megabytes_is_not_even_read_to_its_end(
    make_models: MakeModels, openai_server: OpenAIServer
) -> None:
    """L9"""
    openai_server.behave(MODEL, "huge-token")

    assert failure(make_models(model_read_seconds=20)).code == "llm_unavailable"


def test_a_token_that_is_larger_than_an_answer_is_cut(
    make_models: MakeModels, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L9"""
    monkeypatch.setattr(completion, "MAX_BYTES", 20_000_000)
    openai_server.behave(MODEL, "huge-token")
    pieces = make_models(model_answer_tokens=10, model_read_seconds=20).get(None)

    first = next(pieces.answer(QUESTION, QUESTION.question, [PASSAGE]))

    assert first == Token("a" * 160)


def test_those_who_are_refused_together_do_not_come_back_together(
    make_models: MakeModels, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L2: jitter"""
    waits: list[float] = []
    monkeypatch.setattr("chatbot.rag.llm.completion.time.sleep", waits.append)
    openai_server.behave(MODEL, "http-503")
    models = make_models(breaker_failures=100)

    for _ in range(3):
        failure(models)

    assert len(set(waits)) == 3
    assert all(completion.SHORT_WAIT_SECONDS <= w <= completion.SHORT_WAIT_SECONDS + 0.25 for w in waits)


# The breaker --------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try_afterwards() -> None:
    """L11"""
    clock = Clock()
    breaker = Breaker(2, 30, clock)
    breaker.failed()
    breaker.worked()
    assert [breaker.failed(), breaker.refusal()] == [False, None]
    assert [breaker.failed(), breaker.refusal()] == [True, 30]

    clock.now = 30
    assert [breaker.refusal(), breaker.refusal()] == [None, 1]
    assert breaker.failed()
    assert breaker.refusal() == 30

    clock.now = 60
    assert breaker.refusal() is None
    breaker.unknown()
    assert breaker.refusal() is None
    breaker.worked()
    assert [breaker.refusal(), breaker.refusal()] == [None, None]


def test_failures_of_those_who_asked_before_it_opened_do_not_keep_it_open() -> None:
    clock = Clock()
    breaker = Breaker(1, 30, clock)
    breaker.failed()
    clock.now = 20
    breaker.failed()
    clock.now = 30
    assert breaker.refusal() is None


def test_a_provider_that_is_away_is_left_alone_and_found_again(
    make_models: MakeModels, openai_server: OpenAIServer
) -> None:
    """L11"""
    openai_server.behave(MODEL, "http-500")
    models = make_models(breaker_failures=2, breaker_seconds=0.4)
    for _ in range(2):
        failure(models)
    asked = len(openai_server.requests)

    error = failure(models)

    assert (error.status, error.code, error.retry_after) == (503, "llm_unavailable", 1)
    assert models.get(None).condense("And on Saturdays?", HISTORY).question.startswith("When does")
    assert len(openai_server.requests) == asked
    openai_server.behave(MODEL, "answers")
    openai_server.wait_for(lambda: models.get(None)._line.breaker._opens_at <= time.monotonic())  # type: ignore[attr-defined]
    assert text(answer(models)) == ANSWER
    assert text(answer(models)) == ANSWER


@pytest.mark.parametrize("behaviour", ["http-401", "http-404", "context-length"])
def test_what_is_wrong_with_a_request_says_nothing_about_the_provider(
    make_models: MakeModels, openai_server: OpenAIServer, behaviour: str
) -> None:
    """L11"""
    openai_server.behave(MODEL, behaviour)
    models = make_models(breaker_failures=1)

    codes = {failure(models).code for _ in range(3)}

    assert codes <= {"llm_misconfigured", "context_length_exceeded"}
    assert len(openai_server.requests) == 3


def test_somebody_who_leaves_the_one_try_gives_it_to_the_next(
    make_models: MakeModels, openai_server: OpenAIServer
) -> None:
    """L11, K4"""
    openai_server.behave(MODEL, "http-500", "http-500", "slow")
    models = make_models(breaker_failures=1, breaker_seconds=0.01)
    failure(models)
    time.sleep(0.02)
    pieces = models.get(None).answer(QUESTION, QUESTION.question, [PASSAGE])
    next(pieces)
    pieces.close()

    assert text(answer(models)) == ANSWER


def test_an_embedding_service_that_is_away_is_left_alone(make_models: MakeModels, openai_server: OpenAIServer) -> None:
    """L11: documents wait meanwhile (tests/knowledge/ingestion/test_ingest.py)."""
    embedder = OpenAIEmbedder("http-500", make_models(breaker_failures=2)._settings)

    for _ in range(5):
        with pytest.raises(EmbedderUnavailable) as caught:
            embedder.embed(["one"])

    assert len(openai_server.requests) == 2
    assert caught.value.retry_after == 30


# Fall-backs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def three(make_models: MakeModels) -> ChatModels:
    return make_models(chat_models="second,third", chat_fallbacks="second,extractive")


@pytest.mark.parametrize("behaviour", ["http-500", "429-for-ever", "http-401", "hang", "html", "empty"])
def test_another_model_takes_the_place_of_one_that_fails(
    three: ChatModels, openai_server: OpenAIServer, behaviour: str
) -> None:
    """L13"""
    openai_server.behave(MODEL, behaviour)
    openai_server.behave("second", "answers")

    pieces = answer(three)

    assert text(pieces) == ANSWER
    assert of_kind(pieces, AnsweredBy) == [AnsweredBy("second")]
    assert [seen.model for seen in openai_server.requests if seen.model == "second"] == ["second"]


def test_the_extractive_model_answers_when_every_other_one_is_away(
    three: ChatModels, openai_server: OpenAIServer
) -> None:
    """L13"""
    openai_server.behave(MODEL, "http-401")
    openai_server.behave("second", "http-401")

    pieces = answer(three)

    assert text(pieces) == "The shop opens at nine [1]"
    assert pieces[0] == AnsweredBy("extractive", cites=True)


def test_nobody_takes_over_once_there_are_tokens(three: ChatModels, openai_server: OpenAIServer) -> None:
    """L13, L7"""
    openai_server.behave(MODEL, "cut")

    assert failure(three).code == "llm_unavailable"
    assert {seen.model for seen in openai_server.requests} == {MODEL}


def test_a_question_that_is_too_long_is_the_askers_to_shorten(three: ChatModels, openai_server: OpenAIServer) -> None:
    openai_server.behave(MODEL, "context-length")

    assert failure(three).code == "context_length_exceeded"


def test_where_all_fail_the_asked_one_tells_why(make_models: MakeModels, openai_server: OpenAIServer) -> None:
    models = make_models(chat_models="second", chat_fallbacks="second")
    openai_server.behave(MODEL, "http-401")
    openai_server.behave("second", "http-500")

    assert failure(models).code == "llm_misconfigured"


def test_a_model_is_no_fallback_of_itself(three: ChatModels, openai_server: OpenAIServer) -> None:
    openai_server.behave("second", "http-401")

    assert text(answer(three, "second")) == "The shop opens at nine [1]"
    assert len(openai_server.requests) == 1


def test_without_a_failure_nothing_is_said_of_fallbacks(three: ChatModels) -> None:
    assert not of_kind(answer(three), AnsweredBy)
