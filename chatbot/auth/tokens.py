"""Tokens: the JWTs of a family, and the signed, single-purpose ones that go out by mail.

Flask-JWT-Extended's defaults are loose (a token without `exp` passes, a forged one answers 422), so required claims
are checked here and every unusable token is one 401.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from flask_jwt_extended import create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from itsdangerous import BadSignature, URLSafeTimedSerializer
from jwt.exceptions import PyJWTError

from chatbot.config import Settings
from chatbot.errors import Unauthorized
from chatbot.extensions import jwt

ISSUER = AUDIENCE = "chatbot"
VERIFY_EMAIL = "verify-email"
_REQUIRED = ("exp", "iat", "iss", "aud", "sub", "jti", "type", "family")


class InvalidToken(Unauthorized):
    """The token is not usable; nobody is told why, but for its having expired."""

    code, detail = "invalid_token", "The token is not valid."


@dataclass(frozen=True)
class Claims:
    """What a checked JWT says."""

    user_id: str
    family_id: str
    jti: str


def init_app(app: Flask, settings: Settings) -> None:
    """One algorithm, issuer and audience demanded, no claims taken on trust."""
    app.config.update(
        JWT_SECRET_KEY=settings.jwt_secret(),
        JWT_ALGORITHM="HS256",
        JWT_DECODE_ALGORITHMS=["HS256"],
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_ACCESS_TOKEN_EXPIRES=settings.access_lifetime,
        JWT_REFRESH_TOKEN_EXPIRES=settings.refresh_lifetime,
    )
    jwt.init_app(app)


def issue_access(user_id: str, family_id: str) -> str:
    """An access token of the family, for `ACCESS_TOKEN_MINUTES`."""
    return str(create_access_token(user_id, additional_claims={"family": family_id}))


def issue_refresh(user_id: str, family_id: str, jti: str, lifetime: timedelta) -> str:
    """The refresh token with the id that the family's row holds."""
    claims = {"family": family_id, "jti": jti}
    return str(create_refresh_token(user_id, additional_claims=claims, expires_delta=lifetime))


def read(token: str, kind: str) -> Claims:
    """Checks a JWT of the kind `access` or `refresh`.

    Raises:
        InvalidToken: for whatever reason.
    """
    try:
        claims = decode_token(token)
    except (PyJWTError, JWTExtendedException, ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidToken() from None
    if claims.get("type") != kind or not _well_formed(claims):
        raise InvalidToken()
    return Claims(claims["sub"], claims["family"], claims["jti"])


def _well_formed(claims: dict[str, Any]) -> bool:
    strings = (claims.get("sub"), claims.get("family"), claims.get("jti"))
    numbers = (claims.get("exp"), claims.get("iat"))
    return (
        all(name in claims for name in _REQUIRED)
        and all(_is_uuid(value) for value in strings)
        and all(type(value) is int for value in numbers)
    )


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def fingerprint(*state: object) -> str:
    """A digest of the state that a mail token is bound to; when the state changes the token is dead."""
    return hashlib.sha256("\x1f".join(map(str, state)).encode()).hexdigest()[:32]


def sign(secret: str, purpose: str, user_id: str, state: str) -> str:
    """A token for one purpose, bound to the state of the account."""
    return str(_serializer(secret, purpose).dumps([user_id, state]))


def unsign(secret: str, purpose: str, token: str, lifetime: timedelta) -> tuple[str, str]:
    """The user id and the state of a token of this purpose.

    Raises:
        InvalidToken: wrong purpose, signature, age or shape; all the same to the caller.
    """
    try:
        user_id, state = _serializer(secret, purpose).loads(token, max_age=int(lifetime.total_seconds()))
        return str(UUID(user_id)), str(state)
    except (BadSignature, ValueError, TypeError, AttributeError, RecursionError):
        raise InvalidToken("The link is not valid or has expired.", code="invalid_or_expired_token") from None


def same(one: str, other: str) -> bool:
    """Compares two secrets in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def _serializer(secret: str, purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt=f"chatbot.{purpose}", signer_kwargs={"digest_method": hashlib.sha256})
