"""Headings and code fences of Markdown, by CommonMark's rules (0.31, sections 4.2 and 4.5)."""

from __future__ import annotations

import re
from typing import Final

_ANCHOR: Final = re.compile(r"\{\s*+#")
# A fence of backticks has none behind it: a line such as "```pip install x``` installs it" is text.
_FENCE: Final = re.compile(r"[ \t]{0,3}(?:(`{3,}+)[^`\r\n]*+|(~{3,}+)[^\r\n]*+)[\r\n]*+$")


def open_fence(fence: str, line: str) -> tuple[str, bool]:
    """The fence that is open after a line, empty for none, and whether the line is a fence itself.

    Only the same sign, at least as long and alone on its line, closes one.
    """
    match = _FENCE.match(line)
    if not fence:
        return (match[1] or match[2], True) if match else ("", False)
    mark = line.strip()
    closes = match is not None and mark.startswith(fence) and not mark.strip(fence[0])
    return ("", True) if closes else (fence, False)


def heading_words(rest: str) -> str:
    """The words of a heading, from what stands behind its number signs on the line.

    Number signs at its end are none of them where a blank stands before: the last of `C# #` and none of `C#`. Nor is
    the address of `Title { #anchor }`.
    """
    words = rest.strip()
    bare = words.rstrip("#")
    if not bare or bare[-1] in " \t":
        words = bare.rstrip()
    return _without_anchor(words)


def _without_anchor(words: str) -> str:
    if not words.endswith("}"):
        return words
    match = _ANCHOR.search(words, words.rfind("}", 0, -1) + 1)
    return words[: match.start()].rstrip() if match else words
