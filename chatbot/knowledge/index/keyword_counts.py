"""How many chunks the keyword index has, and how many of them have a term: what BM25 rests on."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

from sqlalchemy import Integer, Text, bindparam, column, select, table, text
from sqlalchemy.orm import Session

from chatbot.db import SLOW

# How old the counts may be that a ranking rests on, and how many are kept.
COUNTS_SECONDS = 30.0
COUNTS_KEPT = 10_000

_WORDS = table("chunk_terms_words", column("term", Text), column("doc", Integer))
_HOW_OFTEN = (
    select(_WORDS.c.term, _WORDS.c.doc)
    .where(_WORDS.c.term.in_(bindparam("terms", expanding=True)))
    .execution_options(**SLOW)
)
# FTS5's own record of how many rows there are: a varint at its beginning. To count them would read each.
_TOTALS_SQLITE = text("SELECT block FROM chunk_terms_data WHERE id = 1").execution_options(**SLOW)
_HOW_MANY = text("SELECT count(*), coalesce(avg(length), 1) FROM chunk_terms")


def is_sqlite(session: Session) -> bool:
    """Whether the session's database is SQLite."""
    return session.get_bind().dialect.name == "sqlite"


class _Counts:
    """How many chunks the index has, their mean length, and how many have a term, kept for a while: they hardly change
    from one document to the next, and a ranking does not depend on their last digit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[float, tuple[int, float]]] = {}

    def of(self, session: Session) -> tuple[int, float]:
        """The number of chunks and, on PostgreSQL, the mean number of their terms, at least 1. SQLite knows it."""
        if is_sqlite(session):
            return _varint(session.execute(_TOTALS_SQLITE).scalar_one_or_none() or b"\0"), 1.0
        kept = self._get(session, "")
        if kept is None:
            chunks, length = session.execute(_HOW_MANY).one()
            kept = (chunks, max(1.0, float(length)))
            self._put(session, "", kept)
        return kept

    def having(self, session: Session, terms: Sequence[str]) -> dict[str, int]:
        """How many chunks have each of the terms that any has."""
        kept = {term: found[0] for term in terms if (found := self._get(session, term))}
        if is_sqlite(session):
            # Of a term of about half of all rows, FTS5's weight turns with one row more.
            rows = self.of(session)[0]
            kept = {term: count for term, count in kept.items() if 3 * count < rows}
        missing = [term for term in terms if term not in kept]
        read = _how_often(session, missing) if missing else {}
        for term, count in read.items():
            self._put(session, term, (count, 0.0))
        return kept | read

    def _get(self, session: Session, term: str) -> tuple[int, float] | None:
        """What was read a moment ago. That there is nothing is not kept."""
        with self._lock:
            read, counts = self._kept.get(_key(session, term), (-math.inf, (0, 0.0)))
        return counts if time.monotonic() - read < COUNTS_SECONDS and counts[0] else None

    def _put(self, session: Session, term: str, counts: tuple[int, float]) -> None:
        with self._lock:
            if len(self._kept) >= COUNTS_KEPT:
                self._kept.clear()
            self._kept[_key(session, term)] = (time.monotonic(), counts)


def _varint(block: bytes) -> int:
    """The first number of a record of SQLite: seven bits a byte, the highest first."""
    value = 0
    for byte in block[:8]:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value


def _key(session: Session, term: str) -> tuple[str, str]:
    return str(session.get_bind().engine.url), term


def _how_often(session: Session, terms: Sequence[str]) -> dict[str, int]:
    """How many chunks have each term. To SQLite it is as much work as there are such chunks."""
    if is_sqlite(session):
        return {row.term: row.doc for row in session.connection().execute(_HOW_OFTEN, {"terms": terms})}
    statement = text("SELECT count(*) FROM chunk_terms WHERE terms @@ CAST(:term AS tsquery)")
    having = {term: session.execute(statement, {"term": f"'{term}'"}).scalar_one() for term in terms}
    return {term: count for term, count in having.items() if count}


counts = _Counts()
