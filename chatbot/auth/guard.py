"""Who may pass: every view wears exactly one of `public`, `user_required`, `signed_in`, `admin_required`.

Default deny: an endpoint without a guard is refused before its view runs, and a test names it. The guard comes
before the body is read. It asks the database at every request, so a revoked session, a deleted key, a disabled
account or a lost role counts from the next request on, in every process.

An API key stands for its owner as far as its scopes reach: `chat`, `knowledge:read`, `knowledge:write`, `visitors`,
and `admin`, which is everything the account may do. A visitor's token reaches the chat, what its answers quote, and
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import structlog
from flask import Flask, current_app, g, request
from sqlalchemy.orm import Session

from chatbot.auth import callers
from chatbot.auth.callers import Caller
from chatbot.auth.credentials import jwts, keys
from chatbot.db import Sessions
from chatbot.errors import Forbidden, Unauthorized

View = TypeVar("View", bound=Callable[..., Any])

# What an API key needs for the calls of a package: to read, and to write.
# What a key needs to read and to write, by blueprint.
_SCOPES = {
    "chat": (keys.CHAT, keys.CHAT),
    "openai": (keys.CHAT, keys.CHAT),
    "knowledge": (keys.READ, keys.WRITE),
    "gaps": (keys.READ, keys.WRITE),
}


class EmailNotVerified(Forbidden):
    code, detail = "email_not_verified", "Confirm your e-mail address first; the link is in your mail."


class ScopeMissing(Forbidden):
    code, detail = "insufficient_scope", "This API key or token may not do that."


class SessionRequired(Forbidden):
    code, detail = "session_required", "Sign in with a password for this; an API key or a visitor's token cannot do it."


class KeyRequired(Forbidden):
    code, detail = "api_key_required", "This is for API keys with the scope `visitors`."


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


def needs_key(scope: str) -> Callable[[View], View]:
    """Below a guard: only an API key with this scope may call this, no person."""

    def mark(view: View) -> View:
        view.key_scope = scope  # type: ignore[attr-defined]
        return view

    return mark


def allow_chat_scope(view: View) -> View:
    """Below a guard: the scope `chat` is enough as well, for what the chat's answers lead to."""
    view.chat_may = True  # type: ignore[attr-defined]
    return view


def needs_session(view: View) -> View:
    """Below a guard: only a person who has signed in may call this, no key."""
    view.needs_session = True  # type: ignore[attr-defined]
    return view


def no_visitors(view: View) -> View:
    """Below a guard: a visitor's token may not call this."""
    view.no_visitors = True  # type: ignore[attr-defined]
    return view


def administers(who: Caller) -> bool:
    """Whether they are an administrator whose token or key also reads the whole knowledge base."""
    return who.is_admin and (who.scopes is None or not who.scopes.isdisjoint((keys.READ, keys.EVERYTHING)))


def caller() -> Caller:
    """The caller the guard has let pass."""
    who: Caller = g.caller
    return who


def init_app(app: Flask, sessions: Sessions, require_verified: bool) -> None:
    """Refuses endpoints without a guard, and arms the others."""
    app.before_request(lambda: _check(app, sessions, require_verified))


def _guarded(view: View, kind: str) -> View:
    @wraps(view)
    def guarded(*args: object, **kwargs: object) -> object:
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


def scope_of(app: Flask, endpoint: str, method: str) -> str | None:
    """The scope an API key needs for a call; None where no key is taken at all."""
    view = app.view_functions[endpoint]
    if getattr(view, "needs_session", False):
        return None
    blueprint = endpoint.partition(".")[0]
    reads, writes = _SCOPES.get(blueprint, (keys.EVERYTHING, keys.EVERYTHING))
    scope: str = getattr(view, "key_scope", reads if method in ("GET", "HEAD") else writes)
    return scope


def _check(app: Flask, sessions: Sessions, require_verified: bool) -> None:
    if request.endpoint is None:
        return
    kind = guard_of(app, request.endpoint)
    if kind == "public":
        return
    if kind is None:
        current_app.logger.error("endpoint without a guard: %s", request.endpoint)
        raise Forbidden()
    who = _known(sessions, bearer())
    if kind == "admin" and not who.is_admin:
        raise Forbidden("This is for administrators.", code="admin_required")
    if kind != "signed_in" and require_verified and not who.is_verified:
        raise EmailNotVerified()
    if who.via == "session" and hasattr(app.view_functions[request.endpoint], "key_scope"):
        raise KeyRequired()
    view = app.view_functions[request.endpoint]
    if who.via == "visitor" and hasattr(view, "no_visitors"):
        raise ScopeMissing("This takes an account; a visitor's token cannot do it.")
    if who.scopes and keys.CHAT in who.scopes and hasattr(view, "chat_may"):
        return
    _check_scope(who, scope_of(app, request.endpoint, request.method))


def _known(sessions: Sessions, token: str) -> Caller:
    """Who a token stands for; from here on the caller of this request."""
    with sessions() as session:
        who = identify(session, token)
    g.caller = who
    structlog.contextvars.bind_contextvars(user_id=who.user_id)
    callers.note_use(sessions, who)
    return who


def authorize_chat_token(sessions: Sessions, token: str, require_verified: bool) -> Caller:
    """What `user_required` does for the chat, for a token that has come in another way than in a header.

    Raises:
        InvalidToken, EmailNotVerified, ScopeMissing: it may not be used there.
    """
    who = _known(sessions, token)
    if require_verified and not who.is_verified:
        raise EmailNotVerified()
    _check_scope(who, keys.CHAT)
    return who


def _check_scope(who: Caller, scope: str | None) -> None:
    if who.scopes is None:
        return
    if scope is None:
        raise SessionRequired()
    if who.via == "visitor" and scope not in who.scopes:
        raise ScopeMissing("A visitor's token reaches the chat and the documents it may search, and nothing else.")
    if scope not in who.scopes and not (who.via == "key" and keys.EVERYTHING in who.scopes):
        raise ScopeMissing(f"This needs the scope `{scope}`.")


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
    """Who a token or an API key stands for.

    Raises:
        InvalidToken: the token, its session or key, or the account is not usable.
    """
    if token.startswith(keys.PREFIX):
        return callers.of_key(session, token)
    return callers.of_claims(session, jwts.read(token, "access", "visitor"))
