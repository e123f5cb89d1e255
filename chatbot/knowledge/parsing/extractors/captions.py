"""Subtitles (WebVTT and SubRip): what is said, in paragraphs that begin with the time of their first words."""

import re
from collections.abc import Iterator
from typing import Final

from chatbot.knowledge.parsing.clean import clean
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted

_TIME: Final = r"(?:(\d{1,3}):)?([0-5]?\d):([0-5]?\d)[.,]\d{1,3}"
_CUE: Final = re.compile(rf"[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}.*")
_SPEAKER: Final = re.compile(r"<v(?:\.[^\s<>]*+)?+[ \t]++([^<>\n]{1,200}+)>")
_MARKUP: Final = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>|</?\d[\d:.]{1,20}>|\{\\[^{}\n]{0,100}\}")
_ENTITIES: Final = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&lrm;": "", "&rlm;": ""}
# A paragraph ends at the end of a sentence once it has so many letters, and at any cue with so many more.
_LONG_ENOUGH: Final = 300
_TOO_LONG: Final = 1000


def extract(data: bytes, limits: Limits) -> Extracted:  # noqa: ARG001  every format has this signature
    """What is said. A line that rolls up, and so stands in several cues, is said once."""
    cues = list(_cues(clean(decode(data)).split("\n")))
    if not cues:
        raise ParseError("damaged")
    return Extracted("\n\n".join(_paragraphs(cues)))


def _cues(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The times and the lines of the cues. Notes, styles and regions have no times."""
    before: list[str] = []
    at = 0
    while at < len(lines):
        match = _CUE.fullmatch(lines[at])
        at += 1
        if not match:
            continue
        start = at
        # SubRip files have empty lines in cues; the next cue begins with its times, and a number above them.
        while at < len(lines) and lines[at].strip():
            at += 1
        said = [text for line in lines[start:at] if (text := _said(line))]
        fresh = [line for line in said if not any(other.endswith(line) for other in before)]
        before = said or before
        if fresh:
            yield f"{int(match[1] or 0)}:{int(match[2]):02d}:{int(match[3]):02d}", fresh


def _said(line: str) -> str:
    text = _MARKUP.sub("", _SPEAKER.sub(lambda match: f"{match[1].strip()}: ", line))
    for entity, letter in _ENTITIES.items():
        text = text.replace(entity, letter)
    return " ".join(text.split())


def _paragraphs(cues: list[tuple[str, list[str]]]) -> Iterator[str]:
    parts: list[str] = []
    size = 0
    for time, lines in cues:
        parts += lines if parts else [f"[{time}]", *lines]
        size += sum(map(len, lines))
        ends = lines[-1].endswith((".", "!", "?", "…", "。", "！", "？", '."', ".”"))
        if size > _TOO_LONG or (size > _LONG_ENOUGH and ends):
            yield " ".join(parts)
            parts, size = [], 0
    if parts:
        yield " ".join(parts)
