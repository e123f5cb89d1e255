"""Org mode as Emacs writes it."""

from __future__ import annotations

import pytest

from chatbot.knowledge.parsing import parse


def text_of(source: str) -> str:
    return parse(f"* Pool\n{source}".encode(), "a.org").text.removeprefix("# Pool").strip()


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("** TODO [#A] Prices :money:web:\nA ticket.", "## TODO Prices\nA ticket."),
        ("- one\n  1. two", "- one\n  1. two"),
        ("#+BEGIN_SRC python :results output\n# no heading\n,* x\n#+END_SRC", "```python\n# no heading\n* x\n```"),
        ("#+begin_example\na\n#+end_example", "```\na\n```"),
        ("#+begin_quote\nSwim.\n#+end_quote", "Swim."),
        ("| A | B |\n|---+---|\n| 1 | 2 |", "| A | B |\n|---|---|\n| 1 | 2 |"),
        (
            "[[https://a.example][the site]], [[file:b.org][more]], [[https://b.example]]",
            "[the site](https://a.example), more, https://b.example",
        ),
        ("#+CAPTION: The pool\n[[file:a.png]]", "The pool\nfile:a.png"),
    ],
)
def test_text_is_shown_as_its_readers_see_it(source, shown):
    assert text_of(source) == shown


@pytest.mark.parametrize(
    "source",
    [
        "# comment",
        "#+OPTIONS: toc:nil",
        ":PROPERTIES:\n:ID: 1\n:END:",
        ":LOGBOOK:\n- state\n:END:",
        "#+begin_comment\nno\n#+end_comment",
        "SCHEDULED: <2026-01-01 Thu>",
    ],
)
def test_what_nobody_sees_is_left_out(source):
    assert text_of(f"{source}\nSeen.") == "Seen."


def test_title_is_that_of_the_keyword_or_the_first_heading():
    assert parse(b"#+title: Pool rules\n* One\nx", "a.org").title == "Pool rules"
    assert parse(b"* One\nx", "a.org").title == "One"
