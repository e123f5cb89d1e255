"""Notebooks as Jupyter, Colab and old versions write them."""

from __future__ import annotations

import json

import pytest

from chatbot.knowledge.parsing import ParseError, parse


def text_of(*cells: dict[str, object], **more: object) -> str:
    metadata = {"language_info": {"name": "python"}}
    return parse(json.dumps({"nbformat": 4, "metadata": metadata, "cells": cells, **more}).encode(), "a.ipynb").text


def code(source: object, *outputs: dict[str, object], **metadata: object) -> dict[str, object]:
    return {"cell_type": "code", "source": source, "outputs": outputs, "metadata": metadata}


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ({"cell_type": "markdown", "source": ["# Pool\n", "Open <!-- no -->daily."]}, "# Pool\nOpen daily."),
        ({"cell_type": "raw", "source": "As it is."}, "As it is."),
        (code(["a = 1\n", "a"]), "```python\na = 1\na\n```"),
        (code("print(1)", {"output_type": "stream", "text": ["1\n"]}), "```python\nprint(1)\n```\n\n```\n1\n```"),
        (code("", {"output_type": "stream", "text": "\x1b[31mred\x1b[0m"}), "```\nred\n```"),
        (code("", {"output_type": "error", "ename": "ValueError", "evalue": "no"}), "```\nValueError: no\n```"),
        (code("", {"data": {"text/markdown": "**3** rooms", "text/plain": "<x>"}}), "**3** rooms"),
        (
            code("", {"data": {"text/html": "<table><tr><th>A<th>B<tr><td>x<td>1</table>", "text/plain": "y"}}),
            "A | B\nx | 1",
        ),
        (code("", {"data": {"image/png": "iVBO", "text/plain": ["<Figure>"]}}), "```\n<Figure>\n```"),
        (code("hidden", {"output_type": "stream", "text": "seen"}, jupyter={"source_hidden": True}), "```\nseen\n```"),
        (
            code("seen", {"output_type": "stream", "text": "no"}, jupyter={"outputs_hidden": True}),
            "```python\nseen\n```",
        ),
    ],
)
def test_cell_is_shown_as_a_person_sees_it(cell, shown):
    assert text_of(cell) == shown


def test_notebooks_of_version_3_are_read():
    sheet = {
        "cells": [
            {"cell_type": "heading", "level": 2, "source": "Pool"},
            {"cell_type": "code", "input": "a", "outputs": []},
        ]
    }
    data = json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [sheet]}).encode()

    assert parse(data, "a.ipynb").text == "## Pool\n\n```\na\n```"


def test_title_is_the_notebooks_own_or_its_first_heading():
    cells = [{"cell_type": "markdown", "source": "# Pool rules"}]
    assert parse(json.dumps({"cells": cells, "metadata": {}}).encode(), "a.ipynb").title == "Pool rules"
    assert parse(json.dumps({"cells": cells, "metadata": {"title": "Other"}}).encode(), "a.ipynb").title == "Other"


@pytest.mark.parametrize("data", [b"{}", b"[]", b"x", b'{"cells": 3}', b'{"cells": [3]}'])
def test_other_json_is_damaged(data):
    with pytest.raises(ParseError) as caught:
        parse(data, "a.ipynb")
    assert caught.value.code == "damaged"
