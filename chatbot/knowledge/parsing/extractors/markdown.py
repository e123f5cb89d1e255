"""Markdown keeps its source: the splitter cuts at its headings, and people recognise it in a citation.

Comments are left out, and a heading that is underlined is written with number signs, as CommonMark's other form. The
lines are read here by CommonMark's rules for blocks, since the kept parser (markdown-it-py 4.3) takes 22 s for 100,000
list items, in a process that answers others too; the tests compare the two.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, Final

from chatbot.knowledge.parsing.clean import clean, sensible_title
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import note
from chatbot.rag.text.headings import heading_words, open_fence

_HEADING: Final = re.compile(" {0,3}# +")
_UNDERLINE: Final = re.compile(r" {0,3}(=+|-+)[ \t]*")
# What begins a block that lasts to the next empty line: a list, a quotation, a table, code, a tag.
_OTHER_BLOCK: Final = re.compile(r" {0,3}(?:[>|<]|(?:[-+*]|\d{1,9}[.)])[ \t])| {4}|\t")
# A block of one line: a heading, or a rule.
_ONE_LINE: Final = re.compile(r" {0,3}(?:#{1,6}(?:[ \t].*)?|(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})")
_IN_TICKS: Final = re.compile(r"(?<!`)`++[^`\n]++`")
_MOST_LINES: Final = 3
_FRONT_MATTER: Final = {"---": "title:", "+++": "title"}
_MOST_FRONT_MATTER: Final = 500
_FOLDED: Final = re.compile(r"[>|][-+]?")


def extract(data: bytes, limits: Limits) -> Extracted:  # noqa: ARG001  every format has this signature
    """The source text, with the title from the front matter or the first heading of level one."""
    lines = clean(decode(data)).split("\n")
    matter = _front_matter(lines)
    body = list(_headings_with_signs(_without_comments(lines[len(matter) :])))
    return Extracted("\n".join([*matter, *body]), _title_of_front_matter(matter) or _title_of_headings(body))


def _front_matter(lines: Sequence[str]) -> Sequence[str]:
    """The lines at the beginning that say things about the document, with those around them."""
    mark = lines[0].rstrip()
    if mark not in _FRONT_MATTER:
        return []
    for number, line in enumerate(lines[1 : _MOST_FRONT_MATTER + 1], 1):
        if line.rstrip() in (mark, "..." if mark == "---" else mark):
            return lines[: number + 1]
    return []


def _title_of_front_matter(matter: Sequence[str]) -> str | None:
    """Its title, from TOML or YAML. One scalar is not worth a YAML parser on a stranger's bytes."""
    if not matter:
        return None
    if matter[0].rstrip() == "+++":
        return sensible_title(_toml(matter[1:-1]).get("title"))
    for number, line in enumerate(matter):
        if line.startswith("title:"):
            value = line.removeprefix("title:").strip()
            if _FOLDED.fullmatch(value):
                value = " ".join(takewhile(_is_indented, matter[number + 1 :]))
            return sensible_title(_unquoted(value))
    return None


def _toml(lines: Sequence[str]) -> dict[str, Any]:
    try:
        return tomllib.loads("\n".join(lines))
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _is_indented(line: str) -> bool:
    return line[:1] in (" ", "\t") or not line


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _without_comments(lines: Sequence[str]) -> Iterator[str]:
    """The lines without HTML comments, which nobody sees; in code they are text."""
    fence, hidden = "", False
    for line in lines:
        if not hidden:
            fence, is_fence = open_fence(fence, line)
            if fence or is_fence:
                yield line
                continue
        shown, hidden = _shown(line, hidden)
        if shown.strip() or not line.strip():
            yield shown


def _shown(line: str, hidden: bool) -> tuple[str, bool]:
    """A line without what is commented out, and whether the next one begins in a comment."""
    if not hidden and "<!--" not in line:
        return line, False
    code = [] if hidden else [match.span() for match in _IN_TICKS.finditer(line)]
    shown: list[str] = []
    at = 0
    while True:
        if hidden:
            end = line.find("-->", at)
            if end < 0:
                return "".join(shown), True
            at, hidden = end + 3, False
        begin = line.find("<!--", at)
        while any(start <= begin < end for start, end in code):
            begin = line.find("<!--", begin + 1)
        if begin < 0:
            return "".join([*shown, line[at:]]), False
        note("hidden_left_out")
        shown.append(line[at:begin])
        at, hidden = begin + 2, True


def _headings_with_signs(lines: Iterator[str]) -> Iterator[str]:
    """The lines, in which a heading over a line of `=` or `-` is one behind `#` or `##`."""
    fence = ""
    paragraph: list[str] = []
    other = False
    for line in lines:
        fence, is_fence = open_fence(fence, line)
        underline = None if fence or is_fence else _UNDERLINE.fullmatch(line)
        if underline and paragraph and not other and len(paragraph) <= _MOST_LINES:
            yield ("# " if underline[1][0] == "=" else "## ") + " ".join(part.strip() for part in paragraph)
            paragraph = []
            continue
        is_whole = bool(fence or is_fence or not line.strip() or _ONE_LINE.fullmatch(line))
        # Code may not begin inside a paragraph; everything else may.
        other = not is_whole and (other or bool(_OTHER_BLOCK.match(line) and not (paragraph and line[:1] in " \t")))
        if is_whole or other:
            yield from paragraph
            paragraph = []
            yield line
        else:
            paragraph.append(line)
    yield from paragraph


def _title_of_headings(lines: Sequence[str]) -> str | None:
    fence = ""
    for line in lines:
        fence, is_fence = open_fence(fence, line)
        match = None if fence or is_fence else _HEADING.match(line)
        title = heading_words(line[match.end() :]) if match else ""
        if title:
            return sensible_title(title)
    return None
