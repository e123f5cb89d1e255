"""What a reader of a conversation sees of an answer that was made from documents they may not read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError

from chatbot.auth import accounts
from chatbot.auth.credentials import keys
from chatbot.chat.conversations import views
from chatbot.chat.conversations.export import conversations
from chatbot.chat.models import Message
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.extensions import db
from chatbot.knowledge.documents import collections, service
from chatbot.knowledge.models import Document
from tests.chat.asking import ask, events_of, open_stream, stream, visitor, with_model
from tests.conftest import HOURS, RETURNS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

FILLER = "It is written down here so that nobody has to ask at the desk. " * 12
QUOTED = "The vault of the museum opens at nine and closes at six."
# What stands beside the quoted sentence in its passage, in a passage that is not cited, and in a heading nearby.
BESIDE, UNCITED, HEADING = "badger-7731", "heron-4419", "zorblax"
GUIDE = "\n\n".join(
    [
        "# The vault of the museum",
        f"## Opening hours\n\n{QUOTED}\n\nThe guard's word is {BESIDE}. {FILLER}",
        f"## Tickets\n\nThe museum sells tickets in the lobby. Mind the {UNCITED}. {FILLER}",
        f"## May I see the {HEADING} of the vault?\n\nYes, the museum says. {FILLER}",
    ]
)
TITLE, SOURCE = "The vault's guide", "vault/plan-of-otters.md"
QUESTION = "When does the vault of the museum close?"
HIDDEN = (BESIDE, UNCITED, HEADING, "otters")
MODEL = "gpt-3.5-turbo"


def closed(app: Flask, *members: str, name: str = "vault") -> str:
    """The guide in a collection for members only; gives the collection's id."""
    with app.app_context(), services(app).sessions() as session:
        made = collections.create_collection(session, name, "members")
        for member in members:
            collections.add_member(session, made.id, member)
    add_and_ingest(app, GUIDE, title=TITLE, source=SOURCE, collection=name)
    return made.id


def call(app: Flask, person: Person, path: str, method: str = "GET", **how: Any) -> Any:
    headers = person.headers | how.pop("headers", {})
    return app.test_client().open(f"/api/chat/{path}", method=method, headers=headers, **how)


def shared(app: Flask, ada: Person, **body: Any) -> tuple[str, dict[str, Any]]:
    """Ada's conversation about the vault, in which bob takes part; its id, and her reply."""
    reply = ask(app, ada, QUESTION, **body).json
    assert reply is not None
    chat = reply["chat_session_id"]
    assert call(app, ada, f"sessions/{chat}/members/", "POST", json={"username": "bob"}).status_code == 200
    return chat, reply


def told(text: str) -> list[str]:
    """What of the closed collection a text tells."""
    return [words for words in HIDDEN if words in text]


# Each way on which a stored message leaves the server.
WAYS: dict[str, Callable[[Flask, Person, str, str], Any]] = {
    "list": lambda app, who, chat, _: call(app, who, f"sessions/{chat}/messages/"),
    "export": lambda app, who, chat, _: call(app, who, f"sessions/{chat}/export/"),
    "markdown": lambda app, who, chat, _: call(
        app, who, f"sessions/{chat}/export/", query_string={"format": "markdown"}
    ),
    "feedback": lambda app, who, _, id_: call(app, who, f"messages/{id_}/feedback/", "POST", json={"rating": "up"}),
    "stream": lambda app, who, _, id_: call(app, who, f"messages/{id_}/stream/"),
    "trace": lambda app, who, _, id_: call(app, who, f"messages/{id_}/trace/"),
}


@pytest.mark.parametrize("way", WAYS)
def test_message_read_by_nonmember_of_collection_shows_quotes_only(
    app: Flask, ada: Person, bob: Person, way: str
) -> None:
    closed(app, "ada")
    chat, reply = shared(app, ada)
    message = reply["message"]["id"]
    assert set(told(json.dumps(reply))) == set(HIDDEN)

    mine, theirs = (WAYS[way](app, who, chat, message) for who in (ada, bob))

    assert (mine.status_code, theirs.status_code) == (200, 200)
    # The export for reading has quotes only.
    assert bool(told(mine.text)) is (way != "markdown")
    assert told(theirs.text) == []
    assert QUOTED in theirs.text


def test_quoted_passage_keeps_its_place_and_title(app: Flask, ada: Person, bob: Person) -> None:
    closed(app, "ada")
    add_and_ingest(app, "The museum opens its doors to everybody on Sundays.", title="For all")
    chat, reply = shared(app, ada)
    full = reply["message"]["metadata"]

    seen = call(app, bob, f"sessions/{chat}/messages/").json["items"][1]["metadata"]

    cited = {citation["chunk_id"] for citation in full["citations"]}
    docs = {doc["chunk_id"]: doc for doc in seen["retrieved_docs"]}
    assert set(docs) == {d["chunk_id"] for d in full["retrieved_docs"] if d["chunk_id"] in cited or not d["source"]}
    (before,) = [doc for doc in full["retrieved_docs"] if doc["chunk_id"] in cited and doc["source"]]
    assert docs[before["chunk_id"]] == before | {"source": "", "text": QUOTED, "readable": False}
    assert [c | {"outdated": False} for c in full["citations"]] == seen["citations"]
    assert (seen["suggestions"], seen["grounding"]) == ([], full["grounding"])


def test_reader_of_everything_sees_what_the_asker_saw(app: Flask, ada: Person, bob: Person) -> None:
    closed(app, "ada", "bob")
    chat, reply = shared(app, ada)

    assert call(app, bob, f"sessions/{chat}/export/").json["messages"][1] == reply["message"]


def lose_membership(app: Flask, collection: str, person: Person) -> None:
    with services(app).sessions() as session:
        collections.remove_member(session, collection, person.id)


def delete_document(app: Flask, _collection: str, _person: Person) -> None:
    with app.app_context(), services(app).sessions() as session:
        id_ = session.scalars(select(Document.id)).one()
        session.rollback()
        service.delete_document(session, id_)


def switch_off(app: Flask, _collection: str, _person: Person) -> None:
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(Document).values(is_active=False))
        session.commit()


@pytest.mark.parametrize("change", [lose_membership, delete_document, switch_off])
@pytest.mark.parametrize("way", [*WAYS, "send", "send stream", "account"])
def test_asker_who_may_no_longer_read_a_document_keeps_its_quotes(
    app: Flask, ada: Person, way: str, change: Callable[[Flask, str, Person], None]
) -> None:
    vault = closed(app, "ada")
    reply = ask(app, ada, QUESTION, key="once").json
    assert reply is not None
    chat, message = reply["chat_session_id"], reply["message"]["id"]
    change(app, vault, ada)

    if way == "account":
        parts = dict(_account(app, ada))
        text = json.dumps(parts[f"conversations/{chat}.json"], ensure_ascii=False)
    elif way.startswith("send"):
        headers = {"Accept": "text/event-stream"} if way == "send stream" else {}
        answer = call(
            app, ada, "send/", "POST", json={"message": QUESTION}, headers={"Idempotency-Key": "once", **headers}
        )
        assert answer.headers["Idempotency-Replayed"] == "true"
        text = answer.text
    else:
        text = WAYS[way](app, ada, chat, message).text

    assert told(text) == []
    assert QUOTED in text


def _account(app: Flask, person: Person) -> Any:
    with app.app_context(), services(app).sessions() as session:
        return list(conversations(session, person.id))


def test_replayed_completion_shows_quotes_only_after_membership_is_lost(app: Flask, ada: Person) -> None:
    vault = closed(app, "ada")
    for stream_ in (False, True):
        body = {"model": "extractive", "messages": [{"role": "user", "content": QUESTION}], "stream": stream_}
        headers = ada.headers | {"Idempotency-Key": f"completion {stream_}".replace(" ", "-")}
        first, second = (
            _complete(app, body, headers, before=(lambda: None, lambda: lose_membership(app, vault, ada))[number])
            for number in range(2)
        )
        assert set(told(first)) == set(HIDDEN)
        assert told(second) == []
        assert QUOTED in second
        with services(app).sessions() as session:
            collections.add_member(session, vault, "ada")


def _complete(app: Flask, body: dict[str, Any], headers: dict[str, str], before: Callable[[], None]) -> str:
    before()
    answer = app.test_client().post("/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200
    return answer.text


def test_nearest_documents_are_those_the_reader_may_read(app: Flask, ada: Person, bob: Person) -> None:
    with app.app_context(), services(app).sessions() as session:
        collections.add_member(session, collections.create_collection(session, "staff", "members").id, "ada")
    add_and_ingest(app, RETURNS, title=TITLE, collection="staff")
    add_and_ingest(app, HOURS, title="For all")
    reply = ask(app, ada, "Who painted the ceiling of the Sistine Chapel?").json
    assert reply is not None
    chat = reply["chat_session_id"]
    call(app, ada, f"sessions/{chat}/members/", "POST", json={"username": "bob"})
    assert {doc["title"] for doc in reply["message"]["metadata"]["nearest_docs"]} == {TITLE, "For all"}

    seen = call(app, bob, f"sessions/{chat}/messages/").json["items"][1]["metadata"]

    assert [doc["title"] for doc in seen["nearest_docs"]] == ["For all"]


def test_search_in_history_does_not_look_into_passages(app: Flask, ada: Person, bob: Person) -> None:
    closed(app, "ada")
    shared(app, ada)

    for words in HIDDEN:
        assert call(app, bob, "history/", query_string={"q": words}).json["items"] == []
    assert len(call(app, bob, "history/", query_string={"q": QUOTED}).json["items"]) == 1


def test_visitor_reads_quotes_only_after_the_token_names_fewer_collections(app: Flask, ada: Person) -> None:
    closed(app, "ada")
    vera, later = visitor(app, ada, "vera", collections=["vault"]), visitor(app, ada, "vera")
    reply = ask(app, vera, QUESTION).json
    assert reply is not None
    assert set(told(json.dumps(reply))) == set(HIDDEN)

    chat = reply["chat_session_id"]

    assert set(told(call(app, vera, f"sessions/{chat}/messages/").text)) == set(HIDDEN)
    assert told(call(app, later, f"sessions/{chat}/messages/").text) == []


def test_key_of_a_former_administrator_reads_quotes_only(app: Flask, root: Person) -> None:
    sign_up(app, "second", admin=True)
    closed(app)
    with app.app_context(), services(app).sessions() as session:
        _, secret = keys.create_key(session, root.id, "k", [keys.CHAT], None)
    program = Person(root.id, "", secret, "")
    reply = ask(app, program, QUESTION).json
    assert reply is not None
    assert told(json.dumps(reply))
    with app.app_context(), services(app).sessions() as session:
        accounts.set_admin(session, "root", False)

    assert told(call(app, program, f"sessions/{reply['chat_session_id']}/messages/").text) == []


# Streams of others ----------------------------------------------------------------------------------------------------


@pytest.fixture
def talking(make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None) -> Flask:
    """With a model that takes its time, so that its stream can be joined."""
    app = with_model(make_app, openai_server, database_url=database_url)
    openai_server.say(MODEL, f"{QUOTED[:-1]} [1]. " + "And so on. " * 20)
    openai_server.behave(MODEL, "slow")
    return app


def test_joined_stream_hides_passages_from_nonmember_of_collection(talking: Flask) -> None:
    app = talking
    ada, bob = sign_up(app, "ada"), sign_up(app, "bob")
    closed(app, "ada")
    chat, _ = shared(app, ada)
    mine = open_stream(app, ada, QUESTION, chat_session_id=chat)
    events = events_of(mine.response)
    name, begun = next(events)
    assert name == "start"

    joined = app.test_client().get(
        f"/api/chat/messages/{begun['message_id']}/stream/", headers=bob.headers, buffered=False
    )
    theirs = list(events_of(joined.response))
    heard = list(events)

    assert [name for name, _ in theirs] == ["start", *(name for name, _ in heard)]
    assert set(told(json.dumps(heard))) == set(HIDDEN)
    assert told(json.dumps(theirs)) == []
    assert theirs[1][1]["retrieved_docs"] == []
    assert theirs[1][1]["grounding"] == heard[0][1]["grounding"]
    done = theirs[-1][1]["message"]
    quotes = [citation["quote"] for citation in done["metadata"]["citations"]]
    assert [doc["text"] for doc in done["metadata"]["retrieved_docs"]] == quotes == [QUOTED[:-1]]
    assert done["content"] == heard[-1][1]["message"]["content"]


def test_joined_stream_ends_with_unavailable_when_rights_cannot_be_asked(
    talking: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = talking
    ada, bob = sign_up(app, "ada"), sign_up(app, "bob")
    closed(app, "ada")
    chat, _ = shared(app, ada)
    mine = open_stream(app, ada, QUESTION, chat_session_id=chat)
    _, begun = next(events_of(mine.response))

    def away(*_args: Any) -> Any:
        raise OperationalError("SELECT", None, Exception("away"))

    monkeypatch.setattr(views, "readable_documents", away)
    theirs = app.test_client().get(f"/api/chat/messages/{begun['message_id']}/stream/", headers=bob.headers)
    mine.close()

    name, problem = list(events_of(theirs.response))[-1]
    assert (name, problem["code"]) == ("error", "unavailable")
    assert told(theirs.text) == []


def test_own_live_stream_shows_what_the_question_could_search(app: Flask, ada: Person) -> None:
    closed(app, "ada")

    events = dict(stream(app, ada, QUESTION))

    assert set(told(json.dumps(events["sources"]))) == {BESIDE, UNCITED, HEADING, "otters"}
    assert events["sources"]["retrieved_docs"] == events["done"]["message"]["metadata"]["retrieved_docs"]


def test_messages_of_a_page_are_looked_up_with_one_query(app: Flask, ada: Person) -> None:
    add_and_ingest(app, HOURS)
    chat = ask(app, ada).json["chat_session_id"]  # type: ignore[index]
    for _ in range(3):
        ask(app, ada, chat_session_id=chat)
    with services(app).sessions() as session:
        assert len(session.scalars(select(Message)).all()) == 8
    asked: list[str] = []
    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))

    call(app, ada, f"sessions/{chat}/messages/")

    assert sum("documents.title" in statement for statement in asked) == 1
