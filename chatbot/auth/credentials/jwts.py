"""JWTs: the access and refresh tokens of a family, and the tokens of visitors.

Flask-JWT-Extended's defaults are loose (a token without `exp` passes, a forged one answers 422), so required claims
are checked here and every unusable token is one 401. A JWT names its key by `kid`; during a rotation the previous key
is accepted until its retirement time.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTDecodeError, JWTExtendedException
from jwt.exceptions import PyJWTError

from chatbot.auth.credentials.tokens import Claims, Grant, InvalidToken, is_visitor
from chatbot.current import services
from chatbot.db import utcnow
from chatbot.errors import FieldError, Invalid

ISSUER = AUDIENCE = "chatbot"
# A host whose clock is a little behind this one must not take a fresh token for one from the future.
BACKDATED = timedelta(seconds=2)
# Characters. Servers and proxies refuse headers of some 8 KB.
MAX_TOKEN = 4_096
_REQUIRED = ("exp", "iat", "iss", "aud", "sub", "jti", "type", "family")


@dataclass(frozen=True)
class TokenPair:
    """An access and a refresh token of one family, and how many seconds the access token lives."""

    access: str
    refresh: str
    expires_in: int


def init_app(app: Flask) -> None:
    """One algorithm, issuer and audience demanded, no claims taken on trust."""
    settings = services(app).settings
    app.config.update(
        JWT_SECRET_KEY=services(app).jwt_secrets.current,
        JWT_ALGORITHM="HS256",
        JWT_DECODE_ALGORITHMS=["HS256"],
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_ENCODE_NBF=False,
        # No token is taken from a cookie, and a claim made of chance would make two tokens of one.
        JWT_TOKEN_LOCATION=["headers"],
        JWT_COOKIE_CSRF_PROTECT=False,
        JWT_DECODE_LEEWAY=settings.clock_skew_seconds,
        JWT_ACCESS_TOKEN_EXPIRES=settings.access_lifetime,
        JWT_REFRESH_TOKEN_EXPIRES=settings.refresh_lifetime,
    )
    JWTManager(app).decode_key_loader(_decode_key)


def kid_of(secret: str) -> str:
    """The public name of a key; it tells nothing of the key."""
    return hmac.new(secret.encode(), b"kid", hashlib.sha256).hexdigest()[:16]


def _decode_key(header: dict[str, object], claims: dict[str, object]) -> str:
    """The key a token names. What else a header may ask for (`jku`, `x5u`, `jwk`) is never looked at."""
    if "type" not in claims:
        raise JWTDecodeError("no type; the library would take it for an access token")
    keys = services().jwt_secrets
    kid = header.get("kid")
    if "crit" in header:
        raise JWTDecodeError("an extension that is not understood")
    if kid is None or kid == kid_of(keys.current):
        return keys.current
    previous = keys.previous_at(utcnow())
    if previous is None or kid != kid_of(previous):
        raise JWTDecodeError("an unknown key")
    return previous


def _headers() -> dict[str, str]:
    keys = services().jwt_secrets
    return {"kid": kid_of(keys.current)}


def issue_access(user_id: str, family_id: str, lifetime: timedelta) -> str:
    """An access token of the family."""
    claims = {"family": family_id, "iat": utcnow() - BACKDATED}
    return str(create_access_token(user_id, False, lifetime, claims, _headers()))


def issue_refresh(user_id: str, family_id: str, jti: str, issued_at: datetime, expires_at: datetime) -> str:
    """The refresh token with the id that the family's row holds. The same arguments give the same token."""
    claims = {"family": family_id, "jti": jti, "iat": issued_at - BACKDATED, "exp": expires_at}
    return str(create_refresh_token(user_id, False, claims, _headers()))


def pair(grant: Grant) -> TokenPair:
    """The tokens that a grant allows. The same grant gives the same refresh token."""
    return TokenPair(
        issue_access(grant.user_id, grant.family_id, grant.access_for),
        issue_refresh(grant.user_id, grant.family_id, grant.jti, grant.issued_at, grant.refresh_until),
        int(grant.access_for.total_seconds()),
    )


def sign_visitor(
    user_id: str,
    key_id: str,
    visitor: str,
    lifetime: timedelta,
    *,
    collections: list[str] | None = None,
    daily_tokens: int | None = None,
) -> str:
    """A token with which a visitor of the key owner's product may chat.

    Raises:
        Invalid: the name of the visitor is not usable, or the collections make the token too long for a header.
    """
    if not is_visitor(visitor):
        raise Invalid(errors=[FieldError("/sub", "Use 1 to 128 printable ASCII characters without spaces.")])
    token = issue_visitor(user_id, key_id, visitor, lifetime, collections=collections, daily_tokens=daily_tokens)
    if len(token) > MAX_TOKEN:
        raise Invalid(errors=[FieldError("/collections", "These are too many or too long to fit into a token.")])
    return token


def issue_visitor(
    user_id: str,
    key_id: str,
    visitor: str,
    lifetime: timedelta,
    *,
    collections: list[str] | None = None,
    daily_tokens: int | None = None,
) -> str:
    """A token for a visitor of the key owner's product. It dies with the key."""
    claims: dict[str, object] = {"type": "visitor", "family": key_id, "visitor": visitor, "iat": utcnow() - BACKDATED}
    if collections is not None:
        claims["collections"] = collections
    if daily_tokens is not None:
        claims["daily_tokens"] = daily_tokens
    return str(create_access_token(user_id, False, lifetime, claims, _headers()))


def read(token: str, *kinds: str) -> Claims:
    """Checks a JWT of one of the kinds `access`, `refresh` and `visitor`.

    Raises:
        InvalidToken: for whatever reason.
    """
    try:
        claims = decode_token(token)
    except (PyJWTError, JWTExtendedException, ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidToken() from None
    kind = claims.get("type")
    if kind not in kinds or not _well_formed(claims) or (kind == "visitor" and not _well_formed_visitor(claims)):
        raise InvalidToken()
    mine = (kind, claims["sub"], claims["family"], claims["jti"])
    if kind != "visitor":
        return Claims(*mine)
    only = claims.get("collections")
    return Claims(*mine, claims["visitor"], None if only is None else frozenset(only), claims.get("daily_tokens"))


def _well_formed(claims: dict[str, object]) -> bool:
    strings = (claims.get("sub"), claims.get("family"), claims.get("jti"))
    numbers = (claims.get("exp"), claims.get("iat"))
    return (
        all(name in claims for name in _REQUIRED)
        and all(_is_uuid(value) for value in strings)
        and all(type(value) is int for value in numbers)
    )


def _well_formed_visitor(claims: dict[str, object]) -> bool:
    only, budget = claims.get("collections"), claims.get("daily_tokens")
    return (
        is_visitor(claims.get("visitor"))
        and (only is None or (isinstance(only, list) and all(isinstance(name, str) for name in only)))
        and (budget is None or type(budget) is int)
    )


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False
