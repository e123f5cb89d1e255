"""Security events: rows that are written in the transaction of what they tell of."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import CursorResult, delete, or_, select, update
from sqlalchemy.orm import Session

from chatbot.auth.client_info import ClientInfo
from chatbot.auth.models import EVENT_KINDS, SecurityEvent, User, that_stay
from chatbot.db import begin_write, utcnow
from chatbot.web.pagination import Page, newest_first

log = structlog.get_logger(__name__)

# What a thief has left behind, rather than an owner.
_ALARMING = frozenset({"refresh_reused"})


def record(
    session: Session, kind: str, origin: ClientInfo, user_id: str | None, *, by_owner: bool = True, **detail: object
) -> None:
    """Adds an event to the caller's transaction, and says it in the log.

    `by_owner` is whether the account's owner has shown to be the one who acts; otherwise nobody knows who it was, or
    it was somebody at the command line.
    """
    assert kind in EVENT_KINDS  # noqa: S101 - the list is what the API promises.
    # None when the account was deleted since somebody looked; otherwise it stays until the transaction ends.
    whose = session.scalar(that_stay(select(User.id).where(User.id == user_id))) if user_id is not None else None
    event = SecurityEvent(
        kind=kind,
        user_id=whose,
        actor_id=whose if by_owner else None,
        request_id=origin.request_id,
        network=origin.network,
        device=origin.device,
        detail=detail,
    )
    session.add(event)
    tell = log.warning if kind in _ALARMING else log.info
    tell("security_event", kind=kind, user_id=user_id, **detail)


def forget_requests(session: Session, user_id: str) -> None:
    """Takes the ids of requests, which a client may choose, from the events of an account that is being deleted."""
    theirs = or_(SecurityEvent.user_id == user_id, SecurityEvent.actor_id == user_id)
    session.execute(update(SecurityEvent).where(theirs).values(request_id=None))


def list_events(session: Session, *, kind: str | None, user_id: str | None, limit: int, cursor: str | None) -> Page:
    """Events, newest first; of one kind, or of one account."""
    query = select(SecurityEvent)
    if kind is not None:
        query = query.where(SecurityEvent.kind == kind)
    if user_id is not None:
        query = query.where(SecurityEvent.user_id == user_id)
    return newest_first(session, query, SecurityEvent.created_at, SecurityEvent.id, limit, cursor)


def forget_old(session: Session, days: int) -> int:
    """Deletes events older than that many days; gives how many."""
    begin_write(session)
    done = session.execute(delete(SecurityEvent).where(SecurityEvent.created_at < utcnow() - timedelta(days=days)))
    session.commit()
    assert isinstance(done, CursorResult)  # noqa: S101 - a DELETE's result has a row count.
    return done.rowcount
