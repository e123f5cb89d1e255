"""What this package has stored about a person, for them to take along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.auth import accounts, events
from chatbot.auth.client_info import ClientInfo
from chatbot.auth.credentials.tokens import InvalidToken
from chatbot.auth.models import ApiKey, SecurityEvent, TokenFamily, User
from chatbot.db import Base, begin_write
from chatbot.mail.models import Mail

# What a package has stored about the account of that id, as (file name, content).
Export = Callable[[Session, str], Iterator[tuple[str, Any]]]

# What would let somebody in, or is of no meaning outside.
_KEPT_BACK = {
    "users": {"password_hash", "username_key"},
    "token_families": {"current_jti", "parent_jti"},
    "api_keys": {"key_hash"},
}


def note(session: Session, user_id: str, origin: ClientInfo) -> None:
    """Records that the account was exported.

    Raises:
        InvalidToken: the account was deleted since the guard has looked.
    """
    begin_write(session)
    accounts.get_user(session, user_id)
    events.record(session, "exported", origin, user_id)
    session.commit()


def account_parts(session: Session, user_id: str) -> Iterator[tuple[str, object]]:
    """(file name, content) of the profile, the sessions, keys, e-mails and security events of an account.

    Raises:
        InvalidToken: the account was deleted since the guard has looked.
    """
    users = _rows(session, User, User.id == user_id)
    if not users:
        raise InvalidToken()
    yield "profile.json", users[0]
    yield "sessions.json", _rows(session, TokenFamily, TokenFamily.user_id == user_id)
    yield "api_keys.json", _rows(session, ApiKey, ApiKey.user_id == user_id)
    yield "letters.json", _rows(session, Mail, Mail.user_id == user_id)
    yield "security_events.json", _rows(session, SecurityEvent, SecurityEvent.user_id == user_id)


def _rows(session: Session, model: type[Base], which: Any) -> list[dict[str, Any]]:
    kept_back = _KEPT_BACK.get(model.__tablename__, set())
    columns = [column for column in model.__table__.columns if column.name not in kept_back]
    rows = session.execute(select(*columns).where(which).order_by(model.__table__.c.created_at))
    return [{name: _plain(value) for name, value in row._mapping.items()} for row in rows]


def _plain(value: object) -> object:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
