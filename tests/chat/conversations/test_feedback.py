"""What people say of answers."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.chat.asking import ask, stored, visitor
from tests.conftest import Person, sign_up


def rate(client: FlaskClient, person: Person, message_id: str, **body: Any) -> TestResponse:
    return client.post(f"/api/chat/messages/{message_id}/feedback/", json=body, headers=person.headers)


def answer_of(app: Flask, person: Person) -> str:
    reply = ask(app, person).json
    assert reply is not None
    return str(reply["message"]["id"])


def test_an_answer_is_rated_and_the_rating_is_in_the_list(app: Flask, client: FlaskClient, ada: Person) -> None:
    answer = answer_of(app, ada)

    rated = rate(client, ada, answer, rating="down", comment="That was last year's time. 二")

    assert rated.status_code == 200
    assert rated.json is not None
    feedback = rated.json["feedback"]
    assert (feedback["rating"], feedback["comment"]) == ("down", "That was last year's time. 二")
    assert feedback["at"].endswith("Z")
    url = f"/api/chat/sessions/{rated.json['chat_session_id']}/messages/"
    listed = client.get(url, headers=ada.headers).json
    assert listed is not None
    assert [message["feedback"] for message in listed["items"]] == [None, feedback]


def test_what_is_said_last_stands_and_can_be_taken_back(app: Flask, client: FlaskClient, ada: Person) -> None:
    answer = answer_of(app, ada)
    rate(client, ada, answer, rating="down", comment="No.")

    feedbacks = [
        rate(client, ada, answer, **body).json["feedback"]  # type: ignore[index]
        for body in ({"rating": "up"}, {"rating": None, "comment": "Hm."}, {"rating": None, "comment": ""})
    ]

    assert [(f["rating"], f["comment"]) for f in feedbacks[:2]] == [("up", None), (None, "Hm.")]
    assert feedbacks[2] is None


def test_only_an_answer_can_be_rated(app: Flask, client: FlaskClient, ada: Person) -> None:
    answer_of(app, ada)

    refused = rate(client, ada, stored(app)[0].id, rating="up")

    assert (refused.status_code, refused.json["code"]) == (422, "not_an_answer")  # type: ignore[index]
    assert {message.rating for message in stored(app)} == {None}


def test_a_strangers_answer_is_as_missing_as_none(app: Flask, client: FlaskClient, ada: Person, bob: Person) -> None:
    """F2, F3"""
    adas, veras = answer_of(app, ada), answer_of(app, visitor(app, ada, "vera"))

    for stranger, answer in ((bob, adas), (visitor(app, ada, "karl"), veras), (ada, veras)):
        told = [rate(client, stranger, wanted, rating="up") for wanted in (answer, str(uuid4()))]
        assert [(t.status_code, t.json["code"]) for t in told] == [(404, "message_not_found")] * 2  # type: ignore[index]

    assert {message.rating for message in stored(app)} == {None}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"rating": "up", "comment": "x" * 2000}, 200),
        ({"rating": "up", "comment": "x" * 2001}, 422),
        ({"rating": "sideways"}, 422),
        ({"rating": 1}, 422),
        ({"comment": "Without a rating"}, 422),
        ({"rating": "up", "user_id": "x"}, 422),
    ],
    ids=["longest", "too-long", "word", "number", "no-rating", "unknown-field"],
)
def test_feedback_has_limits(sqlite_app: Flask, body: dict[str, Any], status: int) -> None:
    """G9, F5"""
    ada = sign_up(sqlite_app, "ada")

    assert rate(sqlite_app.test_client(), ada, answer_of(sqlite_app, ada), **body).status_code == status
