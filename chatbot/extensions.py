"""Flask's extensions, created here and bound to the application in the factory."""

from __future__ import annotations

from flask import current_app
from flask_sqlalchemy import SQLAlchemy

from chatbot.config import Settings
from chatbot.db import Base

# Rows are handed out as plain values after a commit; expiring them would open a transaction to read them again.
db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


def settings() -> Settings:
    """The settings of the application that is at work."""
    found: Settings = current_app.extensions["settings"]
    return found
