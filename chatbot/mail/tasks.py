"""Background work of the mail package."""

from __future__ import annotations

from celery import shared_task

from chatbot.current import services, settings
from chatbot.extensions import db
from chatbot.mail import service
from chatbot.mail.transport import OUTBOX


@shared_task(name="mail.deliver", ignore_result=True)
def deliver_mail(mail_id: str) -> None:
    """Sends one e-mail."""
    mailer = services().mailer
    service.deliver(db.session(), mail_id, mailer.builders, mailer.transport)


@shared_task(name="mail.sweep", ignore_result=True)
def sweep_mails() -> None:
    """Sends what is due, whatever message a broker has lost."""
    for mail_id in service.due_mails(db.session()):
        deliver_mail.run(mail_id)


@shared_task(name="mail.forget_old", ignore_result=True)
def forget_old_mails() -> None:
    """Deletes e-mails that are done with and older than RETENTION_DAYS, and files of e-mails that are gone."""
    service.forget_old(db.session(), settings().retention_days)
    service.sweep_outbox(db.session(), settings().instance_path / OUTBOX)
