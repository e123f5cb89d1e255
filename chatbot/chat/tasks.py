"""Background work of the chat package."""

from __future__ import annotations

from celery import shared_task

from chatbot.chat.conversations import leases, service, titles
from chatbot.current import services, settings
from chatbot.extensions import db
from chatbot.web.idempotency import service as idempotency


@shared_task(name="chat.cleanup", ignore_result=True)
def cleanup() -> None:
    """Deletes messages and conversations older than RETENTION_DAYS."""
    service.clean_up(db.session(), settings().retention_days)


@shared_task(name="chat.sweep", ignore_result=True)
def sweep() -> None:
    """Stores the answers whose processes were killed, as interrupted."""
    leases.recover_abandoned(db.session())


@shared_task(name="chat.forget_idempotency_keys", ignore_result=True)
def forget_idempotency_keys() -> None:
    """Deletes Idempotency-Keys of more than 24 hours ago."""
    idempotency.forget(db.session())


@shared_task(name="chat.make_title", ignore_result=True)
def make_title(session_id: str) -> None:
    """Has a language model word a conversation's title."""
    titles.make_title(db.session(), services().replies.models, session_id)
