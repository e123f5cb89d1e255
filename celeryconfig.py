"""Celery: broker, queues, routes, limits and the schedule, each with its reason."""

from __future__ import annotations

from datetime import time
from typing import Any

from chatbot.config import Settings
from chatbot.messaging import filesystem_broker as brokers

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
# What Redis refuses (a full memory, a script, a restart in progress) is waited for as well.
broker_channel_error_retry = True
# It waits with growing pauses and logs each outage once.
worker_consumer = "chatbot.messaging.worker:Consumer"
worker_enable_prefetch_count_reduction = False
# The web process logs through the application's own configuration.
worker_hijack_root_logger = False
timezone = "UTC"

# The modules whose tasks a worker knows. Some of those tasks are sent by beat alone, so nothing else imports them.
imports = (
    "chatbot.background",
    "chatbot.auth.tasks",
    "chatbot.chat.tasks",
    "chatbot.knowledge.tasks",
    "chatbot.mail.tasks",
)

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

beat_scheduler = "chatbot.messaging.beat:Scheduler"

# The tasks that run once a day, and from which time (UTC) on. Beat asks often; the rows know which are due.
NIGHTLY = {
    # The specification's daily clean-up at 02:00 UTC.
    "chat.cleanup": time(2, 0),
    "auth.forget_dead_families": time(2, 10),
    "auth.forget_old_events": time(2, 15),
    "knowledge.purge": time(2, 20),
    "mail.forget_old": time(2, 30),
    "chat.forget_idempotency_keys": time(2, 40),
}


def broker(settings: Settings) -> dict[str, Any]:
    """Redis when there is one; otherwise folders under the instance, which need no server.

    Neither is trusted with work: kill a worker, and the folder has lost its message. The rows have not.
    """
    brokers.register()
    if settings.redis_url is not None:
        options = {"visibility_timeout": 3600, "socket_timeout": 5, "socket_connect_timeout": 1}
        return {"broker_url": settings.redis_url.get_secret_value(), "broker_transport_options": options}
    folder = settings.instance_path / "broker"
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
    # A sweep that waits is replaced by the next.
    sweep: dict[str, Any] = {"schedule": often, "options": {"expires": often, "headers": {brokers.UNIQUE: True}}}
    return {
        # The rows are the queue of record: what a broker lost is found here.
        "mail-sweep": {"task": "mail.sweep", **sweep},
        "ingest-sweep": {"task": "knowledge.sweep", **sweep},
        "chat-sweep": {"task": "chat.sweep", **sweep},
        "nightly": {
            "task": "background.nightly",
            "schedule": 6 * often,
            "options": {"headers": {brokers.UNIQUE: True}},
        },
    }
