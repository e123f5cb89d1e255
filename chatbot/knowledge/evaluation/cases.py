"""Stored cases (questions with the documents that answer them) as a set that search is measured with."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.knowledge.evaluation.retrieval_eval import BadSet, EvalSet
from chatbot.knowledge.models import Document, EvaluationCase


def stored_set(session: Session, name: str) -> EvalSet:
    """The questions of a stored set, with the documents that are still there.

    Raises:
        BadSet: there is none of that name, or none of its documents is there any more.
    """
    columns = (EvaluationCase.id, EvaluationCase.question, EvaluationCase.relevant)
    query = select(*columns).where(EvaluationCase.set_name == name).order_by(EvaluationCase.created_at)
    cases = session.execute(query).all()
    if not cases:
        names = session.scalars(select(EvaluationCase.set_name).distinct().order_by(EvaluationCase.set_name)).all()
        known = f"the stored sets are {', '.join(names)}" if names else "no set is stored"
        raise BadSet(f"{name} is neither a folder nor a stored set; {known}.")
    wanted = {document_id for case in cases for document_id in case.relevant}
    there = set(session.scalars(select(Document.id).where(Document.id.in_(wanted), Document.status != "deleted")))
    session.rollback()
    qrels = {case.id: {id_: 1.0 for id_ in case.relevant if id_ in there} for case in cases}
    found = EvalSet(Path(name), {case.id: case.question for case in cases}, qrels, None)
    if not found.judged:
        raise BadSet(f"None of the documents of the set {name} is there any more.")
    return found
