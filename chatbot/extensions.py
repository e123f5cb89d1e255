"""Flask's extensions, created here and bound to the application in the factory."""

from __future__ import annotations

from flask_sqlalchemy import SQLAlchemy

from chatbot.db import Base

# Rows are handed out as plain values after a commit; expiring them would open a transaction to read them again.
db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})
