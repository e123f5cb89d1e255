"""Every file of the shared corpus against its manifest; the rules are those of the corpus's check.py."""

import importlib.util
import json
import re
import unicodedata
from pathlib import Path

import pytest

from chatbot.knowledge.parsing import ParseError, parse

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "parsers"
SUPPORTED = {"pdf", "docx", "html", "txt", "md", ""}
# Opens without a password but is encrypted with AES, for which pypdf needs the package cryptography.
NEEDS_CRYPTOGRAPHY = {"files/unstr__copy-protected.pdf"}


def _rows() -> list[dict]:
    manifest = FOLDER / "manifest.jsonl"
    if not manifest.exists():
        return []
    return [json.loads(line) for line in manifest.read_text("utf-8").splitlines()]


ROWS = _rows()
pytestmark = pytest.mark.skipif(not ROWS, reason=f"the shared corpus is not on this machine ({FOLDER})")


def _name(row: dict) -> str:
    return row["file"][:60].encode("ascii", "replace").decode()


def _normal(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).replace("\u00ad", "").replace("\ufffe", "")
    return " ".join(text.split())


def _read(row: dict) -> tuple[str | None, str, int]:
    """(code or None, text or sentence, pages)."""
    path = FOLDER / row["file"]
    try:
        parsed = parse(path.read_bytes(), path.name)
    except ParseError as error:
        return error.code, str(error), 0
    return None, parsed.text, len(parsed.pages)


@pytest.mark.parametrize("row", [r for r in ROWS if r["type"] in SUPPORTED], ids=_name)
def test_a_corpus_file_gives_what_its_manifest_row_says(row):
    if row["file"] in NEEDS_CRYPTOGRAPHY and not importlib.util.find_spec("cryptography"):
        pytest.skip("pypdf needs the package cryptography to open AES")

    code, text, pages = _read(row)

    assert not [bad for bad in row["must_not_contain"] if bad in text]
    assert not re.search("[\x00\ud800-\udfff\u200b\u202e\ufeff\U000e0000-\U000e007f]", text)
    if row["expect"] in ("refuse", "empty", "no_text"):
        assert code in ("no_text", "encrypted", "too_complex", "damaged", "unsupported")
    elif row["expect"] == "any" or (code and (row["expect"] != "text" or row.get("alt") == "refuse")):
        assert code != "parser_crashed"
    else:
        assert code is None
        assert not [words for words in row["must_contain"] if _normal(words) not in _normal(text)]
        assert pages == row.get("pages", pages)


@pytest.mark.parametrize("row", [r for r in ROWS if r["type"] not in SUPPORTED], ids=_name)
def test_a_corpus_file_of_another_format_is_unsupported(row):
    assert _read(row)[0] == "unsupported"
