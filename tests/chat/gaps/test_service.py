"""What the documents do not answer."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from chatbot.chat.gaps import service
from chatbot.chat.gaps.service import MOST_SHOWN
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.documents.curated import LONGEST_QUESTION
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.models import Generation
from chatbot.rag.grounding import answerability
from tests.chat.asking import QUESTION, ask, with_model
from tests.conftest import HOURS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer


def gaps(client: FlaskClient, person: Person, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/api/knowledge/gaps/{query}", headers=person.headers)
    assert answer.status_code == 200, answer.json
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def test_questions_that_found_nothing_are_grouped_by_meaning(
    app: Flask, client: FlaskClient, ada: Person, bob: Person, root: Person
) -> None:
    ask(app, ada, "Do you ship parcels to Iceland?")
    ask(app, bob, "Can you ship parcels to Iceland?")
    ask(app, ada, "What is the phone number of the repair workshop?")

    found = gaps(client, root)

    assert [(gap["question"], gap["count"], gap["fell_back"], gap["voted_down"]) for gap in found] == [
        ("Can you ship parcels to Iceland?", 2, 2, 0),
        ("What is the phone number of the repair workshop?", 1, 1, 0),
    ]
    assert found[0]["questions"] == ["Can you ship parcels to Iceland?", "Do you ship parcels to Iceland?"]
    assert len(gaps(client, root, "?limit=1")) == 1


def test_greetings_are_no_gaps_and_hide_none(
    app: Flask, client: FlaskClient, ada: Person, root: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_READ", 2)
    ask(app, ada, "Do you ship parcels to Iceland?")
    for greeting in ("Hello!", "Thank you!", "Hi"):
        message = ask(app, ada, greeting).json["message"]  # type: ignore[index]
        client.post(f"/api/chat/messages/{message['id']}/feedback/", json={"rating": "down"}, headers=ada.headers)
    assert [gap["question"] for gap in gaps(client, root)] == ["Do you ship parcels to Iceland?"]


def test_an_answer_that_was_voted_down_is_a_gap_and_one_that_was_not_is_none(
    app: Flask, client: FlaskClient, ada: Person, root: Person
) -> None:
    add_and_ingest(app, HOURS, title="Hours")
    ask(app, ada)
    assert gaps(client, root) == []

    message = ask(app, ada).json["message"]  # type: ignore[index]
    address = f"/api/chat/messages/{message['id']}/feedback/"
    assert client.post(address, json={"rating": "down"}, headers=ada.headers).status_code == 200

    assert [(gap["question"], gap["count"], gap["voted_down"]) for gap in gaps(client, root)] == [(QUESTION, 1, 1)]


def test_nothing_tells_who_asked(app: Flask, client: FlaskClient, ada: Person, root: Person) -> None:
    for number in range(MOST_SHOWN + 2):
        ask(app, ada, f"Do you ship parcels to Iceland{'!' * number}?")

    (gap,) = gaps(client, root)

    assert set(gap) == {"question", "questions", "count", "fell_back", "voted_down", "last_asked_at", "resolved"}
    assert (gap["count"], len(gap["questions"])) == (MOST_SHOWN + 2, MOST_SHOWN)
    assert "ada" not in str(gap) and ada.id not in str(gap)  # noqa: PT018


def test_a_long_question_is_shown_as_far_as_it_can_be_dealt_with(
    app: Flask, client: FlaskClient, ada: Person, root: Person
) -> None:
    ask(app, ada, "Do you ship parcels\n\nto Iceland? " + "By boat, and when? " * 100)

    (gap,) = gaps(client, root)

    assert gap["question"].startswith("Do you ship parcels to Iceland? By boat")
    assert 190 < len(gap["question"]) <= LONGEST_QUESTION
    case = {"question": gap["question"], "answer": "We do, in five days."}
    assert client.post("/api/knowledge/gaps/resolve/", json=case, headers=root.headers).status_code < 300


def test_a_deleted_conversation_leaves_no_gap(app: Flask, client: FlaskClient, ada: Person, root: Person) -> None:
    reply = ask(app, ada, "Do you ship parcels to Iceland?").json

    assert reply is not None
    client.delete(f"/api/chat/sessions/{reply['chat_session_id']}/", headers=ada.headers)

    assert gaps(client, root) == []


def test_a_document_closes_a_gap(app: Flask, client: FlaskClient, ada: Person, root: Person) -> None:
    question = "Do you ship parcels to Iceland?"
    ask(app, ada, question)
    add_and_ingest(app, "We ship parcels to Iceland within five days.", title=question, document_type="FAQ")

    message = ask(app, ada, question).json["message"]  # type: ignore[index]

    assert "within five days" in message["content"]
    assert [gap["count"] for gap in gaps(client, root)] == [1]


def test_the_command_lists_them_too(app: Flask, ada: Person) -> None:
    ask(app, ada, "Do you ship parcels to Iceland?")

    result = app.test_cli_runner().invoke(args=["gaps", "list"])

    assert result.exit_code == 0, result.output
    assert "Do you ship parcels to Iceland?" in result.output


# Closing a gap

ICELAND = "Do you ship parcels to Iceland?"
ANSWER = "Yes: every Tuesday a lorry brings them to the ferry, for nine euros."


def resolve(app: Flask, person: Person, **body: Any) -> Any:
    """POST gaps/resolve/, and what a worker does then."""
    answer = app.test_client().post("/api/knowledge/gaps/resolve/", json=body, headers=person.headers)
    if answer.status_code == 202:
        with app.app_context(), services(app).sessions() as session:
            ingest.ingest(session, services(app).embedders, answer.json["document"]["id"], 60)  # type: ignore[index]
    return answer


def test_a_gap_that_was_answered_is_resolved_and_open_again_when_it_comes_back(
    app: Flask, client: FlaskClient, ada: Person, root: Person
) -> None:
    ask(app, ada, ICELAND)
    ask(app, ada, "What is the phone number of the repair workshop?")

    document = resolve(app, root, question=ICELAND, answer=ANSWER).json["document"]
    left, done, everything = (gaps(client, root, query) for query in ("", "?status=resolved", "?status=all"))

    assert [gap["question"] for gap in left] == ["What is the phone number of the repair workshop?"]
    assert [gap["question"] for gap in done] == [ICELAND]
    assert (done[0]["resolved"]["document_id"], done[0]["resolved"]["question"]) == (document["id"], ICELAND)
    assert len(everything) == 2

    message = ask(app, ada, ICELAND).json["message"]  # type: ignore[index]
    address = f"/api/chat/messages/{message['id']}/feedback/"
    client.post(address, json={"rating": "down"}, headers=ada.headers)
    back = {gap["question"]: gap for gap in gaps(client, root)}
    assert back[ICELAND]["resolved"]["document_id"] == document["id"]

    again = resolve(app, root, question=ICELAND, answer="No, not any more.").json["document"]
    assert (again["id"], again["version"]) == (document["id"], 2)
    assert ICELAND not in {gap["question"] for gap in gaps(client, root)}


def test_an_answer_about_one_place_does_not_resolve_what_was_asked_of_another(
    app: Flask, client: FlaskClient, ada: Person, root: Person
) -> None:
    for place in ("Norway", "Iceland"):
        ask(app, ada, f"Do you ship parcels to {place}?")

    resolve(app, root, question=ICELAND, answer=ANSWER)

    assert [gap["question"] for gap in gaps(client, root)] == ["Do you ship parcels to Norway?"]


def test_deleting_the_answer_opens_the_gap(app: Flask, client: FlaskClient, ada: Person, root: Person) -> None:
    ask(app, ada, ICELAND)
    document = resolve(app, root, question=ICELAND, answer=ANSWER).json["document"]

    client.delete(f"/api/knowledge/documents/{document['id']}/", headers=root.headers)

    assert [gap["question"] for gap in gaps(client, root)] == [ICELAND]


def near_documents(app: Flask) -> None:
    """Many that say nearly what is asked."""
    for number, place in enumerate(("Norway", "Sweden", "Malta", "Cyprus", "Ireland", "Estonia", "Latvia", "Iceland")):
        text = f"We ship parcels to {place}. Parcels to {place} are shipped {number + 2} times a week by air."
        add_and_ingest(app, text, title=f"Shipping parcels to {place}")
    add_and_ingest(
        app, "Do you ship parcels to Iceland? Ask the desk: it knows whether we ship parcels to Iceland.", title="FAQ"
    )


@pytest.mark.parametrize(
    "question",
    [ICELAND, "do you ship parcels to iceland", "Can you ship parcels to Iceland?"],
    ids=["same", "bare", "near"],
)
def test_a_curated_answer_comes_first_among_many_near_documents(
    app: Flask, ada: Person, root: Person, question: str
) -> None:
    near_documents(app)
    before = ask(app, ada, question).json["message"]  # type: ignore[index]
    document = resolve(app, root, question=ICELAND, answer=ANSWER).json["document"]

    message = ask(app, ada, question).json["message"]  # type: ignore[index]

    assert "lorry" not in before["content"]
    first, *others = message["metadata"]["retrieved_docs"]
    assert (first["document_id"], first["scores"]["curated"] >= 0.75) == (document["id"], True)
    assert others and all("curated" not in other["scores"] for other in others)  # noqa: PT018
    assert message["content"].startswith("Yes: every Tuesday a lorry brings them to the ferry")
    assert {c["document_id"] for c in message["metadata"]["citations"]} == {document["id"]}
    assert all(c["verified"] for c in message["metadata"]["citations"])


def test_another_question_is_not_given_the_curated_answer(app: Flask, ada: Person, root: Person) -> None:
    near_documents(app)
    resolve(app, root, question=ICELAND, answer=ANSWER)

    for question in ("Do you ship parcels to Norway?", "Don't you ship parcels to Iceland?"):
        message = ask(app, ada, question).json["message"]  # type: ignore[index]
        assert all("curated" not in d["scores"] for d in message["metadata"]["retrieved_docs"])
    assert "Norway" in ask(app, ada, "Do you ship parcels to Norway?").json["message"]["content"]  # type: ignore[index]


def test_a_language_model_gets_the_curated_answer_first_and_past_a_gate_that_would_refuse(
    make_app: MakeApp, openai_server: OpenAIServer
) -> None:
    app = with_model(make_app, openai_server, no_context_behavior="refuse")
    ada, root = sign_up(app, "ada"), sign_up(app, "root", admin=True)
    near_documents(app)
    resolve(app, root, question=ICELAND, answer=ANSWER)
    never = answerability.Gate((0.0,) * 8, (1.0,) * 8, (0.0,) * 8, 0.0, 0.0, 0.9)
    with app.app_context(), services(app).sessions() as session:
        begin_write(session)
        session.scalars(select(Generation)).one().gate = never.as_json()
        session.commit()
    openai_server.say("gpt-3.5-turbo", "Every Tuesday a lorry brings them to the ferry, for nine euros [1].")

    message = ask(app, ada, "Can you ship parcels to Iceland?").json["message"]  # type: ignore[index]
    other = ask(app, ada, "Do you ship parcels to Malta?").json["message"]  # type: ignore[index]

    (prompt,) = [seen.messages[0][1] for seen in openai_server.streams()]
    assert "[1] Do you ship parcels to Iceland?" in prompt
    assert "[2]" not in prompt
    assert message["metadata"]["grounding"]["status"] == "grounded"
    assert message["metadata"]["citations"][0]["quote"] == ANSWER
    assert other["metadata"]["grounding"]["status"] == "fallback"


def test_a_curated_answer_is_a_document_like_any_other(
    app: Flask, client: FlaskClient, ada: Person, root: Person
) -> None:
    document = resolve(app, root, question=f"  {ICELAND}\n", answer=ANSWER).json["document"]

    read = client.get(f"/api/knowledge/documents/{document['id']}/", headers=root.headers).json
    text = client.get(f"/api/knowledge/documents/{document['id']}/content/", headers=root.headers).data.decode()
    same = resolve(app, root, question=ICELAND, answer=ANSWER)

    assert read is not None
    assert (read["title"], read["document_type"], read["metadata"]) == (
        ICELAND,
        "curated",
        {"curated": True, "question": ICELAND},
    )
    assert text == f"# {ICELAND}\n\n{ANSWER}\n"
    assert (same.status_code, same.json["document"]["version"]) == (200, 1)
    client.delete(f"/api/knowledge/documents/{document['id']}/", headers=root.headers)
    message = ask(app, ada, ICELAND).json["message"]  # type: ignore[index]
    assert message["metadata"]["grounding"]["status"] == "fallback"


def test_a_document_becomes_a_curated_answer_by_its_type_and_kept_answers_know(make_app: MakeApp) -> None:
    app = make_app(answer_cache_seconds=60)
    ada, root = sign_up(app, "ada"), sign_up(app, "root", admin=True)
    near_documents(app)
    document = add_and_ingest(app, ANSWER, title=ICELAND)
    address = f"/api/knowledge/documents/{document.id}/"
    answers = []

    for kind in ("article", "curated", "article"):
        app.test_client().patch(address, json={"document_type": kind}, headers=root.headers)
        answers.append(ask(app, ada, ICELAND).json["message"]["metadata"]["retrieved_docs"])  # type: ignore[index]

    assert ["curated" in found[0]["scores"] for found in answers] == [False, True, False]


def test_a_curated_answer_of_a_closed_collection_is_for_its_readers(
    app: Flask, client: FlaskClient, ada: Person, root: Person
) -> None:
    """G9"""
    client.post("/api/knowledge/collections/", json={"name": "in", "visibility": "members"}, headers=root.headers)
    resolve(app, root, question=ICELAND, answer=ANSWER, collection="in")

    theirs, own = (ask(app, who, ICELAND).json["message"] for who in (ada, root))  # type: ignore[index]

    assert (theirs["metadata"]["grounding"]["status"], "lorry" in own["content"]) == ("fallback", True)


def test_a_question_with_its_documents_becomes_a_case_and_resolves_the_gap(
    app: Flask, client: FlaskClient, ada: Person, root: Person
) -> None:
    ask(app, ada, ICELAND)
    document = add_and_ingest(app, "Parcels go to Iceland as well.", title="Places")

    made = resolve(app, root, question=ICELAND, relevant=[document.id])

    assert (made.status_code, made.json) == (
        201,
        {"document": None, "case": {"set": "gaps", "question": ICELAND, "relevant": [document.id]}},
    )
    (gap,) = gaps(client, root, "?status=resolved")
    assert (gap["resolved"]["evaluation_set"], gap["resolved"]["document_id"]) == ("gaps", None)
    assert gaps(client, root) == []


NOWHERE = "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"question": ICELAND}, "/answer"),
        ({"question": ICELAND, "answer": "Yes.", "relevant": [NOWHERE]}, "/answer"),
        ({"question": ICELAND, "relevant": [NOWHERE]}, "/relevant/0"),
        ({"question": ICELAND, "relevant": []}, "/relevant"),
        ({"question": " ", "answer": "Yes."}, "/question"),
        ({"question": "\u200b", "answer": "Yes."}, "/question"),
        ({"question": "?" * 201, "answer": "Yes."}, "/question"),
        ({"question": ICELAND, "answer": " "}, "/answer"),
        ({"question": ICELAND, "answer": "Yes.", "set": "a"}, "/set"),
        ({"question": ICELAND, "answer": "Yes.", "collection": "\u200b"}, "/collection"),
        ({"question": ICELAND, "relevant": [NOWHERE], "set": "\u200b"}, "/set"),
        ({"question": ICELAND, "relevant": [NOWHERE], "collection": "a"}, "/collection"),
    ],
    ids=[
        "neither",
        "both",
        "no_document",
        "none",
        "blank",
        "invisible",
        "long",
        "blank_answer",
        "set",
        "collection",
        "set_name",
        "collection_of_case",
    ],
)
def test_a_resolution_that_says_too_little_is_refused(
    app: Flask, root: Person, body: dict[str, Any], pointer: str
) -> None:
    answer = resolve(app, root, **body)

    assert (answer.status_code, [error["pointer"] for error in answer.json["errors"]]) == (422, [pointer])


def test_the_command_closes_a_gap_either_way(app: Flask, ada: Person) -> None:
    def run(*args: str) -> tuple[int, str]:
        result = app.test_cli_runner().invoke(args=["gaps", *args])
        return result.exit_code, result.output

    ask(app, ada, ICELAND)
    document = add_and_ingest(app, "Parcels go to Iceland as well.", title="Places")

    assert run("resolve", ICELAND, "--relevant", document.id, "--set", "mine")[1].startswith(
        "The question is in the set mine"
    )
    assert run("resolve", "What does it cost?", "--answer", "Nine euros.")[1].startswith("added: ")
    assert ICELAND not in run("list")[1]
    assert "set mine" in run("list", "--status", "resolved")[1]
    assert run("resolve", ICELAND, "--relevant", NOWHERE) == (1, "Error: relevant/0: There is no such document.\n")
    assert run("resolve", ICELAND)[0] == run("resolve", ICELAND, "--answer", "Yes.", "--set", "mine")[0] == 2
