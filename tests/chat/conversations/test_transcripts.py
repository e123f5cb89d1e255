"""A conversation as a download."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from flask import Flask
from markdown_it import MarkdownIt
from werkzeug.test import TestResponse

from chatbot.chat.conversations.transcripts import as_markdown
from tests.chat.asking import ask
from tests.conftest import HOURS, Person, add_and_ingest, sign_up


def export(app: Flask, person: Person, chat: str, **query: Any) -> TestResponse:
    url = f"/api/chat/sessions/{chat}/export/"
    return app.test_client().get(url, query_string=query, headers=person.headers)


def test_json_has_everything(app: Flask, ada: Person) -> None:
    add_and_ingest(app, HOURS, title="Opening hours")
    reply: Any = ask(app, ada).json

    answer = export(app, ada, reply["chat_session_id"])

    assert answer.json is not None
    assert answer.json["messages"] == [reply["user_message"], reply["message"]]
    assert answer.json["title"] == reply["user_message"]["content"]
    chat = reply["chat_session_id"]
    assert answer.headers["Content-Disposition"] == f"attachment; filename=conversation-{chat}.json"


def test_markdown_has_each_citation_as_a_footnote(app: Flask, ada: Person) -> None:
    add_and_ingest(app, HOURS, title="Opening *hours* 二")
    reply: Any = ask(app, ada).json

    answer = export(app, ada, reply["chat_session_id"], format="markdown")

    assert (answer.mimetype, answer.headers["X-Content-Type-Options"]) == ("text/markdown", "nosniff")
    chat = reply["chat_session_id"]
    assert answer.headers["Content-Disposition"] == f"attachment; filename=conversation-{chat}.md"
    text = answer.text
    assert text.startswith("# When does the shop open on Saturdays?\n\n## 1. ada\n")
    quote = reply["message"]["metadata"]["citations"][0]["quote"]
    assert f"{quote} [^2-1]\n" in text
    assert f"[^2-1]: Opening \\*hours\\* 二, version 1: “{quote}”\n" in text
    assert "[1]" not in text


def message(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "parent_id": str(number - 1) if number > 1 else None,
        "is_user": False,
        "author": None,
        "content": "",
        "status": "complete",
        "metadata": {"model": "m"},
        "created_at": "2026-11-22T18:00:00.000Z",
    } | fields


def test_only_the_marker_of_a_citation_becomes_a_footnote() -> None:
    cited = {"marker": 1, "answer_end": 12, "document_id": "d", "version": 3, "page": 4, "quote": "a\n\n# b"}
    metadata = {"model": "m", "citations": [cited, cited | {"answer_end": 99, "marker": 2}], "retrieved_docs": []}

    text = as_markdown({"title": "A\n# B", "messages": [message(1, content="Use list[1] [1].", metadata=metadata)]})

    assert "> Use list\\[1\\] [^1-1].\n>\n> [^1-2]\n" in text
    assert text.count("[^1-1]: d, version 3, page 4: “a \\# b”") == 1
    assert text.startswith("# A \\# B\n")


def test_a_citation_that_is_not_verified_says_so() -> None:
    cited = {"marker": 1, "answer_end": 4, "document_id": "d", "version": 3, "quote": "It opens.", "verified": False}
    metadata = {"model": "m", "citations": [cited], "retrieved_docs": []}
    text = as_markdown({"title": "A", "messages": [message(1, content="Open [1].", metadata=metadata)]})
    assert "[^1-1]: d, version 3: “It opens.” (not verified)" in text


def test_a_branch_says_where_it_begins() -> None:
    talk = [
        message(1, is_user=True, author="ada"),
        message(2, status="interrupted"),
        message(3),
        message(4, parent_id="1"),
    ]

    text = as_markdown({"title": "T", "messages": talk})

    assert text.count("follows") == 1
    assert "## 4. m\n\n*2026-11-22T18:00:00.000Z, follows 1*" in text
    assert "*2026-11-22T18:00:00.000Z, interrupted*" in text


# Forging --------------------------------------------------------------------------------------------------------------

FORGED = [
    "Hello\n\n## 5. ada\n\n*2026-11-22T18:00:00.000Z*\n\nI agree.",
    "Hello\n## 5. ada",
    "5. ada\n------",
    "5. ada\n===",
    "5. ada\r===\rmore",
    "5. ada\u2028===\x0b---\x85***",
    "<h2>5. ada</h2>",
    "</blockquote>\n<h2>5. ada</h2>\n<!--",
    "<script>",
    "[^2-1]: The handbook, version 1: “No.”",
    "As it says. [^2-1]",
    "[2-1]: http://127.0.0.1/ 'title'\n\n[2-1]",
    "![image](http://127.0.0.1/a.png) [link](javascript:alert(1)) <http://127.0.0.1/>",
    "```\n## 5. ada",
    "```\ncode\n```\n## 5. ada\n~~~~\n```\n~~~",
    "~~~~ python x\n```\n````\n~~~~\n\n# 5. ada",
    "```html` \n</blockquote>",
    "    ## 5. ada",
    "\t\t## 5. ada\n\n\t# a",
    "> quoted\n\n> # a",
    "- a\n\n  ## b\n1. c\n\n   # d\n* e\n+ f\n2) g",
    "a | b\n--|--\n## c | d",
    "&#35; a &lt;h2&gt; &amp;",
    "back\\\\\n\\# slash\\",
    "trailing  \n# x",
    "---\ntitle: x\n---",
    "`code` **bold** _em_ snake_case ~~gone~~ $x$",
    "#",
    "",
    " ",
    "\u00a0# x",
    "1. ada\n\n1234567890. x",
]


def parsed(text: str) -> tuple[list[tuple[int, str, str]], list[str], list[str]]:
    """Of Markdown: (level, tag, text) of each heading, the kinds of its other blocks and inline parts, and the lines
    outside quotes that begin a footnote."""
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    env: dict[str, Any] = {}
    tokens = markdown.parse(text, env)
    assert env.get("references", {}) == {}
    headings = [
        (token.level, token.tag, words_of(tokens[place + 1].children or []))
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or []}
    notes = [line for line in text.splitlines() if line.startswith("[^")]
    return headings, sorted(kinds), notes


def words_of(children: list[Any]) -> str:
    return "".join("\n" if child.type in ("softbreak", "hardbreak") else child.content for child in children)


ALLOWED = {
    "heading_open",
    "heading_close",
    "inline",
    "paragraph_open",
    "paragraph_close",
    "blockquote_open",
    "blockquote_close",
    "fence",
    "text",
    "text_special",
    "em_open",
    "em_close",
    "hardbreak",
}


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("where", ["message", "answer", "author", "title", "quote", "document", "model"])
def test_markdown_has_only_the_servers_headings_and_footnotes(forged: str, where: str) -> None:
    said = {name: forged if where == name else name for name in ("author", "title", "quote", "document", "model")}
    citation = {"marker": 1, "answer_end": 0, "document_id": "d", "version": 3, "page": 4, "quote": said["quote"]}
    metadata = {
        "model": said["model"],
        "citations": [citation],
        "retrieved_docs": [{"document_id": "d", "title": said["document"]}],
    }
    question, answer = (forged if where == name else name for name in ("message", "answer"))
    talk = [
        message(1, is_user=True, author=said["author"], content=question),
        message(2, content=answer + " [1]", metadata=metadata),
        message(3, is_user=True, author="bob", content="Thanks."),
    ]

    text = as_markdown({"title": said["title"], "messages": talk})
    headings, kinds, notes = parsed(text)

    def line(name: str, instead: str = "") -> str:
        return " ".join(said[name].split()) or instead

    assert headings == [
        (0, "h1", line("title")),
        (0, "h2", f"1. {line('author', 'Question')}"),
        (0, "h2", f"2. {line('model', 'Answer')}"),
        (0, "h2", "3. bob"),
    ]
    assert set(kinds) <= ALLOWED
    assert [note.partition(":")[0] for note in notes] == ["[^2-1]"]
    assert len(re.findall(r"(?<!\\)\[\^", text)) == 2
    assert "<" not in re.sub(r"\\<", "", re.sub(r"(?s)> ```.*?> ```", "", text))


@pytest.mark.parametrize("forged", FORGED)
def test_markdown_shows_a_message_as_it_was_written(forged: str) -> None:
    text = as_markdown({"title": "T", "messages": [message(1, is_user=True, author="ada", content=forged)]})

    tokens = MarkdownIt("commonmark").parse(text)
    begin = next(place for place, token in enumerate(tokens) if token.type == "blockquote_open")
    shown = "\n".join(
        words_of(token.children) if token.children else token.content for token in tokens[begin:] if token.content
    )

    fences = re.compile(r"^ {0,3}(```|~~~).*$", re.MULTILINE)
    written = forged if not fences.search(forged) else fences.sub("", forged)
    shown = shown if written is forged else fences.sub("", shown)
    assert shown.replace("\u00a0", " ").split() == written.replace("\u00a0", " ").split()


def test_code_and_line_ends_of_a_message_are_kept() -> None:
    said = "Try this:\n\n```python\nif a < b:\n    print(`x`, '[1]')\n```\n\nor that\n  indented\nlast"

    text = as_markdown({"title": "T", "messages": [message(1, is_user=True, author="ada", content=said)]})

    assert text.split("\n\n")[3] == (
        "> Try this:\n>\n> ```python\n> if a < b:\n>     print(`x`, '[1]')\n> ```\n>\n> or that  \n"
        "> \u00a0\u00a0indented  \n> last\n"
    )


def test_time_to_write_grows_with_the_text() -> None:
    """Counted in calls, not in seconds: fences that are never closed are not looked for again and again."""

    def steps(text: str) -> int:
        count = 0

        def counted(*_args: Any) -> None:
            nonlocal count
            count += 1

        sys.setprofile(counted)
        try:
            as_markdown({"title": "T", "messages": [message(1, content=text)]})
        finally:
            sys.setprofile(None)
        return count

    for row in ("```x\n", "~~~~x\n", "```\n", "[1] ", "_ ", "a\n", "\\`", "1.\n", "&amp;"):
        assert steps(row * 2000) < 3 * steps(row * 1000)


@pytest.mark.parametrize("query", [{"format": "pdf"}, {"format": ""}, {"as": "json"}], ids=str)
def test_another_form_is_refused(sqlite_app: Flask, query: dict[str, str]) -> None:
    """G11"""
    ada = sign_up(sqlite_app, "ada")
    reply: Any = ask(sqlite_app, ada).json

    assert export(sqlite_app, ada, reply["chat_session_id"], **query).status_code == 422
