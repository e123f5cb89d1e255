"""A conversation as a download."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from chatbot.chat.transcripts import as_markdown
from tests.chat.asking import ask
from tests.conftest import HOURS, Person, put_in, sign_up


def export(app: Flask, person: Person, chat: str, **query: Any) -> TestResponse:
    url = f"/api/chat/sessions/{chat}/export/"
    return app.test_client().get(url, query_string=query, headers=person.headers)


def test_json_has_everything(app: Flask, ada: Person) -> None:
    put_in(app, HOURS, title="Opening hours")
    reply: Any = ask(app, ada).json

    answer = export(app, ada, reply["chat_session_id"])

    assert answer.json is not None
    assert answer.json["messages"] == [reply["user_message"], reply["message"]]
    assert answer.json["title"] == reply["user_message"]["content"]
    chat = reply["chat_session_id"]
    assert answer.headers["Content-Disposition"] == f"attachment; filename=conversation-{chat}.json"


def test_markdown_has_each_citation_as_a_footnote(app: Flask, ada: Person) -> None:
    put_in(app, HOURS, title="Opening *hours* 二")
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
        "id": str(number), "parent_id": str(number - 1) if number > 1 else None, "is_user": False, "author": None,
        "content": "", "status": "complete", "metadata": {"model": "m"}, "created_at": "2026-11-22T18:00:00.000Z",
    } | fields  # fmt: skip


def test_only_the_marker_of_a_citation_becomes_a_footnote() -> None:
    cited = {"marker": 1, "answer_end": 12, "document_id": "d", "version": 3, "page": 4, "quote": "a\n\n# b"}
    metadata = {"model": "m", "citations": [cited, cited | {"answer_end": 99, "marker": 2}], "retrieved_docs": []}

    text = as_markdown({"title": "A\n# B", "messages": [message(1, content="Use list[1] [1].", metadata=metadata)]})

    assert "Use list[1] [^1-1]. [^1-2]\n" in text
    assert text.count("[^1-1]: d, version 3, page 4: “a \\# b”") == 1
    assert text.startswith("# A \\# B\n")


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


@pytest.mark.parametrize("query", [{"format": "pdf"}, {"format": ""}, {"as": "json"}], ids=str)
def test_another_form_is_refused(sqlite_app: Flask, query: dict[str, str]) -> None:
    """G11"""
    ada = sign_up(sqlite_app, "ada")
    reply: Any = ask(sqlite_app, ada).json

    assert export(sqlite_app, ada, reply["chat_session_id"], **query).status_code == 422
