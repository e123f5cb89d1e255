"""The parts of `flask eval run` beside the search itself: the gate and the answers."""

from __future__ import annotations

import os
from pathlib import Path

from rich.table import Table

from chatbot.cli_support import progress_bar, show_table
from chatbot.knowledge.evaluation import answer_eval, answerability_eval
from chatbot.knowledge.evaluation.retrieval_eval import EvalSet, Names
from chatbot.knowledge.retrieval.retriever import Index
from chatbot.rag.grounding.answerability import Gate
from chatbot.rag.llm.answerers import ChatModels


def gate_report(index: Index, folder: Path, far: Path | None, limit: int | None) -> answerability_eval.Report | None:
    """How well the generation's gate does on the half of the set's questions that it has not seen; where there is
    none, one is learnt from the other half for this run. None when the set has no questions for it."""
    if not answerability_eval.has_questions(folder):
        return None
    questions = answerability_eval.read_questions(folder, far)
    if limit is not None:
        questions = [
            q for kind in {q.kind for q in questions} for q in [p for p in questions if p.kind == kind][:limit]
        ]
    seen = _observed(index, questions)
    return answerability_eval.report(questions, seen, index.gate or answerability_eval.learn(questions, seen))


def calibrated(index: Index, folder: Path, far: Path | None) -> tuple[Gate, answerability_eval.Report]:
    """A gate that is learnt from a set, and how well it does on the half it has not seen.

    Raises:
        BadSet: the set cannot be read, or has too few questions.
    """
    questions = answerability_eval.read_questions(folder, far)
    seen = _observed(index, questions)
    gate = answerability_eval.learn(questions, seen)
    return gate, answerability_eval.report(questions, seen, gate)


def _observed(index: Index, questions: list[answerability_eval.Question]) -> list[answerability_eval.Seen]:
    with progress_bar() as bar:
        task = bar.add_task("Judging", total=len(questions))
        return answerability_eval.observe(index, questions, lambda: bar.advance(task), os.cpu_count() or 1)


def answers_report(
    index: Index, models: ChatModels, model: str | None, questions: EvalSet, names: Names, passages: int
) -> answer_eval.Report | None:
    """How good the answers of a chat model are; None when the set does not say what must be in them."""
    gold = answer_eval.read_answers(questions)
    if not gold:
        return None
    answerer = models.get(model)
    with progress_bar() as bar:
        task = bar.add_task("Answering", total=len(gold))
        return answer_eval.measure(
            index, index.sessions, answerer, questions, gold, names, passages, lambda: bar.advance(task)
        )


def show(gate: answerability_eval.Report | None, answers: answer_eval.Report | None) -> None:
    """Prints both as tables."""
    if gate is not None:
        table = Table("gate", "answered", "auroc", "best feature alone", title=f"{gate.questions} questions")
        table.add_row(answerability_eval.ANSWERABLE, f"{gate.kept:.3f}", "", "")
        for kind, auroc in gate.auroc.items():
            table.add_row(kind, f"{1 - gate.fell[kind]:.3f}", f"{auroc:.3f}", f"{gate.single[kind]:.3f}")
        table.add_row("balanced accuracy", f"{gate.balanced:.3f}", "", "")
        show_table(table)
    if answers is not None:
        table = Table("answers", "", title=f"{answers.questions} questions, {answers.citations} citations")
        for name in ("containment", "context", "precision", "recall", "verified"):
            table.add_row(name, f"{getattr(answers, name):.3f}")
        show_table(table)
