"""Follow-up questions: searched as they were typed, as this project completes them, and as people rewrote them.

    python -m bench.followups [FOLDER]

FOLDER has sets with conversations; by default ../shared/data. `docs-fastapi` is ingested and its follow-ups are
searched (hit@5: a right page is among the first five); `mtrag-cloud` is measured with nDCG@10 in the database that
`flask eval run` has made for it, or makes now, which takes a while. A model is scripted to give the rewrites of people.
"""

from __future__ import annotations

import json
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flask import Flask, current_app
from langchain_core.language_models import FakeListChatModel

from bench.questions import ingest
from bench.temp_app import temp_app
from chatbot.app import create_app
from chatbot.config import ROOT
from chatbot.current import services
from chatbot.knowledge.cli.evaluation import own_index
from chatbot.knowledge.evaluation import retrieval_eval
from chatbot.knowledge.retrieval.retriever import BESIDE, Index
from chatbot.rag.llm.condense import rewrite, stand_alone
from chatbot.rag.types import Condensed, HistoryMessage, Passage

DATA = ROOT.parent / "shared" / "data"

Turns = Sequence[str]
Way = Callable[[Turns, str], Condensed]


def condensed(turns: Turns, _rewritten: str) -> Condensed:
    """As the project does without a model."""
    return stand_alone(turns[-1], [HistoryMessage(True, text) for text in turns[:-1]])


def scripted(_turns: Turns, rewritten: str) -> Condensed:
    """As the project does with a model that says what people wrote."""
    return Condensed(rewrite(FakeListChatModel(responses=[rewritten]), "?", [])[0])


WAYS: dict[str, Way] = {
    "the last turn alone": lambda turns, _: Condensed(turns[-1]),
    "all turns joined": lambda turns, _: Condensed(" ".join(turns)),
    "condensed without a model": condensed,
    "condensed by a model that gives the rewrites": scripted,
    "the rewrites of people": lambda _, rewritten: Condensed(rewritten),
}


def search(index: Index, asked: Condensed, k: int) -> list[Passage]:
    """The best passages for a question as an answer's are searched: also beside, where that is called for."""
    found = index.candidates(asked.question, k)
    if asked.beside is not None:
        found = found.joined(index.candidates(asked.beside, k), BESIDE)
    return found.passages[:k]


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def pages(app: Flask, folder: Path) -> dict[str, float]:
    """hit@5 of each way on the follow-ups about the documentation."""
    asked = [
        ([m["content"] for m in row["history"] if m["role"] == "user"] + [row["text"]], row["standalone"], row["docs"])
        for row in lines(folder / "multiturn.jsonl")
    ]
    with tempfile.TemporaryDirectory() as unpacked:
        with tarfile.open(folder / "fastapi-docs-en.tar.gz") as archive:
            archive.extractall(unpacked, filter="data")
        ingest(app, Path(unpacked))
    index = services(app).retriever.index()

    def hits(way: Way) -> float:
        found = [list(dict.fromkeys(p.source for p in search(index, way(t, r), 30)))[:5] for t, r, _ in asked]
        right = [any(d.endswith(tuple(docs)) for d in five) for five, (_, _, docs) in zip(found, asked, strict=True)]
        return sum(right) / len(right)

    return {name: hits(way) for name, way in WAYS.items()}


def passages(folder: Path) -> dict[str, float]:
    """nDCG@10 of each way on the conversations about the cloud."""
    questions = retrieval_eval.read_set(folder)
    index, names = own_index(questions)
    turns = {row["_id"]: row["user_turns"] for row in lines(folder / "queries_history.jsonl")}

    def measured(way: Way) -> float:
        rankings = {}
        for query in questions.judged:
            text = way(turns[query], questions.queries[query])
            rankings[query] = retrieval_eval.rank_documents(lambda k, text=text: search(index, text, k), names)
        return retrieval_eval.measures(rankings, questions.qrels)["ndcg@10"]

    return {name: measured(way) for name, way in WAYS.items()}


def main() -> None:
    """Prints a table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    if not (folder / "docs-fastapi").is_dir():
        raise SystemExit(f"{folder} has no docs-fastapi; name the folder that has it.")
    with temp_app() as app, app.app_context():
        hit = pages(app, folder / "docs-fastapi")
    with create_app().app_context():
        current_app.logger.disabled = True
        ndcg = passages(folder / "mtrag-cloud")
    print(f"\n{'Follow-ups':48}{'docs-fastapi hit@5':>20}{'mtrag-cloud nDCG@10':>22}")
    for name in WAYS:
        print(f"{name:48}{hit[name]:20.3f}{ndcg[name]:22.4f}")


if __name__ == "__main__":
    main()
