"""The auth room on the wire."""

from __future__ import annotations

import marshmallow as ma

from chatbot.web.fields import Utc, text

PASSWORD = {"example": "correct horse battery 9"}


class SignupSchema(ma.Schema):
    """A new account."""

    username = text(3, 150, required=True, metadata={"example": "ada"})
    email = text(3, 320, required=True, metadata={"example": "ada@example.com"})
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
    """A token from a mail."""

    token = text(1, 1024, required=True, metadata={"description": "The token in the link of the mail."})


class EmailSchema(ma.Schema):
    """An address."""

    email = text(1, 320, required=True, metadata={"example": "ada@example.com"})


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

    id = ma.fields.String(metadata={"example": "0f8c2a6e-5a0e-4c55-9d59-0d2f0a5b8f11"})
    username = ma.fields.String(metadata={"example": "ada"})
    email = ma.fields.String(metadata={"example": "ada@example.com"})
    first_name = ma.fields.String(metadata={"example": "Ada"})
    last_name = ma.fields.String(metadata={"example": "Lovelace"})
    is_verified = ma.fields.Boolean(metadata={"example": False})
    is_admin = ma.fields.Boolean(metadata={"example": False})
    created_at = Utc(metadata={"format": "date-time", "type": "string", "example": "2026-11-22T18:00:00.000Z"})


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
