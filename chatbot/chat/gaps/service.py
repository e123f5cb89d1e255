"""What the documents do not answer: questions that found nothing or whose answer was voted down, grouped by meaning.

Only what was asked is shown and how often, never who asked. What somebody has dealt with since
(knowledge/documents/curated.py) is resolved; asked again without success after that, it is open again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Literal

import numpy as np
from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from chatbot.chat.models import Message
from chatbot.knowledge.documents.curated import LONGEST_QUESTION, Resolution, resolutions
from chatbot.rag.embeddings.embedders import Embedder, Vectors
from chatbot.rag.grounding.question_match import may_be_same
from chatbot.rag.llm.small_talk import small_talk

Status = Literal["open", "resolved", "all"]

# Questions this near each other in the embedder's space (cosine) count as the same.
NEAR = 0.75
# The newest of them are looked at; greetings among them are passed over.
MOST_READ = 500
MOST_LOOKED_AT = 10 * MOST_READ
MOST_SHOWN = 5


@dataclass(frozen=True)
class Asked:
    """A question as it was searched, whether it found nothing, whether its answer was voted down, and when."""

    text: str
    fell_back: bool
    voted_down: bool
    at: datetime
    resolved: Resolution | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody has dealt with it since it was asked."""
        return self.resolved is None or self.at > self.resolved.at


@dataclass
class Gap:
    """Questions of one meaning: the newest wordings, how often, and what was done about the newest of them that
    anything was done about."""

    question: str
    questions: list[str] = field(default_factory=list)
    count: int = 0
    fell_back: int = 0
    voted_down: int = 0
    last_asked_at: datetime | None = None
    resolved: Resolution | None = None

    def add(self, asked: Asked) -> None:
        """Counts one more question; the newest come first."""
        self.count += 1
        self.fell_back += asked.fell_back
        self.voted_down += asked.voted_down
        self.last_asked_at = self.last_asked_at or asked.at
        self.resolved = self.resolved or asked.resolved
        if asked.text not in self.questions and len(self.questions) < MOST_SHOWN:
            self.questions.append(asked.text)


def list_gaps(session: Session, embedder: Embedder, limit: int, status: Status = "open") -> list[Gap]:
    """The gaps asked for most often first. No connection is held while the questions are embedded.

    `open` are those that nobody has dealt with since they were asked; one with `resolved` has come back.

    Raises:
        EmbedderUnavailable: the embedding service does not answer.
    """
    asked, done = _unanswered(session), resolutions(session)
    session.rollback()
    texts = list(dict.fromkeys([question.text for question in asked] + [resolution.question for resolution in done]))
    if not asked:
        return []
    vectors = dict(zip(texts, np.asarray(embedder.embed(texts, questions=len(texts))), strict=True))
    asked = [replace(question, resolved=_resolved(question.text, done, vectors)) for question in asked]
    wanted = [question for question in asked if status == "all" or question.is_open == (status == "open")]
    return sorted(_grouped(wanted, vectors), key=lambda gap: -gap.count)[:limit]


def _resolved(asked: str, done: Sequence[Resolution], vectors: Mapping[str, Vectors]) -> Resolution | None:
    """What was done last about a question of this meaning."""
    near = (r for r in done if float(vectors[asked] @ vectors[r.question]) >= NEAR and may_be_same(asked, r.question))
    return next(near, None)


def _unanswered(session: Session) -> list[Asked]:
    """The newest questions without a good answer, newest first."""
    question, status = aliased(Message), Message.extra["grounding"]["status"].as_string()
    query = (
        select(question.content, Message.extra["question"].as_string(), status, Message.rating, Message.created_at)
        .join(question, question.id == Message.parent_id)
        # The question of an account that was deleted is empty.
        .where(Message.is_user.is_(False), Message.status == "complete", question.content != "")
        .where(or_(status == "fallback", Message.rating == "down"))
        .order_by(Message.created_at.desc(), Message.id)
    )
    # No document is missing where somebody says hello.
    rows = (row for row in session.execute(query.limit(MOST_LOOKED_AT)) if small_talk(row.content) is None)
    return [
        Asked(shown_question(searched or said), grounding == "fallback", rating == "down", at)
        for said, searched, grounding, rating, at in islice(rows, MOST_READ)
    ]


def shown_question(question: str) -> str:
    """As it is listed: on one line, and no longer than a question that can be dealt with."""
    return " ".join(question[: 4 * LONGEST_QUESTION].split())[:LONGEST_QUESTION].rstrip()


def _grouped(asked: Sequence[Asked], vectors: Mapping[str, Vectors]) -> list[Gap]:
    """Each question goes to the first gap whose first question is near enough, or begins one."""
    gaps: list[Gap] = []
    for question in asked:
        near = (gap for gap in gaps if float(vectors[gap.question] @ vectors[question.text]) >= NEAR)
        gap = next(near, None)
        if gap is None:
            gap = Gap(question.text)
            gaps.append(gap)
        gap.add(question)
    return gaps
