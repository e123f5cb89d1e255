"""A throw-away application to measure in: an application on its own instance folder, and figures as text."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask
from flask_migrate import upgrade

from chatbot.app import create_app
from chatbot.auth import accounts
from chatbot.auth.credentials import jwts, sessions
from chatbot.config import ROOT, load_settings
from chatbot.current import services
from chatbot.extensions import db

PASSWORD = "correct horse battery 9"


@contextmanager
def temp_app(**overrides: Any) -> Iterator[Flask]:
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


def access_token(app: Flask, *, admin: bool = False) -> str:
    """The access token of a new account, or of an administrator's."""
    settings = services(app).settings
    name, email = "bench", "bench@example.com"
    with app.app_context(), services(app).sessions() as session:
        if admin:
            accounts.create_admin(session, settings, email, name, PASSWORD)
        else:
            fields = {"username": name, "email": email, "password": PASSWORD, "password2": PASSWORD}
            accounts.sign_up(session, settings, fields)
        return jwts.pair(sessions.log_in(session, settings, email, PASSWORD)[1]).access


def gunicorn_start(app: Flask, port: int, settings: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """The command of a real web server on the application's instance, with these settings, and its environment."""
    environment = {
        "INSTANCE_PATH": str(app.instance_path),
        "MODELS_PATH": str(ROOT / "instance" / "models"),
        "PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "LOG_LEVEL": "WARNING",
    } | settings
    return [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"], environment


@contextmanager
def gunicorn(app: Flask, **settings: str) -> Iterator[int]:
    """A real web server on the application's instance, with these settings; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, environment = gunicorn_start(app, port, settings)
    process = subprocess.Popen(command, env=os.environ | environment, cwd=ROOT)
    try:
        _wait(port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)


def _wait(port: int) -> None:
    for _ in range(300):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise TimeoutError("the server did not start")


def quantiles(seconds: list[float]) -> tuple[float, float]:
    """The median and the 99th percentile, in milliseconds."""
    p50, p99 = np.percentile(np.array(seconds) * 1000, [50, 99])
    return float(p50), float(p99)
