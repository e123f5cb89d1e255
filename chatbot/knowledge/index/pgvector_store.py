"""pgvector: the vectors of a generation in a table of PostgreSQL, for all processes together.

The table is a cache of rows, as the index in a process's memory is, and follows the generation's revision: whoever is
first to search after a change brings it up to date, in a transaction that the others wait for. So nothing is lost
with it, moving there from FAISS is a setting, and a deleted document is gone from it as from everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import structlog
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    bindparam,
    column,
    delete,
    func,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from chatbot.db import Sessions, begin_write
from chatbot.errors import Unavailable
from chatbot.knowledge.models import ChunkRow, Document, Generation
from chatbot.rag.embeddings.embedders import LangChainEmbeddings, Vectors
from chatbot.rag.vector_store.segments import Ids
from chatbot.rag.vector_store.store import Rows, RowStore

log = structlog.get_logger(__name__)

StoreKind = Literal["faiss", "pgvector"]

BATCH = 2_000
# With fewer vectors each is compared, which is exact; with more there is an approximate index (HNSW).
EXACT_BELOW = 10_000
# How many candidates a search in that index looks at, at least: more find more, and take longer.
EF_SEARCH = 200
# The longest vector that HNSW can index; those up to twice as long are indexed with half the digits.
LONGEST = 2_000
# No other lock of this application has this number.
_LOCK = 7_141_203

_VECTORS = table(
    "chunk_vectors",
    column("chunk_id", BigInteger),
    column("generation_id", BigInteger),
    column("label", Text),
    column("embedding", VECTOR()),
)
_STATES = table("vector_states", column("generation_id", BigInteger), column("revision", BigInteger))
_MAKE = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    "CREATE TABLE IF NOT EXISTS chunk_vectors (chunk_id BIGINT PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE, "
    "generation_id BIGINT NOT NULL, label TEXT NOT NULL, embedding vector NOT NULL)",
    "CREATE INDEX IF NOT EXISTS ix_chunk_vectors_generation_id_label ON chunk_vectors (generation_id, label)",
    "CREATE TABLE IF NOT EXISTS vector_states (generation_id BIGINT PRIMARY KEY REFERENCES generations (id) "
    "ON DELETE CASCADE, revision BIGINT NOT NULL)",
)


class VectorsUnavailable(Unavailable):
    code, detail = "vectors_unavailable", "The vector store cannot be reached; try again in a moment."


class PgvectorMissing(VectorsUnavailable):
    """PostgreSQL has no pgvector, or this user may not make its extension."""

    def __init__(self, error: DBAPIError) -> None:
        super().__init__()
        reason = str(error.orig).partition("\n")[0]
        self.hint = f"Install pgvector on the PostgreSQL server and run CREATE EXTENSION vector. It says: {reason}."


class PgVectorStore(RowStore):
    """The vectors of one generation in PostgreSQL."""

    def __init__(self, embedding: LangChainEmbeddings, rows: Rows, sessions: Sessions, generation: Generation) -> None:
        super().__init__(embedding, rows)
        self._sessions, self._generation = sessions, generation
        self._held: TableVectors | None = None

    def held(self) -> TableVectors | None:
        return self._held

    def current(self, newest: int | None = None) -> TableVectors:
        newest = self._rows.revision() if newest is None else newest
        held = self._held
        if held is None or held.revision < newest:
            revision = follow(self._sessions, self._generation.id)
            self._held = held = TableVectors(self._sessions, self._generation, revision)
        return held


@dataclass(frozen=True)
class TableVectors:
    """What the table has at a revision, or newer."""

    sessions: Sessions
    generation: Generation
    revision: int
    kind: StoreKind = "pgvector"
    own_bytes: int = 0

    @cached_property
    def size(self) -> int:
        with self.sessions() as session:
            return session.scalar(select(func.count()).select_from(_VECTORS).where(self._mine)) or 0

    @cached_property
    def indexed(self) -> bool:
        """Whether there is an approximate index."""
        with self.sessions() as session:
            return _index_state(session, self.generation.id) == "valid"

    @property
    def _mine(self) -> ColumnElement[bool]:
        return _VECTORS.c.generation_id == self.generation.id

    def ids(self) -> Ids:
        with self.sessions() as session:
            return np.array(session.scalars(select(_VECTORS.c.chunk_id).where(self._mine)).all(), dtype=np.int64)

    def search(
        self, query: Vectors, k: int, labels: frozenset[str] | None, only: Ids | None = None
    ) -> list[tuple[int, float]]:
        """Filters work inside the search. Where the index gives up before it has found `k`, all are compared."""
        if query.shape[1] != self.generation.dimension:
            return []
        bound: dict[str, Any] = {"query": query[0], "k": k}
        where = ["label <> ''"]
        if labels is not None:
            where.append("label = ANY(:labels)")
            bound["labels"] = sorted(labels)
        if only is not None:
            where.append("chunk_id = ANY(:only)")
            bound["only"] = only.tolist()
        statement = text(_nearest(self.generation, where)).bindparams(bindparam("query", type_=VECTOR()))
        with self.sessions() as session:
            hits: list[tuple[int, float]] = []
            if self.indexed and only is None:
                _tune(session, {"hnsw.iterative_scan": "strict_order", "hnsw.ef_search": str(max(k, EF_SEARCH))})
                hits = _hits(session, statement, bound)
            if len(hits) < k:
                _tune(session, {"enable_indexscan": "off"})
                hits = _hits(session, statement, bound)
        return hits

    def known(self, labels: frozenset[str] | None, ids: Sequence[int]) -> tuple[set[int], list[int]]:
        """Nothing is: the rows are asked in the same database."""
        return set(), list(ids)

    def count(self, labels: frozenset[str] | None) -> int:
        """All there are: to count those of some collections would read them."""
        return self.size

    def vectors(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """As the rows have them, which are read faster than the table's."""
        query = select(ChunkRow.id, ChunkRow.embedding).where(ChunkRow.id.in_(ids), ChunkRow.removed_revision.is_(None))
        with self.sessions() as session:
            rows = session.execute(query).all()
        length = 4 * self.generation.dimension
        return {row.id: np.frombuffer(row.embedding, dtype="<f4") for row in rows if len(row.embedding) == length}


def _nearest(generation: Generation, where: Sequence[str]) -> str:
    """The search as SQL. The generation stands there as a number: an index of a part of a table is only used so."""
    vector, query = _cast(generation.dimension, "embedding"), _cast(generation.dimension, ":query")
    return (
        f"SELECT chunk_id, ({vector} <#> {query}) * -1 AS score FROM chunk_vectors "  # noqa: S608  numbers and fixed words
        f"WHERE generation_id = {int(generation.id)} AND {' AND '.join(where)} "
        f"ORDER BY {vector} <#> {query}, chunk_id LIMIT :k"
    )


def _cast(dimension: int, what: str) -> str:
    kind = "vector" if dimension <= LONGEST else "halfvec"
    return f"CAST({what} AS {kind}({int(dimension)}))"


def _hits(session: Session, statement: Any, bound: dict[str, Any]) -> list[tuple[int, float]]:
    return [(int(row.chunk_id), float(row.score)) for row in session.execute(statement, bound)]


def _tune(session: Session, values: dict[str, str]) -> None:
    """Settings of this transaction."""
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in values.items())
    session.execute(text(f"SELECT {calls}"))


def follow(sessions: Sessions, generation_id: int) -> int:
    """Brings the table up to the generation's newest revision, and gives that.

    Raises:
        PgvectorMissing: the database has no pgvector.
    """
    with sessions() as session:
        begin_write(session)
        make(session)
        first = insert(_STATES).values(generation_id=generation_id, revision=0).on_conflict_do_nothing()
        session.execute(first)
        mine = _STATES.c.generation_id == generation_id
        # Locked until the end: who comes meanwhile waits, and then finds nothing left to do.
        known = session.scalars(select(_STATES.c.revision).where(mine).with_for_update()).one()
        newest = session.scalars(select(Generation.revision).where(Generation.id == generation_id)).one()
        if known < newest:
            _remove(session, generation_id, known, newest)
            for rows in _added(session, generation_id, known, newest):
                _put(session, rows)
            session.execute(update(_STATES).where(mine).values(revision=newest))
        session.commit()
        return newest


def make(session: Session) -> None:
    """Makes the tables where there are none, in the caller's transaction."""
    if session.scalar(text("SELECT to_regclass('vector_states')")) is not None:
        return
    try:
        session.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        for statement in _MAKE:
            session.execute(text(statement))
    except OperationalError:
        raise
    except DBAPIError as error:
        session.rollback()
        missing = PgvectorMissing(error)
        log.error("pgvector_missing", hint=missing.hint)
        raise missing from None


def _remove(session: Session, generation_id: int, after: int, upto: int) -> None:
    gone = select(ChunkRow.id).where(ChunkRow.generation_id == generation_id)
    gone = gone.where(ChunkRow.removed_revision > after, ChunkRow.removed_revision <= upto)
    session.execute(delete(_VECTORS).where(_VECTORS.c.chunk_id.in_(gone)))


def _added(session: Session, generation_id: int, after: int, upto: int) -> Iterator[list[dict[str, Any]]]:
    """The chunks that became visible, or whose label changed: a label is the collection's id, or none where the
    document is switched off."""
    dimension = session.scalars(select(Generation.dimension).where(Generation.id == generation_id)).one()
    query = (
        select(ChunkRow.id, ChunkRow.embedding, Document.collection_id, Document.is_active)
        .join(Document, Document.id == ChunkRow.document_id)
        .where(ChunkRow.generation_id == generation_id, ChunkRow.removed_revision.is_(None))
        .where(ChunkRow.added_revision > after, ChunkRow.added_revision <= upto)
        .order_by(ChunkRow.id)
        .limit(BATCH)
    )
    last = 0
    while rows := session.execute(query.where(ChunkRow.id > last)).all():
        last = rows[-1].id
        whole = [row for row in rows if len(row.embedding) == 4 * dimension]
        if len(whole) < len(rows):
            # One damaged row is not to end every search; `flask index verify --fix` mends it.
            log.error("vectors_damaged", generation=generation_id, chunks=len(rows) - len(whole))
        yield [
            {
                "chunk_id": row.id,
                "generation_id": generation_id,
                "label": row.collection_id if row.is_active else "",
                "embedding": np.frombuffer(row.embedding, dtype="<f4"),
            }
            for row in whole
        ]


def _put(session: Session, rows: list[dict[str, object]]) -> None:
    if rows:
        values = insert(_VECTORS)
        new = {"label": values.excluded.label, "embedding": values.excluded.embedding}
        session.execute(values.on_conflict_do_update(index_elements=["chunk_id"], set_=new), rows)


def index_name(generation_id: int) -> str:
    """The name of a generation's approximate index."""
    return f"ix_chunk_vectors_hnsw_{int(generation_id)}"


def _index_state(session: Session, generation_id: int) -> str:
    query = text(
        "SELECT CASE WHEN i.indisvalid THEN 'valid' ELSE 'broken' END FROM pg_index i WHERE i.indexrelid = "
        "to_regclass(:name)"
    )
    return session.scalar(query, {"name": index_name(generation_id)}) or "none"


def build_index(sessions: Sessions, generation_id: int) -> bool:
    """Builds the approximate index where there are enough vectors and none yet, while searches and changes go on.
    Gives whether it has."""
    with sessions() as session:
        if _index_state(session, generation_id) == "valid":
            return False
        generation, bind = session.get_one(Generation, generation_id), session.get_bind()
    held = TableVectors(sessions, generation, generation.revision)
    if held.size < EXACT_BELOW or generation.dimension > 2 * LONGEST:
        return False
    ops = "vector_ip_ops" if generation.dimension <= LONGEST else "halfvec_ip_ops"
    name, vector = index_name(generation_id), _cast(generation.dimension, "embedding")
    # One after the other, and outside of a transaction, as CONCURRENTLY wants it.
    with bind.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(text(f"SELECT pg_try_advisory_lock({_LOCK})")):
            return False
        try:
            _create(connection, name, vector, ops, generation.id)
        finally:
            connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK})"))
    return True


def _create(connection: Connection, name: str, vector: str, ops: str, generation_id: int) -> None:
    # What a killed build has left cannot be searched and is in the way.
    connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))
    connection.execute(
        text(
            f"CREATE INDEX CONCURRENTLY {name} ON chunk_vectors USING hnsw (({vector}) {ops}) "
            f"WHERE generation_id = {int(generation_id)}"
        )
    )
    # Without statistics the planner takes a new table for a small one, and compares all.
    connection.execute(text("ANALYZE chunk_vectors"))
    log.info("vector_index_built", generation=generation_id, index=name)


def drop(session: Session, generation_id: int) -> None:
    """Drops the index of a generation that is no more; its rows have gone with the chunks."""
    if session.get_bind().dialect.name == "postgresql":
        begin_write(session)
        session.execute(text(f"DROP INDEX IF EXISTS {index_name(generation_id)}"))
        session.commit()


def forget(session: Session, generation_id: int) -> None:
    """Empties the table for a generation; the next search reads all its rows again."""
    begin_write(session)
    for rows in (_STATES, _VECTORS):
        session.execute(delete(rows).where(rows.c.generation_id == generation_id))
    session.commit()
