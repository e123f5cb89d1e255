"""The database. Services get a `Session` and know nothing else of it.

base            the models' base, times in UTC, ids
session         beginning a write, engines and the factory of sessions
sqlite_writer   SQLite's writers, one after another
"""

from chatbot.db.base import Base, UtcDateTime, new_id, utcnow
from chatbot.db.session import SLOW, Sessions, begin_write, detached, engine_options, for_writing, prepare_engine

__all__ = [
    "SLOW",
    "Base",
    "Sessions",
    "UtcDateTime",
    "begin_write",
    "detached",
    "engine_options",
    "for_writing",
    "new_id",
    "prepare_engine",
    "utcnow",
]
