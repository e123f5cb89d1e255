"""What the documents do not answer: questions that found nothing or whose answer was voted down, grouped by meaning.

Only what was asked is shown and how often, never who asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from chatbot.chat.models import Message
from chatbot.rag.embedders import Embedder

# Questions this near each other in the embedder's space (cosine) count as the same.
NEAR = 0.75
# The newest of them are looked at.
MOST_READ = 500
MOST_SHOWN = 5


@dataclass(frozen=True)
class Asked:
    """A question as it was searched, whether it found nothing, whether its answer was voted down, and when."""

    text: str
    fell_back: bool
    voted_down: bool
    at: datetime


@dataclass
class Gap:
    """Questions of one meaning: the newest wordings, and how often."""

    question: str
    questions: list[str] = field(default_factory=list)
    count: int = 0
    fell_back: int = 0
    voted_down: int = 0
    last_asked_at: datetime | None = None

    def add(self, asked: Asked) -> None:
        """Counts one more question; the newest come first."""
        self.count += 1
        self.fell_back += asked.fell_back
        self.voted_down += asked.voted_down
        self.last_asked_at = self.last_asked_at or asked.at
        if asked.text not in self.questions and len(self.questions) < MOST_SHOWN:
            self.questions.append(asked.text)


def list_gaps(session: Session, embedder: Embedder, limit: int) -> list[Gap]:
    """The gaps asked for most often first. No connection is held while the questions are embedded.

    Raises:
        EmbedderUnavailable: the embedding service does not answer.
    """
    asked = _unanswered(session)
    session.rollback()
    grouped = _grouped(asked, embedder)
    return sorted(grouped, key=lambda gap: -gap.count)[:limit]


def _unanswered(session: Session) -> list[Asked]:
    """The newest questions without a good answer, newest first."""
    question, status = aliased(Message), Message.extra["grounding"]["status"].as_string()
    query = (
        select(question.content, Message.extra["question"].as_string(), status, Message.rating, Message.created_at)
        .join(question, question.id == Message.parent_id)
        .where(Message.is_user.is_(False), Message.status == "complete")
        .where(or_(status == "fallback", Message.rating == "down"))
        .order_by(Message.created_at.desc(), Message.id)
    )
    rows = session.execute(query.limit(MOST_READ)).all()
    return [
        Asked(" ".join((searched or said).split()), grounding == "fallback", rating == "down", at)
        for said, searched, grounding, rating, at in rows
    ]


def _grouped(asked: Sequence[Asked], embedder: Embedder) -> list[Gap]:
    """Each question goes to the first gap whose first question is near enough, or begins one."""
    texts = list(dict.fromkeys(question.text for question in asked))
    if not texts:
        return []
    place, vectors = {text: n for n, text in enumerate(texts)}, np.asarray(embedder.embed(texts))
    gaps: list[Gap] = []
    for question in asked:
        near = (gap for gap in gaps if float(vectors[place[gap.question]] @ vectors[place[question.text]]) >= NEAR)
        gap = next(near, None)
        if gap is None:
            gap = Gap(question.text)
            gaps.append(gap)
        gap.add(question)
    return gaps
