"""A document in a request: as JSON, or as a form with a file."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import request

from chatbot.current import services
from chatbot.errors import BadRequest, FieldError, Invalid, TooLarge
from chatbot.knowledge import schemas
from chatbot.knowledge.documents import service, urls
from chatbot.knowledge.documents.service import NewDocument
from chatbot.knowledge.documents.urls import NewUrl
from chatbot.knowledge.parsing.clean import clean_title
from chatbot.web.http.blueprint import parser
from chatbot.web.http.requests import check_text, parse_json
from chatbot.web.idempotency import http as idempotency

JSON_OR_FILE = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"oneOf": [schemas.DocumentInSchema, schemas.UrlInSchema]}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "title": {"type": "string", "minLength": 1, "maxLength": 200},
                        "source": {"type": "string", "maxLength": 500},
                        "document_type": {"type": "string", "minLength": 1, "maxLength": 50},
                        "collection": {"type": "string", "minLength": 1, "maxLength": 100},
                        "is_active": {"type": "boolean"},
                        "metadata": {"type": "object", "example": {"team": "support"}},
                    },
                }
            },
        },
    },
    "responses": {
        201: {"description": "Ready within the wait.", "headers": idempotency.REPLAYED_HEADER},
        200: {
            "description": "The same content, or URL, is there already; with `dry_run=1` what would become of it.",
            "headers": idempotency.REPLAYED_HEADER,
            "content": {"application/json": {"schema": {"anyOf": [schemas.DocumentSchema, schemas.PreviewSchema]}}},
        },
        202: {"headers": idempotency.REPLAYED_HEADER},
        409: {"description": "`idempotency_in_progress`: the first request with this key is still at work."},
        413: {"description": "The file is larger than MAX_UPLOAD_MB, or `quota_exceeded`."},
        415: {"description": "Neither JSON nor a form with a file."},
        422: {
            "description": "A field is not valid; `url_not_allowed`: the URL may not be fetched; or "
            "`idempotency_key_reused`: the key was used for another body."
        },
    },
}


_FILE_ONLY = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {"file": {"type": "string", "format": "binary"}},
}
CONTENT_OR_FILE = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": schemas.ContentSchema},
            "multipart/form-data": {"schema": _FILE_ONLY},
        },
    },
    "responses": {
        200: {"description": "Ready within the wait, or the same content as before."},
        202: {"description": "The new version is queued; the one before answers meanwhile."},
        413: {"description": "The file is larger than MAX_UPLOAD_MB, or `quota_exceeded`."},
        415: {"description": "Neither JSON nor a form with a file."},
    },
}


def new_document() -> NewDocument | NewUrl:
    """The document in this request, or the URL it is to be fetched from.

    Raises:
        Invalid: a field is not valid.
        UrlNotAllowed: the URL may not be fetched.
        TooLarge: it is larger than MAX_UPLOAD_MB.
    """
    if request.mimetype == "multipart/form-data":
        return _small_enough(_from_form(schemas.FileFormSchema()))
    sent = request.get_json(silent=True)
    if isinstance(sent, dict) and "url" in sent:
        return _from_url()
    body = parser.parse(schemas.DocumentInSchema(), request, location="json")
    content, collection = body.pop("content"), service.check_collection(body.pop("collection"))
    extra, data = body.pop("metadata"), content.encode()
    return _small_enough(NewDocument(data=data, media_type="text/markdown", collection=collection, extra=extra, **body))


def new_content() -> NewDocument:
    """A document's next content in this request.

    Raises:
        Invalid, TooLarge: as for `new_document`.
    """
    if request.mimetype == "multipart/form-data":
        return _small_enough(_from_form(schemas.ContentFormSchema()))
    body = parser.parse(schemas.ContentSchema(), request, location="json")
    return _small_enough(NewDocument(data=body["content"].encode(), media_type="text/markdown"))


def _from_url() -> NewUrl:
    body = parser.parse(schemas.UrlInSchema(), request, location="json")
    body["url"] = urls.check_url(body["url"], services().fetch_limits)
    return NewUrl(collection=service.check_collection(body.pop("collection")), extra=body.pop("metadata"), **body)


def _from_form(schema: ma.Schema) -> NewDocument:
    _refuse_strays()
    body = parser.parse(schema, request, location="form")
    upload = request.files.get("file")
    if upload is None:
        raise Invalid(errors=[FieldError("/file", "Send the document in the form field `file`.")])
    name = (upload.filename or "").replace("\\", "/").rpartition("/")[2]
    for pointer, value in (("/file", name), *((f"/{key}", str(value)) for key, value in body.items())):
        check_text(value, pointer)
    if "collection" in body:
        body["collection"] = service.check_collection(body["collection"])
    # A long name keeps its end, because the extension tells what it is.
    label = clean_title(name[-200:])
    extra = _object(body.pop("metadata", "{}"), "/metadata")
    return NewDocument(data=upload.read(), filename=label, media_type=upload.mimetype, extra=extra, **body)


def _object(written: str, pointer: str) -> dict[str, object]:
    """The JSON object in a field of a form."""
    try:
        value = parse_json(written.encode())
    except BadRequest:
        value = None
    except Invalid as error:
        raise Invalid(errors=[FieldError(pointer + e.pointer, e.detail) for e in error.errors]) from None
    if not isinstance(value, dict):
        raise Invalid(errors=[FieldError(pointer, "Not a valid mapping type.")])
    return value


def _refuse_strays() -> None:
    """A part that would be left unread is refused, like an unknown field in JSON."""
    sent: list[tuple[str, list[Any]]] = [*request.form.lists(), *request.files.lists()]
    for name, parts in sent:
        if len(parts) > 1:
            raise Invalid(errors=[FieldError(f"/{name}", "Give this field once.")])
    for name in request.files.keys() - {"file"}:
        raise Invalid(errors=[FieldError(f"/{name}", "Unknown field.")])


def _small_enough(new: NewDocument) -> NewDocument:
    limit = services().settings.max_upload_mb
    if len(new.data) > limit * 1024 * 1024:
        raise TooLarge(f"The document is larger than {limit} MB.")
    return new
