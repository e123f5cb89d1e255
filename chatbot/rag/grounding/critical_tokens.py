"""What has no synonym: values and technical names. With another one a text says other things."""

from __future__ import annotations

import re

from chatbot.rag.grounding.notation.value_scanner import values
from chatbot.rag.text.language_detection import likely_language

_WORD = re.compile(r"\w+")
# PostgreSQL, docs_url, HTTP, OAuth2.
_NAME = re.compile(r"[^a-z]*+[a-z][^A-Z]*+[A-Z]|.[^_]*+_.|[A-Z]{3}|[A-Za-z]++\d")


def facts(text: str) -> set[object]:
    """The values of a text in whatever notation, and the words with a figure in them: "ipv6" is no "ipv4"."""
    found = {
        (value.kind, value.unit, value.readings) for value in values(text, likely_language(text)) if not value.soft
    }
    return {*found, *(word.casefold() for word in _WORD.findall(text) if not word.isdigit() and _has_figure(word))}


def _has_figure(word: str) -> bool:
    return word[0].isalpha() and any(c.isdigit() for c in word)


def names(text: str) -> list[str]:
    """Words with a capital, a digit or an underscore inside, and abbreviations."""
    return [word for word in _WORD.findall(text) if _NAME.match(word)]
