"""What the software itself says, in other languages than English.

A file for each language maps the English sentence, or the number of a status, to its translation. A sentence with a
number or a name in it stands there with `{names}` for those. What is not in it stays English.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

ENGLISH = "en"
LANGUAGES = (ENGLISH, "de", "es", "fr", "zh")

_NAME = re.compile(r"\{(\w+)\}")


def translated(sentence: str, language: str) -> str:
    """The sentence in one of `LANGUAGES`, or as it is where there is no translation."""
    table = _table(language)
    if sentence in table:
        return table[sentence]
    for english, translation in _patterns(language):
        found = english.fullmatch(sentence)
        if found:
            return _NAME.sub(lambda name: found[name[1]], translation)  # noqa: B023
    return sentence


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Of the sentences with names: what they match in English, and their translation."""
    named = [(english, translation) for english, translation in _table(language).items() if _NAME.search(english)]
    return [(re.compile(_NAME.sub(r"(?P<\1>.{1,200}?)", _escaped(english))), said) for english, said in named]


def _escaped(english: str) -> str:
    return "".join(part if _NAME.fullmatch(part) else re.escape(part) for part in re.split(r"(\{\w+\})", english))


@cache
def _table(language: str) -> dict[str, str]:
    if language == ENGLISH or language not in LANGUAGES:
        return {}
    table: dict[str, str] = json.loads(Path(__file__).with_name(f"{language}.json").read_text(encoding="utf-8"))
    return table
