"""Request hardening, before validation: what no schema should have to think about.

Strict UTF-8 and strict JSON (no NaN, no numbers beyond float, no 5,000-digit integers, no deep nesting), no NUL and
no lone surrogates in any string. Hostile JSON is otherwise an error 500 in Flask with SQLAlchemy.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from flask import Flask, Request, request

from chatbot.errors import BadRequest, FieldError, Invalid, TooLarge, UnsupportedMedia
from chatbot.system.disk_space import is_full

MAX_DEPTH = 32
JSON_LIMIT = 1024 * 1024


class StrictRequest(Request):
    """Flask's request with `get_json` replaced by the strict reading below."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> object:
        if not hasattr(self, "_strict_json"):
            self._strict_json = self._read_json()
        return self._strict_json

    def get_json_or_nothing(self) -> object:
        """As `get_json`; an empty object where there is neither a body nor a Content-Type."""
        if not self.content_type and not self.get_data(cache=True):
            self._strict_json = {}
        return self.get_json()

    def _read_json(self) -> object:
        if not self.is_json or self.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            raise UnsupportedMedia()
        with _cut_short():
            body = self.get_data(cache=True)
        limit = self.max_content_length
        if self.content_length is None and limit is not None and len(body) >= limit:
            # Werkzeug cuts a body without a length at the limit, and says nothing.
            raise TooLarge()
        return parse_json(body)

    def _load_form_data(self) -> None:
        with _cut_short():
            super()._load_form_data()


@contextmanager
def _cut_short() -> Iterator[None]:
    """What the web server raises for a body that breaks off, or whose chunks are no chunks: the client sent it.

    A long file of a form is kept on the disk while it comes.
    """
    try:
        yield
    except Exception as error:
        if is_full(error):
            raise
        if isinstance(error, OSError) or type(error).__module__.startswith("gunicorn."):
            raise BadRequest("The body could not be read to its end.", code="malformed_body") from None
        raise


def parse_json(body: bytes) -> object:
    """Reads strict JSON.

    Raises:
        BadRequest: the bytes are not UTF-8, or not JSON as RFC 8259 has it, or nested deeper than 32.
        Invalid: a string holds NUL or a lone surrogate; the error points at it.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not valid JSON in UTF-8.", code="malformed_json") from None
    _check_strings(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("beyond float")
    return number


def _check_strings(value: object) -> None:
    """Walks the value without recursion; the depth is bounded on the way."""
    todo: list[tuple[Any, str, int]] = [(value, "", 0)]
    while todo:
        item, pointer, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise BadRequest("The JSON is nested too deeply.", code="malformed_json")
        if isinstance(item, str):
            check_text(item, pointer)
        elif isinstance(item, dict):
            for key, child in item.items():
                check_text(key, pointer)
                todo.append((child, f"{pointer}/{key}", depth + 1))
        elif isinstance(item, list):
            todo.extend((child, f"{pointer}/{i}", depth + 1) for i, child in enumerate(item))


def check_text(text: str, pointer: str) -> None:
    """Refuses what some database cannot store: NUL and lone surrogates.

    Raises:
        Invalid: pointing at the field.
    """
    if "\0" in text:
        raise Invalid(errors=[FieldError(pointer, "A NUL character is not allowed.")])
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise Invalid(errors=[FieldError(pointer, "A lone surrogate is not a character.")])


def init_app(app: Flask, upload_limit: int) -> None:
    """Arms the checks: sizes first, then the address, then the body's type."""
    app.request_class = StrictRequest
    app.config["MAX_CONTENT_LENGTH"] = upload_limit + JSON_LIMIT
    app.config["MAX_FORM_MEMORY_SIZE"] = JSON_LIMIT
    app.before_request(_limit_size)
    app.before_request(_check_address)


def _limit_size() -> None:
    view = request.endpoint and request.endpoint.split(".")[0]
    if view != "knowledge":
        request.max_content_length = JSON_LIMIT


def _check_address() -> None:
    for name, raw in (("path", request.environ.get("PATH_INFO", "").encode("latin-1")), ("query", _query())):
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Invalid(errors=[FieldError(f"/{name}", "The address is not valid UTF-8.")]) from None
        check_text(text, f"/{name}")


def _query() -> bytes:
    return unquote_to_bytes(request.query_string.replace(b"+", b" "))
