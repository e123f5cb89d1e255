"""Markdown keeps its source: the splitter cuts at its headings, and people recognise it in a citation."""

import re
from itertools import takewhile
from typing import Final

from chatbot.knowledge.parsing.clean import clean, sensible_title
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.rag.text.headings import without_anchor

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING: Final = re.compile(" {0,3}# +")
_FRONT_TITLE: Final = "title:"


def extract(data: bytes, limits: Limits) -> Extracted:  # noqa: ARG001  every format has this signature
    """The source text, with the title from the front matter or the first heading of level one."""
    text = clean(decode(data))
    lines = text.split("\n")
    return Extracted(text, _front_matter_title(lines) or _heading_title(lines))


def _front_matter_title(lines: list[str]) -> str | None:
    """The title of a YAML front matter. One scalar is not worth a YAML parser on a stranger's bytes."""
    if lines[0].rstrip() != "---" or "---" not in [line.rstrip() for line in lines[1:]]:
        return None
    for line in takewhile(lambda line: line.rstrip() != "---", lines[1:]):
        if line.startswith(_FRONT_TITLE):
            return sensible_title(_unquoted(line.removeprefix(_FRONT_TITLE).strip()))
    return None


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _heading_title(lines: list[str]) -> str | None:
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        if mark:
            fence = _next_fence(fence, mark[1])
        match = None if fence else _HEADING.match(line)
        heading = line[match.end() :].rstrip(" #") if match else ""
        if heading.strip():
            return sensible_title(without_anchor(heading))
    return None


def _next_fence(fence: str, mark: str) -> str:
    """The fence that is open after `mark`: only the same sign, at least as long, closes one."""
    if not fence:
        return mark
    return "" if mark.startswith(fence) else fence
