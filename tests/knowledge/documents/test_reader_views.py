"""Reading what one may search: what a citation leads to, for whoever got the answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from chatbot.auth.credentials import keys
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.documents.collections import add_member, create_collection, remove_member
from chatbot.knowledge.models import Document, DocumentVersion
from tests.chat.asking import visitor
from tests.conftest import HOURS, RETURNS, Person, add_and_ingest

DOCUMENTS = "/api/knowledge/documents/"
PARTS = ("", "versions/1/", "chunks/")


def read(app: Flask, person: Person, document_id: str, part: str = "") -> TestResponse:
    return app.test_client().get(f"{DOCUMENTS}{document_id}/{part}", headers=person.headers)


def seen(app: Flask, person: Person, document_id: str) -> list[tuple[int, str | None]]:
    """What each way of reading a document answers: the status, and the code of an error."""
    answers: list[Any] = [read(app, person, document_id, part) for part in PARTS]
    return [(answer.status_code, answer.json.get("code")) for answer in answers]


def closed(app: Flask, *usernames: str) -> str:
    """A collection for these people; its id."""
    with app.app_context(), services(app).sessions() as session:
        made = create_collection(session, "staff", "members")
        for name in usernames:
            add_member(session, made.id, name)
        return made.id


def change(app: Flask, document_id: str, **values: Any) -> None:
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(Document).where(Document.id == document_id).values(**values))
        session.commit()


def replace(app: Flask, root: Person, document_id: str, content: str, wait: float = 0) -> None:
    where = f"{DOCUMENTS}{document_id}/content/"
    told = app.test_client().put(where, query_string={"wait": wait}, json={"content": content}, headers=root.headers)
    assert told.status_code in (200, 202), told.text


OPEN = [(200, None)] * len(PARTS)
GONE = [(404, "document_not_found")] * len(PARTS)


def test_the_address_of_a_citation_shows_its_quote_to_whoever_got_the_answer(app: Flask, ada: Person) -> None:
    """J1"""
    add_and_ingest(app, HOURS, title="Hours", source="handbook")
    question = {
        "model": "extractive",
        "messages": [{"role": "user", "content": "When does the shop open on Saturdays?"}],
    }
    for person in (ada, visitor(app, ada, "vera")):
        answer: Any = app.test_client().post("/v1/chat/completions", json=question, headers=person.headers).json
        annotation = answer["choices"][0]["message"]["annotations"][0]
        page: Any = app.test_client().get(urlsplit(annotation["url_citation"]["url"]).path, headers=person.headers)
        cited = annotation["citation"]
        assert page.status_code == 200
        assert page.json["text"][cited["char_start"] : cited["char_end"]] == cited["quote"]


def test_a_reader_sees_what_belongs_to_reading_and_nothing_else(app: Flask, ada: Person, root: Person) -> None:
    """F6"""
    id_ = add_and_ingest(app, HOURS, title="Hours", source="handbook", extra={"team": "support"}).id
    document: Any = read(app, ada, id_).json
    assert document == {
        "id": id_,
        "title": "Hours",
        "source": "handbook",
        "url": None,
        "version": 1,
        "language": "en",
    }
    version: Any = read(app, ada, id_, "versions/1/").json
    assert set(version) == {
        "version",
        "media_type",
        "created_at",
        "is_current",
        "characters",
        "text",
        "page_starts",
    }
    assert (version["text"], version["page_starts"], version["is_current"]) == (HOURS, [], True)
    assert read(app, ada, id_, "chunks/").json == read(app, root, id_, "chunks/").json
    whole: Any = read(app, root, id_).json
    assert (whole["metadata"], "error" in whole, "instruction_score" in whole) == ({"team": "support"}, True, True)
    assert {"filename", "content_hash"} < set(read(app, root, id_, "versions/1/").json)  # type: ignore[arg-type]


def test_an_administrators_key_for_the_chat_reads_as_a_user_does(app: Flask, root: Person) -> None:
    """F7"""
    id_ = add_and_ingest(app, HOURS).id
    with app.app_context(), services(app).sessions() as session:
        _, secret = keys.create_key(session, root.id, "Chat", [keys.CHAT], None)
    key = Person(root.id, "", secret, "")
    assert "error" not in read(app, key, id_).json  # type: ignore[operator]
    change(app, id_, is_active=False)
    assert seen(app, key, id_) == GONE
    assert seen(app, root, id_) == OPEN


def test_a_closed_collection_is_read_by_its_members_only(app: Flask, ada: Person, bob: Person, root: Person) -> None:
    """J1: and the others cannot tell its documents from those that do not exist."""
    id_ = closed(app, "ada")
    document = add_and_ingest(app, RETURNS, collection="staff").id
    granted = visitor(app, ada, "vera", collections=["staff"])
    assert [seen(app, who, document) for who in (ada, root, granted)] == [OPEN] * 3
    assert [seen(app, who, document) for who in (bob, visitor(app, ada, "karl"))] == [GONE] * 2
    bounded = visitor(app, ada, "otto", collections=["staff"])
    assert seen(app, bounded, add_and_ingest(app, HOURS).id) == GONE
    with app.app_context(), services(app).sessions() as session:
        remove_member(session, id_, ada.id)
    assert [seen(app, who, document) for who in (ada, granted)] == [GONE] * 2


@pytest.mark.parametrize("values", [{"is_active": False}, {"status": "deleted"}], ids=["switched off", "deleted"])
def test_what_answers_nobody_is_read_by_no_user(app: Flask, ada: Person, values: dict[str, Any]) -> None:
    id_ = add_and_ingest(app, HOURS).id
    assert seen(app, ada, id_) == OPEN
    change(app, id_, **values)
    assert seen(app, ada, id_) == GONE


def test_a_document_that_was_never_ready_is_not_there_for_a_user(app: Flask, ada: Person, root: Person) -> None:
    made: Any = app.test_client().post(DOCUMENTS, json={"title": "A", "content": HOURS}, headers=root.headers)
    assert seen(app, ada, made.json["id"]) == GONE
    change(app, made.json["id"], status="failed")
    assert seen(app, ada, made.json["id"]) == GONE
    assert read(app, root, made.json["id"]).status_code == 200


def test_old_versions_can_be_read_and_one_that_is_not_ready_cannot(
    app: Flask, ada: Person, root: Person, worker: None
) -> None:
    """A citation quotes the version that it was made from."""
    id_ = add_and_ingest(app, HOURS).id
    replace(app, root, id_, RETURNS, wait=20)
    versions: list[Any] = [read(app, ada, id_, f"versions/{number}/").json for number in (1, 2)]
    assert [(v["text"], v["is_current"]) for v in versions] == [(HOURS, False), (RETURNS, True)]
    assert read(app, ada, id_, f"versions/{2**40}/").json["code"] == "version_not_found"  # type: ignore[index]


def test_while_a_new_version_waits_the_one_that_answers_is_read(app: Flask, ada: Person, root: Person) -> None:
    id_ = add_and_ingest(app, HOURS).id
    replace(app, root, id_, RETURNS)
    # Parsed already, and not ready: as when its embeddings fail.
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(DocumentVersion).where(DocumentVersion.version == 2).values(text=RETURNS))
        session.commit()
    assert seen(app, ada, id_) == OPEN
    assert (read(app, ada, id_).json["version"], read(app, root, id_).json["version"]) == (1, 2)  # type: ignore[index]
    assert read(app, ada, id_, "versions/1/").json["is_current"] is True  # type: ignore[index]
    assert read(app, ada, id_, "versions/2/").json["code"] == "version_not_found"  # type: ignore[index]
    assert read(app, root, id_, "versions/2/").status_code == 200
