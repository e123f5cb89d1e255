"""/api/users/: one module for each of its subjects, all on one blueprint."""

from chatbot.auth.routes import accounts, keys, recovery, security, sessions
from chatbot.auth.routes.blueprint import blp

__all__ = ["accounts", "blp", "keys", "recovery", "security", "sessions"]
