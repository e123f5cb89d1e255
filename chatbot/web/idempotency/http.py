"""The header of a request, and what a request is known by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import marshmallow as ma
from flask import Request, request

from chatbot.current import services
from chatbot.web.http.request_resources import request_resources
from chatbot.web.idempotency.service import Held, Who, take

REPLAYED = {"Idempotency-Replayed": "true"}
REPLAYED_HEADER = {
    "Idempotency-Replayed": {
        "description": "`true` when an earlier request with the same Idempotency-Key has done this already.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}


class IdempotencySchema(ma.Schema):
    """The header that makes a POST safe to send again."""

    key = ma.fields.String(
        data_key="Idempotency-Key",
        validate=[ma.validate.Length(min=1, max=255), ma.validate.Regexp("^[!-~]+$", error="Printable ASCII only.")],
        metadata={
            "description": "Makes the request safe to send again: with the same key and body it is done once, and "
            "each repetition within 24 hours gets the same answer. Use a new UUID for each request. Keys are the "
            "caller's own.",
        },
    )


def taken(who: Who, name: str | None) -> Held:
    """The key that this request names in its header, or none; given back when the request ends.

    Raises:
        IdempotencyKeyReused, IdempotencyInProgress: as for `take`.
    """
    sessions = services().sessions
    if name is None:
        return Held(sessions, None)
    with sessions() as session:
        key = take(session, who, name, fingerprint(request))
    return request_resources().enter_context(Held(sessions, key))


def fingerprint(of: Request) -> str:
    """A digest of method, path and body; of a form its fields and the bytes of its files, without the boundary."""
    digest = hashlib.sha256()
    for part in _parts(of):
        # With its length in front, so that no two parts can be read as one.
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _parts(of: Request) -> Iterator[bytes]:
    yield f"{of.method} {of.path.rstrip('/')}".encode()
    if of.mimetype != "multipart/form-data":
        yield json.dumps(of.get_json(), sort_keys=True).encode()
        return
    for name, value in sorted(of.form.items(multi=True)):
        yield from (b"field", _bytes(name), _bytes(value))
    for name, file in sorted(of.files.items(multi=True), key=lambda item: item[0]):
        file.stream.seek(0)
        content: Any = hashlib.file_digest(file.stream, "sha256")  # type: ignore[arg-type]
        file.stream.seek(0)
        yield from (b"file", _bytes(name), _bytes(file.filename or ""), _bytes(file.mimetype), content.digest())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
