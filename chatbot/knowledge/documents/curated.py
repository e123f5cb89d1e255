"""Answers that a person has written for a question, and questions with the documents that answer them.

A curated answer is a document like any other, of the type `curated`, with the question as its title and its heading:
it is searched, cited, versioned and deleted as any other. Where its question is asked it comes first
(`retrieval.retriever`).
A case belongs to a set, and search is measured with it (`flask eval run NAME`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.db import begin_write, utcnow
from chatbot.errors import FieldError, Invalid
from chatbot.knowledge.documents.service import NewDocument, check_collection, sync_file
from chatbot.knowledge.models import CURATED, DEFAULT_COLLECTION, Document, DocumentVersion, EvaluationCase
from chatbot.knowledge.parsing.clean import clean_title

GAPS_SET = "gaps"
LONGEST_QUESTION = 200
# The newest of each kind are compared with what is asked.
MOST_READ = 500


@dataclass(frozen=True)
class Resolution:
    """A question that somebody has dealt with: with an answer of their own, or a case of a set."""

    question: str
    at: datetime
    document_id: str | None = None
    evaluation_set: str | None = None


def curate(
    session: Session, question: str, answer: str, collection: str = DEFAULT_COLLECTION
) -> tuple[str, Document, bool]:
    """Stores the answer to a question, or its next version: `added`, `changed` or `unchanged`, the document, and
    whether it is to be ingested.

    Raises:
        Invalid: the question or the collection shows nothing.
        FileRefused: the answer cannot be read.
    """
    asked = _question(question)
    place = hashlib.sha256(asked.casefold().encode()).hexdigest()[:16]
    new = NewDocument(
        data=f"# {asked}\n\n{answer.strip()}\n".encode(),
        title=asked,
        media_type="text/markdown",
        source=f"curated/{place}",
        document_type=CURATED,
        collection=check_collection(collection),
        extra={"curated": True, "question": asked},
    )
    return sync_file(session, new)


def _question(question: str) -> str:
    asked = clean_title(question)
    if not asked:
        raise Invalid(errors=[FieldError("/question", "Ask something.")])
    return asked


def add_case(session: Session, question: str, relevant: Sequence[str], set_name: str = GAPS_SET) -> EvaluationCase:
    """Puts a question into a stored set; one that is in it gets other documents.

    Raises:
        Invalid: the question shows nothing, or one of the documents is not there.
    """
    asked, name = _question(question), _set_name(set_name)
    ids = list(dict.fromkeys(relevant))
    begin_write(session)
    there = set(session.scalars(select(Document.id).where(Document.id.in_(ids), Document.status != "deleted")))
    missing = [FieldError(f"/relevant/{n}", "There is no such document.") for n, i in enumerate(ids) if i not in there]
    if missing:
        raise Invalid(errors=missing)
    same = (EvaluationCase.set_name == name, EvaluationCase.question == asked)
    case = session.scalar(select(EvaluationCase).where(*same)) or EvaluationCase(set_name=name, question=asked)
    case.relevant, case.created_at = ids, utcnow()
    session.add(case)
    session.commit()
    return case


def forget_cases(session: Session, questions: Collection[str], asked_by_others: Callable[[str], object]) -> None:
    """Deletes the cases with one of these questions, in the caller's transaction, unless others have asked it too."""
    wanted = {clean_title(question) for question in questions}
    for case in session.scalars(select(EvaluationCase)).all():
        if case.question in wanted and not asked_by_others(case.question):
            session.delete(case)


def _set_name(name: str) -> str:
    cleaned = clean_title(name)[:100]
    if not cleaned:
        raise Invalid(errors=[FieldError("/set", "Give the set a name.")])
    return cleaned


def resolutions(session: Session) -> list[Resolution]:
    """What was dealt with and is still there, the newest first."""
    current = (DocumentVersion.document_id == Document.id, DocumentVersion.version == Document.version)
    written = (
        select(Document.title, DocumentVersion.created_at, Document.id)
        .join(DocumentVersion, current[0] & current[1])
        .where(Document.document_type == CURATED, Document.status != "deleted", Document.is_active)
        .order_by(DocumentVersion.created_at.desc())
        .limit(MOST_READ)
    )
    cases = select(EvaluationCase).order_by(EvaluationCase.created_at.desc()).limit(MOST_READ)
    found = [Resolution(title, at, document_id=id_) for title, at, id_ in session.execute(written)]
    found += [Resolution(c.question, c.created_at, evaluation_set=c.set_name) for c in session.scalars(cases)]
    return sorted(found, key=lambda resolution: resolution.at, reverse=True)
