"""The keyword index: chunks by their words, in the database itself.

SQLite's FTS5 or PostgreSQL's tsvector keeps the terms; both are filled with terms that the application has cut and
stemmed (chatbot/rag/text/stemming.py), and both rank by BM25 (k1 1.2, b 0.75). Rows are written in the transaction that
writes their chunks and go with them by trigger, so the index is never ahead or behind. What a reader may not find is
left out inside the query, before the best are taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import structlog
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
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
from chatbot.knowledge.index.keyword_counts import counts, is_sqlite
from chatbot.knowledge.models import ChunkRow, Document, Generation
from chatbot.rag.text.stemming import TERMS_VERSION, question_terms, terms_of
from chatbot.rag.text.term_weights import K1, MOST_OF_A_TERM, Weights, idf

log = structlog.get_logger(__name__)

# A question may be a page long; its first hundred different terms say what it is about.
MOST_TERMS = 100
BATCH = 200
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

    `chunks` is how many the generation has, where that is known.

    `known` tells of ids, from memory, which of them are inside, and of which it does not know.
    """

    generation_id: int
    collections: frozenset[str] | None = None
    conditions: tuple[ColumnElement[bool], ...] = ()
    only: frozenset[int] | None = None
    chunks: int | None = None
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
        write = _write_sqlite if is_sqlite(session) else _write_postgresql
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


@dataclass(frozen=True)
class Words:
    """What the words of a question found: the best chunks with their BM25 scores, best first, and of each what its
    words say (chatbot/rag/text/term_weights.py): the part of all that the words known to the base could say (`shares`).

    `reached` is the most that one of them has of what all words of the question could say, and `met` what stands
    anywhere in the base.
    """

    hits: list[tuple[int, float]]
    shares: Mapping[int, float] = field(default_factory=dict)
    reached: float = 0.0
    met: float = 0.0


def search(session: Session, question: str, languages: Iterable[str | None], scope: Scope, k: int) -> Words:
    """The `k` best chunks of a scope for a question. `languages` are those that the documents have."""
    ways = list(languages)
    terms = question_terms(question, ways)[:MOST_TERMS]
    having = counts.having(session, terms) if terms else {}
    if not having:
        return Words([])
    rows, mean = counts.of(session)
    # Other generations, and chunks that wait to be purged, have their rows in the same table.
    part = min(1.0, scope.chunks / rows) if scope.chunks else 1.0
    mine = {term: count * part for term, count in having.items()}
    idfs = {term: idf(rows * part, count) for term, count in mine.items()}
    asked = _Asked(having, idfs, Weights(question, ways, rows * part, mine), rows, mean)
    hits = _best(session, asked, rare(having), scope, k)
    if len(hits.inside) < k and hits.outside and (wider := less_rare(having)):
        # The rare ones are others' words, who may not be read here.
        hits = _best(session, asked, wider, scope, k)
    weights = asked.weights
    said = {chunk_id: said for chunk_id, _, said in hits.inside}
    return Words(
        [(chunk_id, score) for chunk_id, score, _ in hits.inside],
        {chunk_id: min(1.0, value / weights.known) for chunk_id, value in said.items()},
        min(1.0, max(said.values(), default=0.0) / weights.possible),
        weights.met,
    )


@dataclass(frozen=True)
class _Asked:
    """The terms of a question that the index has, with how many rows have each, what each weighs in BM25, and what it
    says; and how many rows there are, and how long they are on the average."""

    having: Mapping[str, int]
    idf: Mapping[str, float]
    weights: Weights
    rows: int
    mean: float


# A chunk's id, its BM25 score, and what its words say.
_Hit = tuple[int, float, float]


@dataclass(frozen=True)
class _Hits:
    """The best in a scope, and whether there were better ones outside."""

    inside: list[_Hit]
    outside: bool = False


def _best(session: Session, asked: _Asked, needed: Sequence[str], scope: Scope, k: int) -> _Hits:
    """The best `k` in the scope of the chunks that have one of the needed terms; the other terms raise their scores.

    Where only some of the many rows of a term were read and too few of them are in the scope, all are read.
    """
    read = _read_sqlite if is_sqlite(session) else _read_postgresql
    # Of the first few, hardly any may be in a scope with conditions; to read on is little beside asking again.
    for most in (ALL,) if scope.only is not None else (max(MOST_RANKED, 4 * k), ALL):
        hits, more = read(session, asked, needed, most)
        found = _inside(session, hits, scope, k)
        if len(found) == k or not more:
            break
    return _Hits(found, len(hits) > len(found))


def _read_sqlite(session: Session, asked: _Asked, needed: Sequence[str], most: int) -> tuple[list[_Hit], bool]:
    """What FTS5 finds, and whether there is more. Its `rank` gives a term of half of all rows no weight; so each term
    is asked for by itself, and its own weight takes the place of FTS5's."""
    parts: dict[int, dict[str, float]] = {}
    weighed: dict[str, float] = {}
    more = False
    for term in needed:
        rows = _ranked(session, _any([term]), most)
        more |= len(rows) == most
        # What was counted a while ago may be other than what FTS5 counts now.
        weighed[term] = _fts5_idf(asked.rows, asked.having[term] if len(rows) == most else len(rows))
        for chunk_id, rank in rows:
            parts.setdefault(chunk_id, {})[term] = rank / weighed[term]
    for term in merely_raising(asked.having, needed):
        # The rank of a row is the sum over all terms of a query: what these have together is taken off again.
        for chunk_id, rank in _ranked(session, f'"{term}" AND ({_any(needed)})', most):
            mine = parts.get(chunk_id)
            if mine is not None:
                known = sum(mine.get(other, 0.0) * weight for other, weight in weighed.items())
                part = max(rank - known, 0.0) / _fts5_idf(asked.rows, asked.having[term])
                mine[term] = min(part, K1 + 1)
    hits = [(chunk_id, *_scores(asked, mine)) for chunk_id, mine in parts.items()]
    return sorted(hits, key=lambda hit: (-hit[1], hit[0])), more


def _scores(asked: _Asked, parts: Mapping[str, float]) -> tuple[float, float]:
    """The BM25 score of a chunk, and what its words say."""
    score = sum(asked.idf[term] * part for term, part in parts.items())
    return score, sum(asked.weights[term] * min(part, MOST_OF_A_TERM) for term, part in parts.items())


def _fts5_idf(rows: int, having: int) -> float:
    """The weight that FTS5 itself gives a term."""
    weight = math.log((max(rows, having) - having + 0.5) / (having + 0.5))
    return weight if weight > 0 else 1e-6


def _ranked(session: Session, match: str, most: int) -> list[tuple[int, float]]:
    rows: Any = session.connection().execute(_RANKED, {"match": match, "most": most})
    return [(int(chunk_id), float(rank)) for chunk_id, rank in rows]


def merely_raising(found: Mapping[str, int], needed: Sequence[str]) -> list[str]:
    """The terms that are not needed, the rarest first, as far as not too many chunks have them."""
    raising: list[str] = []
    total = 0
    for term in sorted(found.keys() - set(needed), key=lambda term: (found[term], term)):
        total += found[term]
        if total > MOST_RAISING:
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


_TERMS = table("chunk_terms", column("rowid", BigInteger), column("chunk_terms", Text), column("rank", Float))
_RANKED = (
    select(_TERMS.c.rowid.label("id"), (-_TERMS.c.rank).label("score"))
    .where(_TERMS.c.chunk_terms.op("MATCH")(bindparam("match")))
    .order_by(_TERMS.c.rank, _TERMS.c.rowid)
    .limit(bindparam("most"))
    .execution_options(**SLOW)
)


def _read_postgresql(session: Session, asked: _Asked, needed: Sequence[str], most: int) -> tuple[list[_Hit], bool]:
    """What PostgreSQL finds, and whether there is more."""
    bound: dict[str, Any] = {"match": " | ".join(f"'{term}'" for term in needed), "mean": asked.mean, "most": most}
    for n, (term, weight) in enumerate(asked.idf.items()):
        bound |= {f"t{n}": f"'{term}'", f"i{n}": weight, f"w{n}": asked.weights[term]}
    columns = {"id": BigInteger, "score": Float, "said": Float}
    ranked = text(_bm25(len(asked.idf))).columns(**columns).subquery()
    query = select(ranked).order_by(ranked.c.score.desc(), ranked.c.id).limit(bindparam("most"))
    rows: Any = session.connection().execute(query, bound)
    hits = [(int(chunk_id), float(score), float(said)) for chunk_id, score, said in rows]
    return hits, len(hits) == most


def _bm25(terms: int) -> str:
    """BM25 in SQL, over the chunks that have a needed term, and what their words say. ts_rank of one word is 6/pi^2
    times the sum of 1/i^2 up to its count in the text, from which the count comes back: reading it out of the tsvector
    itself would unpack every candidate."""
    tallies = [
        f"round(1 / greatest({_ZETA} * (1 - CAST(ts_rank('{{1,1,1,1}}', terms, CAST(:t{n} AS tsquery)) AS float8)), "
        f"0.001) - 0.5) AS c{n}"
        for n in range(terms)
    ]
    parts = [f"c{n} * 2.2 / (c{n} + 0.3 + 0.9 * length / :mean) AS p{n}" for n in range(terms)]
    score = " + ".join(f":i{n} * p{n}" for n in range(terms))
    said = " + ".join(f":w{n} * least(p{n}, {MOST_OF_A_TERM})" for n in range(terms))
    return (
        f"WITH counted AS MATERIALIZED (SELECT chunk_id, length, {', '.join(tallies)} FROM chunk_terms "  # noqa: S608
        f"WHERE terms @@ CAST(:match AS tsquery)), parts AS (SELECT chunk_id, {', '.join(parts)} FROM counted) "
        f"SELECT chunk_id AS id, {score} AS score, {said} AS said FROM parts"
    )


_ZETA = math.pi**2 / 6


def _inside(session: Session, hits: Sequence[_Hit], scope: Scope, k: int) -> list[_Hit]:
    """The first `k` hits that are in the scope."""
    found: list[_Hit] = []
    # Mostly all are inside, and the best of them are enough.
    start, size = 0, k
    while start < len(hits) and len(found) < k:
        some = hits[start : start + size]
        allowed = scope.among(session, [hit[0] for hit in some])
        found += [hit for hit in some if hit[0] in allowed]
        start, size = start + size, min(4 * size, MOST_ASKED)
    return found[:k]


def note_languages(session: Session, generation_id: int, language: str | None = None) -> None:
    """Adds the languages of all documents, or just one, to those that questions are stemmed in."""
    generation = session.get_one(Generation, generation_id, with_for_update={"key_share": True})
    found = (
        {language or ""}
        if language is not None
        else {language or "" for language in session.scalars(select(Document.language).distinct())}
    )
    if not found <= set(generation.languages):
        generation.languages = sorted(found | set(generation.languages))


def note_terms_version(session: Session, generation_id: int) -> None:
    """Notes that all chunks of a generation have the terms of now, in the caller's transaction."""
    session.get_one(Generation, generation_id).terms_version = TERMS_VERSION
