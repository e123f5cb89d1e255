"""/healthz and /readyz."""

from __future__ import annotations

from flask_migrate import downgrade
from sqlalchemy import text

from chatbot.db import for_writing
from chatbot.extensions import db
from tests.conftest import SECRET


def test_a_process_that_answers_is_alive(client):
    """P8: no version, no path."""
    assert client.get("/healthz").json == {"status": "ok"}


def test_a_process_with_all_it_needs_is_ready(client):
    """P8"""
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json["checks"]["database"] == answer.json["checks"]["migrations"] == "ok"


def test_an_old_schema_is_not_ready_and_says_what_to_do(app):
    """O6"""
    with app.app_context():
        downgrade(revision="base")
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (503, "unavailable")
    assert answer.json["checks"]["migrations"] == "run `flask db upgrade`"
    assert app.test_client().get("/healthz").status_code == 200


def test_a_schema_of_another_version_is_not_ready(app):
    """O6"""
    with app.app_context(), db.engine.connect() as connection:
        for_writing(connection).execute(text("UPDATE alembic_version SET version_num = 'ffff'"))
        connection.commit()
    assert app.test_client().get("/readyz").status_code == 503


def test_a_database_that_is_away_is_not_ready(make_app, tmp_path):
    """P8: without an address or a password in the answer."""
    url = f"postgresql://canary:canary@/gone?host={tmp_path}"
    answer = make_app(database_url=url, secret_key=SECRET).test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json["checks"]["database"] == answer.json["checks"]["migrations"] == "unavailable"
    assert "canary" not in answer.text


def test_a_redis_that_is_away_is_told_and_the_process_stays_ready(make_app, tmp_path):
    """N2: without its address."""
    answer = make_app(redis_url=f"unix://:canary@{tmp_path}/nowhere").test_client().get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert answer.json["checks"]["redis"] == "unavailable"
    assert "canary" not in answer.text
    assert str(tmp_path) not in answer.text
