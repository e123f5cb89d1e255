"""Prints what both local embedders do in several languages, in memory, by the application's own functions.

    python -m bench.answerability.languages [FOLDER]

`languages.jsonl` has, for each language, the eight short pages of one business, two everyday questions for each in
other words than the page's, and ten questions about something else (own work); no classifier was trained on it. Of
each question: whether the right page is first by meaning and by both searches, what the classifier says, and whether
the built-in model quotes the answer. XQuAD (../shared/data) asks in the paragraphs' own words: 120 questions to 100
paragraphs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.answerability.bases import Base, Document, Embed
from bench.answerability.train import DATA, HERE, Row, _lines, _page, _relevant, remembering
from chatbot.config import LOCAL_EMBEDDER, MULTILINGUAL_EMBEDDER, Settings
from chatbot.rag.embeddings.embedders import Embedder, Embedders
from chatbot.rag.grounding.answerability import trained
from chatbot.rag.llm.extractive import quotations

HEAD = "language | embedder | first by meaning | by both | answered rightly | nothing found | else: shown | answered"


def told(base: Base, question: str, embedder: Embedder) -> tuple[str, str]:
    """What the classifier says, and what the built-in model quotes."""
    classifier, seen = trained(embedder.name), base.observe(question)
    assert classifier
    if classifier.score(seen.signals) < classifier.lowest(seen.signals):
        return "fallback", ""
    sure = classifier.is_sure(seen.signals)
    quoted = quotations(question, seen.passages, embedder, unsure=not sure)
    return "grounded" if sure else "partial", " ".join(quotation.text for quotation in quoted)


def everyday(rows: Sequence[Row], embedder: Embedder, embed: Embed) -> list[float]:
    """The figures of one language's business."""
    pages = [row for row in rows if row["kind"] == "page"]
    base = Base([_page(page) for page in pages], embedder, embed)
    asked = [(question, page["title"]) for page in pages for question in page["questions"]]
    first = [base.first(question["text"]) for question, _ in asked]
    places = [[found[0] == title, found[2] == title] for found, (_, title) in zip(first, asked, strict=True)]
    said = [(told(base, question["text"], embedder), question["answer"]) for question, _ in asked]
    right = [status != "fallback" and answer.casefold() in text.casefold() for (status, text), answer in said]
    nothing = [status == "fallback" for (status, _), _ in said]
    else_ = [told(base, row["text"], embedder)[0] for row in rows if row["kind"] == "far"]
    others = [np.mean([status == kind for status in else_]) for kind in ("partial", "grounded")]
    return [*np.mean(places, axis=0), np.mean(right), np.mean(nothing), *others]


def paragraphs(folder: Path, language: str, embedder: Embedder, embed: Embed) -> list[float]:
    """How often the right paragraph of XQuAD is first by meaning, and by both."""
    relevant = _relevant(folder / "xquad" / "qrels.tsv")
    texts = {row["_id"]: row["text"] for row in _lines(folder / "xquad" / language / "corpus.jsonl")[:100]}
    base = Base([Document(name, "", text) for name, text in texts.items()], embedder, embed)
    questions = [(row["text"], relevant[row["_id"]]) for row in _lines(folder / "xquad" / language / "queries.jsonl")]
    asked = [(question, gold) for question, gold in questions if gold in texts][:120]
    found = [base.first(question) for question, _ in asked]
    return list(np.mean([[f[0] == gold, f[2] == gold] for f, (_, gold) in zip(found, asked, strict=True)], axis=0))


def main(arguments: Sequence[str]) -> None:
    """Prints a row for each language and embedder."""
    folder = Path(arguments[0]) if arguments else DATA
    made = Embedders(Settings())
    embedders = [
        (embedder, remembering(embedder)) for embedder in map(made.get, (LOCAL_EMBEDDER, MULTILINGUAL_EMBEDDER))
    ]
    rows = _lines(HERE / "languages.jsonl")
    print(f"| {HEAD} |\n|---|---|" + "--:|" * 6)
    for language in dict.fromkeys(row["language"] for row in rows):
        mine = [row for row in rows if row["language"] == language]
        for embedder, embed in embedders:
            _print(f"everyday {language}", embedder, everyday(mine, embedder, embed))
    for language in ("en", "de", "es", "zh", "ar"):
        for embedder, embed in embedders:
            _print(f"xquad {language}", embedder, paragraphs(folder, language, embedder, embed))


def _print(name: str, embedder: Embedder, figures: Sequence[float]) -> None:
    cells = [f"{figure:.2f}" for figure in figures] + [""] * (6 - len(figures))
    print(f"| {name} | {embedder.name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
