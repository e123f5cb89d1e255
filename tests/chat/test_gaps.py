"""What the documents do not answer."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from chatbot.chat.gaps import MOST_SHOWN
from tests.chat.asking import QUESTION, ask
from tests.conftest import HOURS, Person, put_in


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


def test_an_answer_that_was_voted_down_is_a_gap_and_one_that_was_not_is_none(
    app: Flask, client: FlaskClient, ada: Person, root: Person
) -> None:
    put_in(app, HOURS, title="Hours")
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

    assert set(gap) == {"question", "questions", "count", "fell_back", "voted_down", "last_asked_at"}
    assert (gap["count"], len(gap["questions"])) == (MOST_SHOWN + 2, MOST_SHOWN)
    assert "ada" not in str(gap) and ada.id not in str(gap)  # noqa: PT018


def test_a_deleted_conversation_leaves_no_gap(app: Flask, client: FlaskClient, ada: Person, root: Person) -> None:
    reply = ask(app, ada, "Do you ship parcels to Iceland?").json

    assert reply is not None
    client.delete(f"/api/chat/sessions/{reply['chat_session_id']}/", headers=ada.headers)

    assert gaps(client, root) == []


def test_a_document_closes_a_gap(app: Flask, client: FlaskClient, ada: Person, root: Person) -> None:
    question = "Do you ship parcels to Iceland?"
    ask(app, ada, question)
    put_in(app, "We ship parcels to Iceland within five days.", title=question, document_type="FAQ")

    message = ask(app, ada, question).json["message"]  # type: ignore[index]

    assert "within five days" in message["content"]
    assert [gap["count"] for gap in gaps(client, root)] == [1]


def test_the_command_lists_them_too(app: Flask, ada: Person) -> None:
    ask(app, ada, "Do you ship parcels to Iceland?")

    result = app.test_cli_runner().invoke(args=["knowledge", "gaps"])

    assert result.exit_code == 0, result.output
    assert "Do you ship parcels to Iceland?" in result.output
