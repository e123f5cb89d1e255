"""Calibrating a generation, and measuring its gate and its answers with `flask eval`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask

from chatbot.current import services
from chatbot.knowledge.evaluation import answerability_eval
from chatbot.knowledge.evaluation.retrieval_eval import BadSet
from chatbot.rag.grounding.answerability import FEATURES, fit
from tests.knowledge.conftest import add, ingest_now

PAGES = {
    "hours.md": "# Hours\n\nThe shop opens at nine in the morning. It closes at six. On Sundays it stays closed.\n",
    "returns.md": "# Goods\n\nGoods can be returned within thirty days. The refund is paid to the card you used.\n",
    "parking.md": "# Parking\n\nParking is behind the house. It costs two euros an hour.\n",
}
ANSWERABLE = [
    ("When does the shop open?", "hours.md", "nine"),
    ("When does the shop close?", "hours.md", "six"),
    ("Is the shop open on Sundays?", "hours.md", "closed"),
    ("How long can goods be returned?", "returns.md", "thirty days"),
    ("How is the refund paid?", "returns.md", "card"),
    ("Where can I park?", "parking.md", "behind the house"),
    ("What does parking cost?", "parking.md", "two euros"),
    ("Within how many days can goods be returned?", "returns.md", "thirty"),
]
UNANSWERABLE = [
    "Who painted the Sistine Chapel?",
    "How tall is Mount Everest?",
    "What is the boiling point of helium?",
    "Which planet has the most moons?",
    "How do I solve a cubic equation?",
    "Who won the chess championship?",
    "What is a good recipe for lasagne?",
    "When did the Roman empire fall?",
]


def lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    lines(folder / "queries.jsonl", [{"_id": f"q{n}", "text": text} for n, (text, _, _) in enumerate(ANSWERABLE)])
    lines(folder / "unanswerable.jsonl", [{"_id": f"u{n}", "text": text} for n, text in enumerate(UNANSWERABLE)])
    lines(folder / "answers.jsonl", [{"_id": f"q{n}", "answers": [a]} for n, (_, _, a) in enumerate(ANSWERABLE)])
    qrels = [f"q{n}\t{source}\t1\n" for n, (_, source, _) in enumerate(ANSWERABLE)]
    (folder / "qrels.tsv").write_text("query\tdocument\trelevance\n" + "".join(qrels), encoding="utf-8")
    return folder


@pytest.fixture
def shop(sqlite_app: Flask) -> Flask:
    for name, text in PAGES.items():
        ingest_now(sqlite_app, add(sqlite_app, text, filename=name, source=name))
    return sqlite_app


def run(app: Flask, *args: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["eval", *args])
    return result.exit_code, result.output


def test_half_of_the_questions_is_learnt_from_and_what_is_about_something_else_never(folder: Path) -> None:
    lines(folder / "far.jsonl", [{"_id": f"f{n}", "text": f"Question {n}?"} for n in range(40)])
    questions = answerability_eval.read_questions(folder, folder / "far.jsonl")
    learnt = [q for q, learns in zip(questions, answerability_eval.for_learning(questions), strict=True) if learns]
    assert {q.kind for q in learnt} == {answerability_eval.ANSWERABLE, answerability_eval.UNANSWERABLE}
    assert len(learnt) == 8
    assert sum(q.kind == answerability_eval.FAR for q in questions) == 40


def test_a_set_without_unanswerable_questions_teaches_nothing(folder: Path) -> None:
    (folder / "unanswerable.jsonl").unlink()
    assert not answerability_eval.has_questions(folder)
    with pytest.raises(BadSet, match=r"unanswerable\.jsonl"):
        answerability_eval.read_questions(folder)


def test_auroc_worked_out_by_hand() -> None:
    assert answerability_eval.auroc([0.9, 0.5], [0.1, 0.5]) == pytest.approx((2 + 1.5) / 4)
    assert answerability_eval.auroc([1.0], []) == 0.0


def test_a_report_worked_out_by_hand() -> None:
    gate = fit([(0.9,) * len(FEATURES)] * 4, [(0.1,) * len(FEATURES)] * 4)
    kinds = [answerability_eval.ANSWERABLE] * 4 + [answerability_eval.UNANSWERABLE] * 2
    questions = [answerability_eval.Question(f"x{n}", "?", kind) for n, kind in enumerate(kinds)]
    questions.append(answerability_eval.Question("far", "?", answerability_eval.FAR, only_measured=True))
    measured = [n for n, learns in enumerate(answerability_eval.for_learning(questions)) if not learns]
    values = dict(zip(measured, (0.9, 0.1, 0.1, 0.1), strict=True))
    seen = [(values.get(n, 0.5),) * len(FEATURES) for n in range(len(questions))]

    found = answerability_eval.report(questions, seen, gate)

    assert (found.questions, found.kept, found.balanced) == (4, 0.5, 0.75)
    assert found.fell == {answerability_eval.FAR: 1.0, answerability_eval.UNANSWERABLE: 1.0}
    assert found.auroc[answerability_eval.UNANSWERABLE] == 0.75


def test_a_calibrated_generation_decides_by_its_gate_until_it_is_forgotten(shop: Flask, folder: Path) -> None:
    retriever = services(shop).retriever
    before = retriever.find("When does the shop open?", 4)

    status, output = run(shop, "calibrate", str(folder))

    assert status == 0, output
    assert "is calibrated" in output
    assert "Only 8 questions were left to measure with" in output
    gate = retriever.index().gate
    found, far = retriever.find("When does the shop open?", 4), retriever.find("Who painted the Sistine Chapel?", 4)
    assert found.threshold == far.threshold == gate.threshold
    assert found.passages
    assert found.top_score >= gate.threshold > far.top_score
    assert not far.passages
    assert far.nearest
    run(shop, "calibrate", str(folder), "--forget")
    assert retriever.find("When does the shop open?", 4) == before


def test_calibrate_with_two_documents_and_eight_questions_learns_a_gate(sqlite_app: Flask, tmp_path: Path) -> None:
    for name in ("hours.md", "returns.md"):
        ingest_now(sqlite_app, add(sqlite_app, PAGES[name], filename=name, source=name))
    lines(tmp_path / "queries.jsonl", [{"_id": f"q{n}", "text": text} for n, (text, _, _) in enumerate(ANSWERABLE[:4])])
    far = [{"_id": f"u{n}", "text": text, "kind": "far"} for n, text in enumerate(UNANSWERABLE[:4])]
    lines(tmp_path / "unanswerable.jsonl", far)

    status, output = run(sqlite_app, "calibrate", str(tmp_path))

    assert status == 0, output
    retriever = services(sqlite_app).retriever
    assert retriever.find("When does the shop open?", 4).passages
    assert not retriever.find("Who painted the Sistine Chapel?", 4).passages


def test_a_dry_run_stores_nothing(shop: Flask, folder: Path) -> None:
    status, output = run(shop, "calibrate", str(folder), "--dry-run")
    assert status == 0, output
    assert services(shop).retriever.index().gate is None


def test_a_run_measures_the_search_the_gate_and_the_answers(shop: Flask, folder: Path, tmp_path: Path) -> None:
    status, output = run(shop, "run", str(folder), "--json", str(tmp_path / "out.json"))

    assert status == 0, output
    report = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert set(report["gate"]["auroc"]) == {answerability_eval.UNANSWERABLE}
    answers = report["answers"]
    assert (answers["questions"], answers["verified"]) == (8, 1.0)
    assert answers["containment"] >= 0.75
    assert answers["recall"] >= 0.75


def test_only_the_parts_that_are_asked_for_are_measured(shop: Flask, folder: Path, tmp_path: Path) -> None:
    status, _ = run(shop, "run", str(folder), "--part", "gate", "--json", str(tmp_path / "out.json"))
    report = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert (status, report["modes"], report["answers"]) == (0, {}, None)
    assert run(shop, "run", str(folder), "--part", "colour")[0] == 2


def test_a_set_with_too_few_questions_is_refused_with_a_sentence(shop: Flask, folder: Path) -> None:
    lines(folder / "unanswerable.jsonl", [])
    status, output = run(shop, "calibrate", str(folder))
    assert status == 1
    assert "too few questions" in output
