"""Writes what is taken out of the vectors of multilingual-e5-small (chatbot/rag/embeddings/e5_centres.json).

    python -m bench.answerability.centres [FOLDER]

It is a part of the mean of the questions and of the passages in one script. The sets are the everyday pages in four
languages (everyday.jsonl), and the first 100 paragraphs of XQuAD with the questions to them in five (../shared/data);
the sets of a script weigh the same. A script that has none gets the mean of those that have. Only these means are
stored, 384 numbers each.

With all of the mean taken out, questions about something else are told apart worse (AUC .92 where it is .955), and with
half of it the right page is first less often (.41 of the English everyday questions, and .47 so); with one mean for all
scripts, two Chinese texts about anything are nearer to each other than two English ones by .14.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.answerability.train import DATA, HERE, _lines, _relevant
from chatbot.config import Settings
from chatbot.rag.embeddings.e5 import CENTRES, E5, script_of

Texts = list[str]
TAKEN_OUT = 0.75


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
    found = defaultdict(list)
    for questions, passages in sets(Path(arguments[0]) if arguments else DATA):
        means = [embed(questions, len(questions)).mean(axis=0), embed(passages, 0).mean(axis=0)]
        found[script_of(passages[0])].append(means)
    centres = {script: np.mean(means, axis=0) for script, means in found.items()}
    centres["other"] = np.mean(list(centres.values()), axis=0)
    stored = {
        script: {
            kind: np.round(TAKEN_OUT * row.astype(float), 5).tolist()
            for kind, row in zip(("query", "passage"), rows, strict=True)
        }
        for script, rows in centres.items()
    }
    CENTRES.write_text(json.dumps(stored) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
