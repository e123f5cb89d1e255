"""What a database that is away, busy or damaged means to a client."""

from __future__ import annotations

import structlog
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chatbot.errors import ChatbotError, Unavailable

log = structlog.get_logger(__name__)

# Somebody has to mend it first.
DAMAGED_RETRY_SECONDS = 300


class DatabaseDamaged(Unavailable):
    code, detail = "database_damaged", "The database cannot be read; whoever runs this server has to restore it."


def of_database(error: Exception) -> ChatbotError | None:
    """The error of ours for one of the database, if it is one; the log hears of it."""
    cut = isinstance(error, DBAPIError) and error.connection_invalidated
    if cut or isinstance(error, (OperationalError, PoolTimeout)):
        log.warning("database_unavailable", error=type(error).__name__)
        return Unavailable("The database is busy or away; try again.", code="busy", retry_after=1)
    # SQLite's driver keeps the plain class for a file that is damaged or is no database.
    if type(error) is DatabaseError:
        log.error("database_damaged", error=str(error.orig))
        return DatabaseDamaged(retry_after=DAMAGED_RETRY_SECONDS)
    return None
