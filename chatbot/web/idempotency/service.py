"""Taking a key, noting what its request has begun, and giving it back. Nothing here knows Flask."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Protocol

import structlog
from sqlalchemy import CursorResult, Select, Update, delete, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from chatbot.db import Sessions, begin_write, new_id, utcnow
from chatbot.errors import Conflict, Invalid
from chatbot.web.idempotency.model import IdempotencyKey

log = structlog.get_logger(__name__)

KEPT = timedelta(hours=24)
# A dead process holds a key no longer than this; a living one renews its lease several times meanwhile.
LEASE = timedelta(seconds=60)
RENEW_SECONDS = 15.0
RETRY_SECONDS = 2

Made = dict[str, str]


class IdempotencyKeyReused(Invalid):
    code, detail = "idempotency_key_reused", "This Idempotency-Key was used for another request; take a new one."


class IdempotencyInProgress(Conflict):
    code, detail = "idempotency_in_progress", "The first request with this Idempotency-Key is still at work."


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
    ) -> None:
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
