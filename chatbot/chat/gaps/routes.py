"""/api/knowledge/gaps/: what is asked of the documents comes from conversations, so it is made in this package."""

from __future__ import annotations

from typing import Any

from flask.typing import ResponseReturnValue

from chatbot.auth.guard import admin_required
from chatbot.background import enqueue
from chatbot.chat.gaps.schemas import GapArgs, GapListSchema, ResolvedSchema, ResolveSchema
from chatbot.chat.gaps.service import list_gaps
from chatbot.current import services
from chatbot.extensions import db
from chatbot.knowledge.documents import curated, queue_status
from chatbot.knowledge.models import DEFAULT_COLLECTION
from chatbot.knowledge.routes.blueprint import waited
from chatbot.knowledge.schemas import WaitArgs
from chatbot.knowledge.tasks import ingest_document
from chatbot.web.http.blueprint import Blueprint
from chatbot.web.http.request_resources import release

blp = Blueprint("gaps", __name__, url_prefix="/api/knowledge/gaps")
blp.teardown_request(release)
# The OpenAPI document lists them with the other operations on what is known.
TAGS = ["knowledge"]


@blp.route("/", methods=["GET"], tags=TAGS)
@admin_required
@blp.arguments(GapArgs, location="query")
@blp.response(200, GapListSchema)
def gaps(args: dict[str, Any]) -> object:
    """List what the documents do not answer

    Questions that found nothing, or whose answer was voted down, grouped by meaning; those asked most often first. Of
    who asked nothing is told. The newest 500 are looked at. One that somebody has dealt with is there with
    `status=resolved`; when it is asked again without success it is open again.
    """
    return {"items": list_gaps(db.session(), services().retriever.embedder(), args["limit"], args["status"])}


@blp.route("/resolve/", methods=["POST"], tags=TAGS)
@admin_required
@blp.arguments(WaitArgs, location="query")
@blp.arguments(ResolveSchema)
@blp.response(202, ResolvedSchema)
@blp.doc(responses={200: {"description": "That answer is there."}, 201: {"description": "It is done."}})
def resolve_gap(args: dict[str, Any], body: dict[str, Any]) -> ResponseReturnValue:
    """Close a gap

    With an `answer` of your own: it becomes a document, with the question as its title, and comes first wherever that
    question is asked, in nearly the same words; sent again it becomes its next version. Or with the documents that
    are `relevant`: the question becomes a case of a stored set, with which `flask eval run` measures the search.
    """
    session = db.session()
    if body["relevant"] is not None:
        ids = [str(document_id) for document_id in body["relevant"]]
        case = curated.add_case(session, body["question"], ids, body["set"] or curated.GAPS_SET)
        return {"document": None, "case": case}, 201
    collection = body["collection"] or DEFAULT_COLLECTION
    outcome, document, to_ingest = curated.curate(session, body["question"], body["answer"], collection)
    if to_ingest:
        enqueue(ingest_document, document.id)
        document = waited(session, document, args["wait"])
    status = 200 if outcome == "unchanged" else 201 if document.status == "ready" else 202
    return {"document": queue_status.describe(session, document), "case": None}, status
