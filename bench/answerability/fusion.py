"""Prints how often the right document comes first by meaning, by words, and by both.

    python -m bench.answerability.fusion [FOLDER]

The sets are those of train.py, and a catalogue of 300 parts whose numbers are asked for shortly and in a long sentence.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.answerability.bases import Base, Document, Embed
from bench.answerability.train import DATA, HERE, _lines, _page, _relevant, pages_of, remembering
from chatbot.config import Settings
from chatbot.rag.embeddings.embedders import Embedder, LocalEmbedder

Asked = list[tuple[str, set[str]]]
LETTER = (
    "Hello team, I hope you are doing well. I have been working on our company's new project for some weeks now, "
    "and my manager asked me to find out a few things before our meeting on Friday. I am not sure whom to ask, so "
    "I am writing to you. {} It would be great if you could answer me soon, because I would like to tell the "
    "others. Thank you very much for your help, and have a nice weekend. Kind regards, Maria"
)
SENTENCE = (
    "Good morning, we ordered several spare parts from you last month for the machines in our workshop, and one of my "
    "colleagues told me that we still need {} before the next maintenance, so please tell me what it costs."
)


def sets(folder: Path) -> Iterator[tuple[str, list[Document], Asked]]:
    """The documents and the questions of each set."""
    rows = _lines(HERE / "everyday.jsonl")
    pages = [row for row in rows if row["language"] == "en" and row["kind"] == "page"]
    asked = [(question["text"], {page["title"]}) for page in pages for question in page["questions"]]
    yield "everyday questions, 48 pages", [_page(page) for page in pages], asked
    parts = dict(_parts())
    some = random.Random(2).sample(sorted(parts), 60)
    for name, form in (("part numbers, short", "{}"), ("part numbers, in a sentence of 40 words", SENTENCE)):
        yield name, list(parts.values()), [(form.format(number), {number}) for number in some]
    documentation = pages_of(folder / "docs-fastapi")
    questions = [(row["text"], set(row["docs"])) for row in _lines(folder / "docs-fastapi" / "questions.jsonl")]
    needed = sorted({page for _, gold in questions for page in gold})
    documents = [Document(page, page.rpartition("/")[2], documentation[page], page) for page in needed]
    yield "FastAPI, 52 pages", documents, questions
    yield "FastAPI, in a letter", documents, [(LETTER.format(question), gold) for question, gold in questions]
    relevant = _relevant(folder / "xquad" / "qrels.tsv")
    for language in ("en", "de", "zh", "ar"):
        texts = {row["_id"]: row["text"] for row in _lines(folder / "xquad" / language / "corpus.jsonl")[:100]}
        questions = [(q["text"], {relevant[q["_id"]]}) for q in _lines(folder / "xquad" / language / "queries.jsonl")]
        asked = [(question, gold) for question, gold in questions if gold <= texts.keys()][:120]
        yield f"xquad {language}, 100 paragraphs", [Document(name, "", text) for name, text in texts.items()], asked


def _parts() -> Iterator[tuple[str, Document]]:
    draw = random.Random(2)
    letters = "ABCDEFGHKLMNPQRSTVWXZ"
    for _ in range(300):
        number = f"{draw.choice(letters)}{draw.choice(letters)}-{draw.randint(1000, 9999)}-{draw.randint(10, 99)}"
        kind = draw.choice(("pump", "valve", "gasket", "bearing", "filter", "hose", "switch", "relay", "motor", "belt"))
        price, days = draw.randint(5, 400), draw.randint(2, 14)
        text = f"{kind.title()} {number} costs {price} euros and is delivered within {days} days."
        yield number, Document(number, number, text)


def main(arguments: Sequence[str], embedder: Embedder | None = None, embed: Embed | None = None) -> None:
    """Prints a row for each set."""
    embedder = embedder or LocalEmbedder(Settings())
    embed = embed or remembering(embedder)
    print("| set | questions | meaning alone | words alone | both |\n|---|--:|--:|--:|--:|")
    for name, documents, asked in sets(Path(arguments[0]) if arguments else DATA):
        base = Base(documents, embedder, embed)
        right = [[first in gold for first in base.first(question)] for question, gold in asked]
        means = [sum(column) / len(asked) for column in zip(*right, strict=True)]
        print(f"| {name} | {len(asked)} |", " | ".join(f"{mean:.2f}" for mean in means), "|", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
