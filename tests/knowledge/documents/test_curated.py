"""Stored sets of questions: run by their name, and taken along as a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask

from chatbot.current import services
from chatbot.errors import Invalid
from chatbot.knowledge.documents.curated import add_case, curate
from chatbot.knowledge.documents.service import delete_document
from chatbot.knowledge.evaluation.cases import stored_set
from chatbot.knowledge.evaluation.retrieval_eval import BadSet
from chatbot.rag.grounding.answerability import Classifier
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import ingest_now

OPEN, BACK = "When is the shop open?", "Can goods be returned?"


def cases(app: Flask, *found: tuple[str, str]) -> None:
    with services(app).sessions() as session:
        for question, document_id in found:
            add_case(session, question, [document_id])


def run(app: Flask, *args: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["eval", *args])
    return result.exit_code, result.output


@pytest.fixture
def shop(app: Flask) -> Flask:
    """Two documents, and a question to each."""
    cases(
        app,
        (OPEN, add_and_ingest(app, HOURS, title="Hours").id),
        (BACK, add_and_ingest(app, RETURNS, title="Returns").id),
    )
    return app


def test_a_stored_set_is_run_by_its_name_and_exported_in_beirs_layout(shop: Flask, tmp_path: Path) -> None:
    folder, report = tmp_path / "set", tmp_path / "report.json"

    assert run(shop, "export", "gaps", str(folder)) == (0, f"2 question(s) in {folder}.\n")
    by_name = run(shop, "run", "gaps", "--part", "search", "--fail-under", "ndcg@10=1", "--json", str(report))
    by_folder = run(shop, "run", str(folder), "--part", "search", "--fail-under", "ndcg@10=1")

    assert (by_name[0], by_folder[0]) == (0, 0), by_name[1]
    assert (json.loads(report.read_text())["set"], json.loads(report.read_text())["questions"]) == ("gaps", 2)
    texts = [json.loads(line)["text"] for line in (folder / "queries.jsonl").read_text().splitlines()]
    assert texts == [OPEN, BACK]
    assert (folder / "qrels" / "test.tsv").read_text().splitlines()[0] == "query-id\tcorpus-id\tscore"


def test_a_set_that_is_not_there_is_told_with_those_that_are(shop: Flask) -> None:
    sentence = "Error: mine is neither a folder nor a stored set; the stored sets are gaps.\n"
    assert run(shop, "run", "mine") == run(shop, "export", "mine", "x") == (1, sentence)


def test_a_question_is_in_a_set_once_and_deleted_documents_are_in_none(shop: Flask) -> None:
    other = add_and_ingest(shop, "On Sundays it is closed.", title="Sundays").id
    cases(shop, (OPEN, other), (OPEN, other))
    with services(shop).sessions() as session:
        questions = stored_set(session, "gaps")
        assert sorted(questions.queries.values()) == sorted([OPEN, BACK])
        (judged,) = [questions.qrels[q] for q, text in questions.queries.items() if text == OPEN]
        assert judged == {other: 1.0}
        delete_document(session, other)
        assert [questions.queries[q] for q in stored_set(session, "gaps").judged] == [BACK]
        (returns,) = (d for q in stored_set(session, "gaps").judged for d in stored_set(session, "gaps").qrels[q])
        delete_document(session, returns)
        with pytest.raises(BadSet, match="any more"):
            stored_set(session, "gaps")
        with pytest.raises(Invalid):
            add_case(session, OPEN, [returns])


def test_two_questions_with_the_same_answer_are_two_documents(app: Flask) -> None:
    with services(app).sessions() as session:
        ids = {curate(session, question, "Yes.")[1].id for question in (OPEN, BACK, f" {OPEN.upper()}")}
    assert len(ids) == 2


def test_a_curated_answer_brings_no_passage_that_the_gate_refused(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    add_and_ingest(app, "Bread is baked at night.", title="Bakery")
    with services(app).sessions() as session:
        curated = curate(session, "What is the capital of France?", "Paris, of course.")[1].id
    ingest_now(app, curated)
    refusing = Classifier((0.0,) * 10, 0.0, 0.9, 0.9, 0.9)
    monkeypatch.setattr("chatbot.knowledge.retrieval.retriever.trained", lambda _: refusing)
    found = services(app).retriever.find("What is the capital of France?", 5)
    assert [p.document_id for p in found.passages] == [curated]


def test_nothing_is_answered_from_what_was_curated_for_another_question(app: Flask) -> None:
    with services(app).sessions() as session:
        curated = curate(session, "What is the capital of France?", "Paris, of course.")[1].id
    ingest_now(app, curated)
    retriever = services(app).retriever

    assert [p.document_id for p in retriever.find("What is the capital of France?", 5).passages] == [curated]
    assert not retriever.find("What is the capital of Germany?", 5).passages
    assert [p.document_id for p in retriever.search("What is the capital of Germany?", 5)[0]] == [curated]
