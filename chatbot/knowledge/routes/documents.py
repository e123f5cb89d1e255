"""Documents: adding, listing, reading and deleting them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import jsonify
from flask.typing import ResponseReturnValue

from chatbot.auth.guard import admin_required, administers, allow_chat_scope, caller, user_required
from chatbot.background import enqueue
from chatbot.current import services
from chatbot.extensions import db
from chatbot.knowledge import schemas
from chatbot.knowledge.documents import dry_run, queue_status, reader_views, service, updates, urls
from chatbot.knowledge.documents.collections import Reader
from chatbot.knowledge.documents.service import NewDocument
from chatbot.knowledge.documents.urls import NewUrl
from chatbot.knowledge.models import Document
from chatbot.knowledge.routes.blueprint import blp, waited
from chatbot.knowledge.routes.uploads import JSON_OR_FILE, new_document
from chatbot.knowledge.tasks import ingest_document
from chatbot.web.fields import page_of
from chatbot.web.idempotency import http as idempotency
from chatbot.web.idempotency.http import IdempotencySchema


@blp.route("/documents/", methods=["POST"])
@admin_required
@blp.arguments(schemas.AddArgs, location="query")
@blp.arguments(IdempotencySchema, location="headers")
@blp.response(202, schemas.DocumentSchema)
@blp.doc(**JSON_OR_FILE)
def add_document(args: dict[str, Any], headers: dict[str, Any]) -> ResponseReturnValue:
    """Add a document

    As JSON with `title` and `content`, as JSON with a `url`, or as a form with a `file` (txt, md, html, pdf, docx,
    pptx, xlsx, odt, ods, odp, epub, csv, tsv, json, jsonl, eml, msg, ics, rtf, rst, adoc, org, tex, mdx, ipynb, vtt,
    srt, xml, or source code such as py, ts, sql or yaml). It is stored and queued at once; a worker fetches what has a
    URL, and ingests it. The same content, or the same URL, in the same collection is the same document. With an
    Idempotency-Key a request that is sent again gets the answer of the first, with the document as it is now. With
    `dry_run=1` nothing is stored, and the answer says what would be; what has a URL is fetched for it then.
    """
    new = new_document()
    if args["dry_run"] in ("1", "true"):
        return _previewed(new)
    key = idempotency.taken(caller(), headers.get("key"))
    if key.status and key.made:
        document = service.get_document(db.session(), key.made["document_id"])
        shown = queue_status.describe(db.session(), document)
        return shown, key.status, idempotency.REPLAYED  # type: ignore[return-value]
    document, status = _added(new, args["wait"])
    key.finish(status, {"document_id": document.id})
    return queue_status.describe(db.session(), document), status  # type: ignore[return-value]


def _previewed(new: NewDocument | NewUrl) -> ResponseReturnValue:
    fetched = None
    if isinstance(new, NewUrl):
        new, fetched = urls.as_it_is_now(new, services().fetch_limits)
    found = dry_run.preview(db.session(), services().embedders, new, fetched)
    return jsonify(schemas.PreviewSchema().dump(found))


def _added(new: NewDocument | NewUrl, wait: float) -> tuple[Document, int]:
    session = db.session()
    document, to_ingest = urls.add_url(session, new) if isinstance(new, NewUrl) else service.add_document(session, new)
    if not to_ingest:
        return document, 200
    enqueue(ingest_document, document.id)
    document = waited(db.session(), document, wait)
    return document, 201 if document.status == "ready" else 202


@blp.route("/documents/", methods=["GET"])
@admin_required
@blp.arguments(schemas.DocumentFilterArgs, location="query")
@blp.response(200, page_of(schemas.DocumentSchema))
def list_documents(args: dict[str, Any]) -> object:
    """List documents

    Newest first; deleted ones only with `status=deleted`.
    """
    page = service.list_documents(db.session(), args, args.pop("limit"), args.pop("cursor"))
    return queue_status.described_page(db.session(), page)


@blp.route("/documents/<uuid:document_id>/", methods=["GET"])
@user_required
@allow_chat_scope
@blp.response(200, schemas.DocumentSchema)
def get_document(document_id: UUID) -> object:
    """Read one document

    Administrators: its status, its progress, its place in the queue, and the reason of a failure or a wait. Everybody
    else sees `id`, `title`, `source`, `url`, `version` and `language` of a document that they may search; a visitor's
    token and a key with the scope `chat` are enough.
    """
    if not administers(caller()):
        found = reader_views.read_document(db.session(), Reader.of(caller()), str(document_id))
        return jsonify(schemas.DocumentSchema(only=schemas.READ_DOCUMENT).dump(found))
    return queue_status.describe(db.session(), service.get_document(db.session(), str(document_id)))


@blp.route("/documents/<uuid:document_id>/", methods=["PATCH"])
@admin_required
@blp.arguments(schemas.DocumentChangesSchema)
@blp.response(200, schemas.DocumentSchema)
def change_document(body: dict[str, object], document_id: UUID) -> object:
    """Change what is said about a document

    Whether it is active and its collection hold for the next search and the next answer of every process. A collection
    that has the same content already answers 409 `same_content`. The content is changed with PUT content/.
    """
    return queue_status.describe(db.session(), updates.edit_document(db.session(), str(document_id), body))


@blp.route("/documents/<uuid:document_id>/retry/", methods=["POST"])
@admin_required
@blp.response(202, schemas.DocumentSchema)
@blp.doc(responses={409: {"description": "`nothing_to_retry`: it is ready, and does not come from a URL."}})
def retry_document(document_id: UUID) -> object:
    """Try a document again

    A failed one goes back into the queue, one that waits is tried at once, and one that came from a URL is fetched
    again: if it has changed it becomes a new version, and until that is ready the one before answers.
    """
    document = urls.retry(db.session(), str(document_id))
    enqueue(ingest_document, document.id)
    return queue_status.describe(db.session(), document)


@blp.route("/documents/<uuid:document_id>/", methods=["DELETE"])
@admin_required
@blp.response(200, schemas.ReceiptSchema)
def delete_document(document_id: UUID) -> object:
    """Delete a document

    It is in no answer and no search from now on, in any process. The answer says what is gone.
    """
    return service.delete_document(db.session(), str(document_id))
