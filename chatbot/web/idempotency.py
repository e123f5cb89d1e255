"""`Idempotency-Key`: a request that was sent twice is done once.

A key belongs to its caller for 24 hours. While its first request runs, another one with it is refused with 409;
afterwards it gets the same answer. The row says what was made and under which status, never a copy of it: a room reads
that again as the caller may see it now. A request that failed gives its key back. The row carries a lease which a
running request renews, so a key whose process has died is free within a minute.

A room that makes something in steps notes what it has begun in the transaction that begins it. Whoever gets the key
next finds the note and goes on from there, and nothing is made or paid for twice.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Protocol

import marshmallow as ma
import structlog
from flask import Request, current_app, request
from sqlalchemy import CursorResult, ForeignKey, Index, Select, String, Text, Update, delete, select, update
from sqlalchemy import Uuid as SqlUuid
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from chatbot.db import Base, Sessions, UtcDateTime, begin_write, new_id, utcnow
from chatbot.errors import Conflict, Invalid
from chatbot.web.holding import holding

log = structlog.get_logger(__name__)

KEPT = timedelta(hours=24)
# A dead process holds a key no longer than this; a living one renews its lease several times meanwhile.
LEASE = timedelta(seconds=60)
RENEW_SECONDS = 15.0
RETRY_SECONDS = 2
REPLAYED = {"Idempotency-Replayed": "true"}
REPLAYED_HEADER = {
    "Idempotency-Replayed": {
        "description": "`true` when an earlier request with the same Idempotency-Key has done this already.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}

Made = dict[str, str]


class IdempotencyKeyReused(Invalid):
    code, detail = "idempotency_key_reused", "This Idempotency-Key was used for another request; take a new one."


class IdempotencyInProgress(Conflict):
    code, detail = "idempotency_in_progress", "The first request with this Idempotency-Key is still at work."


class IdempotencyKey(Base):
    """A key a client has named, the request it named it for, and what that request has made."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("uq_idempotency_keys_user_id_visitor_key", "user_id", "visitor", "key", unique=True),
        Index("ix_idempotency_keys_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    visitor: Mapped[str] = mapped_column(String(128), default="")
    key: Mapped[str] = mapped_column(String(255))
    # A digest of method, address and body: the same key for another request is a mistake.
    request_hash: Mapped[str] = mapped_column(String(64))
    # NULL until there is an answer.
    status: Mapped[int | None]
    # The ids of what was made, as JSON.
    body: Mapped[str | None] = mapped_column(Text)
    # NULL when no request is at work.
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


class IdempotencySchema(ma.Schema):
    """The header that makes a POST safe to send again."""

    key = ma.fields.String(
        data_key="Idempotency-Key",
        validate=[ma.validate.Length(min=1, max=255), ma.validate.Regexp("^[!-~]+$", error="Printable ASCII only.")],
        metadata={
            "description": "Makes the request safe to send again: with the same key and body it is done once, and "
            "each repetition within 24 hours gets the same answer. Use a new UUID for each request. Keys are the "
            "caller's own.",
        },
    )


class Who(Protocol):
    """Whose keys they are."""

    @property
    def user_id(self) -> str: ...
    @property
    def visitor(self) -> str: ...


@dataclass(frozen=True)
class Key:
    """A key as a request got it. With a status there is an answer to repeat; otherwise the request is to be done.

    `made` is what an earlier request has made or begun to make.
    """

    id: str
    status: int | None = None
    made: Made | None = None


def take(session: Session, who: Who, name: str, request_hash: str) -> Key:
    """Takes a key for a request, or finds what the first request with it has made.

    Raises:
        IdempotencyKeyReused: it was named for another request.
        IdempotencyInProgress: that request is at work.
    """
    begin_write(session)
    now = utcnow()
    query = select(IdempotencyKey).where(IdempotencyKey.user_id == who.user_id, IdempotencyKey.visitor == who.visitor)
    row, is_new = _row(session, query.where(IdempotencyKey.key == name).with_for_update(), who, name, request_hash)
    if row.created_at <= now - KEPT:
        row.request_hash, row.status, row.body, row.lease_until, row.created_at = request_hash, None, None, None, now
    if row.request_hash != request_hash:
        raise IdempotencyKeyReused()
    if row.status is None and not is_new:
        if row.lease_until is not None and row.lease_until > now:
            raise IdempotencyInProgress(retry_after=RETRY_SECONDS)
        # Under another id, so that the one who had it before can no longer write.
        row.id = new_id()
    if row.status is None:
        row.lease_until = now + LEASE
    session.commit()
    return Key(row.id, row.status, json.loads(row.body) if row.body else None)


def _row(
    session: Session, query: Select[IdempotencyKey], who: Who, name: str, request_hash: str
) -> tuple[IdempotencyKey, bool]:
    """The key's row, locked, and whether it was made here. Another request may be making or deleting it meanwhile."""
    row = session.scalar(query)
    if row is not None:
        return row, False
    with suppress(IntegrityError), session.begin_nested():
        row = IdempotencyKey(user_id=who.user_id, visitor=who.visitor, key=name, request_hash=request_hash)
        session.add(row)
        session.flush()
        return row, True
    row = session.scalar(query)
    if row is None:
        raise IdempotencyInProgress(retry_after=RETRY_SECONDS)
    return row, False


def note(session: Session, key_id: str | None, made: Made) -> None:
    """Notes what a request has begun, in the transaction that begins it. Without a key there is nothing to note.

    Raises:
        IdempotencyInProgress: another request has the key by now, because this one's lease ran out.
    """
    if key_id is not None and not _write(session, _running(key_id).values(body=json.dumps(made))):
        raise IdempotencyInProgress(retry_after=RETRY_SECONDS)


def finish(session: Session, key_id: str | None, status: int) -> None:
    """Says that what was noted is the answer, in the transaction that stores it."""
    if key_id is not None:
        _write(session, _running(key_id).values(status=status, lease_until=None))


def renew(session: Session, key_id: str) -> None:
    """Prolongs the lease of a request that is at work."""
    begin_write(session)
    _write(session, _running(key_id).values(lease_until=utcnow() + LEASE))
    session.commit()


def give_back(session: Session, key_id: str) -> None:
    """Frees a key whose request has ended without an answer. What was noted stays."""
    begin_write(session)
    running = (IdempotencyKey.id == key_id, IdempotencyKey.status.is_(None))
    session.execute(delete(IdempotencyKey).where(*running, IdempotencyKey.body.is_(None)))
    _write(session, _running(key_id).values(lease_until=None))
    session.commit()


def forget(session: Session) -> None:
    """Deletes the keys of more than 24 hours ago."""
    begin_write(session)
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < utcnow() - KEPT))
    session.commit()


def _running(key_id: str) -> Update:
    return update(IdempotencyKey).where(IdempotencyKey.id == key_id, IdempotencyKey.status.is_(None))


def _write(session: Session, statement: Update) -> bool:
    done = session.execute(statement)
    assert isinstance(done, CursorResult)  # noqa: S101 - an UPDATE's result has a row count.
    return bool(done.rowcount)


class Held:
    """The request's key, or none, for the length of a `with`: its lease is renewed, and it is given back at the end."""

    def __init__(self, sessions: Sessions, key: Key | None) -> None:
        self._sessions = sessions
        self._over = threading.Event()
        self._renewing: threading.Thread | None = None
        self.id = key.id if key and key.status is None else None
        self.status = key.status if key else None
        self.made = key.made if key else None

    def __enter__(self) -> Held:
        if self.id is not None:
            self._renewing = threading.Thread(target=self._renew, args=(self.id,), name="idempotency", daemon=True)
            self._renewing.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:  # fmt: skip
        if self.id is None or self._renewing is None:
            return
        self._over.set()
        self._renewing.join()
        try:
            with self._sessions() as session:
                give_back(session, self.id)
        except SQLAlchemyError as error:
            log.warning("key_not_given_back", error=type(error).__name__)

    def finish(self, status: int, made: Made) -> None:
        """Stores what the request has made, for those who send it again."""
        if self.id is None:
            return
        with self._sessions() as session:
            begin_write(session)
            note(session, self.id, made)
            finish(session, self.id, status)
            session.commit()

    def _renew(self, key_id: str) -> None:
        while not self._over.wait(RENEW_SECONDS):
            try:
                with self._sessions() as session:
                    renew(session, key_id)
            except SQLAlchemyError as error:
                log.warning("lease_not_renewed", error=type(error).__name__)


def taken(who: Who, name: str | None) -> Held:
    """The key that this request names in its header, or none; given back when the request ends.

    Raises:
        IdempotencyKeyReused, IdempotencyInProgress: as for `take`.
    """
    sessions: Sessions = current_app.extensions["sessions"]
    if name is None:
        return Held(sessions, None)
    with sessions() as session:
        key = take(session, who, name, fingerprint(request))
    return holding().enter_context(Held(sessions, key))


def fingerprint(of: Request) -> str:
    """A digest of method, path and body; of a form its fields and the bytes of its files, without the boundary."""
    digest = hashlib.sha256()
    for part in _parts(of):
        # With its length in front, so that no two parts can be read as one.
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _parts(of: Request) -> Iterator[bytes]:
    yield f"{of.method} {of.path.rstrip('/')}".encode()
    if of.mimetype != "multipart/form-data":
        yield json.dumps(of.get_json(), sort_keys=True).encode()
        return
    for name, value in sorted(of.form.items(multi=True)):
        yield from (b"field", _bytes(name), _bytes(value))
    for name, file in sorted(of.files.items(multi=True), key=lambda item: item[0]):
        file.stream.seek(0)
        content: Any = hashlib.file_digest(file.stream, "sha256")  # type: ignore[arg-type]
        file.stream.seek(0)
        yield from (b"file", _bytes(name), _bytes(file.filename or ""), _bytes(file.mimetype), content.digest())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
