"""How the e-mails are: what /metrics and /readyz tell of this package."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chatbot.db import utcnow
from chatbot.mail.models import Mail
from chatbot.metrics import Reading

# An e-mail that is due for longer than this waits for something that is wrong, in seconds.
LATE_SECONDS = 120


def readings(session: Session) -> Iterator[Reading]:
    """The numbers of e-mails by status, and how long the first is due."""
    for status, count in session.execute(select(Mail.status, func.count()).group_by(Mail.status)):
        yield Reading("chatbot_emails", "E-mails by status.", count, {"status": status})
    yield Reading("chatbot_mail_queue_lag_seconds", "How long the first letter is due.", queue_lag(session))


def queue_lag(session: Session) -> float:
    """For how many seconds the first e-mail of the queue is due and not taken; 0 when none is."""
    due = session.scalar(select(func.min(Mail.next_attempt_at)).where(Mail.status == "queued"))
    return max(0.0, (utcnow() - due).total_seconds()) if due else 0.0


def checks(session: Session) -> dict[str, str]:
    """The state of the queue of e-mails: `ok`, or a sentence."""
    lag = queue_lag(session)
    return {"mail": "ok" if lag < LATE_SECONDS else f"A letter waits for {round(lag)} s."}
