"""What an error of a provider is about, in the words of many servers."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from chatbot.rag import errors
from chatbot.rag.refusals import Reason, is_too_large, reason_of, speaks_of_length

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")


def error(status: int, body: Any, **headers: str) -> openai.APIStatusError:
    """What the client makes of a refusal: of an object with an `error` only that."""
    told = body.get("error", body) if isinstance(body, dict) else body
    response = httpx2.Response(status, json=body, request=REQUEST, headers=headers)
    return openai.APIStatusError(f"Error code: {status} - {body}", response=response, body=told)


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


TOO_LONG = {
    "OpenAI": (
        400,
        said(
            "This model's maximum context length is 4096 tokens. However, your messages resulted in 9000 tokens.",
            code="context_length_exceeded",
        ),
    ),
    "vLLM": (
        400,
        said(
            "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens (8000 "
            "in the messages, 1000 in the completion). Please reduce the length of the messages.",
            code=400,
        ),
    ),
    "vLLM 1": (
        400,
        {
            "object": "error",
            "message": "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
            "code": 400,
        },
    ),
    "llama.cpp": (400, said("the request exceeds the available context size. try increasing the context size")),
    "llama.cpp 500": (500, said("context size has been exceeded")),
    "TGI": (
        422,
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 "
            "`inputs` tokens and 100 `max_new_tokens`",
            "error_type": "validation",
        },
    ),
    "SGLang": (
        400,
        {
            "object": "error",
            "message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        },
    ),
    "LM Studio": (400, said("The number of tokens to keep from the initial prompt is greater than the context length")),
    "Anthropic": (400, said("prompt is too long: 210000 tokens > 200000 maximum", type="invalid_request_error")),
    "Gemini": (400, said("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).")),
    "Mistral": (
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for "
            "model with 32768 maximum context length",
        },
    ),
    "DashScope": (400, said("Range of input length should be [1, 30720]")),
    "Moonshot": (400, said("Invalid request: Your request exceeded model token limit: 8192")),
    "Bedrock": (400, said("Input is too long for requested model.")),
    "xAI": (400, said("This model's maximum prompt length is 131072 but the request contains 537812 tokens.")),
    "GitHub": (413, said("Request body too large for gpt-4o model. Max size: 8000.", code="tokens_limit_reached")),
    "Groq": (
        413,
        said(
            "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000",
            code="rate_limit_exceeded",
        ),
    ),
    "OpenAI 429": (
        429,
        said(
            "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000. The "
            "input or output tokens must be reduced in order to run successfully.",
            code="rate_limit_exceeded",
        ),
    ),
    "LiteLLM": (400, said("litellm.ContextWindowExceededError: the input exceeds it")),
}
FILTERED = {
    "Azure": (
        400,
        said(
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            code="content_filter",
            innererror={"code": "ResponsibleAIPolicyViolation"},
        ),
    ),
    "OpenAI": (
        400,
        said(
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.", code="invalid_prompt"
        ),
    ),
    "DashScope": (400, said("Input data may contain inappropriate content.", code="data_inspection_failed")),
    "DeepSeek": (400, said("Content Exists Risk", code="invalid_request_error")),
    "Moonshot": (400, said("The request was rejected because it was considered high risk")),
    "OpenRouter": (403, said("Your chosen model requires moderation and your input was flagged", code=403)),
}
UNPAID = {
    "OpenAI": (
        429,
        said("You exceeded your current quota, please check your plan and billing details.", code="insufficient_quota"),
    ),
    "DeepSeek": (402, said("Insufficient Balance", code="invalid_request_error")),
    "Anthropic": (400, said("Your credit balance is too low to access the Anthropic API.")),
    "DashScope": (403, said("Access denied, please make sure your account is in good standing.", code="Arrearage")),
}
REFUSED = {
    "key": (401, said("Incorrect API key provided.", code="invalid_api_key")),
    "model": (404, said("model 'x' not found, try pulling it first: maximum context length", type="not_found_error")),
    "field": (400, said("Unsupported parameter: 'temperature'", code="unsupported_parameter")),
    "limit": (400, said("max_tokens is too large: 50000. This model supports at most 16384 completion tokens.")),
    "country": (403, said("Country, region, or territory not supported", code="unsupported_country")),
    "method": (405, {"detail": "Method Not Allowed"}),
    "text": (422, "nonsense"),
    "new": (418, {}),
}
UNAVAILABLE = {
    "busy": (429, said("Rate limit reached for requests.", code="rate_limit_exceeded")),
    "Gemini's minute": (
        429,
        said(
            "You exceeded your current quota, please check your plan and billing details. Please retry in 32s.",
            code=429,
        ),
    ),
    "overloaded": (529, said("Overloaded", type="overloaded_error")),
    "broken": (500, said("The server had an error while processing your request")),
    "lock": (409, said("The model is being loaded")),
    "proxy": (502, "<html>Bad gateway</html>"),
    "redirect": (307, ""),
}
CASES = [
    pytest.param(reason, status, body, id=f"{reason.name.lower()}-{name}")
    for reason, cases in (
        (Reason.TOO_LONG, TOO_LONG),
        (Reason.FILTERED, FILTERED),
        (Reason.UNPAID, UNPAID),
        (Reason.REFUSED, REFUSED),
        (Reason.UNAVAILABLE, UNAVAILABLE),
    )
    for name, (status, body) in cases.items()
]


@pytest.mark.parametrize(("reason", "status", "body"), CASES)
def test_refusals_of_many_servers_are_understood(reason: Reason, status: int, body: Any) -> None:
    assert reason_of(error(status, body)) is reason


@pytest.mark.parametrize(("reason", "status", "body"), CASES)
def test_only_an_unavailable_provider_counts_for_the_breaker(reason: Reason, status: int, body: Any) -> None:
    assert errors.is_outage(error(status, body)) == (reason is Reason.UNAVAILABLE)
    assert errors.may_pass(error(status, body)) == (reason is Reason.UNAVAILABLE)


def test_a_server_that_waited_too_long_is_a_time_out() -> None:
    assert isinstance(errors.translate(error(408, {})), errors.ModelTimeout)
    assert errors.is_outage(error(408, {}))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"message": "Insufficient credits.", "code": 402}, Reason.UNPAID),
        ({"message": "No auth credentials found", "code": "401"}, Reason.REFUSED),
        ({"message": "no such field", "type": "invalid_request_error"}, Reason.REFUSED),
        ({"message": "The prompt is too long for the context window", "code": None}, Reason.TOO_LONG),
        ({"message": "flagged by moderation", "code": "content_filter"}, Reason.FILTERED),
        ({"message": "Provider disconnected", "code": "server_error"}, Reason.UNAVAILABLE),
        ({"message": "Bad gateway", "code": 502}, Reason.UNAVAILABLE),
        ("overloaded", Reason.UNAVAILABLE),
        (None, Reason.UNAVAILABLE),
    ],
)
def test_an_error_event_is_told_by_its_own_code_and_words(body: Any, reason: Reason) -> None:
    assert reason_of(openai.APIError("An error occurred during streaming", REQUEST, body=body)) is reason


def test_an_error_in_an_answer_that_is_not_streamed_is_told_the_same() -> None:
    """langchain-openai raises it as a ValueError."""
    assert reason_of(ValueError({"message": "Insufficient credits.", "code": 402})) is Reason.UNPAID
    assert reason_of(ValueError("not JSON")) is Reason.UNAVAILABLE


@pytest.mark.parametrize(
    ("status", "message", "too_large", "by_length"),
    [
        (413, "batch size 60 > maximum allowed batch size 32", True, False),
        (400, "batch size is invalid, it should not be larger than 10.", True, False),
        (422, "at most 96 texts can be embedded at once", True, False),
        (400, "The max allowed tokens per submitted batch is 120000", True, True),
        (400, "This model's maximum context length is 512 tokens", True, True),
        (400, "the input length exceeds the context length", True, True),
        (400, "model not found", False, False),
        (401, "the batch is too large", False, False),
        (500, "the batch is too large", False, False),
    ],
)
def test_a_batch_that_is_too_large_is_told_from_other_refusals(
    status: int, message: str, too_large: bool, by_length: bool
) -> None:
    assert (is_too_large(error(status, said(message))), speaks_of_length(error(status, said(message)))) == (
        too_large,
        by_length,
    )
