"""Old e-mails are forgotten; what is still to be sent never is."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from sqlalchemy import select

import celeryconfig
from chatbot.current import services
from chatbot.db import utcnow
from chatbot.mail import service
from chatbot.mail.models import Mail
from chatbot.mail.tasks import forget_old_mails
from tests.mail.conftest import add_mail, add_user


@pytest.mark.parametrize("status", service.STATUSES)
def test_only_old_letters_that_are_done_with_are_forgotten(app, session, status):
    user_id = add_user(session).id
    old = add_mail(session, user_id, status=status, created_at=utcnow() - timedelta(days=30, minutes=1))
    new = add_mail(session, user_id, status=status, created_at=utcnow() - timedelta(days=29, hours=23))
    gone = service.forget_old(session, 30)
    left = set(session.scalars(select(Mail.id)))
    assert (gone, left) == ((0, {old.id, new.id}) if status == "queued" else (1, {new.id}))


@pytest.mark.parametrize(("days", "left"), [(1, 0), (3, 1)])
def test_the_task_follows_the_setting(make_app, days, left):
    app = make_app(retention_days=days)
    with services(app).sessions() as session:
        add_mail(session, add_user(session).id, status="sent", created_at=utcnow() - timedelta(days=2))
        with app.app_context():
            forget_old_mails()
        assert len(session.scalars(select(Mail)).all()) == left


def test_nightly_jobs_with_schedule_include_old_mails(sqlite_app):
    assert celeryconfig.NIGHTLY["mail.forget_old"] == time(2, 30)
    assert celeryconfig.task_routes["mail.forget_old"] == {"queue": "mail"}
    assert celeryconfig.timezone == "UTC"
