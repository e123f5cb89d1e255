"""Headings of Markdown, without what does not belong to their words."""

from __future__ import annotations

import re

_ANCHOR = re.compile(r"\{\s*+#")


def without_anchor(heading: str) -> str:
    """`Title { #anchor }` is `Title`: the address of a heading is not a part of it."""
    text = heading.rstrip()
    if not text.endswith("}"):
        return heading
    match = _ANCHOR.search(text, text.rfind("}", 0, -1) + 1)
    return text[: match.start()].rstrip() if match else heading
