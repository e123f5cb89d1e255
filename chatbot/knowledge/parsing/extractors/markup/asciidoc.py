"""AsciiDoc, whose source people read, with Markdown's marks for headings, lists, code and links.

Nothing is included and no condition is decided: what stands in both branches of one is kept.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.table import table_text
from chatbot.knowledge.parsing.warnings import note

_HEADING: Final = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_ATTRIBUTE: Final = re.compile(r":(!?[\w-]++!?+):[ \t]*+(.*)")
_USED: Final = re.compile(r"\{([\w-]{1,60})\}")
_DELIMITER: Final = re.compile(r"(?:-{4,}|\.{4,}|\+{4,}|/{4,}|={4,}|_{4,}|\*{4,}|--|```\w*)[ \t]*")
_STYLE: Final = re.compile(r"\[[^\]\n]{0,500}\][ \t]*")
_SOURCE: Final = re.compile(r"\[(?:source)?(?:%\w+)?,\s*([\w+#-]{1,30})[^\]]*\]")
_ITEM: Final = re.compile(r"[ \t]*(\*{1,5}|\.{1,5}|-)[ \t]+(?:\[[ x*]\] )?(\S.*)")
_DIRECTIVE: Final = re.compile(r"(?:include|ifdef|ifndef|ifeval|endif|toc|image|video|audio)::[^\s\[]*+\[(.*)\][ \t]*+")
_MACRO: Final = re.compile(
    r"(?:link:|xref:)([^\s\[\]]{1,1000})\[([^\]\n]{0,500})\]|(https?://[^\s\[\]<>]{1,1000})\[([^\]\n]{1,500})\]"
)
_XREF: Final = re.compile(r"<<([^<>,\n]{1,200})(?:,([^<>\n]{1,500}))?>>")
_ANCHOR: Final = re.compile(r"\[\[[^\[\]\n]{1,200}\]\]")
_CELLS: Final = re.compile(r"(?:^|(?<=\s))(?:\d{1,3}\+)?(?:\.\d{1,3}\+)?[<^>]?[aehlmdsv]?\|")


def extract(data: bytes, limits: Limits) -> Extracted:
    """The text without comments and settings; the title is that of the document, else its first heading."""
    lines = clean(decode(data)).split("\n")
    body = list(_blocks(lines, limits))
    headings = (line.lstrip("# ") for line in body if line.startswith("#"))
    return Extracted(squeeze("\n".join(body)), sensible_title(next(headings, None)))


def _blocks(lines: Sequence[str], limits: Limits) -> Iterator[str]:
    """The lines that are shown. A block of code, a comment and a table are taken as a whole."""
    attributes: dict[str, str] = {}
    numbers: list[int] = []
    language = ""
    at = 0
    while at < len(lines):
        line = lines[at].rstrip()
        at += 1
        if _DELIMITER.fullmatch(line):
            mark = "```" if line.startswith("```") else line
            if line[0] not in "-.+/`" or line == "--":
                # A frame around text: what stands in it is shown like the rest.
                continue
            end = _end(lines, at, mark)
            note("hidden_left_out", int(line[0] == "/"))
            if line[0] != "/":
                yield from (f"```{language or line.strip('`-.+')}", *lines[at:end], "```")
            at, language = end + 1, ""
        elif line in ("|===", ",===", ":===", "!==="):
            end = _end(lines, at, line)
            yield table_text(_rows([_inline(row, attributes) for row in lines[at:end]]), limits)
            at = end + 1
        elif attribute := _ATTRIBUTE.fullmatch(line):
            attributes[attribute[1]] = attribute[2].strip()
        elif source := _SOURCE.fullmatch(line):
            language = source[1]
        elif not line.startswith("//") and not (
            _STYLE.fullmatch(line) and not _ANCHOR.fullmatch(line) and _is_style(lines, at)
        ):
            item = _ITEM.fullmatch(line)
            if item:
                yield f"{_mark(item[1], numbers)} {_inline(item[2], attributes)}"
            else:
                numbers = [] if _HEADING.fullmatch(line) else numbers
                yield from _line(line, attributes)


def _mark(mark: str, numbers: list[int]) -> str:
    """The mark of an item, with its number in the list that `numbers` counts, level by level."""
    level = len(mark)
    del numbers[level:]
    numbers += [0] * (level - len(numbers))
    numbers[-1] = numbers[-1] + 1 if mark[0] == "." else 0
    return "  " * (level - 1) + (f"{numbers[-1]}." if mark[0] == "." else "-")


def _is_style(lines: Sequence[str], at: int) -> bool:
    """Whether a line in brackets stands before a block: then it says how that looks."""
    return at < len(lines) and bool(lines[at].strip())


def _end(lines: Sequence[str], start: int, mark: str) -> int:
    """The line that ends a block; of one that is never ended, the end of the text."""
    return next((at for at in range(start, len(lines)) if lines[at].rstrip() == mark), len(lines))


def _line(line: str, attributes: dict[str, str]) -> Iterator[str]:
    if directive := _DIRECTIVE.fullmatch(line):
        note("pictures_not_read", int(line.startswith("image")))
        note("damaged_parts_not_read", int(line.startswith("include")), name=line)
        if line.startswith(("image", "ifdef", "ifndef")):
            yield _inline(directive[1].partition(",")[0], attributes)
    elif heading := _HEADING.fullmatch(line):
        yield f"{'#' * len(heading[1])} {_inline(heading[2], attributes)}"
    elif line == "+":
        yield ""
    elif line.startswith(".") and len(line) > 1 and line[1] not in ". ":
        # A caption, above its block.
        yield _inline(line[1:], attributes)
    else:
        yield _inline(line.removesuffix(" +"), attributes)


def _inline(text: str, attributes: dict[str, str]) -> str:
    text = _USED.sub(lambda match: attributes.get(match[1], match[0]), _ANCHOR.sub("", text))
    return _XREF.sub(lambda match: (match[2] or match[1]).strip(), _MACRO.sub(_link, text))


def _link(match: re.Match[str]) -> str:
    target, words = match[1] or match[3], (match[2] or match[4] or "").rstrip("^").split(",window")[0]
    if not words:
        return target
    return f"[{words}]({target})" if target.startswith("http") else words


def _rows(lines: Sequence[str]) -> Iterator[list[str]]:
    """The rows of a table: the first line of cells tells how many each row has, as do cells that stand alone below."""
    cells: list[str] = []
    width = 0
    for line in lines:
        marks = list(_CELLS.finditer(line))
        if not marks:
            if cells and line.strip():
                cells[-1] = f"{cells[-1]} {line.strip()}"
            elif not line.strip() and not width and cells:
                width = len(cells)
            continue
        if width == 0 and len(marks) > 1 and not cells:
            width = len(marks)
        ends = [*(mark.start() for mark in marks[1:]), len(line)]
        cells += [line[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)]
    width = width or len(cells) or 1
    for at in range(0, len(cells), width):
        yield cells[at : at + width]
