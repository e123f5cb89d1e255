"""Source code, settings and MDX."""

from __future__ import annotations

import pytest

from chatbot.knowledge.parsing import parse
from chatbot.rag.text.splitter import split


@pytest.mark.parametrize(
    ("name", "language"),
    [("a.py", "python"), ("a.TS", "typescript"), ("mkdocs.yml", "yaml"), ("a.sql", "sql"), ("a.vue", "vue")],
)
def test_code_is_one_block_in_its_language(name, language):
    parsed = parse(b"\n# a\nb\n", name)

    assert (parsed.text, parsed.title, parsed.media_type) == (f"```{language}\n# a\nb\n```", None, f"text/x-{language}")


def test_fences_inside_code_do_not_end_it():
    assert parse(b'"""\n```\nx\n```\n"""', "a.py").text == '````python\n"""\n```\nx\n```\n"""\n````'


def test_template_of_a_page_stays_code():
    assert parse(b"<html><body>{x}</body></html>", "a.svelte").text == "```svelte\n<html><body>{x}</body></html>\n```"


def test_code_is_cut_before_its_functions():
    code = "".join(f"def f{n}():\n    first = {n}\n\n    return first\n" for n in range(6))
    text = parse(code.encode(), "a.py").text
    chunks = [text[chunk.start : chunk.end] for chunk in split(text, 25, lambda piece: len(piece.split()))]

    assert len(chunks) > 1
    assert all(chunk.startswith("def f") for chunk in chunks[1:])


def test_imports_of_mdx_are_left_out():
    imports = b"import A from 'a'\nimport {\n  B } from 'b'\n\n"
    body = b"# Rules\n\n<A>Bring a towel.</A>\n\n```js\n\nimport x\n```\n"
    source = b"---\ntitle: Pool\n---\n" + imports + body
    parsed = parse(source, "a.mdx")

    assert parsed.title == "Pool"
    assert "from" not in parsed.text
    assert "# Rules\n\n<A>Bring a towel.</A>\n\n```js\n\nimport x\n```" in parsed.text
