"""Questions that an answer suggests, in the documents' own words."""

from __future__ import annotations

from typing import Any

from flask import Flask

from chatbot.current import services
from chatbot.knowledge.documents.collections import create_collection
from tests.chat.asking import ask, stream
from tests.conftest import HOURS, Person, add_and_ingest

FILLER = "It is written down here so that nobody has to ask at the desk. " * 12
GUIDE = "\n\n".join(
    [
        "# The museum",
        f"## Opening hours\n\nThe museum opens at nine and closes at six. {FILLER}",
        f"## Tickets and prices\n\nA ticket costs twelve euros. {FILLER}",
        f"## May I take photographs?\n\nYes, without a flash. {FILLER}",
        f"## Getting here\n\nTake the tram number four. {FILLER}",
    ]
)
QUESTION = "When does the museum close?"


def suggested(app: Flask, person: Person, message: str = QUESTION, **body: Any) -> list[str]:
    reply: Any = ask(app, person, message, **body).json
    found: list[str] = reply["message"]["metadata"]["suggestions"]
    return found


def test_the_documents_own_questions_come_first_and_then_headings_nearby(app: Flask, ada: Person) -> None:
    add_and_ingest(app, GUIDE, title="A guide")

    found = suggested(app, ada)

    assert found[0] == "May I take photographs?"
    assert set(found[1:]) == {"Tickets and prices?", "Getting here?"}
    assert suggested(app, ada) == found


def test_they_are_in_the_stream_as_well(app: Flask, ada: Person) -> None:
    add_and_ingest(app, GUIDE, title="A guide")

    assert stream(app, ada, QUESTION)[-1][1]["message"]["metadata"]["suggestions"] == suggested(app, ada)


def test_what_was_asked_is_not_suggested(app: Flask, ada: Person) -> None:
    add_and_ingest(app, GUIDE, title="A guide")
    first: Any = ask(app, ada, "May I take photographs in the museum?").json
    chat = first["chat_session_id"]

    assert "May I take photographs?" not in first["message"]["metadata"]["suggestions"]
    assert "May I take photographs?" not in suggested(app, ada, chat_session_id=chat)


def test_where_there_is_nothing_near_nothing_is_suggested(app: Flask, ada: Person) -> None:
    add_and_ingest(app, HOURS)

    assert suggested(app, ada, "When does the shop open on Saturdays?") == []
    assert suggested(app, ada, "Who painted the ceiling of the Sistine Chapel?") == []


def test_nothing_is_suggested_from_what_one_may_not_read(app: Flask, ada: Person) -> None:
    """J1"""
    with app.app_context(), services(app).sessions() as session:
        create_collection(session, "staff", "members")
    add_and_ingest(app, GUIDE.replace("museum", "museum of Oslo"), title="For staff", collection="staff")
    add_and_ingest(app, "The museum opens at nine and closes at six.", title="For all")

    assert suggested(app, ada) == []
