"""Signing in and out, and the sessions of an account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chatbot.auth import schemas
from chatbot.auth.credentials import jwts, sessions
from chatbot.auth.guard import caller, public, signed_in
from chatbot.auth.login_throttle import account_of, attempt
from chatbot.auth.routes.blueprint import blp, origin
from chatbot.current import settings
from chatbot.extensions import db
from chatbot.web.fields import PageArgs, page_of
from chatbot.web.limits import rate_limits
from chatbot.web.pagination import Page


@blp.route("/login/", methods=["POST"])
@public
@rate_limits.counts_inside
@blp.arguments(schemas.LoginSchema)
@blp.response(200, schemas.LoginAnswerSchema)
def login(body: dict[str, Any]) -> object:
    """Sign in

    Wrong passwords are limited for each account, for each address, and altogether.
    """
    email, password = body["email"], body["password"]
    with attempt(account_of(email)):
        user, grant = sessions.log_in(db.session(), settings(), email, password, origin())
    pair = jwts.pair(grant)
    return {"access": pair.access, "refresh": pair.refresh, "expires_in": pair.expires_in, "user": user}


@blp.route("/token/refresh/", methods=["POST"])
@public
@blp.arguments(schemas.RefreshSchema)
@blp.response(200, schemas.TokenPairSchema)
def refresh(body: dict[str, Any]) -> object:
    """Refresh

    Spends the refresh token and gives a new pair. Using a spent one again ends the whole session; within
    `REFRESH_LEEWAY_SECONDS` the last one spent gets the same new token once more.
    """
    claims = jwts.read(body["refresh"], "refresh")
    return jwts.pair(sessions.refresh(db.session(), settings(), claims, origin()))


@blp.route("/logout/", methods=["POST"])
@signed_in
@blp.arguments(schemas.RefreshSchema)
@blp.response(204)
def logout(body: dict[str, Any]) -> None:
    """Sign out

    Ends the session the refresh token belongs to; its access tokens fail at once.
    """
    sessions.log_out(db.session(), caller().user_id, jwts.read(body["refresh"], "refresh"), origin())


@blp.route("/logout/all/", methods=["POST"])
@signed_in
@blp.response(204)
def logout_all() -> None:
    """Sign out everywhere

    Ends every session of the caller. API keys are not sessions: revoke them one by one.
    """
    sessions.log_out_everywhere(db.session(), caller().user_id, origin())


@blp.route("/sessions/", methods=["GET"])
@signed_in
@blp.arguments(PageArgs, location="query")
@blp.response(200, page_of(schemas.SessionSchema))
def list_sessions(args: dict[str, Any]) -> object:
    """List where the account is signed in

    The session used last comes first. An account has at most `MAX_SESSIONS` of them; one more ends the one that was
    not used for longest.
    """
    page = sessions.list_sessions(db.session(), caller().user_id, args["limit"], args["cursor"])
    return Page([_session(family) for family in page.items], page.next_cursor)


def _session(family: Any) -> dict[str, object]:
    shown = ("id", "device", "network", "created_at", "last_used_at", "expires_at")
    return {name: getattr(family, name) for name in shown} | {"is_current": family.id == caller().credential_id}


@blp.route("/sessions/<uuid:session_id>/", methods=["DELETE"])
@signed_in
@blp.response(204)
def end_session(session_id: UUID) -> None:
    """Sign out somewhere else

    Ends one session of the caller; its tokens fail at once.
    """
    sessions.end_session(db.session(), caller().user_id, str(session_id), origin())
