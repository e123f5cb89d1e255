"""Org mode, whose source people read, with Markdown's marks for headings, code and links."""

import re
from collections.abc import Iterator
from typing import Final

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import note

_HEADING: Final = re.compile(r"(\*{1,50}) +(\S.*)")
_TAGS: Final = re.compile(r"(?<![ \t])[ \t]++:[\w@#%:]++(?<=:)\Z")
_COOKIE: Final = re.compile(r"\[#[A-Z0-9]\] ?")
_KEYWORD: Final = re.compile(r"[ \t]*+#\+(\w++):[ \t]*+(.*)")
_BEGIN: Final = re.compile(r"[ \t]*+#\+begin_(\w++)[ \t]*+(\S*+).*", re.IGNORECASE)
_DRAWER: Final = re.compile(r"[ \t]*:(\w+):[ \t]*")
_LINK: Final = re.compile(r"\[\[([^\[\]\n]{1,2000})\](?:\[([^\[\]\n]{1,2000})\])?\]")
_RULE: Final = re.compile(r"[ \t]*\|[-+|]+\|?[ \t]*")
_PLANNING: Final = re.compile(r"[ \t]*(?:CLOSED|SCHEDULED|DEADLINE):.*")
_CODE: Final = frozenset(("src", "example", "export"))


def extract(data: bytes, limits: Limits) -> Extracted:  # noqa: ARG001  every format has this signature
    """The text without comments and drawers; the title is that of `#+TITLE:`, else the first heading."""
    lines = clean(decode(data)).split("\n")
    body = list(_shown(lines))
    titles = (match[2] for line in lines if (match := _KEYWORD.fullmatch(line)) and match[1].lower() == "title")
    headings = (line.lstrip("# ") for line in body if line.startswith("#"))
    return Extracted(squeeze("\n".join(body)), sensible_title(next(titles, None) or next(headings, None)))


def _shown(lines: list[str]) -> Iterator[str]:
    until = ""
    hidden = False
    for line in lines:
        bare = line.strip().lower()
        if until:
            if bare == until:
                if not hidden and until.startswith("#+end_") and until.removeprefix("#+end_") in _CODE:
                    yield "```"
                until = ""
            elif not hidden:
                # Org writes a comma before what would be a heading in code.
                yield line[1:] if line.startswith((",*", ",#")) else line
            continue
        if begin := _BEGIN.fullmatch(line):
            name = begin[1].lower()
            until, hidden = f"#+end_{name}", name == "comment"
            if name in _CODE:
                yield f"```{begin[2] if name == 'src' else ''}"
        elif drawer := _DRAWER.fullmatch(line):
            until, hidden = ":end:", drawer[1].lower() in ("properties", "logbook")
        else:
            yield from _line(line)


def _line(line: str) -> Iterator[str]:
    note("hidden_left_out", int(line.startswith(("# ", "#\t"))))
    if line.startswith(("# ", "#\t")) or line.strip() == "#" or _PLANNING.fullmatch(line):
        return
    if keyword := _KEYWORD.fullmatch(line):
        if keyword[1].lower() in ("title", "subtitle", "caption"):
            yield ("# " if keyword[1].lower() == "title" else "") + _linked(keyword[2])
    elif heading := _HEADING.fullmatch(line):
        words = _linked(_COOKIE.sub("", _TAGS.sub("", heading[2]), count=1))
        yield f"{'#' * min(len(heading[1]), 6)} {words}"
    else:
        yield line.replace("+", "|") if _RULE.fullmatch(line) else _linked(line)


def _linked(line: str) -> str:
    return _LINK.sub(_link, line)


def _link(match: re.Match[str]) -> str:
    target, words = match[1], match[2]
    if not target.startswith(("http://", "https://")):
        return words or target
    return f"[{words}]({target})" if words else target
