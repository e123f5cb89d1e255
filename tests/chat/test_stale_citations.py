"""Answers whose cited words are no longer in the documents say so when they are read again."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from chatbot.current import services
from chatbot.knowledge.documents import service, updates
from chatbot.knowledge.documents.service import NewDocument
from chatbot.knowledge.retrieval.stale_citations import outdated
from tests.chat.asking import ask
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import ingest_now

QUESTION = "When does the shop open on Saturdays?"


def replace(app, id_: str, text: str, *, ingested: bool = True) -> None:
    with services(app).sessions() as session:
        updates.replace_content(session, id_, NewDocument(text.encode()))
    if ingested:
        ingest_now(app, id_)


def flags(app, person, chat_id: str) -> list[list[bool]]:
    """What the answers of a conversation say of each of their citations."""
    answer = app.test_client().get(f"/api/chat/sessions/{chat_id}/messages/", headers=person.headers)
    messages = [m for m in answer.json["items"] if not m["is_user"]]
    return [[c["outdated"] for c in m["metadata"]["citations"]] for m in messages]


@pytest.fixture
def asked(app, ada) -> tuple[str, str]:
    """A document and a conversation in which it was cited."""
    id_ = add_and_ingest(app, HOURS).id
    reply = ask(app, ada, QUESTION).json
    assert [c["quote"] for c in reply["message"]["metadata"]["citations"]] == [HOURS]
    return id_, reply["chat_session_id"]


def test_a_citation_whose_words_were_changed_is_outdated(app, ada, asked):
    id_, chat_id = asked
    assert flags(app, ada, chat_id) == [[False]]
    replace(app, id_, HOURS.replace("at ten", "at eleven"))
    assert flags(app, ada, chat_id) == [[True]]


def test_a_citation_whose_words_are_still_there_is_not(app, ada, asked):
    id_, chat_id = asked
    replace(app, id_, f"Something new comes first. {HOURS}")
    assert flags(app, ada, chat_id) == [[False]]


def test_a_version_that_is_not_ready_outdates_nothing_yet(app, ada, asked):
    id_, chat_id = asked
    replace(app, id_, RETURNS, ingested=False)
    assert flags(app, ada, chat_id) == [[False]]
    ingest_now(app, id_)
    assert flags(app, ada, chat_id) == [[True]]


def test_a_version_that_failed_outdates_nothing(app, ada, asked):
    id_, chat_id = asked
    with services(app).sessions() as session:
        updates.replace_content(session, id_, NewDocument(b"%PDF-1.7 nothing", filename="a.pdf"))
    assert ingest_now(app, id_) == "failed"
    assert flags(app, ada, chat_id) == [[False]]


def test_going_back_to_the_cited_version_makes_it_good_again(app, ada, asked):
    id_, chat_id = asked
    replace(app, id_, RETURNS)
    with services(app).sessions() as session:
        updates.restore(session, id_, 1)
    ingest_now(app, id_)
    assert flags(app, ada, chat_id) == [[False]]


def test_what_a_deleted_document_said_is_outdated(app, ada, asked):
    """J3"""
    id_, chat_id = asked
    with services(app).sessions() as session:
        service.delete_document(session, id_)
    assert flags(app, ada, chat_id) == [[True]]
    with services(app).sessions() as session:
        service.purge(session)
    assert flags(app, ada, chat_id) == [[True]]


def test_an_inactive_document_with_a_new_version_on_its_way_is_taken_at_its_word(app, ada, asked):
    id_, chat_id = asked
    with services(app).sessions() as session:
        updates.edit_document(session, id_, {"is_active": False})
    replace(app, id_, RETURNS, ingested=False)
    assert flags(app, ada, chat_id) == [[False]]


def test_many_citations_are_looked_up_together(app, ada, asked):
    id_, chat_id = asked
    for _ in range(3):
        ask(app, ada, QUESTION, chat_session_id=chat_id)
    replace(app, id_, RETURNS)
    statements: list[str] = []
    with app.app_context():
        engine = services(app).sessions.kw["bind"]
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert flags(app, ada, chat_id) == [[True]] * 4
    looked = [s for s in statements if "document_versions" in s or "FROM documents" in s]
    # What the reader may see, which versions answer, and the texts of those that changed.
    assert len(looked) == 3


def test_no_quotes_need_no_query(session):
    assert outdated(session, set()) == set()
    assert not session.in_transaction()
