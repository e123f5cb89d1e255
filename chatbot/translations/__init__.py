"""What the software itself says, in other languages than English.

A file for each language maps the English sentence, or the number of a status, to its translation. What is not in it
(a sentence with a number or a name in it) stays English.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

ENGLISH = "en"
LANGUAGES = (ENGLISH, "de", "es", "fr", "zh")


def translated(sentence: str, language: str) -> str:
    """The sentence in one of `LANGUAGES`, or as it is where there is no translation."""
    return _table(language).get(sentence, sentence)


@cache
def _table(language: str) -> dict[str, str]:
    if language == ENGLISH or language not in LANGUAGES:
        return {}
    table: dict[str, str] = json.loads(Path(__file__).with_name(f"{language}.json").read_text(encoding="utf-8"))
    return table
