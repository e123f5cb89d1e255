"""Markdown: headings and titles as CommonMark has them, and nothing that only its writer sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from chatbot.knowledge.parsing import parse
from chatbot.knowledge.parsing.extractors.markup.markdown import extract
from chatbot.knowledge.parsing.limits import DEFAULT
from chatbot.rag.text.splitter import _sections
from tests.conftest import ROOT

COMMONMARK = MarkdownIt("commonmark").enable("table")


def title_of(source: str) -> str | None:
    return parse(source.encode(), "a.md").title


def headings_of(source: str) -> list[str]:
    text = extract(source.encode(), DEFAULT).text
    paths = [section.headings for section in _sections(text)]
    return [path[-1] for path, before in zip(paths, [(), *paths], strict=False) if path and path != before]


def by_commonmark(source: str) -> list[str]:
    """The headings outside of lists and quotations."""
    tokens = COMMONMARK.parse(source)
    return [
        " ".join(tokens[at + 1].content.split())
        for at, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0
    ]


@pytest.mark.parametrize(
    "source",
    [
        "# Learning C#\n\na\n\n## The sister F# ##\n\nb",
        "Guide\n=====\n\na\n\nPrices\n---\n\nb\n\n---\n\nc",
        "Two lines\nof one heading\n===\n\na",
        "- an item\n---\n\na",
        "> quoted\n---\n\na",
        "1. one\n===\n\na",
        "| a | b |\n|---|---|\n| 1 | 2 |\n\na",
        "# First\ntext\n---\na",
        "***\nA\n---\n\na",
        "```pip install x``` installs it.\n\n# Usage\n\na",
        "```\n# no\n```x\n# no\n```\n\n# Yes\n\na",
        "~~~ `sh`\n# no\n~~~\n\n# Yes\n\na",
        "    code\n---\n\na",
        "text\n    goes on\n---\n\na",
        "a\n\n=\n\nb",
        "Intro text.\n<!-- more -->\n---\n\nRest",
        "a | b\n---|---\n1 | 2\n---\n\nc",
        "-\nfoo\n===\n\na",
        "foo #\n===\n\na",
    ],
)
def test_headings_are_those_of_commonmark(source):
    assert headings_of(source) == by_commonmark(source)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("**/*.md")), ids=lambda page: page.stem)
def test_headings_of_whole_pages_are_those_of_commonmark(page: Path):
    source = page.read_text()
    assert headings_of(source) == by_commonmark(source)


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("# Learning C#\n\na", "Learning C#"),
        ("Harbour guide\n===\n\na", "Harbour guide"),
        ("```pip install x``` installs it.\n\n# Usage\n\na", "Usage"),
        ('+++\ntitle = "The old mill"\ndate = 2026-01-05\n+++\n\na', "The old mill"),
        ("+++\ntitle = broken\n+++\n\n# Mill\n\na", "Mill"),
        ("---\ntitle: >-\n  House rules of\n  the old mill\n---\na", "House rules of the old mill"),
        ("---\ntitle: |\n  House rules\ntags: a\n---\na", "House rules"),
        ("---\ntitle: Rules: all\n...\na", "Rules: all"),
        (f"+++\ntitle = {'9' * 5000}\n+++\na", None),
        ("+++\ntitle = 5\n+++\n# Mill", "Mill"),
        ("+++\n[menu]\ntitle = 'Not this'\n+++\n# Mill", "Mill"),
        ("---\n\n# Real\n\n---\na", "Real"),
    ],
)
def test_title_is_the_one_that_a_reader_sees(source, title):
    assert title_of(source) == title


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("a\n\n<!-- secret -->\n\nb", "a\n\n\nb"),
        ("a <!-- secret --> b", "a  b"),
        ("a <!-- one\ntwo\nthree --> b", "a \n b"),
        ("a <!-- one\n\ntwo --> b", "a <!-- one\n\ntwo --> b"),
        ("Use \\<!-- to begin.\n\n# Rest", "Use \\<!-- to begin.\n\n# Rest"),
        ("a <!-- never closed\n\n# Rest", "a <!-- never closed\n\n# Rest"),
        ("a\n\n<!-- never closed\n\n# Rest", "a\n"),
        ("> ```\n> <!-- kept\n> ```\n\n# Rest", "> ```\n> <!-- kept\n> ```\n\n# Rest"),
        ("=== tab\n\n    ```\n    <!-- kept -->\n    ```\n\nb", "=== tab\n\n    ```\n    <!-- kept -->\n    ```\n\nb"),
        ("a\n\n    <!-- kept -->\n    b", "a\n\n    <!-- kept -->\n    b"),
        ("---\n\nNote <!-- secret -->\n\n# Real\n\n---", "---\n\nNote \n\n# Real\n\n---"),
        ("a <!----> b <!--> c", "a  b  c"),
        ("a<!-- x --> <!-- y -->b", "a b"),
        ("`a <!-- b` c --> d", "`a <!-- b` c --> d"),
        ("```html\n<!-- kept -->\n```", "```html\n<!-- kept -->\n```"),
        ("Write `<!-- kept -->` here", "Write `<!-- kept -->` here"),
        ("# A\n<!--\n# hidden\n-->\n\nb", "# A\n\n\nb"),
    ],
)
def test_comments_are_left_out_and_kept_in_code(source, shown):
    assert extract(source.encode(), DEFAULT).text == shown
