"""What would go beyond what the knowledge base may hold is refused before anything is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from chatbot.current import services
from chatbot.knowledge.models import Document, DocumentVersion
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up

DOCUMENTS = "/api/knowledge/documents/"
MEGABYTE = 1024 * 1024


def full(make_app: MakeApp, database_url: str | None, **limits: int) -> tuple[Flask, Person]:
    """An application with one document, and its administrator."""
    app = make_app(database_url=database_url, **limits)
    add_and_ingest(app, HOURS, title="Hours")
    return app, sign_up(app, "root", admin=True)


def rows(app: Flask) -> list[int | None]:
    with services(app).sessions() as session:
        return [session.scalar(select(func.count()).select_from(model)) for model in (Document, DocumentVersion)]


def post(app: Flask, person: Person, **body: Any) -> Any:
    return app.test_client().post(DOCUMENTS, json=body, headers=person.headers)


def told(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def test_one_document_too_many_is_refused_and_nothing_is_stored(make_app: MakeApp, database_url: str | None) -> None:
    """H11"""
    app, root = full(make_app, database_url, max_documents=1)
    services(app).fetch_limits = replace(services(app).fetch_limits, resolve=lambda _host: ["93.184.216.34"])
    before = rows(app)

    assert told(post(app, root, title="More", content="Something else.")) == (413, "quota_exceeded")
    assert told(post(app, root, url="https://example.com/")) == (413, "quota_exceeded")

    assert rows(app) == before
    assert post(app, root, title="Hours", content=HOURS).status_code == 200, "it is there already"


def test_a_deleted_document_makes_room_and_a_new_version_needs_none(
    make_app: MakeApp, database_url: str | None
) -> None:
    app, root = full(make_app, database_url, max_documents=1)
    client = app.test_client()
    (there,) = client.get(DOCUMENTS, headers=root.headers).json["items"]

    changed = client.put(f"{DOCUMENTS}{there['id']}/content/", json={"content": "Closed."}, headers=root.headers)
    assert changed.status_code == 202
    assert client.delete(f"{DOCUMENTS}{there['id']}/", headers=root.headers).status_code == 200
    assert post(app, root, title="More", content="Something else.").status_code == 202


@pytest.mark.parametrize("how", ["new", "version"])
def test_what_all_versions_take_together_is_bounded(make_app: MakeApp, database_url: str | None, how: str) -> None:
    """H11"""
    app, root = full(make_app, database_url, max_knowledge_mb=1)
    client, half = app.test_client(), "a" * (MEGABYTE * 2 // 3)
    first = post(app, root, title="Half", content=half)
    assert first.status_code == 202
    before = rows(app)

    if how == "new":
        answer = post(app, root, title="Another half", content=half + "b")
    else:
        content = {"content": half + "b"}
        answer = client.put(f"{DOCUMENTS}{first.json['id']}/content/", json=content, headers=root.headers)

    assert told(answer) == (413, "quota_exceeded")
    assert rows(app) == before
    assert post(app, root, title="Small", content="It fits in.").status_code == 202


def test_the_command_says_which_file_found_no_room(make_app: MakeApp, database_url: str | None, tmp_path: Any) -> None:
    app, _ = full(make_app, database_url, max_documents=2)
    for name in ("one", "two"):
        (tmp_path / f"{name}.md").write_text(f"The text of {name}.")

    outcome = app.test_cli_runner().invoke(args=["knowledge", "ingest", *map(str, sorted(tmp_path.glob("*.md")))])

    assert outcome.exit_code == 1
    assert "two.md" in outcome.output
    assert "quota_exceeded" in outcome.output
    assert rows(app) == [2, 2]
