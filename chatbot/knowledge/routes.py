"""/api/knowledge/"""

from __future__ import annotations

import time
from typing import Any

from flask import current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from chatbot.auth.guard import admin_required, caller, user_required
from chatbot.background import wake
from chatbot.errors import FieldError, Invalid, TooLarge
from chatbot.extensions import db
from chatbot.knowledge import schemas, service
from chatbot.knowledge.collections import Reader, readable
from chatbot.knowledge.filters import conditions
from chatbot.knowledge.models import Document
from chatbot.knowledge.retrieval import Retriever
from chatbot.knowledge.service import NewDocument
from chatbot.knowledge.tasks import ingest_document
from chatbot.web import idempotency
from chatbot.web.blueprint import Blueprint, parser
from chatbot.web.fields import page_of
from chatbot.web.holding import let_go
from chatbot.web.idempotency import IdempotencySchema
from chatbot.web.requests import check_text

blp = Blueprint("knowledge", __name__, url_prefix="/api/knowledge", description="Documents and search.")
blp.teardown_request(let_go)

_JSON_OR_FILE = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": schemas.DocumentInSchema},
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
                    },
                }
            },
        },
    },
    "responses": {
        201: {"description": "Ready within the wait.", "headers": idempotency.REPLAYED_HEADER},
        200: {"description": "The same content is there already.", "headers": idempotency.REPLAYED_HEADER},
        202: {"headers": idempotency.REPLAYED_HEADER},
        409: {"description": "`idempotency_in_progress`: the first request with this key is still at work."},
        413: {"description": "The file is larger than MAX_UPLOAD_MB."},
        415: {"description": "Neither JSON nor a form with a file."},
        422: {"description": "A field is not valid, or `idempotency_key_reused`: the key was used for another body."},
    },
}


def retriever() -> Retriever:
    """This process's retriever."""
    found: Retriever = current_app.extensions["retriever"]
    return found


@blp.route("/documents/", methods=["POST"])
@admin_required
@blp.arguments(schemas.AddArgs, location="query")
@blp.arguments(IdempotencySchema, location="headers")
@blp.response(202, schemas.DocumentSchema)
@blp.doc(**_JSON_OR_FILE)
def add_document(args: dict[str, Any], headers: dict[str, Any]) -> ResponseReturnValue:
    """Add a document

    As JSON with `title` and `content`, or as a form with a `file` (txt, md, html, pdf, docx, pptx, xlsx, csv, tsv,
    json, jsonl, eml). It is stored and queued at once; a worker ingests it. The same content in the same collection is
    the same document. With an Idempotency-Key a request that is sent again gets the answer of the first, with the
    document as it is now.
    """
    new = _small_enough(_read_new())
    key = idempotency.taken(caller(), headers.get("key"))
    if key.status and key.made:
        document = service.get_document(db.session(), key.made["document_id"])
        return document, key.status, idempotency.REPLAYED  # type: ignore[return-value]
    document, status = _added(new, args["wait"])
    key.finish(status, {"document_id": document.id})
    return document, status  # type: ignore[return-value]


def _added(new: NewDocument, wait: float) -> tuple[Document, int]:
    document, to_ingest = service.add_document(db.session(), new)
    if not to_ingest:
        return document, 200
    wake(ingest_document, document.id)
    document = _waited(db.session(), document, wait)
    return document, 201 if document.status == "ready" else 202


def _read_new() -> NewDocument:
    if request.mimetype == "multipart/form-data":
        return _from_form()
    body = parser.parse(schemas.DocumentInSchema(), request, location="json")
    content, collection = body.pop("content"), service.check_collection(body.pop("collection"))
    extra = body.pop("metadata")
    return NewDocument(data=content.encode(), media_type="text/markdown", collection=collection, extra=extra, **body)


def _from_form() -> NewDocument:
    _refuse_strays()
    body = parser.parse(schemas.FileFormSchema(), request, location="form")
    upload = request.files.get("file")
    if upload is None:
        raise Invalid(errors=[FieldError("/file", "Send the document in the form field `file`.")])
    name = (upload.filename or "").replace("\\", "/").rpartition("/")[2]
    for pointer, value in (("/file", name), *((f"/{key}", str(value)) for key, value in body.items())):
        check_text(value, pointer)
    body["collection"] = service.check_collection(body["collection"])
    # A long name keeps its end, because the extension tells what it is.
    label = service.clean_title(name[-200:])
    return NewDocument(data=upload.read(), filename=label, media_type=upload.mimetype, **body)


def _refuse_strays() -> None:
    """A part that would be left unread is refused, like an unknown field in JSON."""
    sent: list[tuple[str, list[Any]]] = [*request.form.lists(), *request.files.lists()]
    for name, parts in sent:
        if len(parts) > 1:
            raise Invalid(errors=[FieldError(f"/{name}", "Give this field once.")])
    for name in request.files.keys() - {"file"}:
        raise Invalid(errors=[FieldError(f"/{name}", "Unknown field.")])


def _small_enough(new: NewDocument) -> NewDocument:
    limit = current_app.extensions["settings"].max_upload_mb
    if len(new.data) > limit * 1024 * 1024:
        raise TooLarge(f"The document is larger than {limit} MB.")
    return new


def _waited(session: Session, document: Document, seconds: float) -> Document:
    """The document as it is when it is done or the wait is over; no connection is held in between."""
    until = time.monotonic() + seconds
    while document.status in ("queued", "processing") and time.monotonic() < until:
        session.rollback()
        time.sleep(0.05)
        document = service.get_document(session, document.id)
    return document


@blp.route("/documents/", methods=["GET"])
@admin_required
@blp.arguments(schemas.DocumentFilterArgs, location="query")
@blp.response(200, page_of(schemas.DocumentSchema))
def list_documents(args: dict[str, Any]) -> Any:
    """List documents

    Newest first; deleted ones only with `status=deleted`.
    """
    return service.list_documents(db.session(), args, args.pop("limit"), args.pop("cursor"))


@blp.route("/documents/<uuid:document_id>/", methods=["GET"])
@admin_required
@blp.response(200, schemas.DocumentSchema)
def get_document(document_id: Any) -> Any:
    """Read one document

    Its status, its progress, and the reason of a failure or a wait.
    """
    return service.get_document(db.session(), str(document_id))


@blp.route("/documents/<uuid:document_id>/", methods=["DELETE"])
@admin_required
@blp.response(200, schemas.ReceiptSchema)
def delete_document(document_id: Any) -> Any:
    """Delete a document

    It is in no answer and no search from now on, in any process. The answer says what is gone.
    """
    return service.delete_document(db.session(), str(document_id))


@blp.route("/search/", methods=["GET"])
@user_required
@blp.arguments(schemas.SearchArgs, location="query")
@blp.response(200, schemas.SearchAnswerSchema)
def search(args: dict[str, Any]) -> Any:
    """Search

    The best passages with their scores, of what the caller may read. No language model is called.
    """
    names = frozenset([service.check_collection(args["collection"])]) if args["collection"] else None
    where = conditions(args["filter"])
    only = readable(db.session(), Reader.of(caller()), names)
    # No connection is held while the question is embedded.
    db.session.rollback()
    passages, threshold = retriever().search(
        args["q"], args["k"], only, mode=args["mode"], conditions=where, variety=args["variety"]
    )
    return {"items": passages, "threshold": threshold}


@blp.route("/stats/", methods=["GET"])
@admin_required
@blp.response(200, schemas.StatsSchema)
def stats() -> Any:
    """Read what is stored"""
    return service.stats(db.session()) | {"index": retriever().index_stats()}
