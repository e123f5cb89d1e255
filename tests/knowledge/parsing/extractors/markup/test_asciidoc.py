"""AsciiDoc as Antora and people write it."""

from __future__ import annotations

import pytest

from chatbot.knowledge.parsing import parse


def text_of(source: str) -> str:
    return parse(f"= Pool\n\n{source}".encode(), "a.adoc").text.removeprefix("# Pool").strip()


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("== Prices\n\nA ticket.", "## Prices\n\nA ticket."),
        ("* one\n** two\n* three", "- one\n  - two\n- three"),
        (". one\n.. inner\n. two\n\n== Next\n\n. one", "1. one\n  1. inner\n2. two\n\n## Next\n\n1. one"),
        ("* [x] done", "- done"),
        ("[source,python]\n----\n# no heading\n----", "```python\n# no heading\n```"),
        ("....\na = 1\n....", "```\na = 1\n```"),
        ("```sh\nls\n```", "```sh\nls\n```"),
        (
            ".Tickets\n|===\n|Who |Price\n\n|Child\n|4\n\n|Adult |6\n|===",
            "Tickets\nWho | Price\nWho: Child; Price: 4\nWho: Adult; Price: 6",
        ),
        ("|===\n|Who |Price\n|Child |4\n|===", "Who | Price\nWho: Child; Price: 4"),
        ("NOTE: Bring a towel.", "NOTE: Bring a towel."),
        ("[NOTE]\n====\nBring a towel.\n====", "Bring a towel."),
        (":town: Tartu\n\nIn {town}, not in {other}.", "In Tartu, not in {other}."),
        ("https://a.example[the site^] and link:b.html[more]", "[the site](https://a.example) and more"),
        ("<<rules,the rules>>, <<faq>>, xref:a.adoc[prices]", "the rules, faq, prices"),
        ("[[rules]]\n== Rules [[more]]", "## Rules"),
        ("image::a.png[The pool,200]", "The pool"),
        ("one +\ntwo", "one\ntwo"),
        ("ifdef::x[]\nkept\nendif::[]", "kept"),
        ("[1] is a note.", "[1] is a note."),
        ("----\nnever ended", "```\nnever ended\n```"),
    ],
)
def test_page_is_shown_as_its_readers_see_it(source, shown):
    assert text_of(source) == shown


@pytest.mark.parametrize(
    "source", ["// comment", "////\ncomment\n////", "include::other.adoc[]", ":toc: left", "toc::[]"]
)
def test_what_nobody_sees_is_left_out(source):
    assert text_of(f"{source}\n\nSeen.") == "Seen."


def test_title_is_that_of_the_document():
    assert parse(b"= Pool rules\n:toc:\n\n== One\n\nx", "a.adoc").title == "Pool rules"
