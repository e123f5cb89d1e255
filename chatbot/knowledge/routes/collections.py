"""Collections and their members."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.typing import ResponseReturnValue

from chatbot.auth.guard import admin_required, caller, user_required
from chatbot.extensions import db
from chatbot.knowledge import collection_schemas as schemas
from chatbot.knowledge.documents import collections
from chatbot.knowledge.documents.collections import Reader
from chatbot.knowledge.routes.blueprint import blp
from chatbot.web.fields import PageArgs, page_of
from chatbot.web.idempotency import http as idempotency
from chatbot.web.idempotency.http import IdempotencySchema

_CREATED = {
    "responses": {
        201: {"headers": idempotency.REPLAYED_HEADER},
        409: {"description": "`collection_exists`, or `idempotency_in_progress`: the first request is still at work."},
        422: {"description": "A field is not valid, or `idempotency_key_reused`: the key was used for another body."},
    }
}
_MEMBER_THERE = {"responses": {200: {"description": "They were a member before."}}}


@blp.route("/collections/", methods=["GET"])
@user_required
@blp.arguments(PageArgs, location="query")
@blp.response(200, page_of(schemas.CollectionSchema))
def list_collections(args: dict[str, Any]) -> object:
    """List collections

    Those the caller may read, newest first; an administrator's list has all of them.
    """
    return collections.list_collections(db.session(), Reader.of(caller()), args["limit"], args["cursor"])


@blp.route("/collections/", methods=["POST"])
@admin_required
@blp.arguments(IdempotencySchema, location="headers")
@blp.arguments(schemas.NewCollectionSchema)
@blp.response(201, schemas.CollectionSchema)
@blp.doc(**_CREATED)
def create_collection(headers: dict[str, Any], body: dict[str, Any]) -> ResponseReturnValue:
    """Make a collection

    For everyone unless told otherwise. With an Idempotency-Key a request that is sent again gets the collection that
    the first one has made, as it is now.
    """
    key = idempotency.taken(caller(), headers.get("key"))
    if key.status and key.made:
        made = collections.get_collection(db.session(), Reader.of(caller()), key.made["collection_id"])
        return made, key.status, idempotency.REPLAYED  # type: ignore[return-value]
    return collections.create_collection(db.session(), **body, key=key)  # type: ignore[return-value]


@blp.route("/collections/<uuid:collection_id>/", methods=["GET"])
@user_required
@blp.response(200, schemas.CollectionSchema)
def get_collection(collection_id: UUID) -> object:
    """Read one collection"""
    return collections.get_collection(db.session(), Reader.of(caller()), str(collection_id))


@blp.route("/collections/<uuid:collection_id>/", methods=["PATCH"])
@admin_required
@blp.arguments(schemas.CollectionChangeSchema)
@blp.response(200, schemas.CollectionSchema)
def change_collection(body: dict[str, Any], collection_id: UUID) -> object:
    """Rename a collection, or change who may read it

    It holds for the next question in every process. The collection `default` keeps its name.
    """
    return collections.change_collection(db.session(), str(collection_id), body)


@blp.route("/collections/<uuid:collection_id>/", methods=["DELETE"])
@admin_required
@blp.response(200, schemas.CollectionReceiptSchema)
def delete_collection(collection_id: UUID) -> object:
    """Delete a collection

    Only where there is no document in it; `default` stays. The answer says what is gone.
    """
    return collections.delete_collection(db.session(), str(collection_id))


@blp.route("/collections/<uuid:collection_id>/members/", methods=["GET"])
@admin_required
@blp.arguments(PageArgs, location="query")
@blp.response(200, page_of(schemas.MemberSchema))
def list_members(args: dict[str, Any], collection_id: UUID) -> object:
    """List the members of a collection

    Newest first.
    """
    return collections.list_members(db.session(), str(collection_id), args["limit"], args["cursor"])


@blp.route("/collections/<uuid:collection_id>/members/", methods=["POST"])
@admin_required
@blp.arguments(schemas.NewMemberSchema)
@blp.response(201, schemas.MemberSchema)
@blp.alt_response(200, schema=schemas.MemberSchema)
@blp.doc(**_MEMBER_THERE)
def add_member(body: dict[str, Any], collection_id: UUID) -> ResponseReturnValue:
    """Let somebody read a collection

    From their next question on. Sent again it changes nothing, and answers 200.
    """
    member, is_new = collections.add_member(db.session(), str(collection_id), body["username"])
    return member, 201 if is_new else 200  # type: ignore[return-value]


@blp.route("/collections/<uuid:collection_id>/members/<uuid:user_id>/", methods=["DELETE"])
@admin_required
@blp.response(204)
def remove_member(collection_id: UUID, user_id: UUID) -> None:
    """Take somebody's membership away

    From their next question on they find nothing that is in the collection, unless it is for everyone.
    """
    collections.remove_member(db.session(), str(collection_id), str(user_id))
