"""What the error of a provider is about, whatever words and statuses its server uses.

Servers that speak OpenAI's protocol agree on little here: the same fault comes as 400, 413, 422, 429 or 500, as an
event of a stream or with the status 200, and some have a code for it and others only a sentence.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

_READ = 8_000
# Codes and types of errors that come without a status.
_STATUSES = {
    400: ("invalid_request_error", "bad_request", "badrequesterror", "context_length_exceeded", "content_filter"),
    401: ("authentication_error", "invalid_api_key"),
    402: ("insufficient_balance", "billing_error"),
    403: ("permission_error", "permission_denied"),
    404: ("not_found_error", "model_not_found", "notfounderror"),
    422: ("validation", "validation_error"),
    429: ("insufficient_quota", "rate_limit_exceeded", "rate_limit_error"),
}
_BY_NAME = {name: status for status, names in _STATUSES.items() for name in names}
# 4xx of a server that is busy, restarting or slow; they say nothing of the request.
_BUSY = frozenset({409, 425, 429, 498})

_FILTERED = (
    "content_filter",
    "content filter",
    "content_policy",
    "content policy",
    "content management policy",
    "responsibleaipolicyviolation",
    "data_inspection_failed",
    "inappropriate content",
    "content exists risk",
    "considered high risk",
    "usage policy",
    "usage policies",
    "flagged",
    "moderation_blocked",
    "blocked by safety",
    "safety system",
    "prohibited_content",
    "prohibited content",
)
_UNPAID = (
    "insufficient_quota",
    "insufficient balance",
    "insufficient credit",
    "insufficient funds",
    "credit balance",
    "out of credits",
    "no credit",
    "exceeded your current quota",
    "payment required",
    "arrearage",
    "billing",
)
# What is too long, and that it is.
_PROMPT = (
    "context length",
    "context size",
    "context window",
    "context limit",
    "context_length",
    "contextwindow",
    "context_size",
    "model length",
    "prompt",
    "input token",
    "input length",
    "inputs` tokens",
    "`inputs`",
    "input is",
    "the input",
    "token count",
    "number of tokens",
    "maximum context",
)
_TOO_MUCH = (
    "too long",
    "too large",
    "too many",
    "exceed",
    "longer than",
    "greater than",
    "larger than",
    "reduce",
    "must be <=",
    "must have less than",
    "maximum",
    "max length",
    "should be [",
    "overflow",
    "not enough",
)
_TOO_LONG = (
    "request too large",
    "request body too large",
    "tokens_limit_reached",
    "string too long",
    "too many tokens",
    "token limit",
    "reduce the length",
    "reduce your prompt",
    "exceed_context_size",
)
_CONTEXT = tuple(words for words in _PROMPT if words.startswith("context"))
# What embedding services say of too many texts at once.
_TEXTS = ("batch", "input", "text", "array", "items", "documents", "requests", "elements", "token")
_TOO_MANY = (*_TOO_MUCH, "at most", "up to", "limit", "allowed", "size", "no more than")


class Reason(Enum):
    """What an error is about."""

    TOO_LONG = "the prompt is too long for the model"
    FILTERED = "a filter refuses the prompt"
    UNPAID = "the account has no credit"
    REFUSED = "the server refuses the request, the key or the model"
    TIMEOUT = "the server has waited too long"
    UNAVAILABLE = "the server cannot answer now"


def reason_of(error: Exception) -> Reason:
    """What an error of a provider, or an error event of its stream, is about."""
    status, words = status_of(error), words_of(error)
    refused = status is None or 400 <= status < 500
    if status == 429:
        return _of_429(error, words)
    if refused and status != 401 and _has(words, _FILTERED):
        return Reason.FILTERED
    if status in (401, 403, 404):
        return Reason.UNPAID if _has(words, _UNPAID) else Reason.REFUSED
    if status == 413 or _says_too_long(words, _PROMPT if refused else _CONTEXT):
        return Reason.TOO_LONG
    if status == 402 or (refused and _has(words, _UNPAID)):
        return Reason.UNPAID
    if status == 408:
        return Reason.TIMEOUT
    if status is None or not 400 <= status < 500 or status in _BUSY:
        return Reason.UNAVAILABLE
    return Reason.REFUSED


def is_too_large(error: Exception) -> bool:
    """Whether an embedding service refuses how much it was sent at once: how many texts, or their length."""
    status, words = status_of(error), words_of(error)
    return status == 413 or (status in (400, 422) and _has(words, _TEXTS) and _has(words, _TOO_MANY))


def speaks_of_length(error: Exception) -> bool:
    """Whether that is said of the length of the texts."""
    return _has(words_of(error), ("token", "character", "length"))


def status_of(error: Exception) -> int | None:
    """The status of the answer, or the one that an error event tells or means."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 300:
        return status
    body = _body(error)
    for name in ("code", "status", "status_code", "http_status_code", "type", "error_type"):
        told = body.get(name)
        number = int(told) if isinstance(told, int) or (isinstance(told, str) and told.isdecimal()) else None
        if number is not None and 400 <= number < 600:
            return number
        if isinstance(told, str) and told.lower() in _BY_NAME:
            return _BY_NAME[told.lower()]
    return None


def words_of(error: Exception) -> str:
    """All that an error says, in small letters."""
    told = json.dumps(_body(error), ensure_ascii=False, default=str)
    return f"{str(error)[:_READ]} {told[:_READ]}".lower()


def _body(error: Exception) -> dict[str, Any]:
    told = getattr(error, "body", None) or (error.args[0] if error.args else None)
    return told if isinstance(told, dict) else {}


def _of_429(error: Exception, words: str) -> Reason:
    """Too many requests, unless the one request is larger than what is allowed in a minute, or nothing is paid for."""
    if "request too large" in words or "must be reduced" in words:
        return Reason.TOO_LONG
    response = getattr(error, "response", None)
    soon = "retry in" in words or "retrydelay" in words or (response is not None and "retry-after" in response.headers)
    return Reason.UNPAID if _has(words, _UNPAID) and not soon else Reason.UNAVAILABLE


def _says_too_long(words: str, what: tuple[str, ...]) -> bool:
    return _has(words, _TOO_LONG) or (_has(words, what) and _has(words, _TOO_MUCH))


def _has(words: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase in words for phrase in phrases)
