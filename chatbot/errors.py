"""What can go wrong, in one tree, and the one shape in which a client is told (RFC 9457).

    ChatbotError
      BadRequest 400 · Unauthorized 401 · Forbidden 403 · NotFound 404 · Conflict 409 · TooLarge 413
      UnsupportedMedia 415 · Invalid 422 · TooMany 429 · BadGateway 502 · Unavailable 503 · GatewayTimeout 504

Packages raise in their own words by subclassing one of these; the number stands here and nowhere else. Inside a
stream the same problem object travels in an `error` event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from chatbot.translations import ENGLISH, translated


@dataclass(frozen=True)
class FieldError:
    """One bad field: a JSON pointer into the request and a sentence."""

    pointer: str
    detail: str


class ChatbotError(Exception):
    """The root. `code` is for programs, the message for people; neither holds a secret."""

    status = 500
    code = "internal_error"
    detail = "Something went wrong on our side."
    # What to do about it, for whoever operates the application; a client is never told.
    hint: str | None = None

    def __init__(
        self,
        detail: str | None = None,
        *,
        code: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail or self.detail)
        self.code = code or self.code
        self.errors = tuple(errors)
        self.retry_after = retry_after


class BadRequest(ChatbotError):
    status, code, detail = 400, "bad_request", "The request could not be understood."


class Unauthorized(ChatbotError):
    status, code, detail = 401, "not_authenticated", "Sign in and send the access token as a Bearer token."


class Forbidden(ChatbotError):
    status, code, detail = 403, "forbidden", "This account may not do that."


class NotFound(ChatbotError):
    status, code, detail = 404, "not_found", "There is nothing here."


class Conflict(ChatbotError):
    status, code, detail = 409, "conflict", "That conflicts with what is already there."


class TooLarge(ChatbotError):
    status, code, detail = 413, "too_large", "The request is larger than allowed."


class UnsupportedMedia(ChatbotError):
    status, code, detail = 415, "unsupported_media_type", "Send JSON with Content-Type: application/json."


class Invalid(ChatbotError):
    status, code, detail = 422, "invalid", "Some fields are not valid."


class TooMany(ChatbotError):
    status, code, detail = 429, "too_many_requests", "Too many requests; try again later."


class BadGateway(ChatbotError):
    status, code, detail = 502, "bad_gateway", "A service this answer needs is not set up correctly."


class Unavailable(ChatbotError):
    status, code, detail = 503, "unavailable", "A service this answer needs is not available; try again."


class StorageFull(Unavailable):
    code, detail = "storage_full", "The server cannot store this now; its disk may be full."


class GatewayTimeout(ChatbotError):
    status, code, detail = 504, "timeout", "A service this answer needs took too long; try again."


def title_of(status: int) -> str:
    """The name of a status in RFC 9110. Python's own names are older for some, and differ between its versions."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


_TITLES = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}


def problem(
    error: ChatbotError, *, instance: str | None, request_id: str | None, language: str = ENGLISH
) -> dict[str, object]:
    """The RFC 9457 object for an error: `type title status detail instance code request_id errors?`.

    `title` and each `detail` are in that language where there is a translation; `code` is the same in all.
    """
    phrase = title_of(error.status)
    title = phrase if language == ENGLISH else translated(str(error.status), language)
    body: dict[str, object] = {
        "type": "about:blank",
        "title": phrase if title == str(error.status) else title,
        "status": error.status,
        "detail": translated(str(error), language),
        "instance": instance,
        "code": error.code,
        "request_id": request_id,
    }
    if error.errors:
        body["errors"] = [{"pointer": e.pointer, "detail": translated(e.detail, language)} for e in error.errors]
    return body
