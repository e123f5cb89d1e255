"""The nightly jobs: which are due, and who runs them.

Each job has a row with its last run. What was missed is due until it has run, and of several processes that look at the
same time one gets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, and_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from chatbot.db import Base, UtcDateTime, begin_write

# A job that has begun and not ended in this time has failed, or its process is gone; it is due again.
RETRY_AFTER = timedelta(hours=1)


class NightlyJob(Base):
    """The last run of a job."""

    __tablename__ = "nightly_jobs"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


def due(session: Session, jobs: Mapping[str, time], now: datetime) -> list[str]:
    """The jobs whose time has come since their last run, in the order of their times (UTC)."""
    known = {row.name: row for row in session.scalars(select(NightlyJob))}
    names = sorted(jobs, key=lambda name: jobs[name])
    found = [name for name in names if name not in known or _is_due(known[name], jobs[name], now)]
    # The claims begin transactions of their own.
    session.rollback()
    return found


def _is_due(row: NightlyJob, at: time, now: datetime) -> bool:
    return row.started_at < _slot(at, now) or (row.finished_at is None and row.started_at < now - RETRY_AFTER)


def _may_begin(at: time, now: datetime) -> ColumnElement[bool]:
    """The same as a condition."""
    given_up = and_(NightlyJob.finished_at.is_(None), NightlyJob.started_at < now - RETRY_AFTER)
    return or_(NightlyJob.started_at < _slot(at, now), given_up)


def _slot(at: time, now: datetime) -> datetime:
    """When the job's time was last, at `now` or before."""
    today = datetime.combine(now.astimezone(UTC).date(), at, UTC)
    return today if today <= now else today - timedelta(days=1)


def claim(session: Session, name: str, at: time, now: datetime) -> bool:
    """Notes that a job begins. False when another process was first."""
    begin_write(session)
    insert: Any = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = insert(NightlyJob).values(name=name, started_at=now, finished_at=None)
    done: Any = session.execute(
        row.on_conflict_do_update(
            index_elements=["name"], set_={"started_at": now, "finished_at": None}, where=_may_begin(at, now)
        ),
        # That of an INSERT is not kept otherwise.
        execution_options={"preserve_rowcount": True},
    )
    session.commit()
    return bool(done.rowcount == 1)


def finish(session: Session, name: str, now: datetime) -> None:
    """Notes that a job has done its work."""
    begin_write(session)
    session.execute(update(NightlyJob).where(NightlyJob.name == name).values(finished_at=now))
    session.commit()
