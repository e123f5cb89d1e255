"""Errors as OpenAI's clients read them, for every address under /v1/."""

from __future__ import annotations

from chatbot.errors import ChatbotError

PREFIX = "/v1/"
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def is_ours(path: str) -> bool:
    """Whether a path is one of OpenAI's clients."""
    return path.startswith(PREFIX)


def status_of(error: ChatbotError) -> int:
    """OpenAI's clients know no 422."""
    return 400 if error.status == 422 else error.status


def body_of(error: ChatbotError) -> dict[str, object]:
    """`{"error": {message, type, param, code}}`; `param` is the first bad field, like `messages.0.role`."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    reasons = " ".join(e.detail for e in error.errors)
    param = error.errors[0].pointer.strip("/").replace("/", ".") if error.errors else None
    return {"error": {"message": reasons or str(error), "type": kind, "param": param or None, "code": error.code}}
