"""Writes how common English words are (chatbot/rag/text/common_words.json), as the fusion of searches needs to know.

    python -m bench.answerability.common_words [FOLDER]

A word's figure is the part of the passages of 150 words that have it: of each source for itself, then the mean without
the source that has it most, so that no subject makes its own words common. Figures are rounded down to steps. The texts
(../shared/data) are no part of the project; only the words and the steps are stored.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from chatbot.config import ROOT

DATA = ROOT.parent / "shared" / "data"
STEPS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)
LENGTH = 150
_WORD = re.compile(r"[^\W\d_]+")


def sources(folder: Path) -> Iterator[str]:
    """The text of each source."""
    for path in sorted((folder / "chunking-eval" / "corpora").iterdir()):
        yield path.read_text("utf-8")
    for name in ("corpus.jsonl", "queries.jsonl"):
        lines = (folder / "squad2-dev" / name).read_text("utf-8").splitlines()
        yield "\n".join(json.loads(line)["text"] for line in lines)
    with gzip.open(folder / "mtrag-cloud" / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield "\n".join(json.loads(line)["text"] for line in lines)
    with tarfile.open(folder / "docs-fastapi" / "fastapi-docs-en.tar.gz") as archive:
        pages = (archive.extractfile(member) for member in archive.getmembers() if member.isfile())
        yield "\n".join(page.read().decode() for page in pages if page)


def parts(text: str) -> dict[str, float]:
    """The part of a source's passages that have each word."""
    words = _WORD.findall(text.casefold())
    passages = [set(words[start : start + LENGTH]) for start in range(0, len(words), LENGTH)]
    counts = Counter(word for passage in passages for word in passage)
    return {word: count / len(passages) for word, count in counts.items()}


def main(folder: Path = DATA) -> None:
    """Writes the file."""
    found = [parts(text) for text in sources(folder)]
    words = set().union(*found)
    means = {word: sum(sorted(of.get(word, 0.0) for of in found)[:-1]) / (len(found) - 1) for word in words}
    steps = {
        step: " ".join(sorted(word for word, mean in means.items() if step <= mean < above))
        for step, above in zip(STEPS, (2.0, *STEPS), strict=False)
    }
    target = ROOT / "chatbot" / "rag" / "text" / "common_words.json"
    target.write_text(json.dumps(steps, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{sum(len(line.split()) for line in steps.values())} words in {target.name}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
