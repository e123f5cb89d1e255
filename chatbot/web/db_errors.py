"""What a database that is away, busy or damaged means to a client, and what a full disk does."""

from __future__ import annotations

import structlog
from sqlalchemy.exc import DatabaseError, DBAPIError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chatbot.errors import ChatbotError, StorageFull, Unavailable
from chatbot.system.disk_space import is_full

log = structlog.get_logger(__name__)

# Somebody has to mend it first.
DAMAGED_RETRY_SECONDS = 300
FULL_RETRY_SECONDS = 60
# PostgreSQL's data_corrupted and index_corrupted.
_CORRUPTED = ("XX001", "XX002")


class DatabaseDamaged(Unavailable):
    code, detail = "database_damaged", "The database cannot be read; whoever runs this server has to restore it."


def outage(error: Exception) -> ChatbotError | None:
    """The error of ours for one of the database or of a full disk, if it is one; the log hears of it."""
    if is_full(error):
        log.error("storage_full", error=type(error).__name__)
        return StorageFull(retry_after=FULL_RETRY_SECONDS)
    cut = isinstance(error, DBAPIError) and error.connection_invalidated
    if cut or isinstance(error, (OperationalError, PoolTimeout)):
        log.warning("database_unavailable", error=type(error).__name__)
        return Unavailable("The database is busy or away; try again.", code="busy", retry_after=1)
    # SQLite's driver keeps the plain class for a file that is damaged or is no database.
    if type(error) is DatabaseError or (
        isinstance(error, InternalError) and getattr(error.orig, "sqlstate", None) in _CORRUPTED
    ):
        log.error("database_damaged", error=str(error.orig))
        return DatabaseDamaged(retry_after=DAMAGED_RETRY_SECONDS)
    return None
