"""Measuring answers: whether they say what they should, and whether their citations hold when they are read again.

`answers.jsonl` of a set has for a question ({"_id"} of queries.jsonl) what an answer must contain (`answers`, any of
them).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.db import Sessions
from chatbot.knowledge.evaluation.retrieval_eval import EvalSet, Names, json_lines, one_of
from chatbot.knowledge.models import DocumentVersion
from chatbot.knowledge.retrieval.retriever import ANSWER_VARIETY, Index
from chatbot.rag.chain import retrieval_chain, stream_events
from chatbot.rag.events import Retrieved, Token
from chatbot.rag.llm.answerers import Answerer
from chatbot.rag.types import Ask, Citation, Final, Found, Passage

Gold = Mapping[str, Sequence[str]]


def read_answers(questions: EvalSet) -> Gold:
    """What must be in the answer of each question; nothing where the set does not say.

    Raises:
        BadSet: the file cannot be read.
    """
    path = one_of(questions.folder, "answers.jsonl")
    rows = json_lines(path, "_id", "answers") if path else ()
    gold = {str(row["_id"]): [str(answer) for answer in row["answers"]] for row in rows}
    return {query: gold[query] for query in questions.queries if gold.get(query)}


@dataclass(frozen=True)
class Report:
    """Parts of all questions: an answer that contains what it must, passages that do. Parts of all citations: those in
    a document that answers the question, and those whose quote stands at its place in the stored text. `recall` is the
    part of the questions with a citation in a document that answers them."""

    questions: int
    containment: float
    context: float
    citations: int
    precision: float
    recall: float
    verified: float


@dataclass(frozen=True)
class _Result:
    contains: bool
    context: bool
    right: Sequence[bool]
    holds: Sequence[bool]


def measure(
    index: Index,
    sessions: Sessions,
    answerer: Answerer,
    questions: EvalSet,
    gold: Gold,
    names: Names,
    passages: int,
    progress: Callable[[], None] | None = None,
) -> Report:
    """Asks every question that has an answer; what was found is always taken to be enough."""
    results = []
    for query, wanted in gold.items():
        text, found, citations = _answered(index, answerer, questions.queries[query], passages)
        relevant = {document for document, rel in questions.qrels.get(query, {}).items() if rel > 0}
        with sessions() as session:
            holds = [_holds(session, citation) for citation in citations]
        by_document = {passage.document_id: set(names(passage)) for passage in found}
        right = [bool(by_document[citation.document_id] & relevant) for citation in citations]
        results.append(_Result(_says(wanted, text), _says(wanted, " ".join(p.text for p in found)), right, holds))
        if progress:
            progress()
    return _report(results)


def _answered(
    index: Index, answerer: Answerer, question: str, count: int
) -> tuple[str, Sequence[Passage], Sequence[Citation]]:
    def retrieve(searched: str, _collections: frozenset[str] | None, _beside: str | None) -> Found:
        return Found(tuple(index.search(searched, count, variety=ANSWER_VARIETY)), None, 0.0)

    chain = retrieval_chain(retrieve, answerer, "refuse", index.embedder.embed)
    events = list(stream_events(chain, Ask(question)))
    passages = next(event.found.passages for event in events if isinstance(event, Retrieved))
    final = next((event for event in events if isinstance(event, Final)), None)
    if final is not None:
        return final.text, passages, final.citations
    text = "".join(event.text for event in events if isinstance(event, Token))
    return text, passages, [event for event in events if isinstance(event, Citation)]


def _holds(session: Session, citation: Citation) -> bool:
    """Whether the quote stands in the stored text of the version, at its place."""
    mine = (DocumentVersion.document_id == citation.document_id, DocumentVersion.version == citation.version)
    text = session.scalar(select(DocumentVersion.text).where(*mine)) or ""
    return citation.verified and text[citation.char_start : citation.char_end] == citation.quote != ""


def _says(wanted: Iterable[str], text: str) -> bool:
    flat = _flat(text)
    return any(_flat(answer) in flat for answer in wanted)


def _flat(text: str) -> str:
    words = re.sub(r"[^\w\s]", "", unicodedata.normalize("NFKC", text).casefold()).split()
    return f" {' '.join(words)} "


def _report(results: Sequence[_Result]) -> Report:
    right = [ok for result in results for ok in result.right]
    holds = [ok for result in results for ok in result.holds]
    return Report(
        questions=len(results),
        containment=_mean([result.contains for result in results]),
        context=_mean([result.context for result in results]),
        citations=len(holds),
        precision=_mean(right),
        recall=_mean([any(result.right) for result in results]),
        verified=_mean(holds),
    )


def _mean(values: Sequence[bool]) -> float:
    return fmean(values) if values else 0.0
