"""The letters this room sends. They are written when they are sent, so no token is ever stored."""

from __future__ import annotations

from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.auth import service
from chatbot.auth.models import User
from chatbot.config import Settings
from chatbot.mail.letters import Letter, LetterBuilder

_TEXT = """Hello {name},

please confirm that this address is yours by opening

{link}

The link works for three days. If you did not sign up, ignore this letter; nothing else will happen.
"""


def verification(settings: Settings) -> LetterBuilder:
    """Writes the verification letter of a user, or None when there is nothing left to verify."""

    def write(session: Session, user_id: str) -> Letter | None:
        user = session.scalar(select(User).where(User.id == user_id, User.is_verified.is_(False)))
        if user is None:
            return None
        token = service.verification_token(settings, user)
        link = f"{settings.public_url}/api/users/verify-email/?token={quote(token)}"
        body = _TEXT.format(name=user.username, link=link)
        return Letter(subject="Confirm your e-mail address", text=body)

    return write
