"""Background work of the auth room."""

from __future__ import annotations

from celery import shared_task

from chatbot.auth import service
from chatbot.extensions import db


@shared_task(name="auth.forget_dead_families", ignore_result=True)
def forget_dead_families() -> None:
    """Deletes token families that have expired."""
    service.forget_dead_families(db.session())
