"""reStructuredText as Sphinx and people write it."""

from __future__ import annotations

import pytest

from chatbot.knowledge.parsing import parse

HEAD = "Pool\n====\n\n"


def text_of(source: str) -> str:
    return parse((HEAD + source).encode(), "a.rst").text.removeprefix("# Pool").strip()


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("Prices\n------\n\nA ticket.", "## Prices\n\nA ticket."),
        ("- one\n\n  - two\n- three", "- one\n  - two\n- three"),
        ("3. one\n4. two", "3. one\n4. two"),
        ("(b) one\n(c) two", "(b) one\n(c) two"),
        ("term\n   Its meaning.", "term: Its meaning."),
        (":Author: Ada", "Author: Ada"),
        ("-v, --verbose   Say more.", "-v, --verbose: Say more."),
        ("| one\n| two", "one\ntwo"),
        ("As::\n\n   a = 1", "As:\n\n```\na = 1\n```"),
        (".. code-block:: python\n   :linenos:\n\n   a = 1", "```python\na = 1\n```"),
        (">>> 1 + 1\n2", "```\n>>> 1 + 1\n2\n```"),
        (".. note:: Bring a towel.", "Note: Bring a towel."),
        (".. admonition:: Mind\n\n   the step", "Mind\n\nthe step"),
        (".. versionadded:: 1.2\n   The sauna.", "Added in version 1.2: The sauna."),
        (".. tab-item:: Linux\n   :sync: a\n\n   apt install pool", "Linux\n\napt install pool"),
        (".. py:function:: swim(lane)\n\n   Swims.", "swim(lane)\n\nSwims."),
        (".. image:: a.png\n   :alt: The pool", "The pool"),
        (".. figure:: a.png\n\n   The caption.", "The caption."),
        (".. math:: a^2", "$$\na^2\n$$"),
        ("Area: 25 m\\ :sup:`2`, note\\ :sup:`a`, H\\ :sub:`2`\\ O", "Area: 25 m^2, notea, H2O"),
        ("See :ref:`the rules <rules>`, :doc:`/faq`, :class:`~a.b.C`.", "See the rules, /faq, C."),
        ("*All* **can** ``swim``.", "All can `swim`."),
        ("`site <https://a.example>`_", "[site](https://a.example)"),
        ("https://a.example/x", "https://a.example/x"),
        ("Open [#a]_.\n\n.. [#a] Not on Mondays.", "Open [1].\n\n[1] Not on Mondays."),
        (".. |x| replace:: Harbour\n\nThe |x| pool.", "The Harbour pool."),
        ("== ==\nA  B\n== ==\n1  2\n== ==", "A | B\nA: 1; B: 2"),
        (
            ".. list-table:: Tickets\n   :header-rows: 1\n\n   * - Who\n     - Price\n   * - Child\n     - 4",
            "Tickets\n\nWho | Price\nWho: Child; Price: 4",
        ),
        (
            "+---+---+\n| A | B |\n+===+===+\n| x | 1 |\n|   +---+\n|   | 2 |\n+---+---+",
            "A | B\nA: x; B: 1\nA: x; B: 2",
        ),
        (".. csv-table::\n   :header: A, B\n\n   x, 1", "A | B\nA: x; B: 1"),
    ],
)
def test_page_is_shown_as_its_readers_see_it(source, shown):
    assert text_of(source) == shown


@pytest.mark.parametrize(
    "source",
    [
        ".. a comment",
        ".. toctree::\n   :maxdepth: 2\n\n   other",
        ".. include:: /etc/hostname",
        ".. literalinclude:: /etc/hostname",
        ".. raw:: html\n\n   <b>raw</b>",
        ".. _target:",
        ".. automodule:: pool",
        ".. index:: pool",
    ],
)
def test_what_nobody_sees_and_other_files_are_left_out(source):
    assert text_of(f"{source}\n\nSeen.") == "Seen."


@pytest.mark.parametrize(
    "source",
    [
        ".. note::\n   :colour: red\n\n   Not lost.",
        ".. figure:: a.png\n   :weight: 3\n\n   Not lost.",
        "Not lost :unknown:`role.",
        "+---+\n| Not lost. |\n",
        ".. csv-table:: Not lost.\n   :file: /etc/hostname",
    ],
)
def test_what_cannot_be_read_is_kept_as_it_is_written(source):
    assert "Not lost" in text_of(source)


def test_title_is_the_first_heading():
    assert parse(b"=====\nPool!\n=====\n\nText\n----\n\nx", "a.rst").title == "Pool!"
