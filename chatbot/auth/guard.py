"""Who may pass: every view wears exactly one of `public`, `user_required`, `admin_required`.

Default deny: an endpoint without a guard is refused before its view runs, and a test names it. The guard comes
before the body is read. It asks the database at every request, so a revoked family, a disabled account or a lost
role counts from the next request on, in every process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import structlog
from flask import Flask, current_app, g, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.auth import tokens
from chatbot.auth.models import TokenFamily, User
from chatbot.db import Sessions, utcnow
from chatbot.errors import Forbidden, Unauthorized

View = TypeVar("View", bound=Callable[..., Any])


class EmailNotVerified(Forbidden):
    code, detail = "email_not_verified", "Confirm your e-mail address first; the link is in your mail."


@dataclass(frozen=True)
class Caller:
    """Who is asking, as plain values."""

    user_id: str
    family_id: str
    username: str
    is_admin: bool
    is_verified: bool


def public(view: View) -> View:
    """Anybody may call this."""
    return _guarded(view, "public")


def user_required(view: View) -> View:
    """A signed-in person; with REQUIRE_VERIFIED_EMAIL one whose address is confirmed."""
    return _guarded(view, "user")


def signed_in(view: View) -> View:
    """A signed-in person, confirmed or not: what one needs to manage the own account."""
    return _guarded(view, "signed_in")


def admin_required(view: View) -> View:
    """An administrator."""
    return _guarded(view, "admin")


def caller() -> Caller:
    """The caller the guard has let pass."""
    who: Caller = g.caller
    return who


def init_app(app: Flask, sessions: Sessions, require_verified: bool) -> None:
    """Refuses endpoints without a guard, and arms the others."""
    app.before_request(lambda: _check(app, sessions, require_verified))


def _guarded(view: View, kind: str) -> View:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    guarded.guard = kind  # type: ignore[attr-defined]
    # flask-smorest reads this when it writes the OpenAPI document.
    doc = dict(getattr(view, "_apidoc", {}))
    doc["guard"] = kind
    guarded._apidoc = doc  # type: ignore[attr-defined]
    return guarded  # type: ignore[return-value]


def guard_of(app: Flask, endpoint: str) -> str | None:
    """The guard an endpoint wears, or None."""
    if endpoint == "static":
        return "public"
    kind: str | None = getattr(app.view_functions[endpoint], "guard", None)
    return kind


def _check(app: Flask, sessions: Sessions, require_verified: bool) -> None:
    if request.endpoint is None:
        return
    kind = guard_of(app, request.endpoint)
    if kind == "public":
        return
    if kind is None:
        current_app.logger.error("endpoint without a guard: %s", request.endpoint)
        raise Forbidden()
    with sessions() as session:
        g.caller = identify(session, bearer())
    structlog.contextvars.bind_contextvars(user_id=g.caller.user_id)
    if kind == "admin" and not g.caller.is_admin:
        raise Forbidden("This is for administrators.", code="admin_required")
    if kind != "signed_in" and require_verified and not g.caller.is_verified:
        raise EmailNotVerified()


def bearer() -> str:
    """The token of the Authorization header.

    Raises:
        Unauthorized: there is none.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized()
    return token.strip()


def identify(session: Session, token: str) -> Caller:
    """The active owner of an access token whose family is alive.

    Raises:
        InvalidToken: the token, the family or the account is not usable.
    """
    claims = tokens.read(token, "access")
    row = session.execute(
        select(User)
        .join(TokenFamily, TokenFamily.user_id == User.id)
        .where(TokenFamily.id == claims.family_id, TokenFamily.revoked_at.is_(None))
        .where(TokenFamily.expires_at > utcnow())
        .where(User.id == claims.user_id, User.is_active)
    ).scalar_one_or_none()
    if row is None:
        raise tokens.InvalidToken()
    return Caller(row.id, claims.family_id, row.username, row.is_admin, row.is_verified)
