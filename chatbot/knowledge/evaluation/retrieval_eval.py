"""Measuring search: sets of questions with the documents that answer them, and what a search makes of them.

A set is a folder in the layout of BEIR: `queries.jsonl` ({"_id", "text"}), `qrels.tsv` or `qrels/test.tsv` (question,
document, relevance), and with a corpus of its own `corpus.jsonl` ({"_id", "title", "text"}); each may end in `.gz`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.db import begin_write, new_id
from chatbot.knowledge.models import DEFAULT_COLLECTION, Collection, Document, DocumentVersion
from chatbot.knowledge.parsing.clean import clean, clean_title
from chatbot.knowledge.retrieval.retriever import Index, Mode
from chatbot.rag.text.language_detection import language_of
from chatbot.rag.types import Passage

MODES: tuple[Mode, ...] = ("dense", "keyword", "hybrid")
DEPTH = 100
# A document is its best chunk, so more chunks than documents are asked for, and more again if they were too few.
CHUNKS_FIRST, CHUNKS_MOST = 300, 4_800

Judged = Mapping[str, float]


class BadSet(Exception):
    """The folder is no set of questions; the sentence says what is wrong with it."""


@dataclass(frozen=True)
class EvalSet:
    """Questions by id, and for each the relevance of the documents that were judged for it."""

    folder: Path
    queries: Mapping[str, str]
    qrels: Mapping[str, Judged]
    corpus: Path | None

    @property
    def judged(self) -> list[str]:
        """The questions that have a relevant document, in the order of their file."""
        return [q for q in self.queries if any(rel > 0 for rel in self.qrels.get(q, {}).values())]

    def limited(self, count: int | None) -> EvalSet:
        """The same with the first `count` of its judged questions."""
        if count is None:
            return self
        kept = self.judged[:count]
        return EvalSet(self.folder, {q: self.queries[q] for q in kept}, {q: self.qrels[q] for q in kept}, self.corpus)

    def fingerprint(self) -> str:
        """A hash of the questions and judgements, for comparing runs."""
        content = json.dumps(
            [sorted(self.queries.items()), sorted((q, sorted(j.items())) for q, j in self.qrels.items())]
        )
        return hashlib.sha256(content.encode()).hexdigest()


def read_set(folder: Path, questions: Path | None = None) -> EvalSet:
    """Reads a set; `questions` are asked in place of its own.

    Raises:
        BadSet: a file is missing or cannot be read.
    """
    queries_file = questions or one_of(folder, "queries.jsonl")
    # Sets in several languages share one file of judgements.
    qrels_file = one_of(folder, "qrels.tsv", "qrels/test.tsv") or one_of(folder.parent, "qrels.tsv")
    if queries_file is None or qrels_file is None:
        raise BadSet(f"{folder} needs queries.jsonl and qrels.tsv (or qrels/test.tsv).")
    queries = {str(row["_id"]): str(row["text"]) for row in json_lines(queries_file, "_id", "text")}
    found = EvalSet(folder, queries, _qrels(qrels_file), one_of(folder, "corpus.jsonl"))
    if not found.judged:
        raise BadSet(f"{folder}: no question of {queries_file.name} has a relevant document in the judgements.")
    return found


def one_of(folder: Path, *names: str) -> Path | None:
    """The first file of these names that is there, packed or not."""
    paths = (folder / f"{name}{ending}" for name in names for ending in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadSet(f"{path}: cannot be read ({type(error).__name__}).") from None


def json_lines(path: Path, *needed: str) -> Iterator[dict[str, Any]]:
    """The objects of a file, each with the fields that are needed.

    Raises:
        BadSet: the file or a line cannot be read.
    """
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or any(name not in row for name in needed):
            raise BadSet(f"{path}, line {number}: expected a JSON object with {', '.join(needed)}.")
        yield row


def _qrels(path: Path) -> dict[str, dict[str, float]]:
    """Three columns (question, document, relevance), or TREC's four with a 0 in the second."""
    qrels: dict[str, dict[str, float]] = {}
    for number, line in _lines(path):
        parts = [part.strip() for part in (line.split("\t") if "\t" in line else line.split())]
        if number == 1 and not re.fullmatch(r"-?\d+(\.\d+)?", parts[-1]):
            continue
        try:
            query, document, relevance = (parts[0], *parts[2:]) if len(parts) == 4 else parts
            qrels.setdefault(query, {})[document] = float(relevance)
        except ValueError:
            raise BadSet(f"{path}, line {number}: expected question, document and relevance.") from None
    return qrels


@dataclass(frozen=True)
class Entry:
    """An entry of a corpus."""

    id: str
    title: str
    text: str


def corpus_of(questions: EvalSet, limit: int | None = None) -> list[Entry]:
    """The entries of the set's corpus. With a limit: what is relevant to its questions, and ten others for each.

    Raises:
        BadSet: a line is not an entry.
    """
    if questions.corpus is None:
        return []
    relevant = {document for query in questions.queries for document in questions.qrels.get(query, {})}
    entries, others = [], 0
    for row in json_lines(questions.corpus, "_id", "text"):
        entry = Entry(str(row["_id"]), str(row.get("title") or ""), str(row["text"] or ""))
        if limit is not None and entry.id not in relevant:
            others += 1
            if others > 10 * limit:
                continue
        entries.append(entry)
    return entries


def fingerprint(entries: Iterable[Entry], *more: object) -> str:
    """A hash of a corpus and of how it is cut and embedded."""
    digest = hashlib.sha256(json.dumps(more).encode())
    for entry in entries:
        digest.update(json.dumps([entry.id, entry.title, entry.text]).encode())
    return digest.hexdigest()


def fill(session: Session, entries: Sequence[Entry]) -> None:
    """Puts a corpus into a database of its own as documents whose text is known; what is there already stays.

    Nothing waits for a worker: the documents are ready for a build.
    """
    there = set(session.scalars(select(Document.id)))
    collection = session.scalar(select(Collection.id).where(Collection.name == DEFAULT_COLLECTION))
    session.rollback()
    if collection is None:
        begin_write(session)
        collection = new_id()
        session.add(Collection(id=collection, name=DEFAULT_COLLECTION))
        session.commit()
    fresh = [entry for entry in entries if document_id(entry.id) not in there and (entry.text + entry.title).strip()]
    for start in range(0, len(fresh), 500):
        begin_write(session)
        for entry in fresh[start : start + 500]:
            session.add_all(_rows_of(entry, collection))
        session.commit()
        session.expunge_all()


def document_id(entry_id: str) -> str:
    """The id an entry's document has."""
    return str(uuid5(NAMESPACE_OID, entry_id))


def _rows_of(entry: Entry, collection_id: str) -> list[Document | DocumentVersion]:
    text = clean(entry.text) if entry.text.strip() else clean(entry.title)
    content_hash, id_ = hashlib.sha256(text.encode()).hexdigest(), document_id(entry.id)
    document = Document(
        id=id_,
        collection_id=collection_id,
        title=clean_title(entry.title),
        status="ready",
        content_hash=content_hash,
        size_bytes=len(text.encode()),
        language=language_of(text),
    )
    version = DocumentVersion(
        document_id=id_, version=1, content_hash=content_hash, media_type="text/plain", content=b"", text=text
    )
    return [document, version]


def live_names(session: Session, questions: EvalSet) -> Mapping[str, list[str]]:
    """What the set calls the documents of the knowledge base: by id, title, source, or the end of a source's path.

    Raises:
        BadSet: none of its documents is there.
    """
    known: dict[str, list[str]] = {}
    rows = session.execute(select(Document.id, Document.title, Document.source).where(Document.status == "ready")).all()
    session.rollback()
    for id_, title, source in rows:
        parts = source.split("/")
        for name in {id_, title, *("/".join(parts[n:]) for n in range(len(parts)))}:
            known.setdefault(name, []).append(id_)
    names: dict[str, list[str]] = {}
    for wanted in sorted({document for query in questions.judged for document in questions.qrels[query]}):
        for id_ in known.get(wanted, ()):
            names.setdefault(id_, []).append(wanted)
    if not names:
        raise BadSet(f"None of the documents that {questions.folder} names is in the knowledge base.")
    return names


# Measures: those of trec_eval, averaged over the questions that have a relevant document.


def ndcg(ranking: Sequence[str], judged: Judged, k: int) -> float:
    """Discounted gain of the first `k` against the best order there could be, 0 to 1; gain is the relevance."""
    ideal = sorted((rel for rel in judged.values() if rel > 0), reverse=True)
    best = _dcg(ideal[:k])
    return _dcg([max(judged.get(document, 0.0), 0.0) for document in ranking[:k]]) / best if best else 0.0


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, 1))


def recall(ranking: Sequence[str], judged: Judged, k: int) -> float:
    """The part of the relevant documents that is among the first `k`."""
    relevant = {document for document, rel in judged.items() if rel > 0}
    return len(relevant & set(ranking[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], judged: Judged, k: int) -> float:
    """1 over the place of the first relevant document, 0 if none is among the first `k`."""
    places = (place for place, document in enumerate(ranking[:k], 1) if judged.get(document, 0.0) > 0)
    return 1 / next(places, math.inf)


def measures(rankings: Mapping[str, Sequence[str]], qrels: Mapping[str, Judged], k: int = 10) -> dict[str, float]:
    """The averages over the questions of `qrels` that have a relevant document; one without a ranking counts 0."""
    wanted = {q: judged for q, judged in qrels.items() if any(rel > 0 for rel in judged.values())}
    ks = sorted({k, DEPTH})

    def mean(measure: Callable[[Sequence[str], Judged, int], float], at: int) -> float:
        return fmean(measure(rankings.get(q, ()), judged, at) for q, judged in wanted.items()) if wanted else 0.0

    found = {f"ndcg@{k}": mean(ndcg, k)} | {f"recall@{at}": mean(recall, at) for at in ks}
    return found | {f"mrr@{k}": mean(reciprocal_rank, k)}


# The run

Names = Callable[[Passage], Iterable[str]]


def rank_documents(search: Callable[[int], Sequence[Passage]], names: Names, depth: int = DEPTH) -> list[str]:
    """The names of the first `depth` documents of a search, best first; a document stands where its best chunk does.

    `search` gives so many chunks; `names` gives what the set calls a passage's document.
    """
    chunks = CHUNKS_FIRST
    while True:
        passages = search(chunks)
        ranking = list(dict.fromkeys(name for passage in passages for name in names(passage)))
        if len(ranking) >= depth or len(passages) < chunks or chunks >= CHUNKS_MOST:
            return ranking[:depth]
        chunks *= 4


@dataclass(frozen=True)
class Outcome:
    """What one way of searching reaches, and how long its questions took."""

    mode: Mode
    figures: Mapping[str, float]
    rankings: Mapping[str, Sequence[str]]
    seconds: float


def run(
    index: Index,
    questions: EvalSet,
    names: Names,
    modes: Sequence[Mode] = MODES,
    k: int = 10,
    progress: Callable[[], None] | None = None,
    threads: int = 1,
) -> list[Outcome]:
    """Asks the index every judged question in each mode. `progress` is called after each of them."""
    outcomes = []
    for mode in modes:
        started = time.perf_counter()
        rankings: dict[str, Sequence[str]] = {}
        with ThreadPoolExecutor(threads) as pool:
            asked = questions.judged
            ranked = pool.map(partial(_ranking, index, questions.queries, names, mode), asked)
            for query, ranking in zip(asked, ranked, strict=True):
                rankings[query] = ranking
                if progress:
                    progress()
        seconds = time.perf_counter() - started
        outcomes.append(Outcome(mode, measures(rankings, questions.qrels, k), rankings, round(seconds, 2)))
    return outcomes


def _ranking(index: Index, queries: Mapping[str, str], names: Names, mode: Mode, query: str) -> list[str]:
    return rank_documents(lambda chunks: index.search(queries[query], chunks, mode=mode), names)
