"""Everybody who may knock: people, API keys and visitors, alive and dead, on an application of which many are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

from flask import Flask
from sqlalchemy import delete, select, update

from chatbot.auth.credentials import jwts, keys, passwords
from chatbot.auth.models import SCOPES, ApiKey, TokenFamily, User
from chatbot.chat.models import ChatSession, Message
from chatbot.current import services
from chatbot.db import Base, begin_write, new_id, utcnow
from tests.conftest import PASSWORD

HOUR = timedelta(hours=1)
HASH = passwords.hash_password(PASSWORD, 1_000)

# Who has nothing that is usable: all of them are refused alike, everywhere but where anybody may come in.
DEAD = (
    "disabled",
    "signed_out",
    "session_over",
    "key_expired",
    "key_deleted",
    "key_of_disabled",
    "visitor_of_deleted_key",
    "visitor_of_expired_key",
    "visitor_of_disabled",
    "visitor_expired",
    "visitor_of_key_without_scope",
)
# A column of the matrix, and who it stands for.
COLUMNS: dict[str, tuple[str, ...]] = {
    "nobody": ("nobody",),
    "dead": DEAD,
    "unverified": ("unverified", "key_of_unverified"),
    **{
        name: (name,)
        for name in (
            "owner",
            "other",
            "admin",
            "key_chat",
            "key_read",
            "key_write",
            "key_visitors",
            "key_admin",
            "key_all",
            "boss_chat",
            "boss_read",
            "boss_write",
            "boss_admin",
            "visitor",
            "other_visitor",
        )
    },
}
SCOPES_OF = {
    "chat": ["chat"],
    "read": ["knowledge:read"],
    "write": ["knowledge:write"],
    "visitors": ["visitors"],
    "admin": ["admin"],
    "all": list(SCOPES),
}

_numbers = count(1)


@dataclass(frozen=True)
class Who:
    """A caller: the account behind them if there is one, what they show, and their name if they are a visitor."""

    user: User | None = None
    shows: str = ""
    visitor: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class AuthActors:
    """A set of people of its own, whatever else the application holds."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._number = next(_numbers)
        self._rows: list[Base] = []
        with app.app_context():
            self._make_people()
            self._make_keys()
            self.add(*self._rows)
            self._make_visitors()
            self._kill()

    def _make_people(self) -> None:
        self.owner = self.person("owner")
        self.other = self.person("other")
        self.boss = self.person("boss", is_admin=True)
        self.unverified = self.person("unverified", is_verified=False)
        self.disabled = self.person("disabled", is_active=False)
        self._rows += [self.owner, self.other, self.boss, self.unverified, self.disabled]
        self.who = {"nobody": Who()}
        for role, user in (
            ("owner", self.owner),
            ("other", self.other),
            ("admin", self.boss),
            ("unverified", self.unverified),
            ("disabled", self.disabled),
        ):
            self.who[role] = self._signed_in(user)
        self.who["signed_out"] = self._signed_in(self.owner, revoked_at=utcnow())
        self.who["session_over"] = self._signed_in(self.owner, expires_at=utcnow() - timedelta(seconds=1))

    def _make_keys(self) -> None:
        for short, scopes in SCOPES_OF.items():
            self.who[f"key_{short}"] = self._key(self.owner, scopes)
        for short in ("chat", "read", "write", "admin"):
            self.who[f"boss_{short}"] = self._key(self.boss, SCOPES_OF[short])
        self.who["key_of_unverified"] = self._key(self.unverified, list(SCOPES))
        self.who["key_of_disabled"] = self._key(self.disabled, list(SCOPES))
        self.who["key_expired"] = self._key(self.owner, list(SCOPES), expires_at=utcnow() - timedelta(seconds=1))
        self.who["key_deleted"] = self._key(self.owner, list(SCOPES))
        self._scope_is_taken = self._key(self.owner, list(SCOPES))

    def _make_visitors(self) -> None:
        self.who["visitor"] = self.visitor("key_visitors", "anna")
        self.who["other_visitor"] = self.visitor("key_visitors", "otto")
        self.who["visitor_of_deleted_key"] = self.visitor("key_deleted", "anna")
        self.who["visitor_of_expired_key"] = self.visitor("key_expired", "anna")
        self.who["visitor_of_disabled"] = self.visitor("key_of_disabled", "anna")
        self.who["visitor_expired"] = self.visitor("key_visitors", "anna", -HOUR)
        taken = self._row(ApiKey, key_hash=keys.digest(self._scope_is_taken.shows))
        self.who["visitor_of_key_without_scope"] = self._visitor_of(self.owner, taken.id, "anna")
        self._without_scope = taken.id

    def _kill(self) -> None:
        with services(self.app).sessions() as session:
            begin_write(session)
            session.execute(delete(ApiKey).where(ApiKey.key_hash == keys.digest(self.who["key_deleted"].shows)))
            session.execute(update(ApiKey).where(ApiKey.id == self._without_scope).values(scopes=["chat"]))
            session.commit()

    def person(self, name: str, **values: Any) -> User:
        """A row of an account that is not stored yet."""
        name = f"{name}-{self._number}"
        plain = {"is_admin": False, "is_verified": True, "is_active": True, "created_at": utcnow()}
        return User(
            id=new_id(),
            username=name,
            username_key=name,
            email=f"{name}@example.com",
            password_hash=HASH,
            first_name="",
            last_name="",
            **(plain | values),
        )

    def _signed_in(self, user: User, **values: Any) -> Who:
        family = family_of(user, **values)
        self._rows.append(family)
        return shown(user, jwts.issue_access(user.id, family.id, HOUR))

    def _key(self, user: User, scopes: list[str], **values: Any) -> Who:
        key, secret = key_of(user, scopes, **values)
        self._rows.append(key)
        return shown(user, secret)

    def visitor(self, role: str, name: str, lifetime: timedelta = HOUR, **bounds: Any) -> Who:
        """A visitor with a token that the key of that role has signed."""
        who = self.who[role]
        assert who.user is not None
        return self._visitor_of(
            who.user, self._row(ApiKey, key_hash=keys.digest(who.shows)).id, name, lifetime, **bounds
        )

    def _visitor_of(self, user: User, key_id: str, name: str, lifetime: timedelta = HOUR, **bounds: Any) -> Who:
        with self.app.app_context():
            return shown(user, jwts.sign_visitor(user.id, key_id, name, lifetime, **bounds), name)

    def add(self, *rows: Base) -> None:
        """Stores rows."""
        with services(self.app).sessions() as session:
            begin_write(session)
            # Accounts first: the models know no relationships by which the session could order them.
            for row in sorted(rows, key=lambda row: not isinstance(row, User)):
                session.add(row)
                session.flush()
            session.commit()

    def _row(self, model: Any, **values: Any) -> Any:
        with services(self.app).sessions() as session:
            return session.scalars(select(model).filter_by(**values)).one()

    def conversation(self, user: User, visitor: str = "", title: str = "A talk") -> ChatSession:
        """A conversation with a question and its answer."""
        chat = ChatSession(id=new_id(), user_id=user.id, visitor=visitor, title=title, next_position=2)
        self.add(chat)
        asked = Message(
            id=new_id(), chat_session_id=chat.id, position=0, author=visitor or user.username, content="Hm?"
        )
        answer = Message(
            id=new_id(), chat_session_id=chat.id, parent_id=asked.id, position=1, is_user=False, content="Hm."
        )
        self.add(asked)
        self.add(answer)
        return chat


def shown(user: User, shows: str, visitor: str = "") -> Who:
    """A caller who shows this token or key."""
    return Who(user, shows, visitor, {"Authorization": f"Bearer {shows}"})


def family_of(user: User, **values: Any) -> TokenFamily:
    """A session's row, not stored yet."""
    alive = {"expires_at": utcnow() + 24 * HOUR, "created_at": utcnow(), "last_used_at": utcnow()}
    return TokenFamily(id=new_id(), user_id=user.id, current_jti=new_id(), **(alive | values))


def key_of(user: User, scopes: list[str], **values: Any) -> tuple[ApiKey, str]:
    """A key's row, not stored yet, and the key."""
    secret = keys.PREFIX + new_id()
    row = ApiKey(
        id=new_id(),
        user_id=user.id,
        name="A key",
        prefix=secret[:11],
        key_hash=keys.digest(secret),
        scopes=scopes,
        created_at=utcnow(),
        **values,
    )
    return row, secret


def dump(app: Flask) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for the time at which something was used last."""
    with app.app_context(), services(app).sessions() as session:
        return {
            table.name: sorted(
                (tuple(row) for row in session.execute(select(*(c for c in table.c if c.name != "last_used_at")))),
                key=repr,
            )
            for table in Base.metadata.sorted_tables
        }


def empty(app: Flask) -> None:
    """Deletes every row."""
    with app.app_context(), services(app).sessions() as session:
        begin_write(session)
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(delete(table))
        session.commit()
