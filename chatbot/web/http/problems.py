"""Every failure in the one JSON shape: ours, Flask's, Werkzeug's, the database's, and the unforeseen."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Flask, Response, g, json, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from chatbot import errors
from chatbot.errors import ChatbotError, FieldError, Invalid, problem
from chatbot.translations import ENGLISH
from chatbot.web.db_errors import outage
from chatbot.web.http import openai_errors
from chatbot.web.http.content_language import language, name_language

log = structlog.get_logger(__name__)

# When to come back where nobody knows better.
RETRY_SECONDS = 5
MEDIA_TYPE = "application/problem+json"
_BY_STATUS: dict[int, type[ChatbotError]] = {
    kind.status: kind
    for kind in (
        errors.BadRequest,
        errors.Unauthorized,
        errors.Forbidden,
        errors.NotFound,
        errors.Conflict,
        errors.TooLarge,
        errors.UnsupportedMedia,
        errors.Invalid,
        errors.TooMany,
        errors.Unavailable,
    )
}
ANY = "The request cannot be answered."
# Codes of the wire, which stay whatever a status is called.
_OTHERS = {
    405: ("method_not_allowed", "This address does not take that method; `Allow` says which it does."),
    408: ("request_timeout", "The request took too long to arrive."),
    414: ("request_uri_too_long", ANY),
    416: ("requested_range_not_satisfiable", ANY),
}


def init_app(app: Flask) -> None:
    """Registers the handlers. What is not ours is translated first."""
    app.register_error_handler(ChatbotError, respond)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, lambda error: respond(translated(error)))


def as_problem(error: ChatbotError) -> dict[str, object]:
    """The problem object for this request."""
    return problem(error, instance=request.path, request_id=g.get("request_id"), language=language())


def respond(error: ChatbotError) -> Response:
    """The HTTP answer for an error, with the headers its status asks for."""
    if openai_errors.is_ours(request.path):
        body = json.dumps(openai_errors.body_of(error))
        response = Response(body, status=openai_errors.status_of(error), mimetype="application/json")
    else:
        told = as_problem(error)
        response = Response(json.dumps(told), status=error.status, mimetype=MEDIA_TYPE)
        name_language(response, _languages(error, told))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = f'Bearer realm="chatbot", error="{error.code}"'
    if error.retry_after is not None or error.status == 503:
        response.headers["Retry-After"] = str(error.retry_after or RETRY_SECONDS)
    return response


def _languages(error: ChatbotError, told: dict[str, Any]) -> str:
    """Those that a problem is told in: the request's, and English where a sentence has no translation."""
    english = {str(error), *(field.detail for field in error.errors)}
    partly = not english.isdisjoint([told["detail"], *(field["detail"] for field in told.get("errors", ()))])
    return f"{language()}, {ENGLISH}" if partly and language() != ENGLISH else language()


def translated(error: Exception) -> ChatbotError:
    """Any failure as one of ours; the log hears of what is the server's own."""
    if isinstance(error, ChatbotError):
        return error
    if isinstance(error, HTTPException):
        data = getattr(error, "data", None) or {}
        fields = "messages" in data
        return Invalid(errors=field_errors(data["messages"])) if fields else _of_status(error.code or 500)
    known = outage(error)
    if known is not None:
        return known
    log.error("unhandled_error", path=request.path, exc_info=error)
    return ChatbotError()


def _http(error: HTTPException) -> Response:
    """Werkzeug's and flask-smorest's own errors: their status and headers, our words."""
    response = respond(translated(error))
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _of_status(status: int) -> ChatbotError:
    known = _BY_STATUS.get(status)
    if known is not None:
        return known()
    phrase = errors.title_of(status).lower().replace(" ", "_").replace("-", "_")
    code, detail = _OTHERS.get(status, (phrase, ANY))
    error = ChatbotError() if status >= 500 else ChatbotError(detail, code=code)
    error.status = status
    return error


def field_errors(messages: object, pointer: str = "") -> list[FieldError]:
    """Flattens marshmallow's nested messages into pointers; never repeats the rejected value."""
    if isinstance(messages, dict):
        return [e for key, value in messages.items() for e in field_errors(value, _join(pointer, key))]
    if isinstance(messages, list):
        return [e for value in messages for e in field_errors(value, pointer)]
    return [FieldError(pointer or "/", str(messages))]


def _join(pointer: str, key: object) -> str:
    at_top = pointer == "" and key in ("json", "query", "form", "files", "json_or_form", "_schema")
    return pointer if at_top or key == "_schema" else f"{pointer}/{key}"


def from_validation(error: ValidationError) -> Invalid:
    """A marshmallow error as ours."""
    return Invalid(errors=field_errors(error.messages))
