"""Celery: how work is woken, and what happens when the broker is away."""

from __future__ import annotations

import socket
import time

import structlog
from celery import shared_task
from flask import current_app
from sqlalchemy import select

import celeryconfig
from chatbot.background import enqueue
from chatbot.current import services
from chatbot.mail.models import Mail
from chatbot.mail.tasks import deliver_mail
from tests.conftest import sign_up

BODY = {"username": "ada", "email": "ada@example.com", "password": "correct horse 9", "password2": "correct horse 9"}


@shared_task(name="tests.look", ignore_result=True)
def look() -> tuple[str, dict]:
    return current_app.name, structlog.contextvars.get_contextvars()


def queued(app) -> list[str]:
    with services(app).sessions() as session:
        return list(session.scalars(select(Mail.status)))


def test_a_task_runs_in_the_application_with_its_own_log_context(sqlite_app):
    """P14"""
    structlog.contextvars.bind_contextvars(request_id="left over")
    name, context = look()
    assert (name, context) == ("chatbot", {"task": "tests.look", "task_id": None, "request_id": None})


def test_a_signup_goes_on_while_redis_is_away(make_app, capsys):
    """N1: 201 at once, and the letter waits in its row."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    app = make_app()
    services(app).celery.conf.update(
        celeryconfig.broker(
            services(app).settings.model_copy(
                update={
                    "redis_url": type(services(app).settings)(redis_url=f"redis://:canary@127.0.0.1:{port}/0").redis_url
                }
            )
        )
    )
    begun = time.monotonic()
    answer = app.test_client().post("/api/users/signup/", json=BODY)
    log = capsys.readouterr().err
    assert (answer.status_code, queued(app)) == (201, ["queued"])
    assert time.monotonic() - begun < 20
    assert "broker_unavailable" in log
    assert "canary" not in log


def test_a_signup_goes_on_while_the_brokers_folder_is_away(make_app, tmp_path):
    """N1 N14"""
    app = make_app(instance_path=tmp_path)
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker" / "messages").write_text("in the way")
    assert app.test_client().post("/api/users/signup/", json=BODY).status_code == 201
    assert queued(app) == ["queued"]


def test_redis_carries_the_message(make_app, redis_server):
    """N11: JSON with an id, in the queue that mail has to itself."""
    import json

    from redis import Redis

    app = make_app(redis_url=redis_server)
    sign_up(app, "ada")
    with Redis.from_url(redis_server) as redis:
        redis.flushdb()
        enqueue(deliver_mail, "the-id")
        message = json.loads(redis.lpop("mail"))
    services(app).celery.close()
    assert message["content-type"] == "application/json"
    assert message["headers"]["argsrepr"] == "('the-id',)"


def test_nothing_but_json_is_accepted():
    """N11"""
    assert celeryconfig.accept_content == ["json"]
    assert celeryconfig.task_serializer == celeryconfig.result_serializer == "json"


def test_a_task_is_done_before_it_is_acknowledged_and_waits_for_nobody():
    """N4"""
    assert celeryconfig.task_acks_late
    assert celeryconfig.task_reject_on_worker_lost
    assert celeryconfig.worker_prefetch_multiplier == 1


def test_the_broker_is_a_folder_without_redis_and_redis_with_it(make_app, tmp_path):
    """N14"""
    settings = services(make_app(instance_path=tmp_path)).settings
    folder = celeryconfig.broker(settings)
    redis = celeryconfig.broker(type(settings)(_env_file=None, redis_url="redis://127.0.0.1:1/0"))
    assert folder["broker_url"].startswith("folder://")
    assert folder["broker_transport_options"]["data_folder_in"] == str(tmp_path / "broker" / "messages")
    assert redis["broker_url"] == "redis://127.0.0.1:1/0"
    assert redis["broker_transport_options"]["socket_connect_timeout"] == 1
