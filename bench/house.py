"""A throw-away house to measure in: an application on its own instance folder, and figures as text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask
from flask_migrate import upgrade

from chatbot.app import create_app
from chatbot.auth import accounts, families
from chatbot.config import ROOT, load_settings
from chatbot.extensions import db

PASSWORD = "correct horse battery 9"


@contextmanager
def house(**overrides: Any) -> Iterator[Flask]:
    """An application with an empty, migrated SQLite database in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="chatbot-bench-") as folder:
        models = ROOT / "instance" / "models"
        values = {
            "instance_path": Path(folder),
            "models_path": models,
            "log_level": "ERROR",
            "ratelimit_enabled": False,
        }
        app = create_app(load_settings(_env_file=None, **(values | overrides)))
        with app.app_context():
            upgrade()
        yield app
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def access_token(app: Flask) -> str:
    """The access token of a new account."""
    settings = app.extensions["settings"]
    fields = {"username": "bench", "email": "bench@example.com", "password": PASSWORD, "password2": PASSWORD}
    with app.app_context(), app.extensions["sessions"]() as session:
        accounts.sign_up(session, settings, fields)
        return families.log_in(session, settings, fields["email"], PASSWORD)[1].access


def quantiles(seconds: list[float]) -> tuple[float, float]:
    """The median and the 99th percentile, in milliseconds."""
    p50, p99 = np.percentile(np.array(seconds) * 1000, [50, 99])
    return float(p50), float(p99)
