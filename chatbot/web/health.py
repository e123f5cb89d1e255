"""/healthz: the process lives. /readyz: each thing it needs or uses, with its state.

Without the database and its schema nothing works: 503. What else is wrong is told with 200 and `degraded`, for no
other process would do better, and questions are still answered. The packages tell their states as functions in
`Services.health_checks`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import redis
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from chatbot.config import Settings
from chatbot.current import services
from chatbot.extensions import db
from chatbot.system.disk_space import disk_of

Checks = Callable[[Session], dict[str, str]]
NEEDED = ("database", "migrations")
UNAVAILABLE = "unavailable"
REDIS_SECONDS = 1.0


def init_app(app: Flask) -> None:
    """Registers both addresses; they are public and tell nothing but states."""
    for rule, view in (("/healthz", healthz), ("/readyz", readyz)):
        view.guard = "public"  # type: ignore[attr-defined]
        app.add_url_rule(rule, view.__name__, view, methods=["GET"])


def healthz() -> ResponseReturnValue:
    """200 as long as the process answers."""
    return {"status": "ok"}


def readyz() -> ResponseReturnValue:
    """200 when what it needs is there, else 503; `degraded` when something is wrong that it can answer without."""
    states = {"database": _database(), "migrations": _migrations()}
    ready = all(states[name] == "ok" for name in NEEDED)
    if ready:
        states["disk"] = disk_of(db.session()).state()
        for check in services().health_checks:
            states |= check(db.session())
    probe = services().redis_probe
    if probe is not None:
        states["redis"] = _redis(probe)
    well = all(state == "ok" for state in states.values())
    status = "ok" if well else "degraded" if ready else UNAVAILABLE
    return {"status": status, "checks": states}, 200 if ready else 503


def _database() -> str:
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return UNAVAILABLE
    return "ok"


def _migrations() -> str:
    """A schema that is behind says so here; the web process never migrates by itself."""
    try:
        current = MigrationContext.configure(db.session.connection()).get_current_heads()
    except SQLAlchemyError:
        return UNAVAILABLE
    wanted = _newest(current_app.extensions["migrate"].directory)
    return "ok" if set(current) == wanted else "run `flask db upgrade`"


@cache
def _newest(folder: str) -> set[str]:
    """What the code's own migrations end with; they are read once."""
    return set(ScriptDirectory(folder).get_heads())


def redis_probe(settings: Settings) -> redis.Redis | None:
    """A client that connects when it is first used; None without REDIS_URL."""
    if settings.redis_url is None:
        return None
    url = settings.redis_url.get_secret_value()
    seconds = REDIS_SECONDS
    found: redis.Redis = redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds)
    return found


def _redis(probe: redis.Redis) -> str:
    try:
        probe.ping()
    except redis.RedisError:
        return UNAVAILABLE
    return "ok"
