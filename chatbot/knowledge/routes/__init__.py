"""/api/knowledge/: one module for each of its subjects, all on one blueprint."""

from chatbot.knowledge.routes import documents, search, versions
from chatbot.knowledge.routes.blueprint import blp

__all__ = ["blp", "documents", "search", "versions"]
