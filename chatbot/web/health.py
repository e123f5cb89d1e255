"""/healthz: the process lives. /readyz: each thing it needs, with its state."""

from __future__ import annotations

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from chatbot.extensions import db


def init_app(app: Flask) -> None:
    """Registers both addresses; they are public and tell nothing but states."""
    for rule, view in (("/healthz", healthz), ("/readyz", readyz)):
        view.guard = "public"  # type: ignore[attr-defined]
        app.add_url_rule(rule, view.__name__, view, methods=["GET"])


def healthz() -> ResponseReturnValue:
    """200 as long as the process answers."""
    return {"status": "ok"}


def readyz() -> ResponseReturnValue:
    """200 when every part is ready, else 503 with the part that is not."""
    checks = {"database": _database(), "migrations": _migrations()}
    ready = all(state == "ok" for state in checks.values())
    return {"status": "ok" if ready else "unavailable", "checks": checks}, 200 if ready else 503


def _database() -> str:
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return "unavailable"
    return "ok"


def _migrations() -> str:
    """A schema that is behind says so here; the web process never migrates by itself."""
    try:
        current = MigrationContext.configure(db.session.connection()).get_current_heads()
    except SQLAlchemyError:
        return "unavailable"
    wanted = ScriptDirectory(current_app.extensions["migrate"].directory).get_heads()
    return "ok" if set(current) == set(wanted) else "run `flask db upgrade`"
