"""Every file of the shared corpus against its manifest, judged by the corpus's own rules."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from chatbot.knowledge.parsing import ParseError, parse

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "parsers"
INVISIBLE = re.compile("[\x00\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\U000e0000-\U000e007f]")


def _rows() -> list:
    manifest = FOLDER / "manifest.jsonl"
    if not manifest.exists():
        skipped = pytest.mark.skip(reason=f"the shared corpus is not on this machine ({FOLDER})")
        return [pytest.param({}, id="no corpus", marks=skipped)]
    rows = map(json.loads, manifest.read_text("utf-8").splitlines())
    return [pytest.param(row, id=row["file"][:60].encode("ascii", "replace").decode()) for row in rows]


@pytest.fixture(scope="module")
def judge():
    """The corpus's judgement: an empty sentence for a pass."""
    spec = importlib.util.spec_from_file_location("corpus_check", FOLDER / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.judge


def _read(row: dict) -> dict:
    path = FOLDER / row["file"]
    try:
        parsed = parse(path.read_bytes(), path.name)
    except ParseError as error:
        status = "crashed" if error.code == "parser_crashed" else "refused"
        return {"status": status, "text": "", "message": str(error), "pages": ()}
    return {"status": "ok", "text": parsed.text, "message": "", "pages": parsed.pages}


@pytest.mark.parametrize("row", _rows())
def test_a_corpus_file_gives_what_its_manifest_row_says(row, judge):
    """H2 H3 H4 H5 H6 H8 J6"""
    result = _read(row)

    assert judge(row, result) == ""
    assert not INVISIBLE.search(result["text"])
    assert list(result["pages"]) == sorted(set(result["pages"]))
    if result["status"] == "ok":
        assert len(result["pages"]) == row.get("pages", len(result["pages"]))
