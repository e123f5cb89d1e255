"""The measures, worked out by hand and against a reference; sets in their forms; and what a run makes of them."""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from chatbot.current import services
from chatbot.knowledge.evaluation import retrieval_eval
from chatbot.knowledge.evaluation.retrieval_eval import (
    BadSet,
    measures,
    ndcg,
    rank_documents,
    read_set,
    recall,
    reciprocal_rank,
)
from chatbot.knowledge.models import Document, DocumentVersion
from tests.conftest import SHARED, add_and_ingest

JUDGED = {"a": 2.0, "b": 1.0, "z": 0.0, "bad": -1.0}


def test_ndcg_worked_out_by_hand():
    best = 2 / math.log2(2) + 1 / math.log2(3)
    assert ndcg(["a", "b"], JUDGED, 10) == 1
    assert ndcg(["x", "b", "a"], JUDGED, 10) == pytest.approx((1 / math.log2(3) + 2 / math.log2(4)) / best)
    assert ndcg(["b", "bad", "a"], JUDGED, 2) == pytest.approx(1 / best)
    assert ndcg(["x"], JUDGED, 10) == ndcg([], JUDGED, 10) == ndcg(["z"], {"z": 0}, 10) == 0


def test_recall_and_reciprocal_rank_worked_out_by_hand():
    assert [recall(["x", "b", "a"], JUDGED, k) for k in (1, 2, 3)] == [0, 0.5, 1]
    assert [reciprocal_rank(["x", "b", "a"], JUDGED, k) for k in (1, 2, 3)] == [0, 0.5, 0.5]
    assert reciprocal_rank(["z", "bad"], JUDGED, 10) == recall(["z"], {"z": 0.0}, 10) == 0


def test_averages_count_a_question_without_a_ranking_and_leave_out_one_without_a_relevant_document():
    qrels = {"q1": {"a": 1.0}, "q2": {"b": 1.0}, "q3": {"c": 0.0}}
    found = measures({"q1": ["a"], "q3": ["c"]}, qrels)
    assert found == {"ndcg@10": 0.5, "recall@10": 0.5, "recall@100": 0.5, "mrr@10": 0.5}
    assert list(measures({}, {}, 100)) == ["ndcg@100", "recall@100", "mrr@100"]


@pytest.mark.skipif(not (SHARED / "tools" / "score.py").exists(), reason="the reference scorer is not here")
@pytest.mark.parametrize("seed", range(5))
def test_the_measures_agree_with_the_reference(seed):
    import random

    spec = importlib.util.spec_from_file_location("score", SHARED / "tools" / "score.py")
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    dice = random.Random(seed)
    documents = [f"d{n}" for n in range(150)]
    qrels = {f"q{n}": {d: float(dice.choice([-1, 0, 1, 1, 2])) for d in dice.sample(documents, 12)} for n in range(20)}
    rankings = {q: dice.sample(documents, dice.choice([0, 5, 120])) for q in list(qrels)[:-2]}
    run = {q: {d: float(-place) for place, d in enumerate(ranking)} for q, ranking in rankings.items()}
    theirs, _ = score.rank_metrics(qrels, run, (10, 100))
    ours = measures(rankings, qrels)
    pairs = {"ndcg@10": "nDCG@10", "recall@10": "R@10", "recall@100": "R@100", "mrr@10": "MRR@10"}
    assert ours == pytest.approx({name: theirs[other] for name, other in pairs.items()}, abs=1e-12)


# Sets


def write_set(folder: Path, qrels: str, *, corpus: bool = False, qrels_file: str = "qrels.tsv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    queries = [{"_id": "q1", "text": "When is the shop open?"}, {"_id": "q2", "text": "Can goods be returned?"}]
    (folder / "queries.jsonl").write_text("".join(json.dumps(q) + "\n" for q in queries))
    (folder / qrels_file).parent.mkdir(exist_ok=True)
    (folder / qrels_file).write_text(qrels)
    if corpus:
        entries = [
            {"_id": "hours", "title": "Hours", "text": "The shop is open from nine to five."},
            {"_id": "returns", "title": "", "text": "Goods can be returned within thirty days. " * 40},
            {"_id": "twin", "title": "Hours", "text": "The shop is open from nine to five."},
            {"_id": "only-title", "title": "Ducks eat grass", "text": ""},
            {"_id": "nothing", "title": "", "text": " "},
        ]
        with gzip.open(folder / "corpus.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in entries)
    return folder


WITH_HEADER = "query-id\tcorpus-id\tscore\nq1\thours\t1\nq2\treturns\t1\n"


@pytest.mark.parametrize(
    ("qrels", "name"),
    [
        (WITH_HEADER, "qrels.tsv"),
        (WITH_HEADER.partition("\n")[2], "qrels.tsv"),
        (WITH_HEADER, "qrels/test.tsv"),
        ("q1 0 hours 1\nq2 0 returns 1\n", "qrels.tsv"),
        ("q1\thours\t1\r\n\r\nq2\treturns\t1\r\n", "qrels.tsv"),
    ],
    ids=["header", "no_header", "folder", "trec", "crlf"],
)
def test_judgements_are_read_in_each_of_their_forms(tmp_path, qrels, name):
    found = read_set(write_set(tmp_path / "set", qrels, qrels_file=name))
    assert found.qrels == {"q1": {"hours": 1.0}, "q2": {"returns": 1.0}}
    assert (found.judged, found.corpus) == (["q1", "q2"], None)


def test_languages_share_the_judgements_of_the_folder_above(tmp_path):
    write_set(tmp_path / "set", WITH_HEADER)
    (tmp_path / "set" / "qrels.tsv").rename(tmp_path / "qrels.tsv")
    assert read_set(tmp_path / "set").judged == ["q1", "q2"]


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("queries.jsonl", "not json\n", "line 1: expected a JSON object"),
        ("queries.jsonl", "[]\n", "line 1"),
        ("queries.jsonl", '{"_id": "q1"}\n', "with _id, text"),
        ("qrels.tsv", "q1\thours\t1\nq1\tx\n", "line 2"),
        ("qrels.tsv", "q9\thours\t1\n", "no question"),
        ("queries.jsonl", b"\xff\xfe", "cannot be read"),
        ("corpus.jsonl.gz", b"not gzip", "cannot be read"),
        ("corpus.jsonl", '{"_id": "a"}\n', "line 1"),
    ],
    ids=str,
)
def test_a_folder_that_is_no_set_is_refused_with_its_reason(tmp_path, file, content, sentence):
    folder = write_set(tmp_path / "set", WITH_HEADER)
    (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadSet, match=sentence):
        retrieval_eval.corpus_of(read_set(folder))


def test_a_folder_without_questions_is_refused(tmp_path):
    with pytest.raises(BadSet, match="needs queries"):
        read_set(tmp_path)


def test_a_limit_keeps_what_its_questions_need(tmp_path):
    folder = write_set(tmp_path / "set", "q1\tlast\t1\nq2\treturns\t1\n")
    rows = [{"_id": f"d{n}", "text": "x"} for n in range(40)] + [{"_id": "last", "text": "y"}]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    questions = read_set(folder).limited(1)
    assert (questions.judged, list(questions.queries)) == (["q1"], ["q1"])
    entries = retrieval_eval.corpus_of(questions, 1)
    assert [e.id for e in entries] == [*(f"d{n}" for n in range(10)), "last"]
    assert len(retrieval_eval.corpus_of(read_set(folder))) == 41
    assert retrieval_eval.fingerprint(entries) != retrieval_eval.fingerprint(entries[1:])
    assert questions.fingerprint() != read_set(folder).fingerprint()


# Rankings


def test_a_document_stands_where_its_best_chunk_does_and_more_chunks_are_asked_for_until_there_are_enough():
    asked = []

    def search(chunks: int):
        asked.append(chunks)
        return [SimpleNamespace(document_id=str(n // 250)) for n in range(chunks)]

    assert rank_documents(search, lambda p: (p.document_id,), 4) == ["0", "1", "2", "3"]
    assert asked == [300, 1200]


def test_a_search_that_has_no_more_is_not_asked_again():
    asked = []
    passages = [SimpleNamespace(document_id=name) for name in "aabca"]
    assert rank_documents(lambda k: asked.append(k) or passages, lambda p: (p.document_id,)) == ["a", "b", "c"]
    assert asked == [300]


def test_documents_of_the_knowledge_base_are_known_by_id_title_source_or_the_end_of_it(sqlite_app, tmp_path):
    first = add_and_ingest(sqlite_app, "One.", title="First", source="docs/guide/first.md").id
    second = add_and_ingest(sqlite_app, "Two.", title="Second", source="docs/second.md").id
    qrels = f"q1\tguide/first.md\t1\nq1\tFirst\t1\nq2\t{second}\t1\nq2\tnowhere\t1\n"
    with services(sqlite_app).sessions() as session:
        names = retrieval_eval.live_names(session, read_set(write_set(tmp_path / "a", qrels)))
        assert names == {first: ["First", "guide/first.md"], second: [second]}
        with pytest.raises(BadSet, match="None of the documents"):
            retrieval_eval.live_names(session, read_set(write_set(tmp_path / "b", WITH_HEADER)))


def test_a_corpus_becomes_documents_as_ingestion_makes_them_and_once_only(sqlite_app, tmp_path):
    entries = retrieval_eval.corpus_of(read_set(write_set(tmp_path / "set", WITH_HEADER, corpus=True)))
    for _ in range(2):
        with services(sqlite_app).sessions() as session:
            retrieval_eval.fill(session, entries)
    with services(sqlite_app).sessions() as session:
        documents = session.scalars(select(Document)).all()
        texts = session.scalars(select(DocumentVersion.text)).all()
    assert sorted((d.title, d.status, d.language) for d in documents) == [
        ("", "ready", "en"),
        ("Ducks eat grass", "ready", None),
        ("Hours", "ready", "en"),
        ("Hours", "ready", "en"),
    ]
    assert "Ducks eat grass" in texts
