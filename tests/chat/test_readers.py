"""Who reads what, as seen from outside: in the prompt that the model gets, the answer, its citations and the log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from chatbot.auth.credentials import keys
from chatbot.current import services
from chatbot.knowledge.documents import collections, service
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.models import Collection
from chatbot.logs import configure_logs
from tests.auth.world import dump
from tests.chat.asking import ask, stored, stream, visitor, with_model
from tests.conftest import HOURS, RETURNS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

# The question has none of the canaries, so wherever one turns up the document was read.
CODE, KNOWERS, NAME = "heron-4419-quill", "only the board has been told", "vault-of-zorblax"
SECRET = f"The code of the vault in the cellar is {CODE}, and {KNOWERS} so far."
QUESTION = "What is the code of the vault in the cellar?"
SAME = {"instance", "request_id"}


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Logging is one for the process."""
    yield
    configure_logs("WARNING", "console")


@pytest.fixture
def app(make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None) -> Flask:
    """With a language model whose prompts can be read."""
    return with_model(make_app, openai_server, database_url=database_url)


@pytest.fixture
def other(make_app: MakeApp, app: Flask, openai_server: OpenAIServer, database_url: str | None) -> Flask:
    """Another process on the same database."""
    instance = services(app).settings.instance_path
    return with_model(make_app, openai_server, database_url=database_url, instance_path=instance)


def closed(app: Flask, name: str, *members: str) -> str:
    """A collection for members only; gives its id."""
    with services(app).sessions() as session:
        made = collections.create_collection(session, name, "members")
        for member in members:
            collections.add_member(session, made.id, member)
        return made.id


def secret(app: Flask, *members: str, name: str = "board") -> str:
    """The secret document in a closed collection beside a public one; gives the collection's id."""
    made = closed(app, name, *members)
    add_and_ingest(
        app, SECRET, title=NAME, source=f"{NAME}.md", document_type=NAME, extra={"team": NAME}, collection=name
    )
    add_and_ingest(app, HOURS)
    return made


def search(app: Flask, person: Person, q: str = QUESTION, **query: Any) -> Any:
    return app.test_client().get("/api/knowledge/search/", query_string={"q": q, **query}, headers=person.headers)


def texts(app: Flask, person: Person, q: str = QUESTION, **query: Any) -> list[str]:
    return [item["text"] for item in search(app, person, q, k=50, **query).json["items"]]


def prompt_of(server: OpenAIServer, call: Callable[[], Any]) -> str:
    """Everything that the model's server was sent during a call."""
    before = len(server.requests)
    call()
    return json.dumps([seen.body for seen in server.requests[before:]])


def reads(server: OpenAIServer, app: Flask, person: Person, **body: Any) -> bool:
    """Whether the secret reaches the prompt of a new question of theirs; the answer has to say the same."""
    answers: list[Any] = []
    prompt = prompt_of(server, lambda: answers.append(ask(app, person, QUESTION, **body)))
    assert answers[0].status_code == 200, answers[0].json
    told = KNOWERS in answers[0].text
    assert (CODE in prompt, KNOWERS in prompt, NAME in prompt) == (told,) * 3
    return told


def key_of(app: Flask, owner: Person, *scopes: str) -> Person:
    with app.app_context(), services(app).sessions() as session:
        _, shown = keys.create_key(session, owner.id, "A key", list(scopes), None)
    return Person(owner.id, "", shown, "")


def plain(answer: Any) -> dict[str, Any]:
    """A problem without what differs from one request to the next."""
    return {key: value for key, value in answer.json.items() if key not in SAME}


# Strangers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["hybrid", "dense", "keyword"])
def test_a_search_finds_nothing_of_a_closed_collection(app: Flask, ada: Person, bob: Person, mode: str) -> None:
    """J1: not by meaning, not by its very words, not by its title, its id or a filter."""
    secret(app, "ada")
    (document,) = {item["document_id"] for item in search(app, ada, CODE, k=1).json["items"]}
    narrowed = [
        {},
        {"filter": f"title:{NAME}"},
        {"filter": f"team:{NAME}"},
        {"filter": f"document_type:{NAME}"},
        {"filter": "-title:nothing"},
        {"filter": "-language:xx,-team:x"},
        {"variety": "1"},
    ]
    for question in (QUESTION, SECRET, CODE, KNOWERS, NAME, f"{NAME}.md", document, "board"):
        for query in narrowed:
            answer = search(app, bob, question, k=50, mode=mode, **query)
            assert (answer.status_code, [text for text in (CODE, KNOWERS, NAME) if text in answer.text]) == (200, [])
    assert SECRET in texts(app, ada, mode=mode)
    assert texts(app, ada, mode=mode, filter=f"team:{NAME}") == [SECRET]


@pytest.mark.parametrize("streamed", [False, True])
def test_nothing_of_a_closed_collection_reaches_a_strangers_prompt_answer_citations_or_log(
    app: Flask, openai_server: OpenAIServer, ada: Person, bob: Person, capsys: Any, streamed: bool
) -> None:
    """J1"""
    secret(app, "ada")
    openai_server.say("gpt-3.5-turbo", lambda body: f"I was told: {body['messages']} [1].")
    assert CODE in prompt_of(openai_server, lambda: ask(app, ada, QUESTION))
    assert KNOWERS in stored(app)[-1].content
    configure_logs("DEBUG", "json")
    capsys.readouterr()

    def put(question: str, **body: Any) -> str:
        if streamed:
            return json.dumps(stream(app, bob, question, **body))
        return str(ask(app, bob, question, **body).text)

    # Each question against the canaries that it does not have itself. The model gives away all that it was told, so
    # an answer with its passages and citations holds whatever its prompt held.
    first = ask(app, bob, "Is there a cellar?").json["chat_session_id"]  # type: ignore[index]
    sent = len(openai_server.requests)
    for question, kept, body in (
        (QUESTION, (CODE, KNOWERS, NAME), {}),
        (CODE, (KNOWERS, NAME), {}),
        (KNOWERS, (CODE, NAME), {}),
        (f"{NAME}.md", (CODE, KNOWERS), {}),
        ("And its code?", (CODE, KNOWERS, NAME), {"chat_session_id": first}),
        (QUESTION, (CODE, KNOWERS, NAME), {"collections": ["default"]}),
    ):
        told = put(question, **body)
        prompts = json.dumps([seen.body for seen in openai_server.requests[sent:]])
        assert [text for text in kept if text in prompts or text in told] == []
        sent = len(openai_server.requests)
    log = capsys.readouterr().err
    assert log
    assert [text for text in (CODE, KNOWERS, NAME) if text in log] == []


def test_a_closed_collection_and_a_missing_one_cannot_be_told_apart(app: Flask, ada: Person, bob: Person) -> None:
    """A7 J1: and neither is stored of the question."""
    secret(app, "ada")
    before = dump(app)
    for mixed in ([], ["default"]):
        hidden = ask(app, bob, collections=["board", *mixed])
        missing = ask(app, bob, collections=["nowhere", *mixed])
        assert (hidden.status_code, hidden.json["code"]) == (404, "collection_not_found")  # type: ignore[index]
        assert plain(hidden) == plain(missing)
    assert ask(app, bob, collections=["board"], stream=True).status_code == 404
    assert ask(app, bob, collections=["board"], key="a-key").status_code == 404
    assert plain(search(app, bob, collection="board")) == plain(search(app, bob, collection="nowhere"))
    assert search(app, bob, collection="board").status_code == 404
    assert dump(app) == before


def test_names_are_read_alike_everywhere(app: Flask, openai_server: OpenAIServer, ada: Person, root: Person) -> None:
    """However its spaces are typed, and wherever: in a question, a search, a list and a visitor's token."""
    secret(app, "ada", name="the board")
    odd = " the \t board\u200b "
    assert reads(openai_server, app, ada, collections=[odd])
    assert SECRET in texts(app, ada, collection=odd)
    assert reads(openai_server, app, visitor(app, ada, "anna", collections=[odd]), collections=["the  board"])
    listed = app.test_client().get("/api/knowledge/documents/", query_string={"collection": odd}, headers=root.headers)
    assert [document["title"] for document in listed.json["items"]] == [NAME]  # type: ignore[index]


@pytest.mark.parametrize("name", [" ", "\u200b", "\t\n"], ids=["space", "invisible", "tab"])
def test_a_name_with_nothing_to_show_is_pointed_at(app: Flask, ada: Person, name: str) -> None:
    """G9"""
    answer = ask(app, ada, collections=["default", name])
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == ["/collections/1"]  # type: ignore[index]


def test_the_default_collection_may_be_named_before_there_is_a_document(app: Flask, ada: Person, root: Person) -> None:
    assert ask(app, ada, collections=["default"]).status_code == 200
    assert texts(app, ada, collection="default") == []
    assert ask(app, ada, collections=["default", "nowhere"]).status_code == 404
    client = app.test_client()
    there = client.get("/api/knowledge/collections/", headers=root.headers).json["items"]  # type: ignore[index]
    where = f"/api/knowledge/collections/{there[0]['id']}/"
    assert client.patch(where, json={"visibility": "members"}, headers=root.headers).status_code == 200
    assert ask(app, ada, collections=["default"]).status_code == 404
    assert ask(app, root, collections=["default"]).status_code == 200


# What changes between two questions -----------------------------------------------------------------------------------


def test_a_membership_counts_from_the_next_question_on_in_every_process(
    app: Flask, other: Flask, openai_server: OpenAIServer, ada: Person, root: Person
) -> None:
    """J1"""
    board = secret(app)
    members = f"/api/knowledge/collections/{board}/members/"
    client = app.test_client()
    assert not reads(openai_server, app, ada)
    assert not reads(openai_server, other, ada)
    client.post(members, json={"username": "ada"}, headers=root.headers)
    assert reads(openai_server, other, ada)
    assert reads(openai_server, app, ada, collections=["board"])
    talk = ask(other, ada, QUESTION).json["chat_session_id"]  # type: ignore[index]
    client.delete(f"{members}{ada.id}/", headers=root.headers)
    assert not reads(openai_server, other, ada)
    assert not reads(openai_server, app, ada)
    assert texts(other, ada) == [HOURS]
    assert ask(other, ada, collections=["board"]).status_code == 404
    # What they were told stays in their talk, but nothing new comes to it.
    reply = ask(other, ada, QUESTION, chat_session_id=talk).json
    assert reply is not None
    assert reply["message"]["metadata"]["retrieved_docs"] == []


def test_a_collection_that_is_closed_is_closed_from_the_next_question_on(
    app: Flask, other: Flask, openai_server: OpenAIServer, ada: Person, bob: Person, root: Person
) -> None:
    """J1: and open again once it is opened."""
    board = secret(app, "ada")
    where, client = f"/api/knowledge/collections/{board}/", app.test_client()
    for visibility, expected in (("everyone", True), ("members", False), ("everyone", True), ("members", False)):
        changed = client.patch(where, json={"visibility": visibility}, headers=root.headers)
        assert changed.json["visibility"] == visibility  # type: ignore[index]
        assert reads(openai_server, other, bob) is expected
        assert (SECRET in texts(app, bob)) is expected
        assert reads(openai_server, other, ada)


def test_a_lost_role_counts_from_the_next_question_on(app: Flask, openai_server: OpenAIServer, root: Person) -> None:
    """F7"""
    from chatbot.auth import accounts

    sign_up(app, "second", admin=True)
    secret(app)
    assert reads(openai_server, app, root)
    with app.app_context(), services(app).sessions() as session:
        accounts.set_admin(session, "root", False)
    assert not reads(openai_server, app, root)


def test_a_document_is_gone_at_once_when_it_is_deleted_replaced_or_failed(
    app: Flask, other: Flask, openai_server: OpenAIServer, ada: Person
) -> None:
    """J3: in this process and in another, in searches and in prompts."""
    board = secret(app, "ada")
    assert reads(openai_server, app, ada)
    assert reads(openai_server, other, ada)
    with services(app).sessions() as session:
        (document,) = service.list_documents(session, {"collection": "board"}, 1, None).items
        id_ = document.id
        session.rollback()
        new = service.NewDocument(RETURNS.encode(), media_type="text/markdown")
        service.put_content(session, id_, new)
        ingest.ingest(session, services(app).embedders, id_, 60)
    for process in (app, other):
        assert not reads_text(openai_server, process, ada)
        assert RETURNS in texts(process, ada, "refund", mode="keyword")
    with services(app).sessions() as session:
        service.delete_document(session, id_)
    for process in (app, other):
        for mode in ("hybrid", "dense", "keyword"):
            assert texts(process, ada, RETURNS, mode=mode) == [HOURS] * (mode != "keyword")
    failed = add_and_ingest(app, f"<html><head><title>{SECRET}</title></head><body></body></html>", collection="board")
    assert failed.status in ("failed", "ready")
    assert (failed.status, failed.collection_id) == ("failed", board)
    for process in (app, other):
        assert not reads_text(openai_server, process, ada)


def reads_text(server: OpenAIServer, app: Flask, person: Person) -> bool:
    """Whether the text of the secret reaches a prompt; its title may stay."""
    prompt = prompt_of(server, lambda: ask(app, person, QUESTION))
    found = [mode for mode in ("hybrid", "dense", "keyword") if any(CODE in t for t in texts(app, person, mode=mode))]
    return CODE in prompt or KNOWERS in prompt or bool(found)


# Shared and closed in one question ------------------------------------------------------------------------------------


def test_what_is_for_all_and_what_is_theirs_is_found_in_one_question(
    app: Flask, openai_server: OpenAIServer, ada: Person, bob: Person, root: Person
) -> None:
    """J15"""
    closed(app, "ada's", "ada")
    closed(app, "bob's", "bob")
    texts_of = {name: f"The museum's opening hours for {name}: nine to five on weekdays." for name in "abc"}
    add_and_ingest(app, texts_of["a"], collection="ada's")
    add_and_ingest(app, texts_of["b"], collection="bob's")
    add_and_ingest(app, texts_of["c"])
    question = "What are the museum's opening hours?"
    for person, expected in ((ada, "ac"), (bob, "bc"), (root, "abc")):
        for mode in ("hybrid", "dense", "keyword"):
            assert sorted(texts(app, person, question, mode=mode)) == [texts_of[name] for name in expected]
        prompt = prompt_of(openai_server, lambda person=person: ask(app, person, question))  # type: ignore[misc]
        assert [name for name in "abc" if texts_of[name] in prompt] == list(expected)


# Keys and visitors ----------------------------------------------------------------------------------------------------


def test_a_key_reads_what_its_owner_may(
    app: Flask, openai_server: OpenAIServer, ada: Person, bob: Person, root: Person
) -> None:
    """F7: an administrator's reads everything, with whatever scope it may ask at all."""
    secret(app, "ada")
    for owner, expected in ((ada, True), (bob, False), (root, True)):
        assert reads(openai_server, app, key_of(app, owner, "chat")) is expected
        assert reads(openai_server, app, key_of(app, owner, "admin")) is expected
        assert (SECRET in texts(app, key_of(app, owner, "knowledge:read"))) is expected


@pytest.mark.parametrize("named", [None, ["default"], ["board"], ["board", "default"]], ids=str)
def test_a_visitor_reads_what_is_for_everyone_and_what_the_owner_may_grant_by_name(
    app: Flask, openai_server: OpenAIServer, ada: Person, bob: Person, root: Person, named: list[str] | None
) -> None:
    """J1: ada is a member, bob is none, and root is an administrator."""
    secret(app, "ada")
    for owner, may_grant in ((ada, True), (bob, False), (root, True)):
        guest = visitor(app, owner, "anna", collections=named)
        assert reads(openai_server, app, guest) is (may_grant and "board" in (named or []))
        sees_hours = HOURS in prompt_of(openai_server, lambda guest=guest: ask(app, guest))  # type: ignore[misc]
        assert sees_hours is (named is None or "default" in named)


def test_a_visitor_cannot_ask_for_more_than_was_granted(app: Flask, ada: Person, bob: Person) -> None:
    """J1"""
    secret(app, "ada")
    beyond = ask(app, visitor(app, ada, "anna", collections=["default"]), collections=["board"])
    assert (beyond.status_code, beyond.json["code"]) == (403, "collection_not_allowed")  # type: ignore[index]
    for guest in (visitor(app, ada, "anna"), visitor(app, bob, "anna", collections=["board", "nowhere"])):
        hidden, missing = (ask(app, guest, collections=[name]) for name in ("board", "nowhere"))
        assert (hidden.status_code, plain(hidden)) == (404, plain(missing))
    assert stored(app) == []


def test_a_visitor_loses_what_the_owner_loses(
    app: Flask, openai_server: OpenAIServer, ada: Person, root: Person
) -> None:
    """J1: the token lives on, and reads no more than the owner by then."""
    board = secret(app, "ada")
    guest = visitor(app, ada, "anna", collections=["board"])
    assert reads(openai_server, app, guest)
    with services(app).sessions() as session:
        collections.remove_member(session, board, ada.id)
    assert not reads(openai_server, app, guest)
    with services(app).sessions() as session:
        assert session.get_one(Collection, board).visibility == "members"
