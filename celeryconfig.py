"""Celery: broker, queues, routes, limits and the schedule, each with its reason."""

from __future__ import annotations

from typing import Any

from celery.schedules import crontab

from chatbot import broker as folder_broker
from chatbot.config import Settings
from chatbot.private_files import make_folder

# Only ids travel, so JSON is enough; nothing that is unpickled is ever accepted.
task_serializer = result_serializer = "json"
accept_content = ["json"]
# Results are rows; nobody reads Celery's.
task_ignore_result = True
# A task is acknowledged when it is done, and goes back when its worker dies (a broker may lose it all the same).
task_acks_late = True
task_reject_on_worker_lost = True
# One message at a time: ingesting takes minutes, and a hoarded message waits behind it.
worker_prefetch_multiplier = 1
# A stop lets the running task come to its next commit; the lease of what is cut off runs out by itself.
worker_soft_shutdown_timeout = 8.0
# With a broker that is away a web request waits this long at most before the row is left to the sweep.
broker_connection_timeout = 2.0
broker_connection_retry_on_startup = True
# The web process logs through the application's own configuration.
worker_hijack_root_logger = False
timezone = "UTC"

# Mail must not wait behind documents. `default` takes the short upkeep tasks.
task_default_queue = "default"
task_queues = None
task_create_missing_queues = True
task_routes = {
    "mail.deliver": {"queue": "mail"},
    "mail.sweep": {"queue": "mail"},
    "mail.forget_old": {"queue": "mail"},
    "knowledge.ingest": {"queue": "ingest"},
    "knowledge.sweep": {"queue": "ingest"},
}
QUEUES = ("default", "mail", "ingest")

# Beat keeps its memory to itself: the persistent scheduler's file is a pickle, and every job here may run twice.
beat_scheduler = "celery.beat:Scheduler"


def broker(settings: Settings) -> dict[str, Any]:
    """Redis when there is one; otherwise folders under the instance, which need no server.

    Neither is trusted with work: kill a worker, and the folder has lost its message. The rows have not.
    """
    if settings.redis_url is not None:
        options = {"visibility_timeout": 3600, "socket_timeout": 5, "socket_connect_timeout": 1}
        return {"broker_url": settings.redis_url.get_secret_value(), "broker_transport_options": options}
    folder_broker.register()
    folder = settings.instance_path / "broker"
    for name in ("messages", "control"):
        make_folder(folder / name)
    folders: dict[str, Any] = {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
        # The transport looks into the folder once a second otherwise.
        "polling_interval": 0.05,
    }
    return {"broker_url": "folder://localhost", "broker_transport_options": folders}


def schedule(settings: Settings) -> dict[str, Any]:
    """What beat starts, and when."""
    often = settings.sweep_seconds
    return {
        # The rows are the queue of record: what a broker lost is found here.
        "mail-sweep": {"task": "mail.sweep", "schedule": often, "options": {"expires": often}},
        "ingest-sweep": {"task": "knowledge.sweep", "schedule": often, "options": {"expires": often}},
        "chat-sweep": {"task": "chat.sweep", "schedule": often, "options": {"expires": often}},
        # The specification's daily clean-up at 02:00 UTC.
        "chat-cleanup": {"task": "chat.cleanup", "schedule": crontab(hour=2, minute=0)},
        "auth-cleanup": {"task": "auth.forget_dead_families", "schedule": crontab(hour=2, minute=10)},
        "audit-cleanup": {"task": "auth.forget_old_events", "schedule": crontab(hour=2, minute=15)},
        "knowledge-purge": {"task": "knowledge.purge", "schedule": crontab(hour=2, minute=20)},
        "mail-cleanup": {"task": "mail.forget_old", "schedule": crontab(hour=2, minute=30)},
        "idempotency-cleanup": {"task": "chat.forget_idempotency_keys", "schedule": crontab(hour=2, minute=40)},
    }
