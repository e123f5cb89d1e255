"""The auth package on the wire."""

from __future__ import annotations

import marshmallow as ma

from chatbot.auth.models import EVENT_KINDS, SCOPES
from chatbot.web.fields import VISIBLE, Id, PageArgs, UtcDateTime, text, visible

PASSWORD = {"example": "correct horse battery 9"}
TIME = {"format": "date-time", "type": "string", "example": "2026-11-22T18:00:00.000Z"}
ID = {"example": "0f8c2a6e-5a0e-4c55-9d59-0d2f0a5b8f11"}
MAX_VISITOR_MINUTES = 24 * 60


class SignupSchema(ma.Schema):
    """A new account."""

    username = text(3, 150, required=True, metadata={"example": "ada"})
    email = text(3, 320, required=True, metadata={"format": "email", "example": "ada@example.com"})
    password = text(8, 128, required=True, metadata=PASSWORD)
    password2 = text(8, 128, required=True, metadata={**PASSWORD, "description": "The same once more."})
    first_name = text(0, 150, load_default="", metadata={"example": "Ada"})
    last_name = text(0, 150, load_default="", metadata={"example": "Lovelace"})


class LoginSchema(ma.Schema):
    """Address and password."""

    email = text(1, 320, required=True, metadata={"example": "ada@example.com"})
    password = text(1, 128, required=True, metadata=PASSWORD)


class RefreshSchema(ma.Schema):
    """A refresh token."""

    refresh = text(1, 4096, required=True, metadata={"description": "The refresh token."})


class TokenSchema(ma.Schema):
    """A token from an e-mail."""

    token = text(1, 1024, required=True, metadata={"description": "The token in the link of the letter."})


class EmailSchema(ma.Schema):
    """An address."""

    email = text(1, 320, required=True, metadata={"example": "ada@example.com"})


class ResetSchema(TokenSchema):
    """A token from an e-mail, and the new password twice."""

    password = text(8, 128, required=True, metadata=PASSWORD)
    password2 = text(8, 128, required=True, metadata=PASSWORD)


class ChangePasswordSchema(ma.Schema):
    """The password as it is, and the new one twice."""

    current_password = text(1, 128, required=True, metadata=PASSWORD)
    password = text(8, 128, required=True, metadata={"example": "a lighthouse in the fog"})
    password2 = text(8, 128, required=True, metadata={"example": "a lighthouse in the fog"})


class ProfileChangeSchema(ma.Schema):
    """What may be changed."""

    first_name = text(0, 150, metadata={"example": "Ada"})
    last_name = text(0, 150, metadata={"example": "King"})
    username = text(3, 150, metadata={"example": "countess"})


class PasswordSchema(ma.Schema):
    """The password once more, before something that cannot be undone."""

    password = text(1, 128, required=True, metadata=PASSWORD)


class UserSchema(ma.Schema):
    """A user."""

    id = ma.fields.String(metadata=ID)
    username = ma.fields.String(metadata={"example": "ada"})
    email = ma.fields.String(metadata={"example": "ada@example.com"})
    first_name = ma.fields.String(metadata={"example": "Ada"})
    last_name = ma.fields.String(metadata={"example": "Lovelace"})
    is_verified = ma.fields.Boolean(metadata={"example": False})
    is_admin = ma.fields.Boolean(metadata={"example": False})
    created_at = UtcDateTime(metadata=TIME)


class SignupAnswerSchema(ma.Schema):
    """The account as it was made."""

    user = ma.fields.Nested(UserSchema)


class TokenPairSchema(ma.Schema):
    """A pair of tokens."""

    access = ma.fields.String(
        metadata={"description": "For `Authorization: Bearer`; lives `expires_in` seconds.", "example": "eyJ…"}
    )
    refresh = ma.fields.String(metadata={"description": "Gives the next pair, once.", "example": "eyJ…"})
    token_type = ma.fields.String(dump_default="Bearer", metadata={"example": "Bearer"})
    expires_in = ma.fields.Integer(metadata={"example": 86400})


class LoginAnswerSchema(TokenPairSchema):
    """A pair of tokens and whose they are."""

    user = ma.fields.Nested(UserSchema)


class SessionSchema(ma.Schema):
    """A place where the account is signed in."""

    id = ma.fields.String(metadata=ID)
    device = ma.fields.String(
        metadata={"description": "As far as the browser said it; may be empty.", "example": "Firefox on Linux"}
    )
    network = ma.fields.String(
        metadata={"description": "The network it was last refreshed from: a /24 or a /48.", "example": "203.0.113.0/24"}
    )
    is_current = ma.fields.Boolean(metadata={"description": "The session that is asking.", "example": True})
    created_at = UtcDateTime(metadata=TIME)
    last_used_at = UtcDateTime(metadata=TIME)
    expires_at = UtcDateTime(metadata=TIME)


class NewKeySchema(ma.Schema):
    """What a new API key is for."""

    name = ma.fields.String(
        required=True,
        validate=[ma.validate.Length(min=1, max=100), visible],
        metadata={"pattern": VISIBLE, "example": "The shop's backend"},
    )
    scopes = ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf(SCOPES)),
        load_default=["chat"],
        validate=ma.validate.Length(min=1, max=len(SCOPES)),
        metadata={"description": "What the key may do; `chat` where nothing is said.", "example": ["chat"]},
    )
    expires_at = ma.fields.AwareDateTime(
        format="iso",
        load_default=None,
        allow_none=True,
        metadata={"description": "With a time zone; without it the key does not expire.", "example": None},
    )


class KeySchema(ma.Schema):
    """An API key, as far as it is kept."""

    id = ma.fields.String(metadata=ID)
    name = ma.fields.String(metadata={"example": "The shop's backend"})
    prefix = ma.fields.String(metadata={"description": "How the key begins.", "example": "cb_Zm9vYmFy"})
    scopes = ma.fields.List(ma.fields.String(), metadata={"example": ["chat"]})
    created_at = UtcDateTime(metadata=TIME)
    expires_at = UtcDateTime(allow_none=True, metadata={**TIME, "nullable": True, "example": None})
    last_used_at = UtcDateTime(allow_none=True, metadata={**TIME, "nullable": True, "example": None})


class KeyOnceSchema(KeySchema):
    """A new API key, with the key itself."""

    key = ma.fields.String(
        metadata={"description": "Shown this once; only a digest of it is stored.", "example": "cb_…"}
    )


class VisitorSchema(ma.Schema):
    """Who visits, what they may ask about, for how long, and how much."""

    sub = text(
        1,
        128,
        required=True,
        metadata={"description": "Your own name for the visitor.", "pattern": "^[!-~]+$", "example": "customer-4711"},
    )
    collections = ma.fields.List(
        text(1, 100),
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(min=1, max=50),
        metadata={"description": "Search only in these; without it in those for everyone.", "example": ["default"]},
    )
    daily_tokens = ma.fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=ma.validate.Range(min=1, max=10**9),
        metadata={"description": "How many tokens of language models a day (UTC) may cost.", "example": 20000},
    )
    minutes = ma.fields.Integer(
        load_default=60,
        strict=True,
        validate=ma.validate.Range(min=1, max=MAX_VISITOR_MINUTES),
        metadata={"description": "How long the token lives.", "example": 60},
    )


class VisitorTokenSchema(ma.Schema):
    """A visitor's token."""

    access = ma.fields.String(metadata={"description": "For `Authorization: Bearer`.", "example": "eyJ…"})
    token_type = ma.fields.String(dump_default="Bearer", metadata={"example": "Bearer"})
    expires_in = ma.fields.Integer(metadata={"example": 3600})


class EventArgs(PageArgs):
    """Which events."""

    kind = ma.fields.String(
        load_default=None, validate=ma.validate.OneOf(EVENT_KINDS), metadata={"example": "refresh_reused"}
    )
    user_id = Id(load_default=None, metadata={"description": "Whom they happened to."})


class EventSchema(ma.Schema):
    """Something that happened to an account."""

    id = ma.fields.String(metadata=ID)
    kind = ma.fields.String(metadata={"enum": list(EVENT_KINDS), "example": "refresh_reused"})
    user_id = ma.fields.String(
        allow_none=True, metadata={"description": "Whom it happened to; null once the account is deleted.", **ID}
    )
    actor_id = ma.fields.String(allow_none=True, metadata={"description": "Who did it.", **ID})
    request_id = ma.fields.String(allow_none=True, metadata={"example": "5a6f1d0c9b7e4f0f8f5b1c2d3e4f5a6b"})
    network = ma.fields.String(metadata={"example": "203.0.113.0/24"})
    device = ma.fields.String(metadata={"example": "Firefox on Linux"})
    detail = ma.fields.Dict(metadata={"example": {"session_id": ID["example"]}})
    created_at = UtcDateTime(metadata=TIME)
