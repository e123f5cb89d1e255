"""Teaching and measuring what decides whether a question can be answered (rag/grounding/answerability.py).

A set has questions that its documents answer (`queries.jsonl`, or `questions.jsonl`) and questions that they do not
(`unanswerable.jsonl`: {"_id", "text", "kind"?}). A gate is learnt from one half of each kind, by a hash of their ids,
and measured on the other, which it has not seen.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from sqlalchemy import update
from sqlalchemy.orm import Session

from chatbot.db import begin_write
from chatbot.knowledge.evaluation.retrieval_eval import BadSet, json_lines, one_of
from chatbot.knowledge.models import Generation
from chatbot.knowledge.retrieval.retriever import Index
from chatbot.rag.grounding.answerability import FEATURES, Gate, features, fit

ANSWERABLE = "answerable"
UNANSWERABLE = "unanswerable"
# What belongs to another subject altogether; the questions of `--off-topic` are only measured, never learnt from.
FAR = "far"
PASSAGES = 8


@dataclass(frozen=True)
class Question:
    """A question, and what is known of it: answerable, or why not. One that is `only_measured` teaches nothing."""

    id: str
    text: str
    kind: str
    only_measured: bool = False


def has_questions(folder: Path) -> bool:
    """Whether a set says which questions cannot be answered."""
    return one_of(folder, "unanswerable.jsonl") is not None


def read_questions(folder: Path, far: Path | None = None) -> list[Question]:
    """The questions of a set, those of `far` being about something else.

    Raises:
        BadSet: a file is missing or cannot be read.
    """
    yes, no = one_of(folder, "queries.jsonl", "questions.jsonl"), one_of(folder, "unanswerable.jsonl")
    if yes is None or no is None:
        raise BadSet(f"{folder} needs queries.jsonl (or questions.jsonl) and unanswerable.jsonl.")
    found = [_question(row, ANSWERABLE) for row in json_lines(yes, "text")]
    found += [_question(row, str(row.get("kind") or UNANSWERABLE)) for row in json_lines(no, "text")]
    return found + [_question(row, FAR, only_measured=True) for row in (json_lines(far, "text") if far else ())]


def _question(row: Mapping[str, object], kind: str, only_measured: bool = False) -> Question:
    return Question(str(row.get("_id") or row.get("id") or row["text"]), str(row["text"]), kind, only_measured)


def for_learning(questions: Sequence[Question]) -> list[bool]:
    """Which of the questions are learnt from: every other one of each kind, in the order of a hash of their ids, so
    that a set of eight questions has some of either side in both halves."""
    order = sorted(range(len(questions)), key=lambda n: hashlib.sha256(questions[n].id.encode()).digest())
    learnt, seen = [False] * len(questions), Counter[str]()
    for n in order:
        question = questions[n]
        if not question.only_measured:
            learnt[n] = seen[question.kind] % 2 == 0
            seen[question.kind] += 1
    return learnt


Seen = tuple[float, ...]


def observe(
    index: Index, questions: Sequence[Question], progress: Callable[[], None] | None = None, threads: int = 1
) -> list[Seen]:
    """What the gate sees of each question: the values of FEATURES."""

    def look(question: Question) -> Seen:
        return features(question.text, index.candidates(question.text, PASSAGES).passages)

    seen = []
    with ThreadPoolExecutor(threads) as pool:
        for values in pool.map(look, questions):
            seen.append(values)
            if progress:
                progress()
    return seen


def learn(questions: Sequence[Question], seen: Sequence[Seen]) -> Gate:
    """The gate that the learning half teaches.

    Raises:
        BadSet: one side has no question in that half.
    """
    rows = zip(questions, seen, for_learning(questions), strict=True)
    half = [(question, values) for question, values, learnt in rows if learnt]
    yes = [values for q, values in half if q.kind == ANSWERABLE]
    no = [values for q, values in half if q.kind != ANSWERABLE]
    if not yes or not no:
        raise BadSet("The set has too few questions to learn from: some that are answered, and some that are not.")
    return fit(yes, no)


@dataclass(frozen=True)
class Report:
    """How well a decision tells answerable questions from the others, on the half it was not learnt from.

    `kept` is the part of the answerable that passes. For each kind of the others, `auroc` is how often such a question
    scores below an answerable one, and `fell` the part that falls back. `balanced` is the mean of what is decided
    rightly on both sides, all kinds but `far` together.
    """

    questions: int
    kept: float
    balanced: float
    auroc: Mapping[str, float]
    fell: Mapping[str, float]
    single: Mapping[str, float]


def report(questions: Sequence[Question], seen: Sequence[Seen], gate: Gate) -> Report:
    """Measures a gate on the half it was not learnt from; `single` is the best AUROC that one feature alone has."""
    rows = zip(questions, seen, for_learning(questions), strict=True)
    half = [(question, values) for question, values, learnt in rows if not learnt]
    kinds: dict[str, list[Seen]] = {ANSWERABLE: []}
    for question, values in half:
        kinds.setdefault(question.kind, []).append(values)
    scores = {kind: [gate.score(values) for values in rows] for kind, rows in kinds.items()}
    passed = {kind: [score >= gate.threshold for score in of_kind] for kind, of_kind in scores.items()}
    others = sorted(kind for kind in kinds if kind != ANSWERABLE and kinds[kind])
    near = [not ok for kind in others if kind != FAR for ok in passed[kind]]
    kept = fmean(passed[ANSWERABLE]) if passed[ANSWERABLE] else 0.0
    return Report(
        len(half),
        kept,
        (kept + (fmean(near) if near else 0.0)) / 2,
        {kind: auroc(scores[ANSWERABLE], scores[kind]) for kind in others},
        {kind: fmean(not ok for ok in passed[kind]) for kind in others},
        {kind: max(_alone(kinds, kind, place) for place in range(len(FEATURES))) for kind in others},
    )


def _alone(kinds: Mapping[str, Sequence[Seen]], kind: str, place: int) -> float:
    value = auroc([row[place] for row in kinds[ANSWERABLE]], [row[place] for row in kinds[kind]])
    return max(value, 1 - value)


def auroc(yes: Sequence[float], no: Sequence[float]) -> float:
    """How often a value of `yes` is above one of `no`, a tie counting half."""
    if not yes or not no:
        return 0.0
    ordered = np.sort(np.asarray(no))
    below = np.searchsorted(ordered, yes, "left") + np.searchsorted(ordered, yes, "right")
    return float(below.mean() / 2 / len(ordered))


def store_gate(session: Session, generation_id: int, gate: Gate | None) -> None:
    """Lets the gate decide from the next question on, in every process; with None the threshold decides again."""
    begin_write(session)
    values = {"gate": gate.as_json() if gate else None}
    session.execute(update(Generation).where(Generation.id == generation_id).values(values))
    session.commit()
