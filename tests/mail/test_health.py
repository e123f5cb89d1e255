"""What /metrics and /readyz tell of e-mails."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from chatbot.db import begin_write, utcnow
from chatbot.mail import health
from chatbot.mail.models import Mail


def test_letters_that_failed_are_a_number(app, session, ada):
    """C14"""
    begin_write(session)
    session.execute(update(Mail).values(status="failed"))
    session.commit()
    found = {(reading.name, *reading.labels.values()): reading.value for reading in health.readings(session)}
    assert found == {("chatbot_emails", "failed"): 1, ("chatbot_mail_queue_lag_seconds",): 0}


def test_letters_that_nobody_sends_are_told(app, session, ada):
    """C14, N1"""
    assert app.test_client().get("/readyz").json["checks"]["mail"] == "ok"
    begin_write(session)
    session.execute(update(Mail).values(next_attempt_at=utcnow() - timedelta(minutes=10)))
    session.commit()
    assert app.test_client().get("/readyz").json["checks"]["mail"].startswith("A letter waits for 60")
