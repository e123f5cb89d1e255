"""/api/knowledge/: one module for each of its subjects, all on one blueprint."""

from chatbot.knowledge.routes import collections, documents, search, versions
from chatbot.knowledge.routes.blueprint import blp

__all__ = ["blp", "collections", "documents", "search", "versions"]
