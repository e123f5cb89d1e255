"""What providers really answer: refusals, cut answers, thoughts, and requests that a server does not take."""

from __future__ import annotations

from typing import Any

import pytest

from chatbot.errors import ChatbotError
from chatbot.rag import errors
from chatbot.rag.events import Declined, Event, Withdrawn
from chatbot.rag.llm import prompts
from chatbot.rag.llm.answerers import ChatModels
from chatbot.rag.types import Ask, HistoryMessage, Passage
from tests.openai_server import ANSWER, REFUSAL, OpenAIServer
from tests.rag.conftest import MODEL, MakeModels
from tests.rag.events import finished, of_kind
from tests.rag.events import text_of as text

PASSAGE = Passage(1, "d", "Hours", "", 1, 1, None, 0, 22, "The shop opens at nine", {"dense": 0.6})
HISTORY = (HistoryMessage(True, "When does the shop open?"), HistoryMessage(False, "At nine [1]."))
QUESTION = Ask("When does the shop open on Saturdays?")
THOUGHT = "Passage 1 says ten."


@pytest.fixture
def models(make_models: MakeModels) -> ChatModels:
    return make_models(breaker_failures=1)


def answer(models: ChatModels, ask: Ask = QUESTION, passages: tuple[Passage, ...] = (PASSAGE,)) -> list[Event]:
    return list(models.get(None).answer(ask, ask.question, passages))


def failure(models: ChatModels, ask: Ask = QUESTION) -> ChatbotError:
    with pytest.raises(ChatbotError) as caught:
        answer(models, ask)
    return caught.value


def is_asked_once_and_answers_then(models: ChatModels, server: OpenAIServer) -> None:
    assert len(server.requests) == 1
    server.behave(MODEL, "answers")
    server._refusals.clear()
    assert text(answer(models)) == ANSWER


# Refusals and cut answers -------------------------------------------------------------------------------------------


def test_refusal_is_an_answer_in_its_words(models: ChatModels, openai_server: OpenAIServer) -> None:
    openai_server.behave(MODEL, "refusal")

    pieces = answer(models)

    assert text(pieces) == REFUSAL
    assert pieces[0] == Declined()
    assert of_kind(pieces, Declined) == [Declined()]
    is_asked_once_and_answers_then(models, openai_server)


def test_refusal_without_passages_claims_no_general_knowledge(models: ChatModels, openai_server: OpenAIServer) -> None:
    openai_server.behave(MODEL, "refusal")

    assert text(answer(models, passages=())) == REFUSAL


@pytest.mark.parametrize(("behaviour", "reason"), [("length", "length"), ("filter", "content_filter")])
def test_cut_answer_tells_why_it_ends(
    models: ChatModels, openai_server: OpenAIServer, behaviour: str, reason: str
) -> None:
    openai_server.behave(MODEL, behaviour)

    pieces = answer(models)

    assert (text(pieces), finished(pieces).finish_reason) == (ANSWER, reason)
    is_asked_once_and_answers_then(models, openai_server)


@pytest.mark.parametrize(
    ("behaviour", "status", "code", "hint"),
    [
        ("filter-empty", 422, "content_filtered", "filter"),
        ("out-of-tokens", 502, "llm_misconfigured", "MODEL_ANSWER_TOKENS"),
        ("error-200", 502, "llm_misconfigured", "credit"),
    ],
)
def test_answer_without_a_word_is_told_as_what_it_is(
    models: ChatModels, openai_server: OpenAIServer, behaviour: str, status: int, code: str, hint: str
) -> None:
    openai_server.behave(MODEL, behaviour)

    error = failure(models)

    assert (error.status, error.code) == (status, code)
    assert hint in str(error)
    assert "try again" not in str(error)
    is_asked_once_and_answers_then(models, openai_server)


@pytest.mark.parametrize("behaviour", ["filter-empty", "out-of-tokens"])
def test_answer_without_a_word_is_counted_as_the_provider_counts_it(
    models: ChatModels, openai_server: OpenAIServer, behaviour: str
) -> None:
    openai_server.behave(MODEL, behaviour)

    error = failure(models)

    assert isinstance(error, errors.EndedEmpty)
    assert error.usage is not None
    assert error.usage.prompt_tokens > 0


def test_empty_answers_of_one_do_not_leave_another_without(models: ChatModels, openai_server: OpenAIServer) -> None:
    openai_server.behave(MODEL, "empty")
    failure(models)
    openai_server.behave(MODEL, "answers")

    assert text(answer(models)) == ANSWER


def test_filtered_question_is_not_passed_on_to_another_model(
    make_models: MakeModels, openai_server: OpenAIServer
) -> None:
    models = make_models(chat_models="second", chat_fallbacks="second")
    openai_server.behave(MODEL, "filter-empty")
    openai_server.behave("second", "answers")

    assert failure(models).code == "content_filtered"
    assert {seen.model for seen in openai_server.requests} == {MODEL}


def test_model_that_only_thinks_is_replaced_by_its_fallback(
    make_models: MakeModels, openai_server: OpenAIServer
) -> None:
    models = make_models(chat_models="second", chat_fallbacks="second")
    openai_server.behave(MODEL, "out-of-tokens")
    openai_server.behave("second", "answers")

    assert text(answer(models)) == ANSWER


@pytest.mark.parametrize("status", [400, 403, 413, 418, 422])
def test_refused_request_is_not_repeated_and_opens_no_breaker(
    models: ChatModels, openai_server: OpenAIServer, status: int
) -> None:
    openai_server.refuse(MODEL, status, {"error": {"message": "not like this"}})

    assert failure(models).status in (422, 502)
    is_asked_once_and_answers_then(models, openai_server)


def test_refusals_of_rewriting_and_titles_open_no_breaker(models: ChatModels, openai_server: OpenAIServer) -> None:
    openai_server.refuse(MODEL, 400, {"error": {"message": "flagged"}}, lambda body: not body.get("stream"))

    assert models.get(None).condense("And on Saturdays?", HISTORY).question.startswith("When does")
    with pytest.raises(errors.ContentFiltered):
        models.title(MODEL, "q", "a")
    assert text(answer(models)) == ANSWER


# Thoughts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [f"<think>{THOUGHT}</think>\n\n{ANSWER}", f"{THOUGHT}\n</think>\n\n{ANSWER}"])
def test_thoughts_in_the_text_are_no_answer(models: ChatModels, openai_server: OpenAIServer, said: str) -> None:
    openai_server.say(MODEL, said)

    assert text(answer(models)) == ANSWER
    assert text(answer(models, passages=())) == f"{prompts.NOT_FROM_DOCUMENTS}{ANSWER}"


def test_model_that_closes_without_opening_is_held_back_from_its_second_answer(
    models: ChatModels, openai_server: OpenAIServer
) -> None:
    openai_server.say(MODEL, f"{THOUGHT}\n</think>\n\n{ANSWER}")
    first, second = answer(models), answer(models)
    openai_server.say(MODEL, ANSWER)
    third, fourth = answer(models), answer(models)

    assert of_kind(first, Withdrawn)
    assert not of_kind(second, Withdrawn)
    assert [text(pieces) for pieces in (second, third, fourth)] == [ANSWER, ANSWER, ANSWER]
    assert not models.get(None)._line.habits.closes_unopened  # type: ignore[attr-defined]


def test_thoughts_in_a_field_of_their_own_keep_the_answer_awaited(
    make_models: MakeModels, openai_server: OpenAIServer
) -> None:
    openai_server.behave(MODEL, "thinks")

    assert text(answer(make_models(model_first_token_seconds=0.6, model_read_seconds=0.6))) == ANSWER


def test_thoughts_of_earlier_answers_are_not_told_to_the_model(models: ChatModels, openai_server: OpenAIServer) -> None:
    said = HistoryMessage(False, f"<think>{THOUGHT}</think>At nine [1].")

    answer(models, Ask(QUESTION.question, (HISTORY[0], said)))

    assert openai_server.requests[0].messages[2] == ("assistant", "At nine [1].")


def test_thoughts_are_no_part_of_a_rewritten_question_or_a_title(
    models: ChatModels, openai_server: OpenAIServer
) -> None:
    openai_server.say(MODEL, "<think>They mean the shop.</think>\n\nOpening hours", plain=True)

    assert models.get(None).condense("And on Saturdays?", HISTORY).question == "Opening hours"
    assert models.title(MODEL, "q", "<think>hm</think>a")[0] == "Opening hours"
    assert "hm" not in openai_server.requests[-1].messages[1][1]


# Requests that a server does not take -------------------------------------------------------------------------------


def refuses(server: OpenAIServer, name: str, status: int, **error: Any) -> None:
    server.refuse(MODEL, status, {"error": error}, lambda body: name in body)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "Unrecognized request argument supplied: stream_options"}),
        (422, {"message": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]}),
        (400, {"message": "Bad Request", "param": "stream_options"}),
    ],
)
def test_field_that_a_refusal_names_is_left_out_from_then_on(
    models: ChatModels, openai_server: OpenAIServer, status: int, error: dict[str, Any]
) -> None:
    refuses(openai_server, "stream_options", status, **error)

    assert [text(answer(models)) for _ in range(2)] == [ANSWER, ANSWER]
    assert ["stream_options" in seen.body for seen in openai_server.requests] == [True, False, False]
    assert all(seen.body["max_completion_tokens"] for seen in openai_server.requests)


def test_limit_of_tokens_is_written_under_its_old_name_and_then_left_out(
    models: ChatModels, openai_server: OpenAIServer
) -> None:
    names = ("max_completion_tokens", "max_tokens")
    openai_server.refuse(
        MODEL, 400, {"error": {"message": "unknown: max_completion_tokens"}}, lambda body: names[0] in body
    )
    answer(models)
    first = [tuple(name in seen.body for name in names) for seen in openai_server.requests]
    openai_server.refuse(
        MODEL, 400, {"error": {"message": "unknown: max_tokens"}}, lambda body: any(name in body for name in names)
    )
    answer(models)

    assert first == [(True, False), (False, True)]
    assert [tuple(name in seen.body for name in names) for seen in openai_server.requests[2:]] == [
        (False, True),
        (False, False),
    ]


def test_several_fields_are_left_out_one_after_another(models: ChatModels, openai_server: OpenAIServer) -> None:
    """Also where what is not streamed is asked first."""
    refuses(openai_server, "max_completion_tokens", 400, message="max_completion_tokens: extra inputs")

    openai_server.say(MODEL, "Opening hours", plain=True)
    assert models.title(MODEL, "q", "a")[0] == "Opening hours"
    refuses(openai_server, "stream_options", 400, message="stream_options: extra inputs")
    assert text(answer(models)) == ANSWER
    assert len(openai_server.requests) == 4


def test_system_role_that_is_refused_begins_the_question(models: ChatModels, openai_server: OpenAIServer) -> None:
    def has_system(body: dict[str, Any]) -> bool:
        return any(message["role"] == "system" for message in body["messages"])

    openai_server.refuse(MODEL, 400, {"error": {"message": "System role not supported"}}, has_system)

    assert text(answer(models, Ask(QUESTION.question, HISTORY))) == ANSWER
    _, second = openai_server.requests
    assert [role for role, _ in second.messages] == ["user", "assistant", "user"]
    assert "You answer questions from the passages" in second.messages[0][1]
    assert second.messages[0][1].endswith(HISTORY[0].text)


def test_field_is_not_left_out_for_good_where_that_helps_nothing(
    models: ChatModels, openai_server: OpenAIServer
) -> None:
    """A question may hold the name of a field, and its refusal may repeat the question."""
    openai_server.refuse(MODEL, 400, {"error": {"message": "refused: 'what is stream_options?'"}})
    assert failure(models).code == "llm_misconfigured"
    openai_server._refusals.clear()

    answer(models)

    assert "stream_options" in openai_server.requests[-1].body


def test_two_questions_in_a_row_are_one_message(models: ChatModels, openai_server: OpenAIServer) -> None:
    """The first had no answer; many templates refuse roles that do not take turns."""
    history = (HistoryMessage(True, "Are you there?"), HistoryMessage(True, "Hello?"), *HISTORY)

    answer(models, Ask(QUESTION.question, (*history, HistoryMessage(True, "And?"))))

    roles = [role for role, _ in openai_server.requests[0].messages]
    assert roles == ["system", "user", "assistant", "user"]
    assert openai_server.requests[0].messages[-1][1] == f"And?\n\n{QUESTION.question}"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "request (9000 tokens) exceeds the available context size (4096 tokens)", "code": 400}),
        (422, {"message": "`inputs` tokens + `max_new_tokens` must be <= 4096"}),
        (413, {"message": "Payload too large"}),
        (429, {"message": "Request too large for m: Limit 6000, Requested 9000"}),
        (500, {"message": "the context window is exceeded"}),
    ],
)
def test_prompt_too_long_in_any_words_is_repeated_without_history(
    models: ChatModels, openai_server: OpenAIServer, status: int, error: dict[str, Any]
) -> None:
    openai_server.refuse(MODEL, status, {"error": error}, lambda body: len(body["messages"]) > 2)

    assert text(answer(models, Ask(QUESTION.question, HISTORY))) == ANSWER

    openai_server.refuse(MODEL, status, {"error": error})
    assert failure(models, Ask(QUESTION.question, HISTORY)).code == "context_length_exceeded"
    assert len(openai_server.requests) == 4


def test_server_that_does_not_stream_is_understood(models: ChatModels, openai_server: OpenAIServer) -> None:
    openai_server.behave(MODEL, "whole")

    pieces = answer(models)

    assert (text(pieces), finished(pieces).finish_reason) == (ANSWER, "stop")
    assert not finished(pieces).usage.estimated
