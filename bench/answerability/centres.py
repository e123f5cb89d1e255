"""Writes what the vectors of multilingual-e5-small have on average (chatbot/rag/embeddings/e5_centres.json).

    python -m bench.answerability.centres [FOLDER]

The mean of each set of a language is taken for itself, for questions and for passages, then the mean of these: of the
everyday pages in four languages (everyday.jsonl), and of the first 100 paragraphs of XQuAD and the questions to them in
five (../shared/data). Only the two means are stored, 384 numbers each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.answerability.train import DATA, HERE, _lines, _relevant
from chatbot.config import Settings
from chatbot.rag.embeddings.e5 import CENTRES, E5

Texts = list[str]


def sets(folder: Path) -> Iterator[tuple[Texts, Texts]]:
    """The questions and the passages of each set, as they are embedded."""
    rows = _lines(HERE / "everyday.jsonl")
    for language in ("en", "de", "es", "fr"):
        pages = [row for row in rows if row["language"] == language and row["kind"] == "page"]
        questions = [question["text"] for page in pages for question in page["questions"]]
        yield questions, [f"{page['title']}\n{page['text']}" for page in pages]
    relevant = _relevant(folder / "xquad" / "qrels.tsv")
    for language in ("en", "de", "es", "zh", "ar"):
        texts = {row["_id"]: row["text"] for row in _lines(folder / "xquad" / language / "corpus.jsonl")[:100]}
        asked = _lines(folder / "xquad" / language / "queries.jsonl")
        yield [row["text"] for row in asked if relevant[row["_id"]] in texts], [f"\n{text}" for text in texts.values()]


def main(arguments: Sequence[str], embed: Callable[[Texts, int], np.ndarray] | None = None) -> None:
    """Writes the file."""
    embed = embed or E5(Settings().models_folder).embed_as_trained
    found = list(sets(Path(arguments[0]) if arguments else DATA))
    query = np.mean([embed(questions, len(questions)).mean(axis=0) for questions, _ in found], axis=0)
    passage = np.mean([embed(passages, 0).mean(axis=0) for _, passages in found], axis=0)
    centres = {"query": query, "passage": passage}
    stored = {name: [round(float(value), 5) for value in centre] for name, centre in centres.items()}
    CENTRES.write_text(json.dumps(stored) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
