"""Trains the classifier of answerability (chatbot/rag/grounding/gates.json), and prints how well it decides.

    python -m bench.answerability.train [--observe] [--embedder NAME] [FOLDER]

Each embedder has a classifier of its own. `observations.jsonl`, and `observations-NAME.jsonl` of another than the
default embedder, has what the application sees of each question, without any text: the signals, the set, and whether
the base answers it. `--observe` makes it anew from `everyday.jsonl` (short pages of small businesses and everyday
questions in other words, own work), from this project's own pages, and from public sets in ../shared/data: paragraphs
of XQuAD in five languages and questions of SQuAD 2.0, which no business answers (both CC BY-SA 4.0), and FastAPI's
documentation (MIT) with questions of our own.

Every set and size weighs the same, and so do its two sides. A question about the same business that its pages do not
answer (`near`) is measured, and not learnt from: words and cosines do not tell it apart.
"""

from __future__ import annotations

import json
import random
import sys
import tarfile
from argparse import ArgumentParser
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.answerability.bases import Base, Document, Embed
from chatbot.config import LOCAL_EMBEDDER, MULTILINGUAL_EMBEDDER, ROOT, Settings
from chatbot.rag.embeddings.embedders import Embedder, Embedders
from chatbot.rag.grounding.answerability import GATES, Classifier, Signals

HERE = Path(__file__).parent
DATA = ROOT.parent / "shared" / "data"
OBSERVATIONS = HERE / "observations.jsonl"
OBSERVATIONS_OF = {
    LOCAL_EMBEDDER: OBSERVATIONS,
    MULTILINGUAL_EMBEDDER: HERE / f"observations-{MULTILINGUAL_EMBEDDER}.jsonl",
}
# Of so many business bases of each size; a page is one document with all entries of a business.
SIZES = {1: 24, 2: 12, 3: 8, 5: 6, 8: 5, 16: 3, 30: 2, 48: 1}
OTHER_SIZES = {1: 4, 3: 4, 5: 4}
PARAGRAPHS = {1: 6, 5: 3, 30: 2, 80: 1}
# So many of the questions about something else may be shown a passage, and be answered as if that were certain; so many
# of those to other businesses and about other articles may be; and so many of the answerable ones in languages that the
# embedder does not know may be told that nothing was found.
SHOWN, ANSWERED, OTHERS_ANSWERED, MISSED = 0.12, 0.02, 0.12, 0.03
# So many questions of SQuAD are asked as if of a business, and so few scores of a size tell no threshold.
OTHERS, FEWEST = 80, 30
SIZE_NAMES = ((1, "1"), (3, "2-3"), (8, "4-8"), (24, "9-24"), (80, "25-80"))
UNKNOWN_SETS = ("xquad-de", "xquad-zh", "xquad-ar")
Row = dict[str, Any]


def observe(folder: Path, embedder: Embedder, embed: Embed) -> Iterator[Row]:
    """What is seen of all questions in all bases."""
    draw = random.Random(11)

    def seen(name: str, base: Base, question: str, label: str, gold: str | None = None) -> Row:
        found = base.observe(question)
        return {
            "set": name,
            "label": label,
            **asdict(found.signals),
            "found": gold is None or gold in found.documents[:5],
        }

    def made(documents: Sequence[Document]) -> Base:
        return Base(documents, embedder, embed)

    asked = [row["text"] for row in _lines(folder / "squad2-dev" / "queries.jsonl")]
    yield from _everyday(draw, made, seen, _some(draw, asked, OTHERS))
    yield from _own_pages(draw, made, seen)
    for language in ("en", "de", "es", "zh", "ar"):
        yield from _paragraphs(folder / "xquad", language, draw, made, seen)
    yield from _documentation(folder / "docs-fastapi", draw, made, seen)


def _lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


Made = Callable[[Sequence[Document]], Base]
Seen = Callable[..., Row]


def _some(draw: random.Random, rows: Sequence[Any], count: int) -> list[Any]:
    return draw.sample(list(rows), min(len(rows), count))


def _everyday(draw: random.Random, made: Made, seen: Seen, others_far: Sequence[str]) -> Iterator[Row]:
    rows = _lines(HERE / "everyday.jsonl")
    for language in ("en", "de", "es", "fr"):
        mine = [row for row in rows if row["language"] == language]
        pages = [row for row in mine if row["kind"] == "page"]
        far = [row["text"] for row in mine if row["kind"] == "far"] + (list(others_far) if language == "en" else [])
        name, by_business = f"everyday-{language}", defaultdict(list)
        for page in pages:
            by_business[page["business"]].append(page)
        for size, times in (SIZES if language == "en" else OTHER_SIZES).items():
            for _ in range(times):
                order = _some(draw, list(by_business), len(by_business))
                pool = [page for business in order for page in _some(draw, by_business[business], 99)]
                some = pool[:size] if size <= 6 else _some(draw, pool[: size + 6], size)
                base, there = made([_page(page) for page in some]), {page["business"] for page in some}
                asked = [(question["text"], page["title"]) for page in some for question in page["questions"]]
                for question, title in _some(draw, asked, max(2, 60 // times)):
                    yield seen(name, base, question, "yes", title)
                others = [q["text"] for page in pages if page["business"] not in there for q in page["questions"]]
                for question in _some(draw, others, max(2, 30 // times)):
                    yield seen(name, base, question, "other")
                for question in _some(draw, far, max(8, 120 // times)):
                    yield seen(name, base, question, "far")
                near = [row["text"] for row in mine if row["kind"] == "near" and row["business"] in there]
                for question in _some(draw, near, 3):
                    yield seen(name, base, question, "near")
        for business, entries in by_business.items():
            text = "\n\n".join(f"## {page['title']}\n\n{page['text']}" for page in entries)
            base = made([Document(business, business, f"# {business}\n\n{text}")])
            asked = [q["text"] for page in entries for q in page["questions"]]
            for question in _some(draw, asked, 6):
                yield seen(f"page-{language}", base, question, "yes", business)
            for question in _some(draw, far, 12):
                yield seen(f"page-{language}", base, question, "far")


def _own_pages(draw: random.Random, made: Made, seen: Seen) -> Iterator[Row]:
    """The sample documents of `make run`, and questions that they do not answer."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    far = [row["text"] for row in _lines(HERE / "everyday.jsonl") if row["kind"] == "far" and row["language"] == "en"]
    for some in (paths, *(_some(draw, paths, 4) for _ in range(3))):
        base = made([Document(path.name, path.stem, path.read_text("utf-8"), path.name) for path in some])
        for question in _some(draw, far, 60):
            yield seen("own pages", base, question, "far")


def _page(page: Row) -> Document:
    return Document(page["title"], page["title"], page["text"])


def _relevant(path: Path) -> dict[str, str]:
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()[1:]]
    return {row[0]: row[-2] for row in rows}


def _paragraphs(folder: Path, language: str, draw: random.Random, made: Made, seen: Seen) -> Iterator[Row]:
    """Questions of paragraphs that are there, and of articles that are not."""
    documents = {row["_id"]: row["text"] for row in _lines(folder / language / "corpus.jsonl")[:100]}
    relevant = _relevant(folder / "qrels.tsv")
    asked = [(row["text"], relevant[row["_id"]]) for row in _lines(folder / language / "queries.jsonl")]
    asked = [(question, paragraph) for question, paragraph in asked if paragraph in documents]
    for size, times in PARAGRAPHS.items():
        for _ in range(times):
            articles = _some(draw, sorted({_article(paragraph) for paragraph in documents}), 99)
            order = sorted(documents, key=lambda paragraph: articles.index(_article(paragraph)))[:size]
            base, there = made([Document(p, "", documents[p]) for p in order]), {_article(p) for p in order}
            for question, paragraph in _some(draw, [row for row in asked if row[1] in order], 24 // times):
                yield seen(f"xquad-{language}", base, question, "yes", paragraph)
            others = [question for question, paragraph in asked if _article(paragraph) not in there]
            for question in _some(draw, others, 24 // times):
                yield seen(f"xquad-{language}", base, question, "other")


def _article(paragraph: str) -> str:
    return paragraph.partition("p")[0]


def pages_of(folder: Path) -> dict[str, str]:
    """The texts of FastAPI's documentation, by their names."""
    pages = {}
    with tarfile.open(folder / "fastapi-docs-en.tar.gz") as archive:
        for member in archive.getmembers():
            opened = archive.extractfile(member) if member.name.endswith(".md") else None
            if opened:
                pages[member.name] = opened.read().decode()
    return pages


def _documentation(folder: Path, draw: random.Random, made: Made, seen: Seen) -> Iterator[Row]:
    pages = pages_of(folder)
    asked = [(row["text"], row["docs"]) for row in _lines(folder / "questions.jsonl")]
    needed = {page for _, gold in asked for page in gold}
    others = _lines(folder / "unanswerable.jsonl")
    for size, times in ((5, 3), (40, 1)):
        for _ in range(times):
            some = _some(draw, sorted(needed), size)
            base = made([Document(page, page.rpartition("/")[2], pages[page], page) for page in some])
            for question, gold in asked:
                if there := [page for page in gold if page in some]:
                    yield seen("documentation", base, question, "yes", there[0])
            for row in _some(draw, others, 20):
                yield seen("documentation", base, row["text"], "near" if row["kind"] == "near" else "far")


def train(rows: Sequence[Row], embedder: str = LOCAL_EMBEDDER) -> Classifier:
    """The classifier, with the thresholds that the constants ask for."""
    used = [row for row in rows if row["label"] != "near" and (row["label"] != "yes" or row["found"])]
    if embedder == MULTILINGUAL_EMBEDDER:
        return _train_in_all_languages(used)
    weights, bias = _regression(used)
    classifier = Classifier(weights, bias, 0.0, 0.0, 1.0)
    far = [scores for scores in _scores(classifier, _english(used), "far").values() if len(scores) >= FEWEST]
    low = max(float(np.quantile(scores, 1 - SHOWN)) for scores in far)
    others = [classifier.score(_signals(row)) for row in _english(used) if row["label"] == "other"]
    high = max(float(np.quantile(scores, 1 - ANSWERED)) for scores in far)
    high = max(high, float(np.quantile(others, 1 - OTHERS_ANSWERED)))
    unknown = [row for row in used if row["set"] in UNKNOWN_SETS and row["label"] == "yes"]
    low_unknown = float(np.quantile([classifier.score(_signals(row)) for row in unknown], MISSED))
    return Classifier(weights, bias, round(low, 4), round(low_unknown, 4), round(high, 4))


def _train_in_all_languages(rows: Sequence[Row]) -> Classifier:
    """Questions to other businesses and about other articles are not learnt from: with them, the everyday questions of
    larger bases fall back. The thresholds hold on average over languages and sizes, for there are only eight questions
    about something else in German, Spanish and French."""
    weights, bias = _regression([row for row in rows if row["label"] != "other"])
    classifier = Classifier(weights, bias, 0.0, 0.0, 1.0)
    far = list(_scores(classifier, rows, "far").values())
    others = list(_scores(classifier, rows, "other").values())
    low = _quantile(far, 1 - SHOWN)
    high = max(_quantile(far, 1 - ANSWERED), _quantile(others, 1 - OTHERS_ANSWERED))
    return replace(classifier, low=round(low, 4), low_unknown=round(low, 4), high=round(high, 4))


def _quantile(groups: Sequence[Sequence[float]], part: float) -> float:
    """The value below which that part of the scores is, every group weighing the same."""
    weighed = sorted((score, 1 / len(scores)) for scores in groups for score in scores)
    below = np.cumsum([weight for _, weight in weighed]) / len(groups)
    return weighed[min(int(np.searchsorted(below, part)), len(weighed) - 1)][0]


def _english(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["set"].partition("-")[2] in {"", "en"}]


def _scores(classifier: Classifier, rows: Sequence[Row], *labels: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row["label"] in labels:
            found[f"{row['set']} {_size(row['chunks'])}"].append(classifier.score(_signals(row)))
    return found


def _signals(row: Row) -> Signals:
    return Signals(**{field.name: row[field.name] for field in fields(Signals)})


def _size(chunks: int) -> str:
    return next((name for most, name in SIZE_NAMES if chunks <= most), "81-")


def _regression(rows: Sequence[Row]) -> tuple[tuple[float, ...], float]:
    seen = np.array([_signals(row).expanded() for row in rows])
    right = np.array([row["label"] == "yes" for row in rows], dtype=float)
    groups = [(row["set"], _size(row["chunks"]), row["label"] == "yes") for row in rows]
    sizes = Counter(groups)
    each = np.array([1 / sizes[group] for group in groups])
    each /= each.sum()
    means, scales = seen.mean(axis=0), seen.std(axis=0) + 1e-9
    z, found = np.c_[(seen - means) / scales, np.ones(len(seen))], np.zeros(seen.shape[1] + 1)
    ridge = np.r_[np.full(seen.shape[1], 1e-3), 1e-9]
    for _ in range(60):
        said = 1 / (1 + np.exp(-np.clip(z @ found, -30, 30)))
        slope = z.T @ (each * (said - right)) + ridge * found
        bend = (z * (each * said * (1 - said))[:, None]).T @ z + np.diag(ridge)
        found -= (step := np.linalg.solve(bend, slope))
        if np.abs(step).max() < 1e-9:
            break
    weights = found[:-1] / scales
    return tuple(round(float(w), 6) for w in weights), round(float(found[-1] - weights @ means), 6)


def show(rows: Sequence[Row], classifier: Classifier) -> None:
    """Prints what each set and size is told, and how well sets that were left out are told apart."""
    print(f"{'':5} {'set, chunks':24} {'n':>5} {'fallback':>9} {'partial':>8} {'grounded':>9}")
    kinds: dict[tuple[str, str], list[tuple[bool, bool]]] = defaultdict(list)
    for row in rows:
        signals = _signals(row)
        score = classifier.score(signals)
        told = (score < classifier.lowest(signals), classifier.is_sure(signals))
        kinds[row["label"], f"{row['set']} {_size(row['chunks'])}"].append(told)
    for (label, name), values in sorted(kinds.items()):
        low, high = np.mean(values, axis=0)
        print(f"{label:5} {name:24} {len(values):5} {low:9.3f} {1 - low - high:8.3f} {high:9.3f}")
    print(f"balanced accuracy at .5 of each set by what the others teach: {_left_out(rows):.3f}")


def _left_out(rows: Sequence[Row]) -> float:
    used, found = [row for row in rows if row["label"] != "near"], []
    for name in sorted({row["set"] for row in used}):
        taught = [row for row in used if row["set"] != name and (row["label"] != "yes" or row["found"])]
        classifier = Classifier(*_regression(taught), 0.5, 0.5, 0.5)
        mine = [row for row in used if row["set"] == name]
        yes, no = (_scores(classifier, mine, *labels) for labels in (("yes",), ("other", "far")))
        found += [(np.mean(np.array(yes[g]) >= 0.5) + np.mean(np.array(no[g]) < 0.5)) / 2 for g in yes if g in no]
    return float(np.mean(found))


def remembering(embedder: Embedder) -> Embed:
    """Embeds each text once."""
    known: dict[tuple[str, bool], np.ndarray] = {}

    def embed(texts: Sequence[str], questions: int = 0) -> np.ndarray:
        wanted = [(text, n < questions) for n, text in enumerate(texts)]
        for asked in (True, False):
            new = [text for text, is_asked in dict.fromkeys(wanted) if is_asked == asked and (text, asked) not in known]
            found = embedder.embed(new, questions=len(new) if asked else 0) if new else ()
            known.update(zip([(text, asked) for text in new], found, strict=True))
        return np.stack([known[each] for each in wanted])

    return embed


def main(arguments: Sequence[str], embed: Embed | None = None) -> None:
    """Trains, prints and writes."""
    parser = ArgumentParser(prog="python -m bench.answerability.train")
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    parser.add_argument("--observe", action="store_true")
    parser.add_argument("--embedder", choices=OBSERVATIONS_OF, default=LOCAL_EMBEDDER)
    asked = parser.parse_args(arguments)
    observations = OBSERVATIONS_OF[asked.embedder]
    if asked.observe:
        embedder = Embedders(Settings()).get(asked.embedder)
        found = observe(asked.folder, embedder, embed or remembering(embedder))
        observations.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    rows = _lines(observations)
    classifier = train(rows, asked.embedder)
    show(rows, classifier)
    gates = json.loads(GATES.read_text("utf-8")) | {asked.embedder: asdict(classifier)}
    GATES.write_text(json.dumps(gates, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
