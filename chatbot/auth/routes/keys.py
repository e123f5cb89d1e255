"""API keys, and the tokens they sign for visitors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from chatbot.auth import schemas
from chatbot.auth.credentials import jwts, keys
from chatbot.auth.guard import caller, needs_key, needs_session, user_required
from chatbot.auth.routes.blueprint import blp, origin
from chatbot.extensions import db
from chatbot.web.fields import PageArgs, page_of


@blp.route("/api-keys/", methods=["GET"])
@user_required
@blp.arguments(PageArgs, location="query")
@blp.response(200, page_of(schemas.KeySchema))
def list_keys(args: dict[str, Any]) -> object:
    """List the own API keys

    Newest first, without the keys themselves.
    """
    return keys.list_keys(db.session(), caller().user_id, args["limit"], args["cursor"])


@blp.route("/api-keys/", methods=["POST"])
@user_required
@needs_session
@blp.arguments(schemas.NewKeySchema)
@blp.response(201, schemas.KeyOnceSchema)
def create_key(body: dict[str, Any]) -> object:
    """Make an API key

    The key is shown this once. It is accepted wherever an access token is, as far as its scopes reach; a key can make
    no keys.
    """
    key, secret = keys.create_key(db.session(), caller().user_id, **body, origin=origin())
    shown = ("id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at")
    return {name: getattr(key, name) for name in shown} | {"key": secret}


@blp.route("/api-keys/<uuid:key_id>/", methods=["DELETE"])
@user_required
@blp.response(204)
def revoke_key(key_id: UUID) -> None:
    """Revoke an API key

    It and every visitor's token it has signed fail from the next request on.
    """
    keys.revoke_key(db.session(), caller().user_id, str(key_id), origin())


@blp.route("/visitor-tokens/", methods=["POST"])
@user_required
@needs_key(keys.VISITORS)
@blp.arguments(schemas.VisitorSchema)
@blp.response(201, schemas.VisitorTokenSchema)
def sign_visitor(body: dict[str, Any]) -> object:
    """Sign a token for a visitor of your product

    For an API key with the scope `visitors`, from your server: your page then talks to the chat with the token, which
    dies by itself, or with the key. A visitor sees only their own conversations.
    """
    who = caller()
    lifetime = timedelta(minutes=body["minutes"])
    access = jwts.sign_visitor(
        who.user_id,
        who.credential_id,
        body["sub"],
        lifetime,
        collections=body["collections"],
        daily_tokens=body["daily_tokens"],
    )
    return {"access": access, "expires_in": int(lifetime.total_seconds())}
