"""Answers whose process was killed are stored under the id that was promised."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from chatbot.auth.callers import Caller
from chatbot.chat import tasks
from chatbot.chat.conversations import leases
from chatbot.chat.conversations.answers import Answer
from chatbot.chat.models import ChatSession
from chatbot.chat.replies.turns import Turn, begin_again, begin_turn, store_answer
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from tests.chat.asking import ask, stored
from tests.conftest import HOURS, Person, add_and_ingest

AGAIN = "Once more, and this time to the end?"


@pytest.fixture
def app(app: Flask) -> Flask:
    add_and_ingest(app, HOURS)
    return app


def lost(app: Flask, person: Person, begin: Any = begin_turn, about: str = "When?", *more: Any) -> Turn:
    """A question whose process was killed before its answer was stored, a lease's time ago."""
    with services(app).sessions() as session:
        turn: Turn = begin(session, Caller(person.id, "family", "ada", False, True), about, *(more or (None, None)))
    run_out(app)
    return turn


def run_out(app: Flask) -> None:
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(ChatSession).values(answering_until=utcnow() - timedelta(seconds=1)))
        session.commit()


def sweep(app: Flask) -> None:
    with app.app_context():
        tasks.sweep()


def read(app: Flask, person: Person, turn: Turn) -> list[tuple[str, str, str]]:
    """(id, status, content) of the conversation's messages, as a client reads them."""
    answer = app.test_client().get(f"/api/chat/sessions/{turn.session_id}/messages/", headers=person.headers)
    return [(message["id"], message["status"], message["content"]) for message in answer.json["items"]]


def test_a_lost_answer_is_there_interrupted_and_empty_after_the_sweep(app: Flask, ada: Person) -> None:
    turn = lost(app, ada)

    sweep(app)
    sweep(app)

    assert read(app, ada, turn) == [(turn.question.id, "complete", "When?"), (turn.answer_id, "interrupted", "")]
    answer = stored(app)[-1]
    assert (answer.parent_id, answer.position, answer.is_user) == (turn.question.id, 1, False)
    assert (answer.extra["citations"], answer.extra["model"]) == ([], None)


def test_the_next_question_finds_the_lost_answer_in_its_place(app: Flask, ada: Person) -> None:
    turn = lost(app, ada)

    assert ask(app, ada, AGAIN, chat_session_id=turn.session_id).status_code == 200

    told = read(app, ada, turn)
    assert [status for _, status, _ in told] == ["complete", "interrupted", "complete", "complete"]
    assert told[1][0] == turn.answer_id
    assert [message.parent_id for message in stored(app)][2] == turn.answer_id


def test_an_answer_that_is_being_made_is_not_lost(app: Flask, ada: Person) -> None:
    with services(app).sessions() as session:
        turn = begin_turn(session, Caller(ada.id, "family", "ada", False, True), "When?", None, None)

    sweep(app)

    assert len(read(app, ada, turn)) == 1
    assert ask(app, ada, AGAIN, chat_session_id=turn.session_id).json["code"] == "reply_in_progress"


def test_a_second_answer_to_a_question_is_lost_beside_the_first(app: Flask, ada: Person) -> None:
    first = ask(app, ada, "When?").json
    turn = lost(app, ada, begin_again, first["message"]["id"], None)

    sweep(app)

    answers = [message for message in stored(app) if not message.is_user]
    assert {(message.id, message.parent_id) for message in answers} == {
        (first["message"]["id"], turn.question.id),
        (turn.answer_id, turn.question.id),
    }


def test_an_answer_that_comes_late_takes_the_place_of_the_empty_one(app: Flask, ada: Person) -> None:
    """A process that could not speak for its answer for a while, and was alive all the time."""
    turn = lost(app, ada)
    sweep(app)

    with services(app).sessions() as session:
        store_answer(session, turn, Answer("extractive", text="From nine to five."), "complete")

    assert read(app, ada, turn)[1] == (turn.answer_id, "complete", "From nine to five.")


def test_an_answer_whose_question_was_deleted_leaves_a_free_conversation(app: Flask, ada: Person) -> None:
    turn = lost(app, ada)
    with services(app).sessions() as session:
        begin_write(session)
        session.delete(session.get(type(turn.question), turn.question.id))
        session.commit()

    sweep(app)

    assert read(app, ada, turn) == []
    assert ask(app, ada, AGAIN, chat_session_id=turn.session_id).status_code == 200


def test_many_lost_answers_are_stored_batch_by_batch(app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BATCH", 2)
    for _ in range(5):
        lost(app, ada)

    with services(app).sessions() as session:
        assert leases.recover_abandoned(session) == 5

    assert [message.status for message in stored(app) if not message.is_user] == ["interrupted"] * 5
