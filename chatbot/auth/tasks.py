"""Background work of the auth package."""

from __future__ import annotations

from celery import shared_task

from chatbot.auth import events
from chatbot.auth.credentials import sessions
from chatbot.current import settings
from chatbot.extensions import db


@shared_task(name="auth.forget_dead_families", ignore_result=True)
def forget_dead_families() -> None:
    """Deletes token families that have expired."""
    sessions.forget_dead_families(db.session())


@shared_task(name="auth.forget_old_events", ignore_result=True)
def forget_old_events() -> None:
    """Deletes security events that are older than AUDIT_LOG_RETENTION_DAYS."""
    events.forget_old(db.session(), settings().audit_log_retention_days)
