"""Queueing and delivering e-mails. At least once: a worker that dies between sending and storing sends again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import ColumnElement, CursorResult, delete, select, update
from sqlalchemy.orm import Session

from chatbot.db import begin_write, detached, utcnow
from chatbot.mail.emails import LetterBuilders
from chatbot.mail.models import Mail
from chatbot.mail.transport import Refused, Transport, check_recipient, outbox_file, outbox_id
from chatbot.translations import ENGLISH

log = structlog.get_logger(__name__)

STATUSES = ("queued", "sent", "failed", "cancelled")
# With the pauses between them some five hours: a mail server may be away for an evening.
MAX_ATTEMPTS = 12
TAKEN_FOR = timedelta(minutes=2)


def queue_mail(session: Session, kind: str, user_id: str, recipient: str, language: str = ENGLISH) -> Mail:
    """Adds an e-mail to the caller's transaction; it will be written in that language."""
    mail = Mail(kind=kind, user_id=user_id, recipient=recipient, language=language)
    session.add(mail)
    session.flush()
    return mail


def due_mails(session: Session, limit: int = 100) -> list[str]:
    """The ids of e-mails that are due: what beat wakes the worker for, whatever a broker has lost."""
    query = select(Mail.id).where(Mail.status == "queued", Mail.next_attempt_at <= utcnow())
    due = list(session.scalars(query.order_by(Mail.next_attempt_at).limit(limit)))
    session.rollback()
    return due


def deliver(session: Session, mail_id: str, builders: LetterBuilders, transport: Transport) -> str | None:
    """Sends one e-mail if it is due and nobody else has taken it. Gives its status, or None when not taken.

    No transaction is open while the mail server is spoken to.
    """
    mail = _take(session, mail_id)
    if mail is None:
        return None
    status, error = _attempt(session, mail, builders, transport)
    if status == "failed":
        log.error("mail_failed", mail_id=mail.id, kind=mail.kind, attempts=mail.attempts, reason=error)
    begin_write(session)
    session.execute(update(Mail).where(*_still_ours(mail, status)).values(_outcome(mail.attempts, status, error)))
    session.commit()
    if status == "sent":
        log.info("mail_sent", mail_id=mail.id, kind=mail.kind)
    return status


def _still_ours(mail: Mail, status: str) -> list[ColumnElement[bool]]:
    """What was sent is sent. Any other outcome counts only while nobody else has taken the e-mail meanwhile."""
    if status == "sent":
        return [Mail.id == mail.id]
    return [Mail.id == mail.id, Mail.status == "queued", Mail.attempts == mail.attempts]


def _take(session: Session, mail_id: str) -> Mail | None:
    now = utcnow()
    begin_write(session)
    taken = session.execute(
        update(Mail)
        .where(Mail.id == mail_id, Mail.status == "queued", Mail.next_attempt_at <= now)
        .values(next_attempt_at=now + TAKEN_FOR, attempts=Mail.attempts + 1)
    )
    session.commit()
    assert isinstance(taken, CursorResult)  # noqa: S101 - an UPDATE's result has a row count.
    if taken.rowcount == 0:
        return None
    query = select(Mail).where(Mail.id == mail_id).execution_options(populate_existing=True)
    return detached(session, session.scalars(query).one())


def _attempt(session: Session, mail: Mail, builders: LetterBuilders, transport: Transport) -> tuple[str, str | None]:
    """Writes and sends an e-mail; gives what became of it, and the reason where it was not sent."""
    if mail.attempts > MAX_ATTEMPTS:
        return "failed", "the worker stopped at every attempt"
    try:
        check_recipient(mail.recipient)
        letter = builders[mail.kind](session, mail)
        session.rollback()
        if letter is None:
            return "cancelled", None
        transport(mail.recipient, letter, mail.id)
    except Refused as error:
        return "failed", str(error)
    except Exception as error:  # Whatever it was, the e-mail is tried again, and given up at the cap.
        log.warning("mail_not_sent", mail_id=mail.id, attempt=mail.attempts, error=type(error).__name__)
        return ("failed" if mail.attempts >= MAX_ATTEMPTS else "queued"), type(error).__name__
    finally:
        session.rollback()
    return "sent", None


def _outcome(attempts: int, status: str, error: str | None) -> dict[str, object]:
    values: dict[str, object] = {"status": status, "error": error}
    if status == "sent":
        values["sent_at"] = utcnow()
    if status == "queued":
        values["next_attempt_at"] = utcnow() + backoff(attempts)
    return values


def backoff(attempts: int) -> timedelta:
    """The wait after a number of failed attempts: 30 s doubling up to an hour, with jitter of a quarter."""
    seconds = min(3600.0, 30.0 * 2 ** (attempts - 1))
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))


def list_mails(session: Session, status: str | None, limit: int) -> list[Mail]:
    """The newest e-mails, of one status or of all."""
    query = select(Mail).order_by(Mail.created_at.desc(), Mail.id.desc()).limit(limit)
    return list(session.scalars(query.where(Mail.status == status) if status else query))


def retry_failed(session: Session, mail_ids: Sequence[str] | None) -> list[str]:
    """Queues failed e-mails again as if they were new: those with the ids, or all. Gives the ids that were queued."""
    which = Mail.status == "failed" if mail_ids is None else (Mail.status == "failed") & Mail.id.in_(mail_ids)
    fresh = {"status": "queued", "attempts": 0, "next_attempt_at": utcnow(), "error": None}
    begin_write(session)
    queued = list(session.scalars(update(Mail).where(which).values(fresh).returning(Mail.id)))
    session.commit()
    return queued


def erase(session: Session, user_id: str, folder: Path) -> Callable[[], None]:
    """What deletes the files of somebody's e-mails in the outbox, after the commit of what deletes their rows."""
    mail_ids = list(session.scalars(select(Mail.id).where(Mail.user_id == user_id)))

    def afterwards() -> None:
        for mail_id in mail_ids:
            _unlink(outbox_file(folder, mail_id))

    return afterwards


def sweep_outbox(session: Session, folder: Path) -> int:
    """Deletes the files of e-mails whose rows are gone; gives their number."""
    files = {path: mail_id for path in folder.glob("*") if (mail_id := outbox_id(path))}
    there = set(session.scalars(select(Mail.id))) if files else set()
    session.rollback()
    gone = [path for path, mail_id in files.items() if mail_id not in there]
    for path in gone:
        _unlink(path)
    return len(gone)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        # The nightly sweep finds it.
        log.warning("outbox_file_not_deleted", file=path.name, error=type(error).__name__)


def forget_old(session: Session, days: int) -> int:
    """Deletes e-mails that are done with and older than that many days; gives how many."""
    done_with = Mail.status.in_([status for status in STATUSES if status != "queued"])
    begin_write(session)
    gone = session.execute(delete(Mail).where(done_with, Mail.created_at < utcnow() - timedelta(days=days)))
    session.commit()
    assert isinstance(gone, CursorResult)  # noqa: S101 - a DELETE's result has a row count.
    return gone.rowcount
