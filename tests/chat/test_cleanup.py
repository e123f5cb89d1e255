"""Forgetting: messages older than RETENTION_DAYS, and conversations that nobody used since."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chatbot.chat import tasks
from chatbot.chat.conversations import service
from chatbot.chat.models import ChatSession, DailyUsage, Message
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from tests.chat.asking import ask, stored
from tests.conftest import Person, sign_up


def age(session: Session, model: type[ChatSession] | type[Message], days: float, **which: object) -> None:
    """Makes rows look older than they are."""
    then = utcnow() - timedelta(days=days)
    begin_write(session)
    times = {"created_at": then} | ({"updated_at": then} if model is ChatSession else {})
    session.execute(update(model).filter_by(**which).values(times))
    session.commit()


def test_what_is_older_than_the_retention_is_forgotten(app: Flask, ada: Person, session: Session) -> None:
    ask(app, ada, "Old")
    age(session, Message, 30.01)
    age(session, ChatSession, 30.01)
    ask(app, ada, "New")

    cleaned = service.clean_up(session, 30)

    assert (cleaned.deleted_sessions, cleaned.deleted_messages) == (1, 2)
    assert [message.content for message in stored(app) if message.is_user] == ["New"]


def test_what_is_younger_stays(app: Flask, ada: Person, session: Session) -> None:
    ask(app, ada, "Nearly old")
    age(session, Message, 29.99)
    age(session, ChatSession, 29.99)

    cleaned = service.clean_up(session, 30)

    assert (cleaned.deleted_sessions, cleaned.deleted_messages) == (0, 0)
    assert len(stored(app)) == 2


def test_a_conversation_with_newer_messages_stays_with_those(app: Flask, ada: Person, session: Session) -> None:
    reply = ask(app, ada, "Old").json
    assert reply is not None
    chat = reply["chat_session_id"]
    age(session, Message, 31)
    ask(app, ada, "New", chat_session_id=chat)
    age(session, ChatSession, 31, id=chat)

    cleaned = service.clean_up(session, 30)

    assert (cleaned.deleted_sessions, cleaned.deleted_messages) == (0, 2)
    assert session.scalars(select(ChatSession.id)).all() == [chat]
    question, answer = stored(app)
    assert (question.content, question.parent_id, answer.parent_id) == ("New", None, question.id)


def test_an_answer_whose_question_is_forgotten_meanwhile_is_stored_all_the_same(
    app: Flask, ada: Person, session: Session
) -> None:
    """N10"""
    from chatbot.auth.callers import Caller
    from chatbot.chat.conversations.answers import Answer
    from chatbot.chat.replies.turns import begin_turn, store_answer

    turn = begin_turn(session, Caller(ada.id, "family", "ada", False, True), "Old", None, None)
    age(session, Message, 31)
    service.clean_up(session, 30)

    message = store_answer(session, turn, Answer("extractive", "Late."), "complete")

    assert message is not None
    assert (message.parent_id, message.content) == (None, "Late.")


def test_the_daily_task_takes_the_days_from_the_settings(sqlite_app: Flask) -> None:
    ask(sqlite_app, sign_up(sqlite_app, "ada"), "Old")
    with sqlite_app.app_context(), services(sqlite_app).sessions() as session:
        age(session, Message, 31)

    tasks.cleanup()

    assert stored(sqlite_app) == []


def test_what_answers_cost_is_forgotten_after_ninety_days(app: Flask, ada: Person, session: Session) -> None:
    """N10"""
    today = utcnow().date()
    begin_write(session)
    days = [today - timedelta(days=ago) for ago in (0, 90, 91, 400)]
    session.add_all([DailyUsage(user_id=ada.id, day=day, answers=1, tokens=5) for day in days])
    session.commit()

    service.clean_up(session, 30)

    assert session.scalars(select(DailyUsage.day).order_by(DailyUsage.day.desc())).all() == days[:2]
