"""The keyword index: chunks by their words, in the database itself.

SQLite's FTS5 or PostgreSQL's tsvector keeps the terms; both are filled with terms that the application has cut and
stemmed (chatbot/rag/text/stemming.py), and both rank by BM25 (k1 1.2, b 0.75). Rows are written in the transaction that
writes their chunks and go with them by trigger, so the index is never ahead or behind. What a reader may not find is
left out inside the query, before the best are taken.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import structlog
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Integer,
    Select,
    Text,
    bindparam,
    column,
    select,
    table,
    text,
)
from sqlalchemy.orm import Session

from chatbot.db import SLOW
from chatbot.knowledge.index.generations import visible, within
from chatbot.knowledge.models import ChunkRow, Document, Generation
from chatbot.rag.text.stemming import TERMS_VERSION, question_terms, terms_of

log = structlog.get_logger(__name__)

# A question may be a page long; its first hundred different terms say what it is about.
MOST_TERMS = 100
BATCH = 200
# How old the counts may be that a ranking rests on, and how many are kept.
COUNTS_SECONDS = 30.0
COUNTS_KEPT = 10_000
# PostgreSQL keeps at most this position of a word in a text.
LAST_POSITION = 16_383
# How many chunks the needed terms of a question may have together, and how many terms are needed at least.
MOST_RANKED = 2_000
FEWEST_NEEDED = 2
# What both databases take for no limit.
ALL = 2**31 - 1
# How many ids one statement asks about.
MOST_ASKED = 16_000
# How many chunks the terms may have together that only raise the score: FTS5 looks at each of them once a search.
MOST_RAISING = 100_000


_FOUND = (*visible(), Document.is_active, Document.status != "deleted")
_AMONG = (
    select(ChunkRow.id, Document.collection_id)
    .join(Document, Document.id == ChunkRow.document_id)
    .where(ChunkRow.id.in_(bindparam("ids", expanding=True)), within(bindparam("of")), *_FOUND)
)


@dataclass(frozen=True)
class Scope:
    """What a search may find: a generation, and in it the active documents of some collections (ids; None for all),
    of which `conditions` on Document hold. With conditions, `only` are the ids of the chunks of which they do.

    `known` tells of ids, from memory, which of them are inside, and of which it does not know.
    """

    generation_id: int
    collections: frozenset[str] | None = None
    conditions: tuple[ColumnElement[bool], ...] = ()
    only: frozenset[int] | None = None
    known: Callable[[Sequence[int]], tuple[set[int], list[int]]] | None = None

    def among(self, session: Session, ids: Sequence[int]) -> set[int]:
        """Those of some ids that are in the scope."""
        if self.only is not None:
            ids = [chunk_id for chunk_id in ids if chunk_id in self.only]
        inside: set[int] = set()
        if self.known is not None:
            inside, ids = self.known(ids)
        return inside | self._read_among(session, ids) if ids else inside

    def _read_among(self, session: Session, ids: Sequence[int]) -> set[int]:
        """As the rows have it. SQLite's planner would rather read a whole generation or collection than look up some
        ids, so these two are not told to it: a sum is in no index, and collections are compared here."""
        query = _AMONG.where(*self.conditions) if self.conditions else _AMONG
        rows = session.connection().execute(query, {"ids": ids, "of": self.generation_id})
        return {row[0] for row in rows if self.collections is None or row[1] in self.collections}

    def chunk_ids(self) -> Select[int]:
        """A query for the ids of the chunks of which the conditions hold, in any collection.

        The documents are chosen first: it is they that the conditions are about, and SQLite's planner would look at
        the document of each chunk there is. Nor are collections told to it: it would look up every document of them.
        """
        documents = select(Document.id).where(Document.is_active, Document.status != "deleted", *self.conditions)
        query = select(ChunkRow.id).where(ChunkRow.document_id.in_(documents), within(self.generation_id), *visible())
        return query.execution_options(**SLOW)


def index_chunks(session: Session, chunk_ids: Sequence[int]) -> None:
    """Writes the terms of chunks, anew where there are some; in the caller's transaction."""
    session.flush()
    rows = session.execute(
        select(ChunkRow.id, ChunkRow.headings, ChunkRow.text, Document.title, Document.source, Document.language)
        .join(Document, Document.id == ChunkRow.document_id)
        .where(ChunkRow.id.in_(chunk_ids))
    ).all()
    write_terms(
        session,
        [(row.id, terms_of_chunk(row.title, row.source, row.language, row.headings, row.text)) for row in rows],
    )


def write_terms(session: Session, found: list[tuple[int, list[str]]]) -> None:
    """Writes the terms of chunks, by their ids, anew where there are some; in the caller's transaction."""
    if found:
        write = _write_sqlite if _is_sqlite(session) else _write_postgresql
        write(session, found)


def index_document(session: Session, document_id: str) -> None:
    """Writes the terms of a document's chunks anew, those not visible yet too, in the caller's transaction."""
    stay = (ChunkRow.document_id == document_id, ChunkRow.removed_revision.is_(None))
    chunk_ids = session.scalars(select(ChunkRow.id).where(*stay)).all()
    for start in range(0, len(chunk_ids), BATCH):
        index_chunks(session, chunk_ids[start : start + BATCH])


def terms_of_chunk(title: str, source: str, language: str | None, headings: Sequence[str], body: str) -> list[str]:
    """What a chunk is found by: its words, and the title, place and headings it stands under."""
    above = [name for name in (title, source, *headings) if name and name not in body]
    return terms_of("\n".join([*above, body]), language)


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _write_sqlite(session: Session, found: list[tuple[int, list[str]]]) -> None:
    rows = [{"id": chunk_id, "terms": " ".join(terms)} for chunk_id, terms in found]
    session.execute(_WRITE_SQLITE, rows)


def _write_postgresql(session: Session, found: list[tuple[int, list[str]]]) -> None:
    rows = [{"id": chunk_id, "length": len(terms), "terms": _vector(terms)} for chunk_id, terms in found]
    session.execute(_WRITE_POSTGRESQL, rows)


_WRITE_SQLITE = text("INSERT OR REPLACE INTO chunk_terms (rowid, terms) VALUES (:id, :terms)")
_WRITE_POSTGRESQL = text(
    "INSERT INTO chunk_terms (chunk_id, length, terms) VALUES (:id, :length, CAST(:terms AS tsvector)) "
    "ON CONFLICT (chunk_id) DO UPDATE SET length = excluded.length, terms = excluded.terms"
)


def _vector(terms: Sequence[str]) -> str:
    """The terms as PostgreSQL writes a tsvector. They are letters and digits, so nothing is to be escaped."""
    places: dict[str, list[str]] = {}
    for place, term in enumerate(terms, 1):
        places.setdefault(term, []).append(str(min(place, LAST_POSITION)))
    return " ".join(f"'{term}':{','.join(found[:255])}" for term, found in places.items())


def search(
    session: Session, question: str, languages: Iterable[str | None], scope: Scope, k: int
) -> list[tuple[int, float]]:
    """The ids of the `k` best chunks of a scope for a question with their BM25 scores, best first.

    `languages` are those that the documents have.
    """
    terms = question_terms(question, languages)[:MOST_TERMS]
    if not terms:
        return []
    having = _counts.having(session, terms)
    best = _best_on_sqlite if _is_sqlite(session) else _best_on_postgresql
    hits = best(session, having, rare(having), scope, k)
    if len(hits.inside) < k and hits.outside and (wider := less_rare(having)):
        # The rare ones are others' words, who may not be read here.
        hits = best(session, having, wider, scope, k)
    return hits.inside


@dataclass(frozen=True)
class _Hits:
    """The best ids in a scope with their scores, and whether there were better ones outside."""

    inside: list[tuple[int, float]]
    outside: bool = False


def _best_on_sqlite(
    session: Session, having: Mapping[str, int], needed: Sequence[str], scope: Scope, k: int
) -> _Hits:  # fmt: skip
    """A chunk has to have one of the rare terms; the others only raise its score. FTS5 has no such query, so those that
    have some of the others as well are asked for beside all, and their higher score counts."""
    if not needed:
        return _Hits([])
    hits = _best_in(session, _RANKED, {"match": _any(needed)}, scope, k)
    raising = merely_raising(having, needed, _counts.of(session)[0])
    if not raising:
        return hits
    raised = _best_in(session, _RANKED, {"match": f"({_any(needed)}) AND ({_any(raising)})"}, scope, k)
    # Scores rise from the first to the second.
    best = dict(hits.inside) | dict(raised.inside)
    return _Hits(sorted(best.items(), key=lambda hit: (-hit[1], hit[0]))[:k], hits.outside)


def merely_raising(found: Mapping[str, int], needed: Sequence[str], chunks: int) -> list[str]:
    """The terms that are not needed, the rarest first; FTS5 gives one that more than half of all chunks have no
    weight."""
    raising: list[str] = []
    total = 0
    for term in sorted(found.keys() - set(needed), key=lambda term: (found[term], term)):
        total += found[term]
        if 2 * found[term] > chunks or total > MOST_RAISING:
            break
        raising.append(term)
    return raising


def _any(terms: Sequence[str]) -> str:
    return " OR ".join(f'"{term}"' for term in terms)


def rare(found: Mapping[str, int]) -> list[str]:
    """The terms that a chunk must have one of: the rarest, as many as a few thousand chunks have, but at least two.

    Without it a question with one common word would be ranked against half of all chunks; the few it leaves out have
    nothing but common words of the question.
    """
    needed: list[str] = []
    total = 0
    for term in sorted(found, key=lambda term: found[term]):
        total += found[term]
        if len(needed) >= FEWEST_NEEDED and total > MOST_RANKED:
            break
        needed.append(term)
    return needed


def less_rare(found: Mapping[str, int]) -> list[str]:
    """More terms of which a chunk must have one, as far as not too many have them; none where there are no more."""
    ordered = sorted(found, key=lambda term: found[term])
    sums = accumulate(found[term] for term in ordered)
    needed = [term for term, total in zip(ordered, sums, strict=True) if total <= MOST_RAISING]
    return needed if len(needed) > len(rare(found)) else []


_WORDS = table("chunk_terms_words", column("term", Text), column("doc", Integer))
_HOW_OFTEN = (
    select(_WORDS.c.term, _WORDS.c.doc)
    .where(_WORDS.c.term.in_(bindparam("terms", expanding=True)))
    .execution_options(**SLOW)
)
_TERMS = table("chunk_terms", column("rowid", BigInteger), column("chunk_terms", Text), column("rank", Float))
_RANKED = (
    select(_TERMS.c.rowid.label("id"), (-_TERMS.c.rank).label("score"))
    .where(_TERMS.c.chunk_terms.op("MATCH")(bindparam("match")))
    .order_by(_TERMS.c.rank, _TERMS.c.rowid)
    .limit(bindparam("most"))
    .execution_options(**SLOW)
)


def _best_on_postgresql(
    session: Session, having: Mapping[str, int], needed: Sequence[str], scope: Scope, k: int
) -> _Hits:  # fmt: skip
    if not needed:
        return _Hits([])
    chunks, mean = _counts.of(session)
    bound: dict[str, Any] = {"match": " | ".join(f"'{term}'" for term in needed), "mean": mean}
    for n, (term, count) in enumerate(having.items()):
        odds = (max(chunks, count) - count + 0.5) / (count + 0.5)
        bound |= {f"t{n}": f"'{term}'", f"i{n}": math.log(1 + odds)}
    ranked = text(_bm25(len(having))).columns(id=BigInteger, score=Float).subquery()
    query = select(ranked.c.id, ranked.c.score).order_by(ranked.c.score.desc(), ranked.c.id).limit(bindparam("most"))
    return _best_in(session, query, bound, scope, k)


def _bm25(terms: int) -> str:
    """BM25 in SQL, over the chunks that have a needed term. ts_rank of one word is 6/pi^2 times the sum of 1/i^2 up to
    its count in the text, from which the count comes back (within 5 %): reading it out of the tsvector itself would
    unpack every candidate."""
    ranks, scores = [], []
    for n in range(terms):
        ranks.append(f"CAST(ts_rank('{{1,1,1,1}}', terms, CAST(:t{n} AS tsquery)) AS float8) AS r{n}")
        tf = f"(1 / greatest({_ZETA} * (1 - r{n}), 0.001) - 0.5)"
        scores.append(f"CASE WHEN r{n} > 0 THEN :i{n} * {tf} * 2.2 / ({tf} + 0.3 + 0.9 * length / :mean) ELSE 0 END")
    return (
        f"WITH matched AS MATERIALIZED (SELECT chunk_id, length, {', '.join(ranks)} FROM chunk_terms "  # noqa: S608
        f"WHERE terms @@ CAST(:match AS tsquery)) SELECT chunk_id AS id, {' + '.join(scores)} AS score FROM matched"
    )


_ZETA = math.pi**2 / 6


# FTS5 reads every row of the table itself to count them; this one, of its own, has a short row for each.
_HOW_MANY_SQLITE = text("SELECT count(*), 1 FROM chunk_terms_docsize").execution_options(**SLOW)
_HOW_MANY = text("SELECT count(*), coalesce(avg(length), 1) FROM chunk_terms")


class _Counts:
    """How many chunks the index has, their mean length, and how many have a term, kept for a while: they hardly change
    from one document to the next, and a ranking does not depend on their last digit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[float, tuple[int, float]]] = {}

    def of(self, session: Session) -> tuple[int, float]:
        """The number of chunks and, on PostgreSQL, the mean number of their terms, at least 1."""
        kept = self._get(session, "")
        if kept is None:
            chunks, length = session.execute(_HOW_MANY_SQLITE if _is_sqlite(session) else _HOW_MANY).one()
            kept = (chunks, max(1.0, float(length)))
            self._put(session, "", kept)
        return kept

    def having(self, session: Session, terms: Sequence[str]) -> dict[str, int]:
        """How many chunks have each of the terms that any has."""
        kept = {term: counts[0] for term in terms if (counts := self._get(session, term))}
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


def _key(session: Session, term: str) -> tuple[str, str]:
    return str(session.get_bind().engine.url), term


def _how_often(session: Session, terms: Sequence[str]) -> dict[str, int]:
    """How many chunks have each term. To SQLite it is as much work as there are such chunks."""
    if _is_sqlite(session):
        return {row.term: row.doc for row in session.connection().execute(_HOW_OFTEN, {"terms": terms})}
    statement = text("SELECT count(*) FROM chunk_terms WHERE terms @@ CAST(:term AS tsquery)")
    counts = {term: session.execute(statement, {"term": f"'{term}'"}).scalar_one() for term in terms}
    return {term: count for term, count in counts.items() if count}


_counts = _Counts()


def _best_in(
    session: Session, ranked: Select[tuple[int, float]], bound: dict[str, Any], scope: Scope, k: int
) -> _Hits:  # fmt: skip
    """The best `k` of what is ranked that are in the scope: of the first, and where these do not do, of more, of all.

    Not a join: without fresh statistics a planner may compare every ranked chunk with every other.
    """
    # Of the first few, hardly any may be in a scope with conditions; to read on is little beside asking again.
    for most in (ALL,) if scope.only is not None else (k + k // 4, 4 * k, ALL):
        rows: Any = session.connection().execute(ranked, bound | {"most": most})
        hits = [(int(chunk_id), float(score)) for chunk_id, score in rows]
        found = _inside(session, hits, scope, k)
        if len(found) == k or len(hits) < most:
            break
    return _Hits(found, len(hits) > len(found))


def _inside(session: Session, hits: Sequence[tuple[int, float]], scope: Scope, k: int) -> list[tuple[int, float]]:
    """The first `k` hits that are in the scope."""
    found: list[tuple[int, float]] = []
    # Mostly all are inside, and the best of them are enough.
    start, size = 0, k
    while start < len(hits) and len(found) < k:
        some = hits[start : start + size]
        allowed = scope.among(session, [chunk_id for chunk_id, _ in some])
        found += [hit for hit in some if hit[0] in allowed]
        start, size = start + size, min(4 * size, MOST_ASKED)
    return found[:k]


def note_languages(session: Session, generation_id: int, language: str | None = None) -> None:
    """Adds the languages of all documents, or just one, to those that questions are stemmed in."""
    generation = session.get_one(Generation, generation_id, with_for_update={"key_share": True})
    found = {language or ""} if language is not None else {
        language or "" for language in session.scalars(select(Document.language).distinct())
    }  # fmt: skip
    if not found <= set(generation.languages):
        generation.languages = sorted(found | set(generation.languages))


def note_terms_version(session: Session, generation_id: int) -> None:
    """Notes that all chunks of a generation have the terms of now, in the caller's transaction."""
    session.get_one(Generation, generation_id).terms_version = TERMS_VERSION
