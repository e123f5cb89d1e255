"""What a document consists of: its content, its versions, its chunks."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import Response, jsonify
from flask.typing import ResponseReturnValue

from chatbot.auth.guard import admin_required, administers, allow_chat_scope, caller, user_required
from chatbot.background import enqueue
from chatbot.extensions import db
from chatbot.knowledge import schemas
from chatbot.knowledge.documents import queue_status, reader_views, updates, versions
from chatbot.knowledge.documents.collections import Reader
from chatbot.knowledge.models import Document
from chatbot.knowledge.parsing.formats import BY_MEDIA_TYPE
from chatbot.knowledge.routes.blueprint import blp, waited
from chatbot.knowledge.routes.uploads import CONTENT_OR_FILE, new_content
from chatbot.knowledge.tasks import ingest_document
from chatbot.web.fields import PageArgs, page_of

_KINDS = sorted({*BY_MEDIA_TYPE, versions.UNKNOWN})
_DOWNLOAD = {
    "responses": {
        200: {
            "description": "The bytes as they came, always as an attachment.",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _KINDS},
        }
    }
}
_QUEUED = {
    "responses": {
        200: {"description": "Ready within the wait, or the same content as before."},
        202: {"description": "The new version is queued; the one before answers meanwhile."},
    }
}


@blp.route("/documents/<uuid:document_id>/content/", methods=["PUT"])
@admin_required
@blp.arguments(schemas.WaitArgs, location="query")
@blp.response(202, schemas.DocumentSchema)
@blp.alt_response(200, schema=schemas.DocumentSchema)
@blp.doc(**CONTENT_OR_FILE)
def replace_content(args: dict[str, Any], document_id: UUID) -> ResponseReturnValue:
    """Replace a document's content

    As JSON with `content`, or as a form with a `file`. It becomes the next version of the same document; the version
    before answers until the new one is ready. Another document of the collection with this content: 409
    `same_content`.
    """
    return _ingested(*updates.replace_content(db.session(), str(document_id), new_content()), args["wait"])


def _ingested(document: Document, to_ingest: bool, wait: float) -> ResponseReturnValue:
    if to_ingest:
        enqueue(ingest_document, document.id)
        document = waited(db.session(), document, wait)
    status = 200 if not to_ingest or document.status == "ready" else 202
    return queue_status.describe(db.session(), document), status  # type: ignore[return-value]


@blp.route("/documents/<uuid:document_id>/content/", methods=["GET"])
@admin_required
@blp.arguments(schemas.VersionArgs, location="query")
@blp.doc(**_DOWNLOAD)
def download(args: dict[str, Any], document_id: UUID) -> Response:
    """Download the original

    The bytes as they came. They are the work of whoever wrote the document: open them as carefully as a letter.
    """
    found = versions.original(db.session(), str(document_id), args["version"])
    response = Response(found.data, content_type=found.media_type)
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(found.filename, safe='')}"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    return response


@blp.route("/documents/<uuid:document_id>/versions/", methods=["GET"])
@admin_required
@blp.arguments(PageArgs, location="query")
@blp.response(200, page_of(schemas.VersionSchema))
def list_versions(args: dict[str, Any], document_id: UUID) -> object:
    """List a document's versions

    Newest first.
    """
    return versions.list_versions(db.session(), str(document_id), args["limit"], args["cursor"])


@blp.route("/documents/<uuid:document_id>/versions/<int:number>/", methods=["GET"])
@user_required
@allow_chat_scope
@blp.response(200, schemas.VersionTextSchema)
def get_version(document_id: UUID, number: int) -> object:
    """Read one version

    With its text, in which the offsets of its citations count. Everybody reads every version that was ready of the
    documents that they may search; a visitor's token and a key with the scope `chat` are enough. `content_hash`,
    `size_bytes` and `filename` are for administrators.
    """
    if not administers(caller()):
        found = reader_views.read_version(db.session(), Reader.of(caller()), str(document_id), number)
        return jsonify(schemas.VersionTextSchema(only=schemas.READ_VERSION).dump(found))
    return versions.read_version(db.session(), str(document_id), number)


@blp.route("/documents/<uuid:document_id>/versions/<int:number>/diff/", methods=["GET"])
@admin_required
@blp.arguments(schemas.CompareArgs, location="query")
@blp.response(200, schemas.ComparisonSchema)
def compare_versions(args: dict[str, Any], document_id: UUID, number: int) -> object:
    """Compare two versions

    A unified diff of their texts. Texts whose comparison would take too long are 422 `too_large_to_compare`.
    """
    return versions.compare(db.session(), str(document_id), number, args["to"])


@blp.route("/documents/<uuid:document_id>/versions/<int:number>/restore/", methods=["POST"])
@admin_required
@blp.arguments(schemas.WaitArgs, location="query")
@blp.response(202, schemas.DocumentSchema)
@blp.alt_response(200, schema=schemas.DocumentSchema)
@blp.doc(**_QUEUED)
def restore_version(args: dict[str, Any], document_id: UUID, number: int) -> ResponseReturnValue:
    """Go back to an earlier version

    Its content becomes the next version, so that nothing of the history is lost.
    """
    return _ingested(*updates.restore(db.session(), str(document_id), number), args["wait"])


@blp.route("/documents/<uuid:document_id>/chunks/", methods=["GET"])
@user_required
@allow_chat_scope
@blp.arguments(PageArgs, location="query")
@blp.response(200, page_of(schemas.ChunkSchema))
def list_chunks(args: dict[str, Any], document_id: UUID) -> object:
    """List a document's chunks

    The pieces that are searched, in the order of the text; of the version that answers. Everybody reads those of the
    documents that they may search; a visitor's token and a key with the scope `chat` are enough.
    """
    if not administers(caller()):
        reader = Reader.of(caller())
        return reader_views.list_chunks(db.session(), reader, str(document_id), args["limit"], args["cursor"])
    return versions.list_chunks(db.session(), str(document_id), args["limit"], args["cursor"])
