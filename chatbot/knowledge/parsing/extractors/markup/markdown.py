"""Markdown keeps its source: the splitter cuts at its headings, and people recognise it in a citation.

Comments are left out, and a heading that is underlined is written with number signs, as CommonMark's other form. The
lines are read here by CommonMark's rules for blocks, since the kept parser (markdown-it-py 4.3) takes 22 s for 100,000
list items, in a process that answers others too; the tests compare the two.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Final

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
_TABLE_RULE: Final = re.compile(r" {0,3}:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)++\|?[ \t]*+")
# A block of one line: a heading, a rule, or an empty item of a list.
_ONE_LINE: Final = re.compile(
    r" {0,3}(?:#{1,6}(?:[ \t].*)?|(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|[-+*][ \t]*|\d{1,9}[.)][ \t]*)"
)
# The beginning of a comment, or what hides one from being one: code between ticks, a backslash.
_MAYBE_COMMENT: Final = re.compile(r"`++(?:[^`\n]++`)?+|\\<!--|<!--")
_COMMENT: Final = "<!--"
_MOST_LINES: Final = 3
# What the line behind the first one begins with: `key:` in YAML, `key =` or `[table]` in TOML.
_FRONT_MATTER: Final = {
    "---": re.compile(r"\A[\w\"'.-]+[ \t]*:"),
    "+++": re.compile(r"\A(?:[\w\"'.-]+[ \t]*=|\[)"),
}
_MOST_FRONT_MATTER: Final = 500
_TOML_TITLE: Final = re.compile(r"title[ \t]*=.{1,1000}")
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
    begins = _FRONT_MATTER.get(mark)
    if begins is None or len(lines) < 2 or not begins.match(lines[1]):
        return []
    for number, line in enumerate(lines[1 : _MOST_FRONT_MATTER + 1], 1):
        if line.rstrip() in (mark, "..." if mark == "---" else mark):
            return lines[: number + 1]
    return []


def _title_of_front_matter(matter: Sequence[str]) -> str | None:
    """Its title, from TOML or YAML. One scalar is not worth a parser on the whole of a stranger's bytes."""
    is_toml = bool(matter) and matter[0].rstrip() == "+++"
    for number, line in enumerate(matter):
        if is_toml and line.startswith("["):
            return None
        if is_toml and _TOML_TITLE.fullmatch(line):
            return _toml_title(line)
        if not is_toml and line.startswith("title:"):
            value = line.removeprefix("title:").strip()
            if _FOLDED.fullmatch(value):
                value = " ".join(takewhile(_is_indented, matter[number + 1 :]))
            return sensible_title(_unquoted(value))
    return None


def _toml_title(line: str) -> str | None:
    try:
        title = tomllib.loads(line)["title"]
    except ValueError:
        return None
    return sensible_title(title) if isinstance(title, str) else None


def _is_indented(line: str) -> bool:
    return line[:1] in (" ", "\t") or not line


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _with_code(lines: Iterable[str], containers: str = "") -> Iterator[tuple[str, bool]]:
    """The lines, and whether they are fenced code; a fence may stand behind the marks of `containers`."""
    fence = ""
    for line in lines:
        fence, is_fence = open_fence(fence, line.lstrip(containers))
        yield line, bool(fence or is_fence)


def _without_comments(lines: Sequence[str]) -> Iterator[str]:
    """The lines without HTML comments, which nobody sees; in code they are text.

    A comment that begins a line is a block, and ends the paragraph before it; one that is never closed lasts to the
    end. Inside a paragraph one that is not closed there is text.
    """
    hidden, is_block, before = False, False, ""
    closed_below = _closed_below(lines)
    for number, (line, is_code) in enumerate(_with_code(lines, " \t>")):
        indented = line[:1] == "\t" or line.startswith("    ")
        if not hidden and (_COMMENT not in line or is_code or (indented and not before.strip())):
            before = "" if indented and not before.strip() else line
            yield line
            continue
        shown: list[str] = []
        at, is_blank, ends_paragraph = 0, True, hidden and is_block
        while True:
            if hidden:
                end = line.find("-->", at)
                if end < 0:
                    break
                hidden, at = False, end + 3
            begin = _comment_at(line, at)
            if begin >= 0:
                is_blank = is_blank and not line[at:begin].strip()
                is_block = is_blank and not indented
            if begin < 0 or not (is_block or closed_below[number] or line.find("-->", begin + 2) >= 0):
                shown.append(line[at:])
                break
            shown.append(line[at:begin])
            note("hidden_left_out")
            # "<!-->" is a whole comment.
            hidden, at = True, begin + 2
            ends_paragraph = ends_paragraph or is_block
        before_here = "".join(shown)
        if before_here.strip():
            before = before_here
            yield before_here
        elif ends_paragraph and before.strip():
            before = ""
            yield ""


def _comment_at(line: str, start: int) -> int:
    """Where the first comment from `start` on begins, outside of code and not behind a backslash; -1 for nowhere."""
    for match in _MAYBE_COMMENT.finditer(line, start):
        if match[0] == _COMMENT:
            return match.start()
    return -1


def _closed_below(lines: Sequence[str]) -> Sequence[bool]:
    """Whether a comment that a line opens is closed in a line below it of the same paragraph, line by line."""
    closed = [False] * len(lines)
    for number in range(len(lines) - 2, -1, -1):
        below = lines[number + 1]
        closed[number] = bool(below.strip()) and ("-->" in below or closed[number + 1])
    return closed


def _headings_with_signs(lines: Iterable[str]) -> Iterator[str]:
    """The lines, in which a heading over a line of `=` or `-` is one behind `#` or `##`."""
    paragraph: list[str] = []
    other = False
    for line, is_code in _with_code(lines):
        underline = None if is_code else _UNDERLINE.fullmatch(line)
        if underline and paragraph and not other and len(paragraph) <= _MOST_LINES:
            words = " ".join(part.strip() for part in paragraph)
            yield f"{'#' if underline[1][0] == '=' else '##'} {words}{' #' if words.endswith('#') else ''}"
            paragraph = []
            continue
        is_whole = bool(is_code or not line.strip() or _ONE_LINE.fullmatch(line))
        # Code may not begin inside a paragraph; everything else may.
        begins = bool(_OTHER_BLOCK.match(line)) and not (paragraph and line[:1] in " \t")
        other = not is_whole and (other or begins or bool(_TABLE_RULE.fullmatch(line)))
        if is_whole or other:
            yield from paragraph
            paragraph = []
            yield line
        else:
            paragraph.append(line)
    yield from paragraph


def _title_of_headings(lines: Sequence[str]) -> str | None:
    for line, is_code in _with_code(lines):
        match = None if is_code else _HEADING.match(line)
        title = heading_words(line[match.end() :]) if match else ""
        if title:
            return sensible_title(title)
    return None
