"""The blueprint of /api/users/, and what its views ask of the request."""

from __future__ import annotations

from flask import g, request

from chatbot.auth.client_info import ClientInfo, device_of, network_of
from chatbot.web.http.blueprint import Blueprint
from chatbot.web.http.content_language import language

blp = Blueprint("users", __name__, url_prefix="/api/users", description="Accounts, sessions and keys.")


def origin() -> ClientInfo:
    """Where this request comes from, as it is kept."""
    device = device_of(request.headers.get("User-Agent"))
    return ClientInfo(g.request_id, network_of(request.remote_addr), device, language())
